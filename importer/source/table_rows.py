"""What Parquet files and tables of the calling program have in common: columns with types."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

import polars as pl

from importer.core.errors import SourceError
from importer.source.batch import ROW_MALFORMED, SET_ASIDE, Batch
from importer.source.errors import read_errors
from importer.source.names import unique_names
from importer.source.row_size import MAX_ROW, too_long
from importer.source.source import Source

TABLE_ROWS = 50_000
TABLE_BYTES = 8 << 20
"""Rows of a table delivered at a time, and bytes of their text."""

MAX_EXACT = 1 << 53
"""Below this a 64-bit float holds every whole number."""

MAX_DIGITS = 38
"""Of a decimal; polars holds no longer one."""


def table_source(
    path: str, schema: Mapping[str, pl.DataType], frames: Callable[[], Iterable[pl.DataFrame]]
) -> Source:
    """A source of typed columns; `frames` gives its rows from the first one each time it is called.

    SourceError where it has no columns, or one that cannot be read exactly.
    """
    if not schema:
        raise SourceError(f"{path}: the table has no columns.")
    for name, kind in schema.items():
        if isinstance(kind, pl.Decimal) and kind.precision > MAX_DIGITS:
            raise SourceError(
                f'{path}: column "{name}" is a decimal of {kind.precision} digits, and {MAX_DIGITS} can be '
                "read exactly; convert it where the table is made."
            )
    columns = unique_names(list(schema))
    return Source(
        path=path,
        format="parquet",
        columns=columns,
        read=lambda _: _batches(path, columns, frames),
        types=dict(zip(columns, schema.values(), strict=True)),
    )


def _batches(
    path: str, columns: tuple[str, ...], frames: Callable[[], Iterable[pl.DataFrame]]
) -> Iterator[Batch]:
    first = 1
    with read_errors(path):
        for found in frames():
            for cells in found.rename(dict(zip(found.columns, columns, strict=True))).iter_slices(TABLE_ROWS):
                for piece, sizes in _pieces(cells):
                    yield _without_long(table_batch(piece, first), sizes)
                    first += piece.height


def _pieces(cells: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, pl.Series | None]]:
    """The rows in pieces of about TABLE_BYTES of text, and the bytes of text of each row.

    None in place of the bytes: no row is over MAX_ROW.
    """
    lengths = _text_lengths(cells)
    edges = cells.select(total=_sum(x.sum() for x in lengths), longest=_sum(x.max() for x in lengths))
    total, longest = edges.row(0)
    if total <= TABLE_BYTES and longest <= MAX_ROW:
        yield cells, None
        return
    sizes = cells.select(size=_sum([pl.repeat(0, cells.height, dtype=pl.Int64), *lengths]))["size"]
    piece, at = (sizes.cum_sum() - sizes) // TABLE_BYTES, 0
    for height in piece.rle().struct.field("len"):
        yield cells.slice(at, height), sizes.slice(at, height)
        at += height


def _text_lengths(cells: pl.DataFrame) -> list[pl.Expr]:
    """The bytes of each cell, of every column of text."""
    return [
        (pl.col(name).str.len_bytes() if kind == pl.String else pl.col(name).bin.size()).cast(pl.Int64)
        for name, kind in cells.schema.items()
        if kind in (pl.String, pl.Binary)
    ]


def _sum(parts: Iterable[pl.Expr]) -> pl.Expr:
    return pl.sum_horizontal(pl.lit(0, pl.Int64), *parts)


def table_batch(cells: pl.DataFrame, first: int) -> Batch:
    """Rows of a table, of which `first` is the number of the first one."""
    row = pl.int_range(first, first + cells.height, eager=True, dtype=pl.Int64).alias("row")
    line = pl.Series("line", [None], dtype=pl.Int64).new_from_index(0, cells.height)
    return Batch(cells, row, line, None, pl.DataFrame(schema=SET_ASIDE))


def _without_long(batch: Batch, sizes: pl.Series | None) -> Batch:
    """The batch with each row set aside that is over MAX_ROW; `sizes` are the bytes of its rows."""
    if sizes is None or (good := sizes <= MAX_ROW).all():
        return batch
    rows, messages = batch.row.filter(~good), [too_long(size) for size in sizes.filter(~good)]
    aside = rows.to_frame().with_columns(reason=pl.lit(ROW_MALFORMED), message=pl.Series(messages))
    return replace(
        batch,
        cells=batch.cells.filter(good),
        row=batch.row.filter(good),
        line=batch.line.filter(good),
        set_aside=pl.concat([batch.set_aside, aside], how="diagonal"),
    )
