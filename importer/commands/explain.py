"""What happened to one person, from line to answer: `importer explain`, which shows the person's values.

A finished run keeps only the rows with something rejected. The others are read again from the source, where
that has not changed since.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

import polars as pl

from importer.config.schema import Config
from importer.core.errors import ConfigError
from importer.core.rejects import stage_now
from importer.core.row_order import ORDER_SHIFT, ROW_OF, SOURCE_OF
from importer.pipeline.run_spec import stored_config
from importer.pipeline.sources import open_again
from importer.report import reject_lines
from importer.source import version
from importer.storage import run_folder, snapshot, snapshot_frames, state_folder
from importer.storage.journal import Journal
from importer.storage.journal_records import Entry
from importer.storage.partitions import PARTITIONS
from importer.storage.run_folder import RunFolder
from importer.storage.spool import Spool
from importer.validate.read_result import ReadResult
from importer.values import cell_texts, json_text
from importer.values.cell_texts import all_texts
from importer.values.column_types import typed_columns
from importer.values.distinct_ids import IdReader
from importer.values.expressions import compile_where


@dataclass
class _PersonHistory:
    """What one run knows of one person.

    `rows` maps a source order to line and cells; `unread` says why some are missing.
    """

    folder: RunFolder
    config: Config
    reading: ReadResult | None
    calls: Sequence[Entry]
    rejects: Sequence[Mapping[str, str]]
    rows: dict[int, tuple[int | None, pl.DataFrame]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    @property
    def is_known(self) -> bool:
        return bool(self.calls or self.rejects or self.rows)


def explain(state_dir: str | PathLike[str], person: str, run_id: str | None = None) -> Iterator[str]:
    """The lines of the newest run that knows this distinct id, or of the run named.

    Of a run that read a table only the rows with rejects are known. ConfigError where no run knows the id,
    StateError where a file of the run is damaged.
    """
    state_dir = Path(state_dir)
    if run_id is not None:
        found = _history_of(state_folder.find(state_dir, run_id), person)
        _read_rows(found, person)
    else:
        found = _newest(state_dir, person)
    if not found.is_known:
        raise ConfigError(f"Run {found.folder.run_id} knows nobody of this id; another run: --run RUN")
    yield from _lines(found, person)


def _newest(state_dir: Path, person: str) -> _PersonHistory:
    """By what the runs have written about the person: that is quick; else by the rows of the newest run."""
    folders = state_folder.all_runs(state_dir)
    if not folders:
        raise ConfigError(f"{state_dir}: no run here yet; start one with: importer run CONFIG")
    for folder in reversed(folders):
        found = _history_of(folder, person)
        if found.is_known:
            _read_rows(found, person)
            return found
    newest = _history_of(folders[-1], person)
    _read_rows(newest, person)
    return newest


def _history_of(folder: RunFolder, person: str) -> _PersonHistory:
    config = stored_config(folder.read_meta())
    reading, calls = None, []
    if folder.journal.exists():
        journal = Journal(folder.journal)
        try:
            known = journal.fact("reading")
            reading = ReadResult.load(known) if isinstance(known, dict) else None
            calls = journal.answers_of(person)
        finally:
            journal.close()
    return _PersonHistory(folder, config, reading, calls, list(_reject_lines(folder, person)))


def _reject_lines(folder: RunFolder, person: str) -> Iterator[Mapping[str, str]]:
    if not folder.rejects.exists():
        return
    with folder.rejects.open("rb") as file:
        lines = (record.cells for record in reject_lines.records(file))
        head = next(lines, [])
        named = (dict(zip(head, cells, strict=False)) for cells in lines)
        yield from (line for line in named if line.get("distinct_id") == person)


# ------------------------------------------------------------------- the rows


def _read_rows(history: _PersonHistory, person: str) -> None:
    if history.reading is None:
        history.unread.append("the run did not read its source to the end")
        return
    if history.folder.read_meta()["mode"] != "check" and (history.folder.spool / "manifest.json").exists():
        _add_spooled(history, history.reading, person)
        return
    _add_kept(history, history.reading, person)
    tables = history.folder.read_meta().get("tables", ())
    for index, opened in enumerate(history.reading.sources):
        if opened.path in tables:
            history.unread.append(f"{opened.path} cannot be read again: only rows with rejects are known")
        elif opened.mark is None or version.version_of(opened.path) != opened.mark:
            history.unread.append(
                f"{opened.path} is gone or has changed since: only rows with rejects are known"
            )
        else:
            _add_from_source(history, index, opened.path, opened.rows, person)


def _add_rows(history: _PersonHistory, rows: pl.DataFrame, cells: pl.DataFrame) -> None:
    lines = rows["line"].to_list() if "line" in rows.columns else [None] * rows.height
    for place, order in enumerate(rows["order"].to_list()):
        if order not in history.rows or history.rows[order][0] is None:
            history.rows[order] = lines[place], cells.slice(place, 1)


def _add_spooled(history: _PersonHistory, reading: ReadResult, person: str) -> None:
    spool = Spool.open(history.folder.spool)
    for plan in spool.plan():
        for layout, piece in spool.read(plan):
            mine = piece.filter(pl.col("id") == person)
            if mine.height:
                _add_rows(history, mine, reading.cells(layout, mine))


def _add_kept(history: _PersonHistory, reading: ReadResult, person: str) -> None:
    for part in history.folder.kept_parts():
        frame = part.collect()
        for original in {"original", "original_cells"} & set(frame.columns) if "id" in frame.columns else ():
            mine = frame.filter((pl.col("id") == person) & pl.col(original).is_not_null())
            for (index,), rows in mine.group_by(SOURCE_OF):
                name = "cells" if isinstance(rows.schema[original], pl.Struct) else "raw"
                _add_rows(history, rows, reading.cells(int(str(index)), rows.rename({original: name})))


def _add_from_source(history: _PersonHistory, index: int, path: str, count: int, person: str) -> None:
    column = history.config.identity.column
    ids = IdReader(history.config, history.config.build_destination().distinct_id_max)
    for batch in open_again(history.config, path).batches():
        mine = (ids.texts(batch.cells[column]) == person) & (batch.row <= count)
        rows = pl.DataFrame({"order": batch.row + (index << ORDER_SHIFT), "line": batch.line})
        mine = mine.fill_null(value=False)
        _add_rows(history, rows.filter(mine), batch.cells.filter(mine))


# ------------------------------------------------------------------- the lines


def _lines(history: _PersonHistory, person: str) -> Iterator[str]:
    meta, summary = history.folder.read_meta(), history.folder.read_summary()
    state = run_folder.state_of(meta, summary)
    ended = f", exit {summary['exit_code']}" if summary else ""
    destination = meta["config"]["destination"]["type"]
    where = f"{meta['name']} → {destination}"
    yield f"{shown(person)} in {meta['mode']} {history.folder.run_id}: {where}, {state}{ended}"
    bad = {(r["file"], r["row"], r["attribute"]): r for r in history.rejects}
    for order in sorted(history.rows):
        yield from _row_lines(history, order, bad)
    for sentence in history.unread:
        yield f"\n  {sentence}"
    known = {_place(history, order) for order in history.rows}
    for line in history.rejects:
        if (line["file"], line["row"]) not in known:
            yield f"\n  {line['file']} row {line['row']}, line {line['line']}"
            yield f"    {line['attribute'] or 'whole row'}  {shown(line['value'])}  {_reject_text(line)}"
    yield ""
    yield "  sent" if history.calls else "  nothing was sent"
    for call in history.calls:
        yield from _call_lines(history, call)
    yield ""
    yield from _snapshot_lines(history, person)


def _place(history: _PersonHistory, order: int) -> tuple[str, str]:
    """File and row of a source order, as `rejects.csv` writes them."""
    frame = pl.DataFrame({"order": [order]}).select(SOURCE_OF.alias("s"), ROW_OF.alias("r"))
    source, row = frame.row(0)
    assert history.reading is not None
    return history.reading.sources[source].path, str(row)


def _row_lines(
    history: _PersonHistory, order: int, bad: Mapping[tuple[str, str, str], Mapping[str, str]]
) -> Iterator[str]:
    line, cells = history.rows[order]
    path, row = _place(history, order)
    left_out = "" if _is_chosen(history.config, cells) else ", left out by where"
    yield ""
    yield f"  {path} row {row}{f', line {line}' if line else ''}{left_out}"
    width = max(map(len, history.config.attributes))
    encoding = history.config.build_destination().encoding
    for key, column, typed in typed_columns(history.config, cells):
        attribute = history.config.attributes[key]
        raw, value = cell_texts.display(column)[0], json_text.encode(typed, attribute, encoding)[0]
        text = f"    {key.ljust(width)}  {shown(raw)}"
        if value is not None:
            text += f" → {safe(value)}"
        if reject := bad.get((path, row, key)):
            text += f"  {_reject_text(reject)}"
        yield text
    for reject in history.rejects:  # of the person: what names them to the destination, or all of them
        what = reject["attribute"]
        if (reject["file"], reject["row"]) == (path, row) and what not in history.config.attributes:
            named = f"{what}  {shown(reject['value'])}" if what else "the person"
            yield f"    {named}  {_reject_text(reject)}"


def _is_chosen(config: Config, cells: pl.DataFrame) -> bool:
    condition = compile_where(config.source.where)
    if condition is None:
        return True
    text = all_texts(cells, config.source)
    return bool(text.with_columns(_chosen=condition)["_chosen"].fill_null(value=False)[0])


def _reject_text(line: Mapping[str, str]) -> str:
    what = (
        "adjusted"
        if stage_now(line["stage"]) == "adjust"
        else "unconfirmed"
        if line["reason"] == "unconfirmed"
        else ""
    )
    return f"{what or 'rejected by ' + line['stage']}: {line['reason']}, {safe(line['message'])}"


def _call_lines(history: _PersonHistory, call: Entry) -> Iterator[str]:
    at = datetime.fromtimestamp(call.at, UTC).isoformat(timespec="milliseconds") if call.at else "not sent"
    rows = (
        ", ".join(" row ".join(_place(history, order)) for order in dict.fromkeys(call.origin))
        if history.reading
        else ""
    )
    answer = call.state + (f" ({call.reason})" if call.reason else "")
    if call.status or call.attempts:
        answer += f", status {call.status or 'none'}, {call.attempts} attempt{'s' * (call.attempts != 1)}"
    what = f"{call.operation} {', '.join(call.attributes)}"
    yield f"    {at}  {what}: {answer}{f'; from {rows}' if rows else ''}"
    for attribute, reason, message, _ in call.refusals:
        what = attribute or "the person"  # refused as a whole
        yield f"      but {what}: {reason}{f', {safe(message)}' if message else ''}"


def _snapshot_lines(history: _PersonHistory, person: str) -> Iterator[str]:
    """What the import's snapshot knows of the person now, whatever this run did."""

    def answers(run_id: str) -> Sequence[Entry]:
        other = RunFolder(history.folder.path.parent / run_id)
        if not other.journal.exists():
            return []
        journal = Journal(other.journal)
        try:
            return list(journal.open_answers())
        finally:
            journal.close()

    known = snapshot.Snapshot(history.folder.path.parent.parent, history.config, answers)
    wanted = pl.DataFrame({"id": [person]})
    partition = wanted.select(snapshot_frames.hashed() % PARTITIONS).item()
    found = known.read(partition, partition + 1, wanted)
    if not found.height:
        yield "  the snapshot does not know this person"
        return
    yield "  the snapshot knows now"
    width = max(map(len, known.keys))
    for key in known.keys:
        value = found[snapshot_frames.column(key)][0]
        if value is not None:
            yield f"    {key.ljust(width)}  {_known_text(value)}"


def _known_text(value: str) -> str:
    if value == snapshot_frames.CLEARED:
        return "cleared"
    if value == snapshot_frames.UNKNOWN:
        return "unknown: sent or to be sent, and not acknowledged; due"
    if value.startswith(snapshot_frames.STALE):
        known = safe(value.removeprefix(snapshot_frames.STALE))
        return f"{known}, under another declaration of the attribute; due"
    return safe(value)


def shown(cell: Any) -> str:
    """A cell in quotes, or that it is blank."""
    return "blank" if cell is None or cell == "" else safe(json.dumps(cell, ensure_ascii=False))


def safe(text: str) -> str:
    """The text with no character that could move a terminal's cursor or turn its direction."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
