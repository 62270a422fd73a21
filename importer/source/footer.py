"""Rows at the end of a source that are no customers."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import polars as pl

from importer.source.batch import ROW_OF_FOOTER, Batch


def without_last(read: Callable[[int], Iterator[Batch]], count: int, block_bytes: int) -> Iterator[Batch]:
    """The batches with the last `count` rows set aside, damaged ones included. Rows keep their numbers."""
    waiting: list[Batch] = []
    for batch in read(block_bytes):
        waiting.append(batch)
        while sum(map(_height, waiting[1:])) >= count:
            yield waiting.pop(0)
    last = max((_last_row(batch) for batch in waiting), default=0)
    for batch in waiting:
        yield _set_aside_after(batch, last - count)


def _set_aside_after(batch: Batch, last: int) -> Batch:
    kept = rows_up_to(batch, last)
    numbers = pl.concat([batch.row, batch.set_aside["row"]]).sort()
    footer = numbers.filter(numbers > last).alias("row").to_frame().with_columns(reason=pl.lit(ROW_OF_FOOTER))
    return replace(kept, set_aside=pl.concat([kept.set_aside, footer], how="diagonal"))


def rows_up_to(batch: Batch, last: int) -> Batch:
    """The rows of a batch up to a data row."""
    within = batch.row <= last
    records = batch.records
    return replace(
        batch,
        cells=batch.cells.filter(within),
        row=batch.row.filter(within),
        line=batch.line.filter(within),
        raw=None if records is None else records.filter(within),
        set_aside=batch.set_aside.filter(pl.col("row") <= last),
    )


def _height(batch: Batch) -> int:
    return batch.row.len() + batch.set_aside.height


def _last_row(batch: Batch) -> int:
    return max(int(str(rows.max())) for rows in (batch.row, batch.set_aside["row"]) if rows.len())
