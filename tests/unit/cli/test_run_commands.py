"""The commands that look at past runs: what they print of a run that is there, and of one that is not."""

import io
import json
import shlex
import shutil
import sys
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

import importer
from importer.cli import arguments, logs, run_commands
from importer.config import parse
from importer.config.show import as_toml
from importer.core.errors import ConfigError
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.storage.run_folder import RunFolder

KEY = "sk_test_past_runs"
MAPPING = {
    "name": "people",
    "source": {"path": "unused.csv"},
    "identity": {"column": "id"},
    "destination": {
        "type": "vevee",
        "api_key": "env:PAST_KEY",
        "account": "test",
        "requests_per_second": 5000,
    },
    "run": {"changed_only": True},
    "attributes": {"age": {"type": "number"}},
}

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A state folder with two runs of one import, and the URL of the destination that has their values."""
    folder = tmp_path_factory.mktemp("past")
    path = folder / "list.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAST_KEY", KEY)
        with sandbox.running(parse(MAPPING), SandboxOptions(), KEY) as server:
            for run_id, text in (("r1", "id,age\nu1,7\nu2,8\n"), ("r2", "id,age\nu1,70\nu2,eight\n")):
                path.write_text(text)
                options = importer.Options(state_dir=folder / "state", base_url=server.url, run_id=run_id)
                importer.run(MAPPING, [str(path)], options)
            yield folder / "state", server.url


@pytest.fixture
def state_dir(past: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of the state folder, which a test may change."""
    return Path(shutil.copytree(past[0], tmp_path / "state"))


