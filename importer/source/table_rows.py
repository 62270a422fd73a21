"""What Parquet files and tables of the calling program have in common: columns with types."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import polars as pl

from importer.core.errors import SourceError
from importer.source.batch import SET_ASIDE, Batch
from importer.source.errors import read_errors
from importer.source.names import unique_names
from importer.source.source import Source

TABLE_ROWS = 50_000
"""Rows of a table delivered at a time."""

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
                yield table_batch(cells, first)
                first += cells.height


def table_batch(cells: pl.DataFrame, first: int) -> Batch:
    """Rows of a table, of which `first` is the number of the first one."""
    row = pl.int_range(first, first + cells.height, eager=True, dtype=pl.Int64).alias("row")
    line = pl.Series("line", [None], dtype=pl.Int64).new_from_index(0, cells.height)
    return Batch(cells, row, line, None, pl.DataFrame(schema=SET_ASIDE))
