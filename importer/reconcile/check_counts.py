"""`importer check`: of every row its marks alone are spooled, and counted once the whole list is read.

A mark says that a row holds a good value of an attribute, or a bad one. No text is spooled but the id and
what the report shows of trimmed values. Winners are chosen by the chunker's own fold.
"""

from collections.abc import Iterator

import polars as pl

from importer.chunk.chunker import Field, Folded, counts, fields
from importer.config.schema import Config
from importer.core import rejects
from importer.core.models import Outcome
from importer.core.rejects import REJECTS, rejects_frame
from importer.reconcile.chunk_report import ChunkReport, trim_message
from importer.validate.validator import ValidatedBatch
from importer.values import column_types
from importer.values.column_types import TypedColumn


class CheckCounts:
    """What a check spools of each batch, and what a chunk of it comes to."""

    def __init__(self, config: Config) -> None:
        self._fields = fields(config)

    def of(self, taken: ValidatedBatch) -> pl.DataFrame:
        """The rows with marks in place of their text: true where there is a value, else null.

        `line` and the texts of a field stand there only where a value of the batch is trimmed.
        """
        typed = [t for _, _, t in taken.typed]
        columns = counts(typed)
        for field, (_, cells, t) in zip(self._fields, taken.typed, strict=True):
            columns |= _marks(field, cells, t)
        trims = [field.dropped for field in self._fields if field.dropped in columns]
        rows = taken.rows.drop("at", *([] if trims else ["line"]), strict=False)
        return rows.with_columns(**columns)

    def close(self, folded: Folded) -> ChunkReport:
        """How every row and value of a chunk ended: nothing of it was meant to be sent."""
        rows, tally = folded.rows, folded.tally
        tally.rows[Outcome.NOT_ATTEMPTED] += rows.height
        values = rows.select(pl.sum_horizontal(pl.col(f.value).count() for f in self._fields))
        tally.values[Outcome.NOT_ATTEMPTED] += int(values.item())
        people = rows.height if folded.alone else rows["id"].n_unique()
        tally.people[Outcome.NOT_ATTEMPTED] += people
        tally.people["nothing_to_send"] += folded.people - people
        rejects = pl.concat([pl.DataFrame(schema=dict(REJECTS)), *self._trims(rows)])
        tally.trimmed += rejects.height
        for stage, reason, key, count in rejects.group_by("stage", "reason", "attribute").len().iter_rows():
            tally.reasons[stage, reason, key] += count
        return ChunkReport(tally, rejects.sort("order", "position"), pl.DataFrame())

    def _trims(self, rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
        for field in self._fields:
            if field.dropped in rows.columns:
                trimmed = rows.filter(pl.col(field.dropped).is_not_null() & pl.col(field.value).is_not_null())
                yield rejects_frame(
                    trimmed.select(
                        "order",
                        "line",
                        distinct_id="id",
                        position=pl.lit(field.index),
                        attribute=pl.lit(field.key),
                        value=_text(field),
                        stage=pl.lit("trim"),
                        reason=pl.lit(rejects.NOT_DECLARED),
                        message=trim_message(field),
                    )
                )


def _marks(field: Field, cells: pl.Series, typed: TypedColumn) -> dict[str, pl.Series]:
    good = typed.present if typed.reason is None else typed.present & typed.reason.is_null()
    columns = {field.value: good if good.all() else good.set(~good, None)}
    if typed.reason is not None:
        columns[field.bad] = typed.reason.is_not_null()
    if typed.dropped is not None:
        columns[field.dropped] = typed.dropped
        columns[_text(field)] = column_types.display(cells).set(typed.dropped.is_null(), None)
    return columns


def _text(field: Field) -> str:
    """The column that holds the cell of a trimmed value as it stood."""
    return f"t{field.index}"
