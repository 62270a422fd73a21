"""One run of an import at a time, and none beside a job that is open."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from importer.config.options import Options
from importer.core.durations import deadline
from importer.core.errors import ConfigError, StateError
from importer.core.events import Event, Silent
from importer.core.models import Call, Target
from importer.pipeline.import_lock import locked
from importer.pipeline.run_spec import RunSpec
from importer.storage import locks
from importer.storage.journal import Journal
from tests.support.mappings import config_of
from tests.support.stages import Listening


def spec_of(state: Path, run_id: str, account: str = "test", **options: Any) -> RunSpec:
    destination = {"type": "vevee", "api_key": "env:KEY", "account": account}
    config = config_of(run_id.partition("-")[0], destination=destination)
    return RunSpec.new(config, (), Options(state_dir=state, run_id=run_id, **options), "run")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def open_job(state: Path) -> RunSpec:
    """A run that waits for a job of the destination."""
    old = spec_of(state, "old").with_folder()
    poll = Call("GET", "/jobs/1", b"", (Target(0, "p1", "set", ("plan",)),))
    with closing(Journal(old.folder.journal)) as journal:
        journal.keep(0, [poll])
    return old


def test_a_second_run_of_the_import_is_refused(state: Path) -> None:
    first, second = spec_of(state, "a-1"), spec_of(state, "a-2")
    with locked(first, None, Silent()):
        with (
            pytest.raises(StateError, match=r'Import "a" is in use by run a-1'),
            locked(second, None, Silent()),
        ):
            pytest.fail("two runs have the lock")
        with locked(spec_of(state, "b-1"), None, Silent()):
            pass  # another import
    with locked(second, None, Silent()):
        pass  # the first run has ended


def test_a_run_that_waits_says_for_which_run(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_POLL_SECONDS", 0.001)
    observer, waiting = Listening(), spec_of(state, "a-2", lock_timeout=0.5)
    with (
        locked(spec_of(state, "a-1"), None, Silent()),
        pytest.raises(StateError),
        locked(waiting, None, observer),
    ):
        pytest.fail("two runs have the lock")
    assert observer.events == [
        Event("waiting", "waiting for run a-1 of this import to end", {"holder": "a-1"})
    ]


def test_nobody_waits_past_the_deadline(state: Path) -> None:
    observer, waiting = Listening(), spec_of(state, "a-2", lock_timeout=3600.0)
    over = deadline(None, 0.0)
    with (
        locked(spec_of(state, "a-1"), None, Silent()),
        pytest.raises(StateError),
        locked(waiting, over, observer),
    ):
        pytest.fail("two runs have the lock")
    assert observer.events == []


def test_a_run_beside_an_open_job_of_the_account_is_refused(state: Path, open_job: RunSpec) -> None:
    with pytest.raises(StateError) as caught, locked(spec_of(state, "new"), None, Silent()):
        pytest.fail("the old job would write older values")
    assert str(caught.value) == (
        "Run old has jobs open at the destination (1), which would write their older values over newer ones. "
        f"First: importer resume old --state-dir {state}"
    )


def test_the_run_of_the_job_itself_goes_on(state: Path, open_job: RunSpec) -> None:
    with locked(open_job, None, Silent()):
        assert locks.holder_of(state, open_job.folder.read_meta()) == "old"
    with locked(spec_of(state, "new", account="another"), None, Silent()):
        pass


def test_an_increase_that_is_not_finished_comes_first(state: Path) -> None:
    def counting(run_id: str, *, twice: bool = False) -> RunSpec:
        attributes = {"plan": {"type": "number", "operation": "increase"}}
        destination = {"type": "engagelab", "api_key": "env:KEY", "account": "test"}
        config = config_of(attributes=attributes, destination=destination)
        options = Options(state_dir=state, run_id=run_id, allow_duplicates=twice)
        return RunSpec.new(config, (), options, "run")

    old = counting("old").with_folder()
    old.counted_lists.remember(["digest"], "old")
    with pytest.raises(ConfigError, match="old"), locked(counting("new"), None, Silent()):
        pytest.fail("the same would be counted twice")
    with locked(counting("new", twice=True), None, Silent()):
        pass
