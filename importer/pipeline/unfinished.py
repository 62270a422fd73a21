"""`run --resume`: the unfinished run of an import, and whether it is about the list as it is now."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from importer.pipeline.run_spec import RunSpec
from importer.pipeline.sources import located
from importer.source.version import version_of
from importer.storage import account, run_folder, state_folder
from importer.storage.counted_lists import is_counting
from importer.storage.journal import Journal, count_pending
from importer.storage.run_folder import RunFolder
from importer.validate.read_result import ReadResult

_TUNING = {
    "api_key",
    "requests_per_second",
    "max_in_flight",
    "connect_timeout",
    "read_timeout",
    "retry_attempts",
    "retry_seconds",
    "retry_wait",
    "give_up_after",
    "http_client",
}
"""Keys of `[destination]` that do not change what is sent."""


def unfinished_run(spec: RunSpec) -> RunFolder | None:
    """The newest run of the same import, where it is unfinished and there is something to go on with.

    There is nothing where it has not read its list, or was stopped before its first call: by a guard, say,
    whose limit may be another one now.
    """
    identity = account.import_id(spec.config)
    for folder in reversed(state_folder.all_runs(spec.state_dir)):
        meta = folder.read_meta()
        if meta["identity"] != identity or meta["mode"] != "run":
            continue
        is_open = run_folder.is_resumable(folder) and not _sent_nothing(folder)
        return folder if is_open and _reading(folder) else None
    return None


def _sent_nothing(folder: RunFolder) -> bool:
    """Whether the run says so itself; a killed one says nothing."""
    summary = folder.read_summary()
    return summary is not None and summary["calls"]["sent"] == 0


def is_same_list(folder: RunFolder, spec: RunSpec) -> bool:
    """Whether that run has read the sources as they are now, by the same configuration.

    A source is the same where path, size, and time of change or ETag are. A table is never the same.
    """
    meta, reading = folder.read_meta(), _reading(folder)
    if reading is None or meta["options"]["limit"] != spec.options.limit:
        return False
    if _declared(meta["config"]) != _declared(spec.config.as_mapping()):
        return False
    paths = [str(one) if isinstance(one, str) else None for one in located(spec.config, spec.sources)]
    read = reading.sources[
        : len(paths)
    ]  # behind them there may be rows of our own, of people who have left the list
    return [s.path for s in read] == paths and all(
        s.mark is not None and version_of(s.path) == s.mark for s in read
    )


def has_open_jobs(folder: RunFolder) -> bool:
    """Whether the destination still works on something of that run, which would write older values later."""
    return folder.journal.exists() and count_pending(folder.journal) > 0


def has_begun_to_count(folder: RunFolder, spec: RunSpec) -> bool:
    """Whether that run has increased something, so that it has to be finished before another one begins."""
    return is_counting(spec.config) and folder.run_id in spec.counted_lists.known().values()


def _reading(folder: RunFolder) -> ReadResult | None:
    if not folder.journal.exists():
        return None
    with closing(Journal(folder.journal)) as journal:
        known = journal.fact("reading")
    return ReadResult.load(known) if isinstance(known, dict) else None


def _declared(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a configuration decides what is sent."""
    destination = {k: v for k, v in config["destination"].items() if k not in _TUNING}
    kept = {k: v for k, v in config.items() if k not in ("guards", "notify")}
    return {**kept, "destination": destination}
