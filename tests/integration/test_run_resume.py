"""`run --resume`: the same command each night, whatever became of the night before."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import importer
from importer.config import loader as configuration
from importer.destinations.attentive import bulk
from importer.errors import ConfigError, OutOfTimeError
from importer.pipeline.unfinished import has_open_jobs
from importer.sandbox import faults
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.storage import state_folder
from importer.storage.run_folder import RunFolder

KEY = "sk_test_resume"
PEOPLE = 30


@pytest.fixture
def mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("RESUME_KEY", KEY)
    _write(tmp_path, "first")
    return {
        "name": "nightly",
        "source": {"path": str(tmp_path / "people.csv")},
        "identity": {"column": "id"},
        "destination": {"type": "vevee", "api_key": "env:RESUME_KEY", "requests_per_second": 0},
        "attributes": {"city": {"type": "free_text"}},
    }


def _write(folder: Path, city: str) -> None:
    rows = "".join(f"{n},{city}\n" for n in range(PEOPLE))
    (folder / "people.csv").write_text(f"id,city\n{rows}")


@pytest.fixture
def server(mapping: dict[str, Any]) -> Iterator[sandbox.SandboxServer]:
    with sandbox.running(configuration.parse(mapping), SandboxOptions(), KEY) as running:
        yield running


@pytest.fixture
def options(server: sandbox.SandboxServer, state_dir: Path) -> importer.Options:
    return importer.Options(state_dir=state_dir, base_url=server.url)


def _stop(server: sandbox.SandboxServer, at: int) -> None:
    server.change(SandboxOptions(faults=(faults.parse_fault(f"quota@{at}-:times=0"),)))


def _go_on(server: sandbox.SandboxServer) -> int:
    """Lets every call pass again, and says how many came before."""
    server.change(SandboxOptions())
    return server.stats.requests


def test_where_there_is_no_unfinished_run_one_begins(
    mapping: dict[str, Any], server: sandbox.SandboxServer, options: importer.Options
) -> None:
    first = importer.run(mapping, options=options, resume=True)
    second = importer.run(mapping, options=options, resume=True)
    assert [one.state for one in (first, second)] == ["finished", "finished"]
    assert first.run_id != second.run_id


def test_the_unfinished_run_of_the_same_list_goes_on(
    mapping: dict[str, Any], server: sandbox.SandboxServer, options: importer.Options
) -> None:
    _stop(server, 11)
    stopped = importer.run(mapping, options=options, resume=True)
    assert stopped.exit_code == 4
    before = _go_on(server)
    summary = importer.run(mapping, options=options, resume=True)
    assert (summary.run_id, summary.state, summary.exit_code) == (stopped.run_id, "finished", 0)
    assert server.stats.requests - before <= PEOPLE - 10 + 1
    assert len(server.stored) == PEOPLE


def test_another_list_is_never_resumed(
    mapping: dict[str, Any], server: sandbox.SandboxServer, options: importer.Options, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("id,city\nx,there\ny,there\n")
    _stop(server, 2)
    stopped = importer.run({**mapping, "name": "other"}, other, options)
    assert stopped.exit_code == 4
    _go_on(server)
    summary = importer.run(mapping, options=options, resume=True)
    assert summary.run_id != stopped.run_id
    assert set(server.stored) == {"x", *(str(n) for n in range(PEOPLE))}


@pytest.mark.parametrize("change", ["list", "configuration", "limit"])
def test_a_new_list_takes_the_place_of_the_old_run(
    change: str,
    mapping: dict[str, Any],
    server: sandbox.SandboxServer,
    options: importer.Options,
    tmp_path: Path,
) -> None:
    _stop(server, 11)
    old = importer.run(mapping, options=options, resume=True)
    before = _go_on(server)
    if change == "list":
        _write(tmp_path, "second")
    elif change == "configuration":
        mapping["attributes"]["city"]["max_length"] = 50
    else:
        options = importer.Options(state_dir=options.state_dir, base_url=options.base_url, limit=5)
    summary = importer.run(mapping, options=options, resume=True)
    assert (summary.run_id != old.run_id, summary.state) == (True, "finished")
    people = 5 if change == "limit" else PEOPLE
    assert server.stats.requests - before <= people + 1, "nothing of the old list is sent any more"
    assert server.stored["0"] == {"city": "second" if change == "list" else "first"}
    with pytest.raises(ConfigError, match="superseded"):
        importer.resume(str(options.state_dir), old.run_id)


def test_a_changed_rate_is_no_other_list(
    mapping: dict[str, Any], server: sandbox.SandboxServer, options: importer.Options
) -> None:
    _stop(server, 11)
    old = importer.run(mapping, options=options)
    _go_on(server)
    mapping["destination"]["max_in_flight"] = 2
    assert importer.run(mapping, options=options, resume=True).run_id == old.run_id


def test_an_increase_that_has_begun_is_finished_before_a_new_list(
    mapping: dict[str, Any], tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESUME_KEY", "resume:secret")
    mapping["attributes"] = {"points": {"type": "number", "operation": "increase"}}
    mapping["destination"] |= {"type": "engagelab", "account": "a"}
    path = tmp_path / "people.csv"
    path.write_text("id,points\n" + "".join(f"{n},1\n" for n in range(PEOPLE)))
    with sandbox.running(configuration.parse(mapping), SandboxOptions(), "resume:secret") as server:
        here = importer.Options(state_dir=state_dir, base_url=server.url)
        _stop_401(server, 11)
        assert importer.run(mapping, options=here, resume=True).exit_code == 4
        server.change(SandboxOptions())
        path.write_text("id,points\n" + "".join(f"{n},10\n" for n in range(PEOPLE)))
        summary = importer.run(mapping, options=here, resume=True)
        assert summary.state == "finished"
        assert {str(n): {"points": 11} for n in range(PEOPLE)} == server.stored
    assert len(state_folder.all_runs(state_dir)) == 2


def _stop_401(server: sandbox.SandboxServer, at: int) -> None:
    server.change(SandboxOptions(faults=(faults.parse_fault(f"401@{at}-:times=0"),)))


def test_open_jobs_are_settled_before_a_new_list(
    mapping: dict[str, Any], tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the destination would write the older values of its job over the newer ones."""
    monkeypatch.setattr(bulk, "USERS_MAX", 10)
    mapping["destination"] |= {"type": "attentive", "account": "a", "mode": "bulk", "poll_seconds": 0.01}
    mapping["destination"]["user"] = {"client_user_id": "id"}
    with sandbox.running(configuration.parse(mapping), SandboxOptions(log=100), KEY) as server:
        here = importer.Options(state_dir=state_dir, base_url=server.url)
        server.change(SandboxOptions(log=100, faults=(faults.parse_fault("401@3-:times=0"),)))
        old = importer.run(mapping, options=here, resume=True)
        assert old.exit_code == 4
        assert has_open_jobs(RunFolder(old.folder))
        server.change(SandboxOptions(log=100))
        _write(tmp_path, "second")
        new = importer.run(mapping, options=here, resume=True)
        assert (new.run_id != old.run_id, new.state) == (True, "finished")
        assert {n: {"city": "second"} for n in map(str, range(PEOPLE))} == server.stored
    assert not has_open_jobs(RunFolder(old.folder))
    assert "superseded_by" in RunFolder(old.folder).read_meta()


def test_a_deadline_that_is_over_sends_nothing_and_ends_with_8(
    mapping: dict[str, Any], server: sandbox.SandboxServer, options: importer.Options
) -> None:
    over = (datetime.now(UTC) - timedelta(minutes=15)).isoformat(timespec="minutes")
    late = importer.Options(state_dir=options.state_dir, base_url=server.url, stop_by=over)
    with pytest.raises(OutOfTimeError, match="the time is up"):
        importer.run(mapping, options=late, resume=True)
    assert server.stats.requests == 0


def test_resume_takes_the_run_of_the_import_that_was_named(
    mapping: dict[str, Any], server: sandbox.SandboxServer, options: importer.Options, state_dir: Path
) -> None:
    _stop(server, 2)
    wanted = importer.run(mapping, options=options)
    other = importer.run({**mapping, "name": "other"}, options=options)
    _go_on(server)
    assert importer.resume(state_dir, name="nightly").run_id == wanted.run_id
    assert importer.resume(state_dir, name="other").run_id == other.run_id
    with pytest.raises(ConfigError, match="no run of this kind"):
        importer.resume(state_dir, name="nightly")
