"""The runs of one import beside each other: the run before, and a page of trends."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from importer.core.errors import StateError
from importer.storage import atomic_files, state_folder
from importer.storage.run_folder import RunFolder

LOOKED_AT = 60
"""So many of the newest run folders are looked at for the run before."""


def previous_summary(folder: RunFolder, meta: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The summary of the last finished run of the same import before this one; None where there is none."""
    paths = [
        path
        for path in folder.path.parent.glob("*")
        if path != folder.path and (path / "summary.json").exists()
    ]
    newest = sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)[:LOOKED_AT]
    found = [summary for path in newest if (summary := _earlier(RunFolder(path), meta))]
    return max(found, key=lambda summary: str(summary["started_at"]), default=None)


def _earlier(other: RunFolder, meta: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        theirs, summary = other.read_meta(), other.read_summary()
    except StateError:  # a damaged folder of another run is no fault of this one
        return None
    same = theirs["identity"] == meta["identity"] and theirs["mode"] == meta["mode"]
    if not same or not summary or summary["state"] != "finished":
        return None
    return summary if theirs["started_at"] < meta["started_at"] else None


RUNS_SHOWN = 120
"""So many of the newest runs are on the page of trends."""

_LINES: Sequence[tuple[str, Callable[[Mapping[str, Any]], float]]] = (
    ("rows read", lambda summary: float(summary["rows"]["read"])),
    ("values applied", lambda summary: float(summary["values"]["applied"])),
    ("values rejected", lambda summary: float(summary["values"]["rejected"])),
    ("minutes", lambda summary: summary["seconds"]["total"] / 60),
)


def write(state_dir: Path, name: str) -> Path:
    """Writes `trends-IMPORT.html` into the state folder, from the summaries of its runs; returns its path.

    The page has no value of a person.
    """
    from importer.report.page import render

    summaries = _summaries(state_dir, name)
    charts = [_chart(title, summaries, value) for title, value in _LINES]
    path = state_dir / f"trends-{name}.html"
    page = render("trends.html.j2", name=name, runs=summaries, charts=charts, rejected=_rejected(summaries))
    atomic_files.write_bytes(path, page.encode("utf-8", "backslashreplace"))
    return path


def _summaries(state_dir: Path, name: str) -> Sequence[Mapping[str, Any]]:
    folders = [folder for folder in state_folder.all_runs(state_dir) if folder.read_meta()["name"] == name]
    found = [folder.read_summary() for folder in folders if folder.read_meta()["mode"] != "check"]
    return [summary for summary in found if summary][-RUNS_SHOWN:]


def _rejected(summaries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A chart for each attribute with rejects, the worst first."""
    keys = dict.fromkeys(one["attribute"] for summary in summaries for one in summary.get("attributes", ()))
    charts = [_chart(key, summaries, partial(_rejects_of, key)) for key in keys]
    return sorted((chart for chart in charts if chart["most"]), key=lambda chart: -chart["most"])


def _rejects_of(key: str, summary: Mapping[str, Any]) -> float:
    return float(sum(one["rejected"] for one in summary.get("attributes", ()) if one["attribute"] == key))


def _chart(
    title: str, summaries: Sequence[Mapping[str, Any]], value: Callable[[Mapping[str, Any]], float]
) -> dict[str, Any]:
    """Bars of 0 to 100, one a run."""
    values = [value(summary) for summary in summaries]
    most, width = max(values, default=0.0), 1000 / max(1, len(values))
    bars = [
        {
            "x": n * width,
            "width": max(1.0, width - 2),
            "height": count * 100 / (most or 1),
            "value": count,
            "run": run,
        }
        for n, (count, run) in enumerate(zip(values, summaries, strict=True))
    ]
    return {"title": title, "bars": bars, "most": most, "last": values[-1] if values else 0.0}
