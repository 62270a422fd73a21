"""The past runs: running is told from killed, the table fits the terminal."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from importer.cli import main
from importer.core.errors import ConfigError
from importer.core.models import Call, Target
from importer.report import run_list
from importer.storage import locks, state_folder
from importer.storage.journal import Journal
from importer.storage.run_folder import RunFolder


def add_run(state_dir: Path, run_id: str, mode: str = "run", name: str = "people") -> RunFolder:
    folder = state_folder.new_run(state_dir, run_id)
    meta = {
        "run_id": run_id,
        "name": name,
        "mode": mode,
        "started_at": f"2026-01-02T03:04:0{len(run_id)}.000+00:00",
        "identity": f"{name}-0",
        "config": {"destination": {"type": "vevee"}},
    }
    state_folder.create(folder, meta)
    return folder


@pytest.fixture
def prepared(state_dir: Path) -> Path:
    state_folder.prepare(state_dir)
    return state_dir


def line(**changes: Any) -> dict[str, Any]:
    counts = {"applied": 16_364, "unchanged": 0, "rejected": 89, "unconfirmed": 0}
    return {
        "run": "20260102T030405-abcdef",
        "started": "2026-01-02T03:04:05.678+00:00",
        "command": "run",
        "import": "customers",
        "destination": "vevee",
        "state": "finished",
        "exit": 1,
        "rows": {"read": 1_200},
        "people": {"called": 1_097},
        "values": counts,
    } | changes


def test_a_run_that_holds_its_import_is_running_and_one_that_does_not_was_killed(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run_id, mode in (("a", "run"), ("bb", "run"), ("ccc", "check")):
        add_run(prepared, run_id, mode)
    monkeypatch.setattr(locks, "holder_of", lambda _, __: "bb")
    states = {run["run"]: run["state"] for run in run_list.read_runs(prepared)}
    assert states == {"a": "killed", "bb": "running", "ccc": "unfinished"}


def test_runs_are_filtered_by_import(prepared: Path) -> None:
    add_run(prepared, "a")
    add_run(prepared, "bb", name="orders")
    assert [run["run"] for run in run_list.read_runs(prepared, "orders")] == ["bb"]
    with pytest.raises(ConfigError, match=r'no run of an import "order"\. Did you mean "orders"\?'):
        run_list.read_runs(prepared, "order")


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_the_table_fits_the_terminal(width: int) -> None:
    lines = list(run_list.table([line(), line(state="interrupted", values=None)], width))
    assert max(map(len, lines)) <= width
    assert all("20260102T030405" in text for text in lines[1:])


def test_off_a_terminal_every_column_is_there() -> None:
    head, row = run_list.table([line()])
    assert len(head.split()) == 13
    assert row.split()[1:3] == ["2026-01-02T03:04:05+00:00", "run"]


def test_the_runs_as_json(prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_run(prepared, "a")
    assert main.main(["runs", "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert (run["run"], run["state"], run["exit"], run["rows"]) == ("a", "killed", None, None)


BULK = {
    "name": "people",
    "source": {"path": "list.csv"},
    "identity": {"column": "id"},
    "destination": {
        "type": "attentive",
        "api_key": "env:KEY",
        "mode": "bulk",
        "user": {"email": "email"},
    },
    "attributes": {"name": {"type": "free_text"}},
}


def with_open_jobs(state_dir: Path, config: dict[str, Any], jobs: int) -> None:
    folder = add_run(state_dir, "night")
    folder.write_meta(folder.read_meta() | {"config": config})
    folder.make_folders()
    with closing(Journal(folder.journal)) as journal:
        for number in range(jobs):
            target = Target(0, f"p{number}", "set", ("name",))
            journal.keep(number, [Call("GET", f"/v2/bulk/job/{number}", b"", (target,), after=30.0)])


def test_open_jobs_are_shown_with_when_they_should_end(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importer.storage.journal.time.time", lambda: 1_000_000_000.0)
    with_open_jobs(prepared, BULK, 3)
    [run] = run_list.read_runs(prepared)
    assert run["open_jobs"] == {"count": 3, "expected_by": "2001-09-09T13:46:40+00:00"}
    [said] = run_list.open_job_lines([run], prepared)
    assert said.startswith(
        "night: 3 jobs are open at attentive, expected to end by 2001-09-09T13:46:40+00:00"
    )
    assert "; then: importer resume night" in said


def test_open_jobs_of_a_configuration_that_is_not_taken_any_more_have_no_expected_end(prepared: Path) -> None:
    with_open_jobs(prepared, BULK | {"attributes": {}}, 2)
    [run] = run_list.read_runs(prepared)
    assert run["open_jobs"] == {"count": 2, "expected_by": None}
    assert "expected" not in next(run_list.open_job_lines([run], prepared))


def test_a_run_without_open_jobs_says_nothing_of_them(prepared: Path) -> None:
    add_run(prepared, "a")
    [run] = run_list.read_runs(prepared)
    assert run["open_jobs"] is None
    assert list(run_list.open_job_lines([run], prepared)) == []
