"""The measured ratios and their charts for the page on performance, from `benchmarks/results.json`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.picture import bars
from importer.testing.tables import table

IMAGES = Path(__file__).resolve().parent / "images"
_SCRIPT = "rows a second beside usual script"
_UNDICI = "rows a second beside undici"
_OURS = ("importer, fast", "importer, httpx")
_READING = {
    "reading, plain: time beside scan_csv": "read: plain CSV",
    "reading, every second quoted: time beside scan_csv": "read: every second field quoted",
    "reading, quoted line breaks: time beside scan_csv": "read: a quoted line break in every row",
    "check of csv: time beside scan": "check, all included: CSV",
    "check of parquet: time beside scan": "check, all included: Parquet",
    "a night without its calls: time beside scan_csv": "a night of few changes, without its calls",
}


def measured() -> str:
    """What was measured when, on which version and machine, with all ratios of the quick run as a table."""
    run = _quick()
    rows = ((name, f"{ratio:,.2f}") for name, ratio in run["ratios"].items())
    when = f"Measured on {run['day']} with version {run['version']}"
    if run["commit"]:
        when += f" (commit {run['commit']})"
    return f"{when}, on {run['machine']}.\n\n{table(('ratio', 'figure'), rows)}"


def pictures() -> Mapping[Path, str]:
    """The charts and where they stand."""
    ratios: Mapping[str, float] = _quick()["ratios"]
    sending = bars("Rows imported in a second; the usual script = 1", _sending(ratios))
    reading = bars("Time; polars reading the same list, which checks nothing = 1", _reading(ratios))
    return {IMAGES / "benchmark-sending.svg": sending, IMAGES / "benchmark-reading.svg": reading}


def _quick() -> Mapping[str, Any]:
    return dict(json.loads(results.PATH.read_text("utf-8"))["quick"])


def _sending(ratios: Mapping[str, float]) -> Sequence[tuple[str, float, bool]]:
    ours = [(name, ratios[f"{name}: {_SCRIPT}"], True) for name in _OURS]
    fast = _OURS[0]
    undici = ratios[f"{fast}: {_SCRIPT}"] / ratios[f"{fast}: {_UNDICI}"]
    return [("undici, prepared bodies, nothing else", undici, False), *ours, ("usual script", 1.0, False)]


def _reading(ratios: Mapping[str, float]) -> Sequence[tuple[str, float, bool]]:
    return [("polars", 1.0, False), *((label, ratios[name], True) for name, label in _READING.items())]
