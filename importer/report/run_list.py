"""The past runs of a state folder: as plain data, and as a table that fits the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from importer.core.errors import ConfigError
from importer.core.text import did_you_mean
from importer.storage import locks, run_folder, state_folder
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
    known = summary or {}
    return {
        "run": folder.run_id,
        "started": meta["started_at"],
        "finished": known.get("finished_at"),
        "command": meta["mode"],
        "import": meta["name"],
        "destination": meta["config"]["destination"]["type"],
        "state": _state(state_dir, folder, meta, summary),
        "exit": known.get("exit_code"),
        "rows": known.get("rows"),
        "values": known.get("values"),
        "people": known.get("people"),
        "folder": str(folder.path),
    }


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
