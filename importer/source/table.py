"""A table of the calling program as a source: polars, pandas, pyarrow, a DuckDB query."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import polars as pl

from importer.core.errors import SourceError
from importer.source.batch import SET_ASIDE, Batch
from importer.source.errors import read_errors
from importer.source.names import unique_names
from importer.source.parquet import MAX_DIGITS, PARQUET_ROWS, with_text
from importer.source.source import Source


@runtime_checkable
class ArrowTable(Protocol):
    """What hands out its rows by the Arrow PyCapsule interface, as data frames and query results do."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule with an Arrow C stream, whose items are record batches."""


def open_table(name: str, table: ArrowTable) -> Source:
    """The table under the rules of Parquet; it is read batch by batch, once.

    SourceError where it has no columns, or one that cannot be read exactly.
    """
    with read_errors(name):
        rows = _scan(table)
        schema = rows.collect_schema()
    if not schema:
        raise SourceError(f"{name}: the table has no columns.")
    for column, kind in schema.items():
        if isinstance(kind, pl.Decimal) and kind.precision > MAX_DIGITS:
            raise SourceError(
                f'{name}: column "{column}" is a decimal of {kind.precision} digits, and {MAX_DIGITS} can be '
                "read exactly; convert it before."
            )
    columns = unique_names(schema.names())
    return Source(
        path=name,
        format="parquet",
        columns=columns,
        read=lambda _: _batches(name, rows.rename(dict(zip(schema.names(), columns, strict=True)))),
        types={
            name: pl.String() if isinstance(kind, pl.Categorical | pl.Enum) else kind
            for name, kind in zip(columns, schema.values(), strict=True)
        },
    )


def _scan(table: ArrowTable) -> pl.LazyFrame:
    if isinstance(table, pl.DataFrame):  # by Arrow, polars does not read back an Enum column of its own
        return table.lazy()
    return pl.scan_arrow_c_stream(table)


def _batches(name: str, rows: pl.LazyFrame) -> Iterator[Batch]:
    first = 1
    with read_errors(name):
        for frame in rows.collect_batches(chunk_size=PARQUET_ROWS, maintain_order=True):
            for cells in frame.iter_slices(PARQUET_ROWS):
                row = pl.int_range(first, first + cells.height, eager=True, dtype=pl.Int64).alias("row")
                line = pl.Series("line", [None], dtype=pl.Int64).new_from_index(0, cells.height)
                yield Batch(_plain(cells), row, line, None, pl.DataFrame(schema=SET_ASIDE))
                first += cells.height


def _plain(cells: pl.DataFrame) -> pl.DataFrame:
    """Dictionary columns as text, as Parquet files hold them."""
    return with_text(cells).with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
