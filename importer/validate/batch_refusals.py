"""What was refused of one batch, in pieces: there is a line for each refused value.

A batch of 80,000 rows with ten bad values each has 800,000 lines of some 150 bytes, far more than the batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import NamedTuple

import polars as pl

from importer.config.attribute import Attribute
from importer.core.rejects import rejects_frame
from importer.source.batch import Batch
from importer.validate.refused_rows import NO_REJECTS, RefusedRows, in_order, rows_to_keep
from importer.values import cell_texts, messages

LINES = 50_000
"""A piece has no more lines than that, except where a single row has more."""


class Piece(NamedTuple):
    """The lines and the kept rows of some neighbouring rows, in source order.

    `end` is the source order of the last of these rows; None = the last row of the batch.
    """

    rejects: pl.DataFrame
    kept: pl.DataFrame
    end: int | None


@dataclass(frozen=True, slots=True)
class WrongValues:
    """What the check refused of one attribute. `cells` and `reason` have the height of the batch's good rows.

    `reason` is null where the cell is good.
    """

    position: int
    key: str
    attribute: Attribute
    cells: pl.Series
    reason: pl.Series

    def lines(self, rows: pl.DataFrame, first: int) -> pl.DataFrame:
        """A line for each refused value of `rows`, which begin at place `first` of the batch's rows."""
        reason = self.reason.slice(first, rows.height)
        bad = reason.is_not_null()
        refused = rows.select("order", "line", distinct_id="id").filter(bad)
        reason = reason.filter(bad)
        return rejects_frame(
            refused.with_columns(
                position=pl.lit(self.position),
                attribute=pl.lit(self.key),
                value=cell_texts.display(self.cells.slice(first, len(bad)).filter(bad)),
                reason=reason,
                stage=pl.lit("check"),
                message=self._messages(reason),
            )
        )

    def _messages(self, reasons: pl.Series) -> pl.Series:
        distinct = reasons.unique().to_list()
        return reasons.replace_strict(
            distinct, [messages.message(self.attribute, r) for r in distinct], return_dtype=pl.String
        )


@dataclass(frozen=True, slots=True)
class BatchRefusals:
    """The refused values of the good `rows`, the lines about whole rows, and the rows to keep.

    All frames are in source order, each of `whole_rows` too.
    """

    rows: pl.DataFrame
    values: Sequence[WrongValues]
    whole_rows: Sequence[pl.DataFrame]
    kept: pl.DataFrame

    @classmethod
    def of(
        cls,
        rows: pl.DataFrame,
        values: Sequence[WrongValues],
        refused: Sequence[RefusedRows] = (),
        batch: Batch | None = None,
    ) -> "BatchRefusals":
        """The refusals of a batch: `values` of its good `rows`, and the rows that were `refused`.

        `batch` is needed where rows do not contain what they were in the source.
        """
        wrong = [one.reason.is_not_null() for one in values]
        bad = rows.filter(reduce(or_, wrong)) if wrong else rows.clear()
        kept = in_order([rows_to_keep(frame, batch) for frame in (bad, *(part.rows for part in refused))])
        return cls(rows, values, [part.rejects for part in refused if part.rejects.height], kept)

    def pieces(self) -> Iterator[Piece]:
        """All lines and kept rows in one piece, or in several where there are many lines."""
        if not self.values and not self.whole_rows:
            yield Piece(NO_REJECTS, self.kept, None)
            return
        after = -1
        for end in (*self._ends(), None):
            yield Piece(self._lines(after, end), _between(self.kept, after, end), end)
            after = after if end is None else end

    def _ends(self) -> list[int]:
        """The source order of the last row of each piece but the last."""
        total = sum(len(values.reason) - values.reason.null_count() for values in self.values)
        total += sum(frame.height for frame in self.whole_rows)
        if total <= LINES:
            return []
        orders = pl.concat(frame["order"] for frame in (self.kept, *self.whole_rows)).unique().sort()
        height = max(1, LINES // max(1, len(self.values)))
        return orders[:-1].gather_every(height, height - 1).to_list()

    def _lines(self, after: int, end: int | None) -> pl.DataFrame:
        first, rows = _first_after(self.rows, after), _between(self.rows, after, end)
        found = [values.lines(rows, first) for values in self.values]
        found += [_between(frame, after, end) for frame in self.whole_rows]
        # One frame is in order already, and to sort it would copy it.
        return found[0] if len(found) == 1 else pl.concat(found).sort("order", "position")


def _between(frame: pl.DataFrame, after: int, end: int | None) -> pl.DataFrame:
    """The rows after one source order, up to and with another; None = to the last one."""
    first = _first_after(frame, after)
    return frame.slice(first, None if end is None else _first_after(frame, end) - first)


def _first_after(frame: pl.DataFrame, order: int) -> int:
    return int(frame["order"].search_sorted(order, side="right"))
