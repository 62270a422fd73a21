"""What is found in a block of lines."""

from dataclasses import dataclass

import polars as pl

from importer.source.csv_blocks import Block
from importer.source.csv_damage import Unit


@dataclass(frozen=True, slots=True)
class Records:
    """What stands in a block up to line `cut`: records with the line they start on, and what is set aside.

    `raw` is None where every line before `cut` is a record, and `tail` then how many lines follow.
    """

    cut: int
    raw: pl.Series | None
    cells: pl.DataFrame
    at: pl.Series
    units: list[Unit]
    tail: int | None = None

    def records(self, block: Block) -> pl.Series:
        """`raw`, looked up where it is not yet."""
        return block.lines[: self.cut] if self.raw is None else self.raw
