"""`importer erase`: nothing of the person stays, and everything else goes on as before."""

from pathlib import Path

import pytest

import importer
from importer.commands.erase import erase
from importer.core.errors import ConfigError
from tests.support.nights import World, world
from tests.support.oracle.program import importer as program

NAME = "zz-Forget-Me"


def traces(state: Path) -> list[str]:
    """The files in which the id or a value of the person still stands."""
    words = (NAME.encode(), b"only-hers")
    return [
        str(path.relative_to(state))
        for path in state.rglob("*")
        if path.is_file() and any(word in path.read_bytes() for word in words)
    ]


def prepared(here: World) -> None:
    here.faults("400@1:times=0")
    here.night(
        [(NAME, "a", "1", "only-hers"), ("p1", "a", "2", "x"), ("p2", "a", "bad", "x")], run_id="first"
    )
    here.faults()
    rows = f"{NAME},a,bad,only-hers\np1,b,2,x\np2,a,bad,x\nbroken {NAME}\n"
    here.source.write_text(f"id,plan,age,note\n{rows}")
    here.night(run_id="second")


def test_nothing_of_the_person_stays(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        prepared(here)
        assert traces(here.state)
        found = erase(here.state, NAME)
        assert (found.snapshots, found.runs) == (1, 2)
        assert traces(here.state) == []
        rows = sorted((here.state / "runs/second/rejected_rows").iterdir())
        assert [path.read_text() for path in rows] == ["id,plan,age,note\np2,a,bad,x\n"]
        lines = (here.state / "runs/second/rejects.csv").read_text().splitlines()
        assert any(",p2,age,bad," in line for line in lines)
        assert erase(here.state, NAME).runs == 0


def test_what_can_be_written_again_or_was_left_by_a_kill_goes_too(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        prepared(here)
        folder = here.state / "runs/second"
        (folder / "work").mkdir()
        for name in ("verify.csv", "undo.csv", "rejects.csv.part", "kept/chunk-1.parquet.part", "work/rows"):
            (folder / name).write_text(f"{NAME},only-hers\n")
        erase(here.state, NAME)
        assert traces(here.state) == []


def test_a_rejected_value_of_any_size_ends_no_command_and_is_erased(tmp_path: Path) -> None:
    """Over 131,072 characters, the limit of Python's csv module."""
    long = "only-hers" * 16_000
    with world(tmp_path) as here:
        here.source.write_text(f"id,plan,age,note\np1,a,1,x\n{NAME},b,{long},y\n")
        options = importer.Options(state_dir=here.state)
        assert importer.check(here.config(), (), options).exit_code == 1
        assert here.night(run_id="r").exit_code == 1
        assert here.state.joinpath("runs/r/report.html").exists()
        explained = program("explain", NAME, "--state-dir", here.state, cwd=tmp_path)
        assert (explained.code, "invalid" in explained.out) == (0, True), explained.err
        assert traces(here.state)
        assert program("erase", NAME, "--state-dir", here.state, cwd=tmp_path).code == 0
        assert traces(here.state) == []


def test_the_others_go_on_as_before(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        prepared(here)
        erase(here.state, NAME)
        assert here.night([("p1", "b", "2", "x")]).calls["sent"] == 0
        assert importer.retry(here.state, "second").calls["sent"] == 0
        assert here.night([(NAME, "a", "1", "x"), ("p1", "b", "2", "x")]).people["called"] == 1


def test_a_run_that_can_be_resumed_comes_to_its_end_first(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.faults("quota@2-:times=0")
        here.night([("p1", "a", "1", "x"), ("p2", "a", "1", "x")], run_id="stopped")
        with pytest.raises(ConfigError, match="first: importer resume stopped"):
            erase(here.state, "p1")
        here.faults()
        here.resume()
        assert erase(here.state, "p1").snapshots == 1


def test_the_id_may_come_from_stdin(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        prepared(here)
        words = ("erase", "-", "--state-dir", here.state)
        told = program(*words, cwd=tmp_path, stdin=f"{NAME}\n")
        assert told.code == 0
        assert "2 runs" in told.err
        assert NAME not in told.err
        assert traces(here.state) == []
