"""A batch of very many rows in pieces: to check and keep rows takes many times the memory of their text."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from importer.source.batch import Batch


def pieces_of(batch: Batch, line: int, most: int) -> Iterator[Batch]:
    """The batch of text, or a quarter of `most` rows at a time where it has more than `most`.

    Its text starts on this physical `line`.
    """
    lines = pl.concat([batch.line, batch.set_aside["line"]]).sort()
    if lines.len() <= most:
        yield batch
        return
    starts = lines.gather_every(max(1, most // 4))[1:].to_list()
    assert batch.text is not None
    sizes = pl.read_lines(batch.text, glob=False).to_series().str.len_bytes().cast(pl.Int64) + 1
    ends = sizes.cum_sum()
    whole = replace(batch, raw=batch.records)
    before = 0
    for start, stop in zip([line, *starts], [*starts, None], strict=True):
        size = len(batch.text) if stop is None else int(ends[stop - line - 1])
        yield replace(_lines_of(whole, start, stop), text=batch.text[before:size])
        before = size


def _lines_of(batch: Batch, start: int, stop: int | None) -> Batch:
    """The rows that start on lines [start, stop)."""
    low = int(batch.line.search_sorted(start))
    high = batch.line.len() if stop is None else int(batch.line.search_sorted(stop))
    line = pl.col("line")
    return replace(
        batch,
        cells=batch.cells[low:high],
        row=batch.row[low:high],
        line=batch.line[low:high],
        raw=None if batch.records is None else batch.records[low:high],
        set_aside=batch.set_aside.filter((line >= start) & (True if stop is None else line < stop)),
    )
