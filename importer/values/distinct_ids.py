"""The distinct id of each row as text, and why a row has none that names one person.

A row without a usable id is rejected, because two rows with the id `null` would become one person. An id that
a spreadsheet or a float has rounded is rejected too: several people would share what is left of its digits.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from importer.config.schema import Config
from importer.values import blanks
from importer.values.cell_texts import as_text, blank_to_null, shortest_text
from importer.values.numbers import are_positive
from importer.values.spreadsheet_text import unwrap

MISSING = "distinct_id_missing"
PLACEHOLDER = "distinct_id_placeholder"
INEXACT = "distinct_id_inexact"
FORMULA = "distinct_id_formula"
TOO_LONG = "distinct_id_too_long"

NAMES_NOBODY = (MISSING, PLACEHOLDER)
"""Reasons of rows that stand for no person of the list; the other reasons hide a person who is in it."""

_INEXACT = r"^[+-]?(?:[0-9]+[.,][0-9]+[eE]\+?[0-9]+|[0-9]+[eE]\+[0-9]+)$"
"""1.00012E+11, as spreadsheets write a number of many digits. 7E10 may well be a code."""

_EXACT_FLOATS: Mapping[pl.DataType, int] = {
    pl.Float16(): 1 << 11,
    pl.Float32(): 1 << 24,
    pl.Float64(): 1 << 53,
}
"""Below this a float holds every whole number (IEEE 754)."""


@dataclass(frozen=True, slots=True)
class DistinctIds:
    """`text` is what the source has as id, null where it is blank. `reason` is null where the id is usable.

    `reason` None = every id is usable. `digits`: all are digits without a leading zero. `floats`: the column
    is one of floats, so that ids were written without their ".0".
    """

    text: pl.Series
    reason: pl.Series | None
    digits: bool
    floats: bool


class IdReader:
    """Reads the distinct ids by one configuration. `longest` is the destination's limit, in characters."""

    def __init__(self, config: Config, longest: int) -> None:
        self._identity = config.identity
        self._is_computed = config.identity.column in config.source.computed
        self._nulls = tuple({"", *config.source.null_values})
        self._unwraps = config.source.spreadsheet_text == "unwrap"
        self._longest = longest
        rejected = "|".join(re.escape(word) for word in config.identity.reject)
        self._rejects_digits = any(word.isdigit() for word in config.identity.reject)
        self._placeholder = f"(?i)^{blanks.PATTERN}*(?:{rejected}){blanks.PATTERN}*$"
        formula = "|^=" if self._unwraps else ""
        self._suspicious = f"{self._placeholder}|^{blanks.PATTERN}*$|{_INEXACT}{formula}"

    def are_digits(self, cells: pl.DataFrame) -> bool:
        """Whether the ids are texts of digits without a leading zero, and none is missing.

        `cells` are those of the source, so of a computed id this is not known.
        """
        if self._is_computed:
            return False
        column = cells[self._identity.column]
        return column.dtype == pl.String and not column.null_count() and are_positive(column)

    def read(
        self, column: pl.Series, untyped: pl.Series | None = None, *, digits: bool = False
    ) -> DistinctIds:
        """The ids of one column; SourceError where its Parquet type has no text.

        `untyped` is true where a text was another value in the source, such as 7.5 or a date; None = nowhere.
        With `digits` it is known what `are_digits` says.
        """
        text = blank_to_null(column, self._nulls).rename("id") if digits else self.texts(column)
        digits = digits or are_positive(text) or bool(text.str.contains("^[1-9][0-9]*$").all())
        inexact = _is_inexact(column, text) if untyped is None else untyped
        return DistinctIds(text, self._reasons(text, inexact, digits=digits), digits, column.dtype.is_float())

    def message(self, reason: str) -> str:
        """What was expected and found, in one clause that quotes no cell."""
        expected = _EXPECTED[reason].format(longest=self._longest)
        return f'expected {expected} in column "{self._identity.column}"{_FOUND.get(reason, "")}'

    def texts(self, column: pl.Series) -> pl.Series:
        """The ids as text, also those that `read` rejects; null where blank."""
        text = _float_text(column) if column.dtype.is_float() else as_text(column)
        if column.dtype.is_decimal():
            text = shortest_text(text)
        if self._unwraps:
            text = unwrap(text)
        if self._identity.trim:
            text = blanks.stripped_if_needed(text)
        return blank_to_null(text, self._nulls).rename("id")

    def _reasons(self, text: pl.Series, inexact: pl.Series | None, *, digits: bool) -> pl.Series | None:
        too_long = text.str.len_bytes() > self._longest
        suspicious = None
        if not digits or self._rejects_digits:
            suspicious = text.str.contains(self._suspicious)
        odd = text.null_count() > 0 or too_long.any() or (suspicious is not None and suspicious.any())
        return self._classify(text, inexact) if odd or inexact is not None else None

    def _classify(self, text: pl.Series, inexact: pl.Series | None) -> pl.Series | None:
        id_ = pl.col("id")
        reason = (
            pl.when(id_.is_null() | id_.str.contains(f"^{blanks.PATTERN}*$"))
            .then(pl.lit(MISSING))
            .when(pl.col("inexact"))
            .then(pl.lit(INEXACT))
            .when(pl.lit(bool(self._identity.reject)) & id_.str.contains(self._placeholder))
            .then(pl.lit(PLACEHOLDER))
            .when(id_.str.contains(_INEXACT))
            .then(pl.lit(INEXACT))
            .when(pl.lit(self._unwraps) & id_.str.starts_with("="))
            .then(pl.lit(FORMULA))
            .when(id_.str.len_chars() > self._longest)
            .then(pl.lit(TOO_LONG))
        )
        known = pl.repeat(False, len(text), eager=True) if inexact is None else inexact
        reasons = text.to_frame().with_columns(inexact=known).select(reason.alias("reason")).to_series()
        return None if reasons.null_count() == len(reasons) else reasons


_EXPECTED: Mapping[str, str] = {
    MISSING: "an id",
    PLACEHOLDER: "an id",
    INEXACT: "an id with all its digits",
    FORMULA: "an id",
    TOO_LONG: "at most {longest} characters",
}
_FOUND: Mapping[str, str] = {
    MISSING: ", found it blank",
    PLACEHOLDER: ", found a word that stands for none ([identity] reject)",
    INEXACT: ", found a rounded number or a value that is no id; export the column as text",
    FORMULA: ", found the formula of a spreadsheet; export the column as text",
}


def _float_text(column: pl.Series) -> pl.Series:
    """Whole floats that are exact as digits, any other as it would be read."""
    whole = _is_exact(column).fill_null(value=False)
    digits = column.set(~whole, None).cast(pl.Int64).cast(pl.String)
    return digits.zip_with(whole, as_text(column))


def _is_exact(column: pl.Series) -> pl.Series:
    limit = _EXACT_FLOATS[column.dtype]
    return column.is_finite() & (column == column.floor()) & (column.abs() < limit)


def _is_inexact(column: pl.Series, text: pl.Series) -> pl.Series | None:
    """Where a Parquet value is no whole number and no text; None = nowhere."""
    kind = column.dtype
    if kind.is_float():
        bad = ~_is_exact(column)
    elif kind.is_decimal():
        bad = text.str.contains(".", literal=True)
    elif kind == pl.Boolean or kind.is_temporal():
        bad = column.is_not_null()
    else:
        return None
    bad = bad.fill_null(value=False)
    return bad if bad.any() else None
