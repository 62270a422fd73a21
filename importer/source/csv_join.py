"""Joins lines of a block into records."""

from collections.abc import Iterator

import polars as pl

from importer.source.csv_blocks import Block

FEW_LINES = 4
"""Lines of the longest record up to which records are joined line by line: a third of the time."""


def join_lines(block: Block, starts: pl.Series, sizes: pl.Series) -> pl.Series:
    """The records that start on the lines `starts`, the first on line 0, and have `sizes` lines each.

    No line is between them. Line ends inside a record stay as they stand; the one behind it is cut off.
    """
    free = _free_signs(block)
    if not block.has_cr:
        return _join(block.lines, starts, sizes, "\n", next(free, None))
    mark = next(free, None)
    if block.has_lone_cr or mark is None:
        lines = pl.Series(block.mapped_lines, dtype=pl.String)
        return _join(lines, starts, sizes, "", mark).str.replace(r"(?:\r\n|\r|\n)$", "")
    lines = pl.read_lines(block.mapped.replace(b"\r", mark.encode()), glob=False).to_series()
    raw = _join(lines, starts, sizes, "\n", next(free, None)).str.strip_suffix(mark)
    return raw.str.replace_all(mark, "\r", literal=True)


def _free_signs(block: Block) -> Iterator[str]:
    """Control characters that the block does not have."""
    return (c for c in map(chr, range(1, 32)) if c not in "\r\n" and not block.has(c))


def _join(
    lines: pl.Series, starts: pl.Series, sizes: pl.Series, between: str, separator: str | None
) -> pl.Series:
    if sizes.max() <= FEW_LINES:  # type: ignore[operator]
        return _join_few(lines, starts, sizes, between)
    ends = starts + sizes
    last = pl.repeat(False, int(ends[-1]), dtype=pl.Boolean, eager=True).scatter(ends - 1, True)
    frame = pl.DataFrame({"line": lines[: last.len()], "last": last})
    return _join_many(frame, between, separator)


def _join_few(lines: pl.Series, starts: pl.Series, sizes: pl.Series, between: str) -> pl.Series:
    groups, longest = pl.DataFrame({"start": starts, "size": sizes}), int(sizes.max())  # type: ignore[arg-type]
    at = [pl.when(pl.col("size") > i).then(pl.col("start") + i).alias(str(i)) for i in range(longest)]
    parts = [lines.gather(one).alias(one.name) for one in groups.select(at)]
    return pl.select(raw=pl.concat_str(parts, separator=between, ignore_nulls=True)).to_series()


def _join_many(frame: pl.DataFrame, between: str, separator: str | None) -> pl.Series:
    """With a `separator` all lines are joined, with it behind each record, and split there.

    That takes a quarter of the time of a list for each record.
    """
    if separator is None:
        record = pl.col("last").cast(pl.Int64).cum_sum().shift(1, fill_value=0)
        groups = frame.group_by(record=record, maintain_order=True)
        return groups.agg(pl.col("line").str.join(between))["line"]
    behind = pl.when("last").then(pl.lit(separator)).otherwise(pl.lit(between))
    text = frame.select((pl.col("line") + behind).str.join("").str.split(separator))
    return text.to_series().explode()[:-1]
