"""A damaged or missing part of the reports costs lines of a report, never the end of a run."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import importer
from importer.commands.erase import erase
from importer.config import loader as configuration
from importer.errors import StateError
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer

KEY = "sk_test_parts"

CONFIG = """
name = "parts"
[source]
path = "list.csv"
[identity]
column = "id"
[destination]
type = "vevee"
api_key = "env:PARTS_KEY"
account = "test"
requests_per_second = 0
[attributes.plan]
type = "single_choice"
options = ["pro", "free"]
[attributes.age]
type = "number"
"""
ROWS = ("p1,pro,1", "p2,pro,old", "p3,free,3", "p4,gold,4", "p5,pro,5", "p6,pro,6")

Damage = Callable[[Path], object]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _empty(path: Path) -> None:
    """As a power cut leaves a file whose name came to the disk before its bytes."""
    path.write_bytes(b"")


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, SandboxServer]]:
    """The folder of a run that the reject limit stopped before its first call."""
    monkeypatch.setenv("PARTS_KEY", KEY)
    (tmp_path / "list.csv").write_text("\n".join(["id,plan,age", *ROWS]) + "\n")
    config = tmp_path / "import.toml"
    config.write_text(CONFIG)
    with sandbox.running(configuration.load(config), SandboxOptions(), KEY) as server:
        none = importer.RejectLimit(count=0)
        options = importer.Options(base_url=server.url, run_id="r", max_rejects=none)
        summary = importer.run(config, options=options)
        assert summary.exit_code == 6
        yield summary.folder, server


def _resumed(folder: Path, server: SandboxServer) -> importer.RunSummary:
    any_number = importer.RejectLimit(percent=100)
    options = importer.Options(base_url=server.url, max_rejects=any_number)
    return importer.resume(folder.parent.parent, "r", options)


def _lines(folder: Path) -> list[str]:
    with (folder / "rejects.csv").open(newline="") as file:
        return [line["distinct_id"] for line in csv.DictReader(file)]


def test_whole_parts_are_a_whole_report(stopped: tuple[Path, SandboxServer]) -> None:
    summary = _resumed(*stopped)
    assert (summary.exit_code, summary.message) == (0, "")
    assert _lines(stopped[0]) == ["p2", "p4"]


@pytest.mark.parametrize("damage", [_cut, _flip, _empty])
@pytest.mark.parametrize(("part", "report"), [("work", "rejects.csv"), ("kept", "rejected_rows")])
def test_a_run_with_a_damaged_part_sends_everything_and_says_what_is_not_complete(
    part: str, report: str, damage: Damage, stopped: tuple[Path, SandboxServer]
) -> None:
    folder, server = stopped
    path = folder / part / "batch-000000.parquet"
    damage(path)
    summary = _resumed(folder, server)
    assert (summary.state, summary.exit_code) == ("finished", 7)
    assert f"{path}: damaged, so this is not complete: {report}." in summary.message
    assert "importer check" in summary.message
    assert sorted(server.stored) == ["p1", "p2", "p3", "p4", "p5", "p6"]
    assert summary.values["applied"] == 2 * len(ROWS) - 2
    assert sum(count.count for count in summary.reject_counts) == 2
    assert _lines(folder) == ([] if part == "work" else ["p2", "p4"])


def test_lines_that_are_gone_are_counted(stopped: tuple[Path, SandboxServer]) -> None:
    folder, server = stopped
    (folder / "work/batch-000000.parquet").unlink()
    summary = _resumed(folder, server)
    assert (summary.state, summary.exit_code) == ("finished", 7)
    assert "2 of 2 lines are missing, so this is not complete: rejects.csv." in summary.message


def test_kept_rows_that_are_gone_are_counted(stopped: tuple[Path, SandboxServer]) -> None:
    folder, server = stopped
    (folder / "kept/batch-000000.parquet").unlink()
    summary = _resumed(folder, server)
    assert (summary.state, summary.exit_code) == ("finished", 7)
    assert "kept: 2 of 2 rows are missing, so this is not complete: rejected_rows." in summary.message
    assert _lines(folder) == ["p2", "p4"]


@pytest.mark.parametrize(
    "pattern",
    ["runs/r/run.json", "runs/r/summary.json", "runs/r/spool/manifest.json", "snapshots/*/manifest.json"],
)
def test_a_flipped_letter_in_the_state_is_said_and_nothing_is_sent(
    pattern: str, stopped: tuple[Path, SandboxServer]
) -> None:
    folder, server = stopped
    [path] = folder.parent.parent.glob(pattern)
    whole = path.read_bytes()
    letters = [at for at, byte in enumerate(whole) if chr(byte).isalpha()]
    for at in letters[:: max(1, len(letters) // 8)]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(StateError, match=r"damaged|are not there|another version"):
            _resumed(folder, server)
    assert server.stats.requests == 0
    path.write_bytes(whole)
    assert _resumed(folder, server).exit_code == 0


@pytest.mark.parametrize("damage", [_cut, _flip, _empty])
def test_commands_that_need_a_damaged_part_say_what_to_do(
    damage: Damage, stopped: tuple[Path, SandboxServer]
) -> None:
    folder, server = stopped
    assert _resumed(folder, server).exit_code == 0
    state, path = folder.parent.parent, folder / "kept/batch-000000.parquet"
    [rows] = (folder / "rejected_rows").iterdir()
    options = importer.Options(base_url=server.url)
    damage(path)
    sentence = "batch-000000.parquet: damaged .* Move this file away, then the same command again"
    with pytest.raises(StateError, match=sentence):
        list(importer.explain(state, "p2"))
    with pytest.raises(StateError, match=sentence):
        importer.retry(state, "r", rows, options)
    with pytest.raises(StateError, match=r"batch-000000.parquet: damaged .*importer runs --prune"):
        erase(state, "p2")
    path.rename(folder / "away")
    assert any("age" in line for line in importer.explain(state, "p2"))
    retried = importer.retry(state, "r", rows, importer.Options(base_url=server.url))
    assert retried.values["rejected"] == 2


def test_a_person_is_erased_from_a_whole_part(stopped: tuple[Path, SandboxServer]) -> None:
    folder, server = stopped
    assert _resumed(folder, server).exit_code == 0
    assert erase(folder.parent.parent, "p2").runs == 1
    [rows] = (folder / "rejected_rows").iterdir()
    assert rows.read_text() == "id,plan,age\np4,gold,4\n"
