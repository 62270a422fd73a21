"""`report.html`: a run's report for people who would rather look. One file, no script, nothing fetched."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

from importer.report import reject_lines
from importer.storage import atomic_files
from importer.storage.run_folder import RunFolder

LINES = 1_000
"""So many lines of rejects.csv are shown at most."""

LONGEST = 300
"""So many characters of a cell are shown at most."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:0 0 2rem;font-variant-numeric:tabular-nums}"
    "th,td{text-align:left;padding:.2rem .8rem;border-bottom:1px solid #ddd;vertical-align:top;"
    "overflow-wrap:anywhere}th{background:#f5f5f5}.n{text-align:right}.bad{color:#a00}"
)


def write(folder: RunFolder, summary: Mapping[str, Any]) -> None:
    """Writes `report.html` from the summary and the first lines of `rejects.csv`."""
    with atomic_files.replacing(folder.html_report) as file:
        for text in _page(summary, folder.rejects):
            file.write(text.encode("utf-8", "replace"))


def _page(summary: Mapping[str, Any], rejects: Path) -> Iterator[str]:
    title = f"{summary['name']} → {summary['destination']}: {summary['state']}, exit {summary['exit_code']}"
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
    yield f"<title>{_cell(title)}</title><style>{_STYLE}</style></head><body>\n<h1>{_cell(title)}</h1>\n"
    if summary["message"]:
        yield f'<p class="bad">{_cell(summary["message"])}</p>\n'
    began, ended = _cell(summary["started_at"]), _cell(summary["finished_at"])
    yield f"<p>Run {_cell(summary['run_id'])}, {began} to {ended}</p>\n"
    yield from _table(("source", "rows"), ((s["path"], s["rows"]) for s in summary["sources"]))
    for name in ("rows", "values", "people", "calls"):
        yield f"<h2>{name}</h2>\n"
        yield from _table(("state", "count"), ((k, n) for k, n in summary[name].items() if n))
    if summary["warnings"]:
        yield "<h2>warnings</h2>\n"
        yield from _table(
            ("code", "column", "count"), ((w["code"], w["column"], w["count"]) for w in summary["warnings"])
        )
    if summary["rejects"]:
        yield "<h2>changed or rejected</h2>\n"
        names = ("stage", "reason", "attribute", "count")
        yield from _table(names, ([r[n] for n in names] for r in summary["rejects"]))
        yield from _lines(rejects)
    yield "</body></html>\n"


def _lines(rejects: Path) -> Iterator[str]:
    with rejects.open("rb") as file:
        lines = (record.cells for record in reject_lines.records(file))
        head = next(lines, [])
        yield f"<h2>the first lines, {LINES:,} at most; all of them are in rejects.csv</h2>\n"
        yield from _table(head, islice(lines, LINES))


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    yield f"<table><tr>{''.join(f'<th>{_cell(name)}</th>' for name in head)}</tr>\n"
    for row in rows:
        yield f"<tr>{''.join(_td(cell) for cell in row)}</tr>\n"
    yield "</table>\n"


def _td(cell: object) -> str:
    return f'<td class="n">{cell:,}</td>' if isinstance(cell, int) else f"<td>{_cell(cell)}</td>"


def _cell(value: object) -> str:
    text = str(value)
    return escape(text[:LONGEST] + "…" if len(text) > LONGEST else text)
