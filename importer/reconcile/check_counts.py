"""`importer check`: only flags of every row are spooled, and counted once the whole list is read.

A flag says that a row has no good value of an attribute, or a bad one. A column of flags is there only where
one is set, so that a healthy list spools little. No text is spooled except the id and what the report shows
of adjusted values. Winners are chosen by the same function as in a run.
"""

from collections.abc import Iterator

import polars as pl

from importer.chunk.chunker import counts
from importer.chunk.fields import Field, fields
from importer.chunk.tally import by_source
from importer.chunk.winners import Winners, choose_single, choose_winners
from importer.config.schema import Config
from importer.core import rejects
from importer.core.models import Outcome
from importer.core.rejects import REJECTS, rejects_frame
from importer.reconcile.chunk_report import ChunkReport, adjusted_message
from importer.validate.validator import ValidatedBatch
from importer.values import cell_texts
from importer.values.typed_column import TypedColumn


class CheckCounts:
    """What a check spools of each batch, and how it counts a chunk of that."""

    def __init__(self, config: Config) -> None:
        self._fields = fields(config)

    def flags_of(self, batch: ValidatedBatch) -> pl.DataFrame:
        """The rows with flags in place of their text.

        `line` and the texts of a field are there only where a value of the batch is adjusted.
        """
        typed = [t for _, _, t in batch.typed]
        columns = counts(typed)
        if all(t.reason is None for t in typed):
            del columns["bads"]
        for field, (_, cells, t) in zip(self._fields, batch.typed, strict=True):
            columns |= _flags(field, cells, t)
        adjusted = [field.dropped for field in self._fields if field.dropped in columns]
        rows = batch.rows.drop("at", *([] if adjusted else ["line"]), strict=False)
        return rows.hstack([column.alias(name) for name, column in columns.items()])

    def report(self, pieces: Iterator[pl.DataFrame]) -> ChunkReport:
        """How every row and value of a chunk ended: nothing of it was meant to be sent.

        `pieces` are its rows as `flags_of` returned them, in source order.
        """
        return self._report(choose_winners(map(self._with_values, pieces), self._fields))

    def report_single(self, rows: pl.DataFrame) -> ChunkReport:
        """As `report`, of rows that are their person's only ones."""
        return self._report(choose_single(self._with_values(rows), self._fields))

    def _report(self, winners: Winners) -> ChunkReport:
        rows, tally = winners.rows, winners.tally
        waiting = str(Outcome.NOT_ATTEMPTED)
        tally.count_all_rows(rows, waiting)
        values = [pl.col(f.value).count().alias(f.key) for f in self._fields]
        tally.count_values(by_source(rows, values), waiting)
        people = rows.height if winners.all_different else rows["id"].n_unique()
        tally.people[Outcome.NOT_ATTEMPTED] += people
        tally.people["nothing_to_send"] += winners.people - people
        rejects = pl.concat([pl.DataFrame(schema=dict(REJECTS)), *self._adjusted(rows)])
        tally.adjusted += rejects.height
        for stage, reason, key, count in rejects.group_by("stage", "reason", "attribute").len().iter_rows():
            tally.reasons[stage, reason, key] += count
        return ChunkReport(tally, rejects.sort("order", "position"), pl.DataFrame())

    def _with_values(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with a column for each attribute: true where there is a good value, else null."""
        lacking = {field.value: _lacks(field) for field in self._fields if _lacks(field) in rows.columns}
        values = {field.value: pl.lit(value=True) for field in self._fields}
        values |= {name: pl.when(pl.col(lacks).is_null()).then(True) for name, lacks in lacking.items()}
        bads = pl.col("bads").fill_null(0) if "bads" in rows.columns else pl.lit(0, pl.UInt32)
        return rows.with_columns(bads=bads, **values).drop(lacking.values())

    def _adjusted(self, rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
        for field in self._fields:
            if field.dropped in rows.columns:
                adjusted = rows.filter(
                    pl.col(field.dropped).is_not_null() & pl.col(field.value).is_not_null()
                )
                yield rejects_frame(
                    adjusted.select(
                        "order",
                        "line",
                        distinct_id="id",
                        position=pl.lit(field.index),
                        attribute=pl.lit(field.key),
                        value=_text(field),
                        stage=pl.lit("adjust"),
                        reason=pl.lit(rejects.NOT_DECLARED),
                        message=adjusted_message(field),
                    )
                )


def _flags(field: Field, cells: pl.Series, typed: TypedColumn) -> dict[str, pl.Series]:
    good = typed.present if typed.reason is None else typed.present & typed.reason.is_null()
    columns = {} if good.all() else {_lacks(field): (~good).set(good, None)}
    if typed.reason is not None:
        columns[field.bad] = typed.reason.is_not_null()
    if typed.dropped is not None:
        columns[field.dropped] = typed.dropped
        columns[_text(field)] = cell_texts.display(cells).set(typed.dropped.is_null(), None)
    return columns


def _lacks(field: Field) -> str:
    """The column that is true where a row has no good value of an attribute, else null."""
    return f"no{field.index}"


def _text(field: Field) -> str:
    """The column with the cell of an adjusted value as it is in the source."""
    return f"t{field.index}"
