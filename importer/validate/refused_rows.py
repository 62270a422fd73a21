"""Rows and values that the reader or the check refused: lines for the report, and the rows as they stood."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from importer.core.rejects import REJECTS, rejects_frame
from importer.core.row_order import ORDER_SHIFT, ROW_OF, original_columns
from importer.source.batch import Batch


def with_original(rows: pl.DataFrame, batch: Batch) -> pl.DataFrame:
    """Rows as they stood: their text, or their columns where the source has no text.

    `rows` are all of the batch, or some with `at`, their place in it.
    """
    records = batch.records
    if "at" not in rows.columns:
        if records is not None:
            return rows.with_columns(raw=records)
        return rows.with_columns(cells=batch.cells.to_struct())
    at = rows["at"]
    if records is not None:
        return rows.with_columns(raw=records.gather(at))
    return rows.with_columns(cells=batch.cells[at].to_struct())


@dataclass(frozen=True, slots=True)
class RefusedRows:
    """Lines for the report, and the rows they are about."""

    rejects: pl.DataFrame
    rows: pl.DataFrame


def nothing_refused(rows: pl.DataFrame) -> RefusedRows:
    """No line and no row; `rows` gives the columns."""
    return RefusedRows(NO_REJECTS, rows.clear())


def rows_to_keep(rows: pl.DataFrame, batch: Batch | None) -> pl.DataFrame:
    """Refused rows for rejected_rows/: `original` of healthy ones, `bytes` of damaged ones.

    `batch` is needed where the rows have only their place in it.
    """
    if "bytes" in rows.columns:
        return rows
    if not rows.height:
        return _NOTHING_KEPT
    if batch and "at" in rows.columns:
        rows = with_original(rows, batch)
    return rows.select("order", "id", *original_columns(rows))


def untyped_apart(refused: RefusedRows, batch: Batch, untyped: Collection[int]) -> tuple[RefusedRows, ...]:
    """The rows that were refused for their id; of the `untyped` ones of JSON Lines, the line is kept.

    Their cells would make a text of 7.5, which is an id where it is sent again.
    """
    if batch.line_of is None or not untyped:
        return (refused,)
    apart = refused.rows.select(ROW_OF.is_in(list(untyped))).to_series()
    numbers = refused.rows.filter(apart).select(ROW_OF).to_series()
    lines = pl.Series(list(map(batch.line_of, numbers)), dtype=pl.Binary)
    kept = refused.rows.filter(apart).select("order", "id", bytes=lines)
    return RefusedRows(refused.rejects, refused.rows.filter(~apart)), RefusedRows(NO_REJECTS, kept)


def damaged_rows(batch: Batch, source: int) -> RefusedRows:
    """The damaged rows; of these the bytes are kept."""
    if not batch.set_aside.height:
        return _NO_DAMAGE
    order = pl.col("row") + (source << ORDER_SHIFT)
    lines = batch.set_aside.drop("raw").with_columns(order=order, stage=pl.lit("read"))
    kept = batch.set_aside.select(order=order, bytes="raw")
    return RefusedRows(rejects_frame(lines), kept.drop_nulls() if kept["bytes"].null_count() else kept)


NO_REJECTS = pl.DataFrame(schema=dict(REJECTS))
_NOTHING_KEPT = pl.DataFrame(schema={"order": pl.Int64, "id": pl.String})
_NO_DAMAGE = RefusedRows(NO_REJECTS, pl.DataFrame(schema={"order": pl.Int64, "bytes": pl.Binary}))


def in_order(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The rows of all frames by source order, in which each frame is; damaged rows have other columns."""
    filled = [frame for frame in frames if frame.height]
    if not filled:
        return frames[0]
    # To sort what is sorted would copy it.
    return filled[0] if len(filled) == 1 else pl.concat(filled, how="diagonal").sort("order")
