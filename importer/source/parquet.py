"""Parquet files into batches of rows."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from importer.core.errors import SourceError
from importer.source.object_store import URL, store_options
from importer.source.source import Source
from importer.source.streams import refuse_folder
from importer.source.table_rows import TABLE_ROWS, table_source

PARQUET_FIRST = 16
PARQUET_BYTES = 32 << 20
"""Rows read first, while their width is not known, and bytes of cells read at a time behind them."""


def open_parquet(path: str) -> Source:
    """A Parquet file; SourceError where it is none, or has a column that cannot be read exactly."""
    if not URL.match(path):
        _refuse_no_parquet(path)
    rows = _scan(path)
    return table_source(path, rows.collect_schema(), lambda: _frames(_scan(path), sliced=not URL.match(path)))


def _refuse_no_parquet(path: str) -> None:
    refuse_folder(path)
    with Path(path).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        first = file.read(4)
        file.seek(max(0, size - 4))
        last = file.read(4)
    if not size:
        raise SourceError(f"{path}: the file is empty; a Parquet file was expected.")
    if b"PARE" in (first, last):
        raise SourceError(f"{path}: the Parquet file is encrypted; export it without encryption.")
    if first != b"PAR1":
        raise SourceError(f"{path}: not a Parquet file; declare its format, or export it again.")
    if last != b"PAR1":
        raise SourceError(f"{path}: the Parquet file is truncated; fetch or export it again.")


def _scan(path: str) -> pl.LazyFrame:
    rows = _scan_as(path)
    nanoseconds = [name for name, kind in rows.collect_schema().items() if kind == pl.Datetime("ns")]
    old = [name for name in nanoseconds if _is_int96(path, rows, name)]
    return _scan_as(path, _in_microseconds(rows, old)) if old else rows


def _scan_as(path: str, schema: Mapping[str, pl.DataType] | None = None) -> pl.LazyFrame:
    return pl.scan_parquet(
        path,
        glob=False,
        hive_partitioning=False,
        storage_options=store_options() if URL.match(path) else None,
        schema=schema,
    )


def _is_int96(path: str, rows: pl.LazyFrame, name: str) -> bool:
    """Whether a column holds INT96, the moments of older Spark, Hive and Impala.

    polars reads it in the unit that is asked for, and by default in nanoseconds, where it turns every moment
    outside the years 1678 to 2262 into the last one. Other moments it reads in no unit but their own.
    """
    try:
        _scan_as(path, _in_microseconds(rows, [name])).select(name).head(1).collect()
    except pl.exceptions.SchemaError:
        return False
    return True


def _in_microseconds(rows: pl.LazyFrame, names: Sequence[str]) -> Mapping[str, pl.DataType]:
    return {**rows.collect_schema(), **dict.fromkeys(names, pl.Datetime("us"))}


def _frames(rows: pl.LazyFrame, *, sliced: bool) -> Iterator[pl.DataFrame]:
    """The rows in pieces that are not empty.

    A plain scan holds a row group as a whole, and several of them at once. A slice holds no more than itself,
    but decompresses its row group again: so it is as large as PARQUET_BYTES allow. No store is asked twice.
    """
    if not sliced:
        frames = rows.collect_batches(chunk_size=TABLE_ROWS, maintain_order=True)
        yield from (frame for frame in frames if frame.height)
        return
    start, step = 0, PARQUET_FIRST
    while (frame := rows.slice(start, step).collect()).height:
        yield frame
        if frame.height < step:
            return
        start += step
        step = max(1, min(PARQUET_BYTES * step // max(1, int(frame.estimated_size())), step * 64))
