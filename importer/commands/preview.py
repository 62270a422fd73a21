"""`importer check --preview N`: of the first people of a list, what becomes of each cell, and the requests.

It reads the whole list, as a later row may replace a value, and shows values of people. It compares nothing
with what was sent before, and does not know which people share a text that names them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from importer.chunk.chunk import Chunk
from importer.chunk.chunker import Chunker
from importer.chunk.fields import CLEAR, Field
from importer.commands.explain import safe, shown
from importer.config.options import Options
from importer.config.schema import Config
from importer.core.models import Call, Update
from importer.core.row_order import ROW_OF, SOURCE_OF
from importer.destinations.base import Destination
from importer.pipeline.sources import NamedSource, open_sources
from importer.source.source import Source
from importer.storage.spool import ChunkPlan
from importer.validate import identities
from importer.validate.validator import Validator
from importer.values import cell_texts, messages
from importer.values.column_types import typed_columns
from importer.values.typed_column import TypedColumn

RESOLVED = "RESOLVED_ID"
"""Stands in a request for the destination's own id, which only an answer tells."""


@dataclass
class _People:
    """The rows of the first `wanted` people, each with its cells."""

    wanted: int
    ids: list[str] = field(default_factory=list)
    rows: list[pl.DataFrame] = field(default_factory=list)

    def add(self, rows: pl.DataFrame) -> None:
        """Takes the good rows of a batch, in source order."""
        if len(self.ids) < self.wanted:
            new = rows["id"].unique(maintain_order=True)
            self.ids += new.filter(~new.is_in(self.ids)).head(self.wanted - len(self.ids)).to_list()
        mine = rows.filter(pl.col("id").is_in(self.ids))
        if mine.height:
            self.rows.append(mine)


def preview(config: Config, sources: Sequence[NamedSource], options: Options, people: int) -> Iterator[str]:
    """The lines for so many people; ConfigError or SourceError where the list cannot be read as declared."""
    config = options.applied_to(config)
    opened = open_sources(config, sources)
    found = _read(config, opened, people)
    if not found.rows:
        yield "preview: no row has a usable id"
        return
    destination = config.build_destination()
    chunk = _chunk(config, destination, found.rows)
    updates = {update.distinct_id: update for update in chunk.updates()}
    for distinct_id in found.ids:
        yield shown(distinct_id)
        rows = pl.concat([rows.filter(pl.col("id") == distinct_id) for rows in found.rows], how="diagonal")
        for at in range(rows.height):
            yield from _row_lines(config, opened, chunk, rows.slice(at, 1))
        yield from _problem_lines(config, chunk, distinct_id, is_sent=distinct_id in updates)
        yield ""
    bad = set(chunk.people.join(chunk.problems, on="id", how="semi")["id"])
    yield from _request_lines(config, destination, [u for u in updates.values() if u.distinct_id not in bad])


def _read(config: Config, opened: Sequence[Source], people: int) -> _People:
    validator = Validator(config, config.build_destination().distinct_id_max, keeps_rows=False)
    found = _People(people)
    for index, source in enumerate(opened):
        for batch in source.batches():
            identified = validator.identify(batch, index)
            cells = identified.cells.select(config.declared_columns).to_struct()
            found.add(identified.rows.with_columns(cells=cells))
    return found


def _cells(_: int, rows: pl.DataFrame) -> pl.DataFrame:
    return rows["cells"].struct.unnest()


def _chunk(config: Config, destination: Destination, pieces: Sequence[pl.DataFrame]) -> Chunk:
    """The updates of these people, made as a run makes them."""
    problems = None
    if fields := config.identity_fields:
        wanted = ["id", "order", "line", *identities.columns(pieces[0])]
        problems = identities.problems_of(pl.concat([piece.select(wanted) for piece in pieces]), fields)
    plan = ChunkPlan(0, 0, 1, sum(piece.height for piece in pieces))
    originals = [piece.with_columns(raw=pl.lit(None, pl.String)) for piece in pieces]
    return Chunker(config, destination.encoding, _cells).build(
        plan, ((0, piece) for piece in originals), problems
    )


def _row_lines(config: Config, opened: Sequence[Source], chunk: Chunk, row: pl.DataFrame) -> Iterator[str]:
    source, number = row.select(SOURCE_OF.alias("source"), ROW_OF.alias("row")).row(0)
    line = row["line"][0]
    yield f"  {opened[source].path} row {number}{f', line {line}' if line else ''}"
    kept = chunk.rows.filter(pl.col("order") == row["order"][0])
    width = max(map(len, config.attributes))
    cells = row["cells"].struct.unnest()
    for place, (key, column, typed) in zip(chunk.fields, typed_columns(config, cells), strict=True):
        cell = shown(cell_texts.display(column)[0])
        yield f"    {key.ljust(width)}  {cell}{_fate(config, place, typed, kept)}"


def _fate(config: Config, place: Field, typed: TypedColumn, kept: pl.DataFrame) -> str:
    """What becomes of the cell of a row; `kept` is the row where it holds a value that goes out."""
    if typed.reason is not None and typed.reason[0] is not None:
        reason = typed.reason[0]
        return f"  rejected: {reason}, {messages.message(config.attributes[place.key], reason)}"
    if not typed.present[0]:
        return ", left alone"
    value = kept[place.value][0] if kept.height else None
    if value is None:
        return "  superseded by another row of this person"
    if value == CLEAR:
        return " → the stored value is removed"
    dropped = typed.dropped[0] if typed.dropped is not None else None
    return f" → {safe(value)}" + (f"  without {safe(dropped)}, not declared" if dropped else "")


def _problem_lines(config: Config, chunk: Chunk, distinct_id: str, *, is_sent: bool) -> Iterator[str]:
    for index, reason, shared in chunk.problems.filter(pl.col("id") == distinct_id)[
        ["field", "reason", "shared"]
    ].iter_rows():
        named = config.identity_fields[index] if index >= 0 else None
        yield f"  rejected: {reason}, {identities.message(named, reason, shared=shared)}"
    if not is_sent:
        yield "  nothing to send"


# ------------------------------------------------------------------- the requests


def _request_lines(config: Config, destination: Destination, updates: Sequence[Update]) -> Iterator[str]:
    """Every request with its body; what authorizes it is left out."""
    if destination.resolves and updates:
        yield f"requests that resolve the ids; {RESOLVED} below stands for what they answer"
        yield from _call_lines(config, destination.prepare(updates))
        updates = [replace(update, resolved_id=RESOLVED) for update in updates]
    yield "requests, without the key"
    size = max(1, destination.people_per_call)
    for start in range(0, len(updates), size):
        yield from _call_lines(config, destination.calls(updates[start : start + size]))
    if not updates:
        yield "  none"


def _call_lines(config: Config, calls: Iterable[Call]) -> Iterator[str]:
    for call in calls:
        yield f"  {call.method} {config.destination.base_url}{call.path}"
        yield from (f"  {safe(line)}" for line in call.body.decode().split("\n"))
