"""A table of the calling program as a source: polars, pandas, pyarrow, a DuckDB query."""

from collections.abc import Iterator
from functools import partial
from typing import Protocol, runtime_checkable

import polars as pl

from importer.source.errors import read_errors
from importer.source.source import Source
from importer.source.table_rows import TABLE_ROWS, table_source


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
    types = {column: pl.String() if _is_dictionary(kind) else kind for column, kind in schema.items()}
    return table_source(name, types, partial(_frames, rows))


def _scan(table: ArrowTable) -> pl.LazyFrame:
    if isinstance(table, pl.DataFrame):  # by Arrow, polars does not read back an Enum column of its own
        return table.lazy()
    return pl.scan_arrow_c_stream(table)


def _frames(rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    for frame in rows.collect_batches(chunk_size=TABLE_ROWS, maintain_order=True):
        yield frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))


def _is_dictionary(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.Categorical | pl.Enum)
