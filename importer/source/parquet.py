"""Parquet files into batches of rows."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import polars as pl

from importer.core.errors import SourceError
from importer.source.batch import SET_ASIDE, Batch
from importer.source.errors import read_errors
from importer.source.names import unique_names
from importer.source.object_store import URL, is_plain_http
from importer.source.source import Source
from importer.source.streams import refuse_folder

PARQUET_ROWS = 50_000
"""Rows of a Parquet file delivered at a time."""
MAX_DIGITS = 38
"""Of a decimal in a Parquet file."""
PARQUET_FIRST = 1_000
PARQUET_BYTES = 32 << 20
"""Rows read first, while their width is not known, and bytes of cells read at a time behind them."""


def open_parquet(path: str) -> Source:
    """A Parquet file; SourceError where it is none, or has a column that cannot be read exactly."""
    if not URL.match(path):
        _refuse_no_parquet(path)
    schema = _scan(path).collect_schema()
    if not schema:
        raise SourceError(f"{path}: the file has no columns.")
    for name, kind in schema.items():
        if isinstance(kind, pl.Decimal) and kind.precision > MAX_DIGITS:
            raise SourceError(
                f'{path}: column "{name}" is a decimal of {kind.precision} digits, and {MAX_DIGITS} can be '
                "read exactly; convert it where the file is made."
            )
    columns = unique_names(schema.names())
    return Source(
        path=path,
        format="parquet",
        columns=columns,
        read=lambda _: _batches(path, columns),
        types=dict(zip(columns, schema.values(), strict=True)),
    )


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
    options = {"allow_http": "true"} if URL.match(path) and is_plain_http() else None
    return pl.scan_parquet(path, glob=False, hive_partitioning=False, storage_options=options)


def _batches(path: str, columns: tuple[str, ...]) -> Iterator[Batch]:
    first = 1
    with read_errors(path):
        for found in _frames(_scan(path), sliced=not URL.match(path)):
            cells = found.rename(dict(zip(found.columns, columns, strict=True)))
            row = pl.int_range(first, first + cells.height, eager=True, dtype=pl.Int64).alias("row")
            line = pl.Series("line", [None], dtype=pl.Int64).new_from_index(0, cells.height)
            yield Batch(with_text(cells), row, line, None, pl.DataFrame(schema=SET_ASIDE))
            first += cells.height


def _frames(rows: pl.LazyFrame, *, sliced: bool) -> Iterator[pl.DataFrame]:
    """The rows in pieces that are not empty.

    A plain scan holds a row group as a whole, and several of them at once. A slice holds no more than itself,
    but decompresses its row group again: so it is as large as PARQUET_BYTES allow. No store is asked twice.
    """
    if not sliced:
        frames = rows.collect_batches(chunk_size=PARQUET_ROWS, maintain_order=True)
        yield from (frame for frame in frames if frame.height)
        return
    start, step = 0, PARQUET_FIRST
    while (frame := rows.slice(start, step).collect()).height:
        yield from frame.iter_slices(PARQUET_ROWS)
        if frame.height < step:
            return
        start += step
        step = max(1, min(PARQUET_BYTES * step // max(1, int(frame.estimated_size())), step * 64))


def with_text(cells: pl.DataFrame) -> pl.DataFrame:
    """Bytes of no declared meaning (of a fixed length, or by older writers) as text, where they are UTF-8."""
    for column in cells.get_columns():
        if column.dtype == pl.Binary:
            with suppress(pl.exceptions.ComputeError):
                cells = cells.with_columns(column.cast(pl.String))
    return cells
