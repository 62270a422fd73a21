"""One run of an import at a time, and nothing new where an earlier run must be finished first."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from importer.config.schema import Config
from importer.core.durations import Deadline
from importer.core.errors import StateError, command
from importer.core.events import Event, Observer
from importer.pipeline.run_spec import RunSpec
from importer.storage import account, locks, run_folder, state_folder
from importer.storage.counted_lists import is_counting
from importer.storage.journal import count_pending


@contextmanager
def locked(spec: RunSpec, deadline: Deadline | None, observer: Observer) -> Iterator[None]:
    """Locks the import, and waits for the lock as long as the options say, but not past the deadline.

    StateError where another run has the lock, or has a job open at the destination. ConfigError where an
    unfinished run has begun to increase what this one would increase again.
    """
    state_folder.prepare(spec.state_dir)
    wait = spec.options.lock_timeout
    if deadline:
        wait = max(0.0, min(wait, deadline.left()))

    def report_waiting(holder: str) -> None:
        text = f"waiting for run {holder} of this import to end"
        observer.tell(Event("waiting", text, {"holder": holder}))

    with locks.import_lock(spec.state_dir, spec.config, spec.folder, wait, report_waiting):
        if not spec.folder.meta.exists():  # a resumed run asks for the results of its own jobs
            _refuse_open_jobs(spec.state_dir, spec.config)
        if is_counting(spec.config) and not spec.options.allow_duplicates:
            spec.counted_lists.refuse_unfinished(spec.folder)
        yield


def _refuse_open_jobs(state_dir: Path, config: Config) -> None:
    """StateError where a job of another run is still open, which would write its older values later.

    It names the run to resume first.
    """
    mine = account.of_destination(config.as_mapping()["destination"])
    for folder in filter(run_folder.is_resumable, state_folder.all_runs(state_dir)):
        same = account.of_destination(folder.read_meta()["config"]["destination"]) == mine
        if same and folder.journal.exists() and (jobs := count_pending(folder.journal)):
            first = command("resume", folder.run_id, state_dir=state_dir)
            raise StateError(
                f"Run {folder.run_id} has jobs open at the destination ({jobs:,}), which would write "
                f"their older values over newer ones. First: {first}"
            )