@pytest.fixture
def call(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs one command on the state folder; its exit code, and what it wrote to stdout and stderr."""

    def called(*words: object) -> tuple[int, str, str]:
        parsed = arguments.parse([*map(str, words), "--state-dir", str(state_dir)])
        with logs.logging_to_stderr():
            code = arguments.handler(parsed)(parsed)
        return code, *capsys.readouterr()

    return called


@pytest.mark.parametrize(
    ("words", "function"),
    [
        (["runs"], run_commands.runs),
        (["report"], run_commands.report),
        (["verify"], run_commands.verify),
        (["explain", "u1"], run_commands.explain),
        (["undo"], run_commands.undo),
        (["erase", "u1"], run_commands.erase),
        (["forget", "u1"], run_commands.erase),
        (["snapshot", "export", "people.toml"], run_commands.snapshot),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_each_command_has_its_function(words: list[str], function: Callable[..., int]) -> None:
    assert arguments.handler(arguments.parse(words)) is function


def test_the_runs_are_listed_as_a_table_or_as_data(call: Call) -> None:
    code, out, err = call("runs")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["r1", "r2"]
    assert [run["run"] for run in json.loads(call("runs", "--json")[1])] == ["r1", "r2"]


def test_no_runs_are_a_sentence_on_stderr(call: Call, state_dir: Path) -> None:
    shutil.rmtree(state_dir / "runs")
    sentence = f"importer: no runs in {state_dir}; another folder: importer runs --state-dir DIR\n"
    assert call("runs") == (0, "", sentence)
    assert call("runs", "--json") == (0, "[]\n", "")


def test_the_trends_are_a_page_whose_path_is_printed(call: Call, state_dir: Path) -> None:
    assert call("runs", "--html") == (0, f"{state_dir / 'trends-people.html'}\n", "")
    assert (state_dir / "trends-people.html").is_file()


def test_old_runs_are_removed_and_counted(call: Call, state_dir: Path) -> None:
    assert call("runs", "--prune", "1d") == (
        0,
        "",
        f"importer: 0 runs removed from {state_dir}, 2 kept\n",
    )
    meta = RunFolder(state_dir / "runs" / "r1").read_meta()
    RunFolder(state_dir / "runs" / "r1").write_meta(meta | {"started_at": "2020-01-01T00:00:00.000+00:00"})
    assert call("runs", "--prune", "1d")[2] == f"importer: 1 runs removed from {state_dir}, 1 kept\n"
    assert [path.name for path in (state_dir / "runs").iterdir()] == ["r2"]


def test_a_report_is_that_of_the_newest_run_unless_one_is_named(call: Call) -> None:
    code, out, _ = call("report")
    assert code == 0
    assert "  diff    0 new, 1 changed, 0 unchanged, 0 gone people" in out.splitlines()
    assert json.loads(call("report", "--json")[1])["run_id"] == "r2"
    assert json.loads(call("report", "r1", "--json")[1])["run_id"] == "r1"
    assert call("report", "--quiet") == (0, "", "")


def test_a_killed_run_has_no_summary_but_a_next_step(call: Call, state_dir: Path) -> None:
    RunFolder(state_dir / "runs" / "r2").summary.unlink()
    with pytest.raises(ConfigError) as caught:
        call("report", "r2")
    assert str(caught.value) == (
        "Run r2 has no summary: it is going on, or was killed; then: "
        f"importer resume r2 --state-dir {shlex.quote(str(state_dir))}"
    )


def test_a_copy_for_a_spreadsheet_is_written_and_its_path_printed(call: Call, state_dir: Path) -> None:
    folder = RunFolder(state_dir / "runs" / "r2")
    assert call("report", "--spreadsheet") == (0, f"{folder.rejects_spreadsheet}\n", "")
    assert '"eight"' in folder.rejects_spreadsheet.read_text("utf-8")
    folder.rejects.unlink()
    with pytest.raises(ConfigError, match=r"r2 has no rejects\.csv"):
        call("report", "--spreadsheet")


def test_a_copy_without_values_is_written_and_its_path_printed(call: Call, state_dir: Path) -> None:
    path = state_dir / "runs" / "r2" / "report-no-values.html"
    assert call("report", "--no-values") == (0, f"{path}\n", "")
    assert "<bdi>eight</bdi>" not in path.read_text()
    assert "<bdi>eight</bdi>" in path.with_name("report.html").read_text()


@pytest.mark.parametrize("opens", [True, False])
def test_a_report_that_no_browser_opens_says_so(
    call: Call,
    state_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    opens: bool,
) -> None:
    opened: list[str] = []

    def browse(url: str) -> bool:
        opened.append(url)
        return opens

    monkeypatch.setattr(webbrowser, "open", browse)
    path = state_dir / "runs" / "r2" / "report.html"
    problem = "" if opens else "importer: no browser could be opened; open the file above by hand.\n"
    assert call("report", "--open") == (0, f"{path}\n", problem)
    assert opened == [path.as_uri()]


def test_people_are_read_back_and_compared(
    call: Call, past: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAST_KEY", KEY)
    code, out, err = call("verify", "--base-url", past[1])
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "verify of r2: 1 people read back, exit 0"
    assert call("verify", "--base-url", past[1], "--quiet") == (0, "", "")
    found = json.loads(call("verify", "--base-url", past[1], "--json")[1])
    assert (found["run_id"], found["values"], found["differences"]) == ("r2", 1, [])


def test_one_person_is_explained_by_id_or_by_standard_input(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = call("explain", "u2")
    assert (code, err) == (0, "")
    assert "attribute_value_invalid" in out
    monkeypatch.setattr(sys, "stdin", io.StringIO("u2\r\n"))
    assert call("explain", "-")[1] == out


def test_an_undo_writes_a_file_with_the_values_of_before(call: Call) -> None:
    code, out, _ = call("undo", "r2")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith("1 values of 1 people can go back to what they were before, 0 of them are")
    assert Path(lines[-2].removeprefix("  file     ")).read_text().splitlines() == ["id,age", "u1,7"]


def test_the_snapshot_is_exported_and_pruned_with_the_runs(
    call: Call, past: tuple[Path, str], state_dir: Path, tmp_path: Path
) -> None:
    config = tmp_path / "people.toml"
    config.write_text("\n".join(as_toml(parse(MAPPING))))
    code, out, err = call("snapshot", "export", config, "--base-url", past[1])
    path = Path(out.rstrip())
    assert (code, err, path.parent) == (0, "", state_dir / "exports")
    known = pl.read_parquet(path).sort("distinct_id")
    assert known["distinct_id"].to_list() == ["u1", "u2"]
    assert (known["fingerprint"].null_count(), known["values"].to_list()) == (0, [1, 1])
    assert pl.read_parquet(call("snapshot", "export", config)[1].rstrip()).height == 0, "another place"
    call("runs", "--prune", "1d")
    assert path.exists()
    call("runs", "--prune", "0s")
    assert not path.exists()


def test_an_erased_person_is_counted_and_gone(call: Call, state_dir: Path) -> None:
    code, out, err = call("erase", "u2")
    assert (code, out) == (0, "")
    assert err == (
        "importer: erased from 1 snapshots, 2 runs, 0 caches and 0 exports. Take the person out of the list "
        "and the destination too.\n"
    )
    with pytest.raises(ConfigError, match="Run r1 knows nobody of this id"):
        call("explain", "u2", "--run", "r1")
    assert b"u2" not in (state_dir / "runs" / "r2" / "rejects.csv").read_bytes()
