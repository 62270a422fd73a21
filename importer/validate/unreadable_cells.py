"""Cells of a table that are no text: bytes that are no UTF-8, and NUL.

A text file with such a byte loses the row in the reader. A table has whole rows, so they are found here, and
only in the columns that are read.
"""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from importer.validate.text_quality import Contents
from importer.values.cell_texts import decoded

_NUL = "\0"


def contents_of(cells: pl.DataFrame, columns: Sequence[str]) -> Mapping[str, Contents]:
    """What the texts of each of `columns` contain, where they are texts.

    One search through all texts of a column costs half of one in each text.
    """
    texts = cells.select(name for name in columns if cells.schema[name] == pl.String)
    joined = texts.select(pl.all().str.join("").cast(pl.Binary))
    return {column.name: Contents(column.item()) for column in joined.iter_columns()}


def faults(cells: pl.DataFrame, columns: Sequence[str], contents: Mapping[str, Contents]) -> pl.Series | None:
    """What is wrong with each row, in one clause that quotes no cell, null for a good one; None = nothing.

    `contents` are those of `contents_of`. Of a row with several such cells the first column of `columns` is
    named.
    """
    found: pl.Series | None = None
    for bad, clause in _bad_cells(cells, columns, contents):
        here = pl.Series([clause]).new_from_index(0, cells.height).set(~bad, None)
        found = here if found is None else found.zip_with(found.is_not_null(), here)
    return found


def with_text(cells: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The cells with bytes as text in `columns`, null where they are no UTF-8; other columns stay."""
    texts = [decoded(cells[name]) for name in columns if cells.schema[name] == pl.Binary]
    return cells.with_columns(texts) if texts else cells


def _bad_cells(
    cells: pl.DataFrame, columns: Sequence[str], contents: Mapping[str, Contents]
) -> Iterator[tuple[pl.Series, str]]:
    for column in (cells[name] for name in columns):
        if (bad := _undecodable(column)) is not None:
            yield bad, f'expected UTF-8 in column "{column.name}", found bytes that are not'
        if (bad := _with_nul(column, contents.get(column.name))) is not None:
            yield bad, f'expected text in column "{column.name}", found the character NUL'


def _undecodable(column: pl.Series) -> pl.Series | None:
    if column.dtype == pl.Binary:
        return _somewhere(column.is_not_null() & decoded(column).is_null())
    if column.dtype == pl.List(pl.Binary):
        return _in_a_member(column, _undecodable(column.explode()))
    return None


def _with_nul(column: pl.Series, contents: Contents | None = None) -> pl.Series | None:
    if contents is not None and not contents.nul:
        return None
    if column.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Binary):
        return _somewhere(decoded(column).cast(pl.String).str.contains(_NUL, literal=True))
    if column.dtype in (pl.List(pl.String), pl.List(pl.Binary)):
        return _in_a_member(column, _with_nul(column.explode()))
    return None


def _in_a_member(lists: pl.Series, bad: pl.Series | None) -> pl.Series | None:
    """Which lists have a bad member; `bad` says it of the exploded ones."""
    if bad is None:
        return None
    place = pl.int_range(len(lists), eager=True).alias("place").to_frame().with_columns(list=lists)
    rows = place.explode("list")["place"].filter(bad).unique()
    return place["place"].is_in(rows.implode())


def _somewhere(bad: pl.Series) -> pl.Series | None:
    bad = bad.fill_null(value=False)
    return bad if bad.any() else None
