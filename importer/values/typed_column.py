"""One column after its declared type was checked, and the helpers that build it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import polars as pl

from importer.config.attribute import Attribute
from importer.core.rejects import BLANK, INVALID


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """One column of one frame after its check; every Series has the frame's height.

    `value` is null where the cell is blank or bad: number text in canonical JSON form for `number`, Boolean,
    Date, Datetime (microseconds, without a zone), String, or List(String) for multi_choice.
    `present` is true where the cell counts as a value (a blank one too where `blank` is `clear` or `reject`).
    `reason` is null where the value is good. `dropped` holds the options nobody declared, joined by ", ", and
    `utc` is true where a datetime's zone was given and it was converted to UTC; None = nowhere in the column.
    `cleared` is true where a cell asks for the stored value to be removed, `padded` where a value keeps the
    blanks around it; None = nowhere.
    `values` may be what makes the values: a check needs few of them.
    """

    values: pl.Series | Callable[[], pl.Series]
    present: pl.Series
    reason: pl.Series | None = None
    dropped: pl.Series | None = None
    utc: pl.Series | None = None
    cleared: pl.Series | None = None
    padded: pl.Series | None = None

    @property
    def value(self) -> pl.Series:
        """The typed values, null where the cell is blank or bad."""
        return self.values() if callable(self.values) else self.values

    def blank_count(self) -> int:
        """How many cells are blank."""
        blank = (
            self.value.is_null()
            if self.reason is None
            else self.value.is_null() & (self.reason.is_null() | (self.reason == BLANK))
        )
        return int((blank if self.cleared is None else blank & ~self.cleared).sum())

    def clearing(self, cleared: pl.Series) -> "TypedColumn":
        """The same column where some cells, blank so far, ask for the stored value to be removed."""
        reason = None if self.reason is None else self.reason.set(cleared, None)
        return replace(self, present=self.present | cleared, reason=reason, cleared=cleared)

    def rejecting(self, bad: pl.Series, why: str) -> "TypedColumn":
        """The same column where some cells, blank so far, are bad for this reason."""
        reason = reasons_where(bad.rename(self.present.name), why)
        if self.reason is not None and reason is not None:
            reason = self.reason.zip_with(~bad, reason)
        return replace(self, present=self.present | bad, reason=reason)


def sent_type(attribute: Attribute) -> str:
    """`number` also for a text that is to go out as a number: then it must be one."""
    return "number" if attribute.send_as == "number" else attribute.type


def choose(mask: pl.Series, yes: pl.Expr, no: pl.Expr) -> pl.Series:
    """`yes` where the mask is true, `no` where it is false, null where it is null."""
    column = pl.col(mask.name)
    return (
        mask.to_frame().select(pl.when(column).then(yes).when(~column).then(no).alias(mask.name)).to_series()
    )


def present_in(column: pl.Series) -> pl.Series:
    """Where a column is not null."""
    return column.is_not_null() if column.null_count() else everywhere(len(column)).alias(column.name)


@lru_cache(maxsize=2)
def everywhere(height: int) -> pl.Series:
    """True in every row: most columns of a batch are like this, and have it in common."""
    return pl.repeat(True, height, eager=True)


def reasons_where(bad: pl.Series, reason: str) -> pl.Series | None:
    """The reason where `bad` is true, else null; None where no cell is bad."""
    return choose(bad, pl.lit(reason), pl.lit(None, pl.String)) if bad.any() else None


def checked(column: pl.Series, value: pl.Series, reason: str = INVALID) -> TypedColumn:
    """A column whose bad cells are those that have text but no value; a cell without text has none."""
    present = present_in(column)
    if value.null_count() == column.null_count():
        return TypedColumn(value, present)
    bad = present & value.is_null()
    return TypedColumn(value, present, reasons_where(bad.rename(column.name), reason))


def replace_where(column: pl.Series, mask: pl.Series, values: pl.Series) -> pl.Series:
    """The column with `values`, one after another, where the mask is true."""
    return column.clone().scatter(mask.arg_true(), values)
