"""Rows with nothing in any cell: no fault of anybody, and nobody to send."""

import polars as pl

from importer.source.batch import ROW_EMPTY, ROW_OF_FOOTER, Batch
from importer.values.blanks import any_at_start


def empty_rows(cells: pl.DataFrame, id_column: str) -> pl.Series | None:
    """Boolean: which rows are blank in every column; None = none is. Looked for where the id is blank.

    A computed id is no column of the source: then the first one is looked at.
    """
    first = id_column if id_column in cells.columns else cells.columns[0]
    ids = cells[first]
    if ids.dtype == pl.String and not ids.null_count() and not any_at_start(ids):
        return None
    without_id = cells.select(_is_blank(cells, [first])).to_series()
    if not without_id.any():
        return None
    empty = without_id.clone().scatter(
        without_id.arg_true(), cells.filter(without_id).select(_is_blank(cells, cells.columns)).to_series()
    )
    return empty if empty.any() else None


def _is_blank(cells: pl.DataFrame, columns: list[str]) -> pl.Expr:
    texts = [c for c in columns if cells.schema[c] == pl.String]
    others = [c for c in columns if cells.schema[c] != pl.String]
    blank = [(pl.col(c).is_null()) | (pl.col(c).str.strip_chars() == "") for c in texts]
    return pl.all_horizontal(*blank, *(pl.col(c).is_null() for c in others)).alias("blank")


def split_counted(batch: Batch) -> tuple[pl.DataFrame, int, int]:
    """The rows set aside that are to be reported; how many are the mark at the end, how many a footer."""
    reason = batch.set_aside["reason"]
    is_mark, is_footer = reason == ROW_EMPTY, reason == ROW_OF_FOOTER
    if not is_mark.any() and not is_footer.any():
        return batch.set_aside, 0, 0
    return batch.set_aside.filter(~is_mark & ~is_footer), int(is_mark.sum()), int(is_footer.sum())
