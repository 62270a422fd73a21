"""What every reader gives out: batches of rows."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import polars as pl

BLOCK_BYTES = 4 << 20
"""Bytes of text read at a time; what the reader keeps in memory is a small multiple of it."""

ROW_MALFORMED = "row_malformed"
HEADER_REPEATED = "header_repeated"
ROW_EMPTY = "row_empty"
ROW_OF_FOOTER = "row_of_footer"
"""Why a row is set aside. An empty one and one of the declared footer are counted and not reported."""

SET_ASIDE = pl.Schema(
    {"row": pl.Int64, "line": pl.Int64, "raw": pl.Binary, "reason": pl.String, "message": pl.String}
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a source, healthy and set aside, in file order.

    cells      healthy rows, the source's columns under their own names; String for CSV ("" when empty)
    row        Int64, 1-based data row in the file, for each row of `cells`; set-aside rows count too
    line       Int64, physical line on which the row starts, from 1; null for Parquet
    raw        String, the record as it stands without its line end, or what makes it; None for Parquet
    set_aside  row, line, raw (Binary, as in the file without the last line end, null for a row that is too
               long), reason, message
    text       what the cells were read from: what is not in it is in none of them; None for Parquet
    untyped    of a column of text, the rows whose cell was no text and no whole number: 7.5, a date
    line_of    a row by its number as it stands in the file, of JSON Lines; None where the cells say it all
    """

    cells: pl.DataFrame
    row: pl.Series
    line: pl.Series
    raw: pl.Series | Callable[[], pl.Series] | None
    set_aside: pl.DataFrame
    text: bytes | None = None
    untyped: Mapping[str, Collection[int]] = field(default_factory=dict)
    line_of: Callable[[int], bytes] | None = None

    @property
    def records(self) -> pl.Series | None:
        """`raw`, made where it is not yet; a check needs it of few batches."""
        return self.raw() if callable(self.raw) else self.raw
