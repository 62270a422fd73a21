"""The past runs of a state folder: as plain data, and as a table that fits the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from importer.config import loader
from importer.core.errors import ConfigError, StateError, command
from importer.core.text import did_you_mean
from importer.storage import locks, run_folder, state_folder
from importer.storage.journal import count_pending, last_kept
from importer.storage.run_folder import RunFolder

_COLUMNS = (
    "run",
    "started",
    "command",
    "import",
    "destination",
    "state",
    "exit",
    "rows",
    "called",
    "applied",
    "unchanged",
    "rejected",
    "unconfirmed",
)

_LEFT_OUT = ("called", "destination", "unconfirmed", "unchanged", "command", "rows", "started")
"""Columns that a narrow terminal does without, the first one first."""


def read_runs(state_dir: Path, name: str | None = None) -> list[dict[str, Any]]:
    """One object a run, oldest first; `name`: only those of this import. ConfigError where it has none.

    `state` is `running` or `killed` where a run has no end, `unfinished` where it is not known which (a
    check locks nothing), else that of its summary. Counts are null without a summary.
    """
    folders = state_folder.all_runs(state_dir)
    found = [_run(state_dir, folder) for folder in folders]
    if name is None:
        return found
    names = sorted({run["import"] for run in found})
    if name not in names:
        raise ConfigError(f'{state_dir}: no run of an import "{name}".{did_you_mean(name, names)}')
    return [run for run in found if run["import"] == name]


def _run(state_dir: Path, folder: RunFolder) -> dict[str, Any]:
    meta, summary = folder.read_meta(), folder.read_summary()
    known, state = summary or {}, _state(state_dir, folder, meta, summary)
    return {
        "run": folder.run_id,
        "started": meta["started_at"],
        "finished": known.get("finished_at"),
        "command": meta["mode"],
        "import": meta["name"],
        "destination": meta["config"]["destination"]["type"],
        "state": state,
        "exit": known.get("exit_code"),
        "rows": known.get("rows"),
        "values": known.get("values"),
        "people": known.get("people"),
        "folder": str(folder.path),
        "open_jobs": None if state == "running" else _open_jobs(folder, meta),
    }


def _open_jobs(folder: RunFolder, meta: Mapping[str, Any]) -> dict[str, Any] | None:
    """How many jobs of a run are open at the destination, and by when they should end, if it says.

    None also where its journal is damaged: a list of runs is no place to stop for it.
    """
    if not (run_folder.is_resumable(folder) and folder.journal.exists()):
        return None
    try:
        count, kept = count_pending(folder.journal), last_kept(folder.journal)
    except StateError:
        return None
    return {"count": count, "expected_by": _expected_by(meta, kept)} if count else None


def _expected_by(meta: Mapping[str, Any], kept: float | None) -> str | None:
    with suppress(ConfigError):  # a configuration that this version does not take any more
        takes = loader.parse(meta["config"]).build_destination().job_takes
        if kept and takes:
            return datetime.fromtimestamp(kept + takes, UTC).isoformat(timespec="seconds")
    return None


def open_job_lines(runs: Sequence[Mapping[str, Any]], state_dir: Path) -> Iterator[str]:
    """A sentence for each run that has jobs open at its destination."""
    for run in runs:
        if jobs := run["open_jobs"]:
            by = f", expected to end by {jobs['expected_by']}" if jobs["expected_by"] else ""
            then = command("resume", run["run"], state_dir=state_dir)
            yield f"{run['run']}: {jobs['count']:,} jobs are open at {run['destination']}{by}; then: {then}"


def _state(
    state_dir: Path, folder: RunFolder, meta: Mapping[str, Any], summary: Mapping[str, Any] | None
) -> str:
    state = run_folder.state_of(meta, summary)
    is_held = bool(meta.get("identity")) and locks.holder_of(state_dir, meta) == folder.run_id
    if is_held:
        return "running"
    if state != "open":
        return state
    return "unfinished" if meta["mode"] == "check" else "killed"


def table(runs: Sequence[Mapping[str, Any]], width: int | None = None) -> Iterator[str]:
    """The runs, a line each, in at most `width` columns of characters where that is given."""
    names = list(_COLUMNS)
    lines = [dict(zip(names, names, strict=True)), *map(_cells, runs)]
    for name in _LEFT_OUT:
        if width is not None and sum(_widths(lines, names)) + 2 * (len(names) - 1) > width:
            names.remove(name)
    widths = _widths(lines, names)
    for line in lines:
        text = "  ".join(line[name].ljust(size) for name, size in zip(names, widths, strict=True)).rstrip()
        yield text if width is None or len(text) <= width else f"{text[: width - 1]}…"


def _widths(lines: Sequence[Mapping[str, str]], names: Sequence[str]) -> list[int]:
    return [max(len(line[name]) for line in lines) for name in names]


def _cells(run: Mapping[str, Any]) -> dict[str, str]:
    numbers: dict[str, int] = {}
    if run["values"]:
        numbers = {"rows": run["rows"]["read"], "called": run["people"]["called"]}
        numbers |= {name: run["values"][name] for name in ("applied", "unchanged", "rejected", "unconfirmed")}
    words = {name: "" if run.get(name) is None else str(run[name]) for name in _COLUMNS[:7]}
    words["started"] = words["started"][:19] + words["started"][23:]
    return words | {name: f"{numbers[name]:,}" if numbers else "" for name in _COLUMNS[7:]}
