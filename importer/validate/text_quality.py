"""Signs of damage in texts: what spreadsheets and wrong encodings leave in the cells of a column."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from importer.values.blanks import BLANKS
from importer.values.spreadsheet_text import LOOKS_LIKE, may_be_marked, unwrap

_ERRORS = ("#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!")
_SCIENTIFIC = r"^[+-]?[0-9]+(?:[.,][0-9]+)?[eE]\+[0-9]+$"
_CONTROL = r"[\x{80}-\x{9f}\x{fffd}]"
"""C1 control characters, which no keyboard writes, and the character that stands for a lost one."""

SUSPICIOUS = r"[^\x00-\x7f]{2}|[\x{80}-\x{9f}\x{fffd}ÂÃŒœ]"
"""All that `_CONTROL` and ftfy look for has two characters beyond ASCII side by side, or one of these."""

_BLANKS = (b"\n", *(blank.encode() for blank in BLANKS if blank.isascii() and blank != "\n"))
"""Those of ASCII; a text of several lines has the first one at once."""

_FIRST_LETTERS = ">"
"""Digits and the marks of these signs sort before it, letters behind it."""

_EXAMINED = 1000
"""So many distinct texts of a column are examined for a wrong encoding."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign in a column: true where it is. `rows` are the row numbers of the same cells."""

    code: str
    found: pl.Series
    rows: pl.Series


@dataclass
class TextQuality:
    """Examines columns of text, batch by batch. `unwraps`: marks of spreadsheets are removed, not sent."""

    unwraps: bool
    _examined: dict[str, dict[str, bool]] = field(default_factory=dict)

    def look(
        self, column: pl.Series, numbers: pl.Series, may_have: "Contents", *, sent: bool
    ) -> Iterator[Sign]:
        """The signs of one column of text. `sent`: it is sent as text, or it is the id."""
        if not (column < (_FIRST_LETTERS if sent else "$")).any():
            return  # each of these signs begins with a digit or a mark, and the first one with "#"
        if may_have.hash and ((column >= "#") & (column < "$")).any():
            yield Sign("spreadsheet_error", column.is_in(_ERRORS), numbers)
        if sent and may_have.mark and may_be_marked(column):
            yield Sign("spreadsheet_text", self._marked(column), numbers)
        if sent and may_have.exponent and column.str.contains_any(["E+", "e+"]).any():
            yield Sign("number_rounded", column.str.contains(_SCIENTIFIC), numbers)

    def _marked(self, column: pl.Series) -> pl.Series:
        return unwrap(column).str.contains("^=.") if self.unwraps else column.str.contains(LOOKS_LIKE)

    def look_at_characters(self, column: pl.Series, numbers: pl.Series, foreign: pl.Series) -> Iterator[Sign]:
        """The signs of a wrong encoding in a column; `foreign`: where a text has more than ASCII."""
        text, rows = column.filter(foreign), numbers.filter(foreign)
        suspicious = text.str.contains(SUSPICIOUS)
        if suspicious.any():
            text, rows = text.filter(suspicious), rows.filter(suspicious)
            yield Sign("control_characters", text.str.contains(_CONTROL), rows)
            if bad := self._bad_texts(text):
                yield Sign("mojibake", text.is_in(bad), rows)

    def _bad_texts(self, text: pl.Series) -> list[str]:
        """Those of the distinct texts that ftfy takes for text in a wrong encoding."""
        examined = self._examined.setdefault(text.name, {})
        if len(examined) < _EXAMINED:
            new = text.filter(~text.is_in(list(examined)))
            for one in new.unique(maintain_order=True).head(_EXAMINED - len(examined)):
                from ftfy.badness import is_bad  # slow to load, and most lists are never examined

                examined[one] = is_bad(one)
        return [one for one, bad in examined.items() if bad]


def beyond_ascii(cells: pl.DataFrame) -> Mapping[str, pl.Series]:
    """Where a text has more than ASCII, for each column with such a text; one pass over all of them."""
    text = pl.col(pl.String)
    longer = cells.select(text.str.len_bytes() != text.str.len_chars())
    return {column.name: column for column in longer.get_columns() if column.any()}


class Contents:
    """Which characters some cells have at all: a sign without its character is in none of them.

    `text` has all the cells; None = they are not known, and may have each. It is searched when it is asked.
    """

    def __init__(self, text: bytes | None = None) -> None:
        self._text = text

    def _has(self, *signs: bytes) -> bool:
        return self._text is None or any(sign in self._text for sign in signs)

    @cached_property
    def nul(self) -> bool:
        """NUL, which is in no healthy text."""
        return self._has(b"\0")

    @cached_property
    def hash(self) -> bool:
        """What the errors of a spreadsheet begin with."""
        return self._has(b"#")

    @cached_property
    def mark(self) -> bool:
        """What a spreadsheet marks a text with."""
        return self._has(b"'", b"=")

    @cached_property
    def exponent(self) -> bool:
        """What is in the exponent of a rounded number."""
        return self._has(b"+")

    @cached_property
    def more_than_ascii(self) -> bool:
        """Anything beyond ASCII."""
        return self._text is None or not self._text.isascii()

    @cached_property
    def blank(self) -> bool:
        """A blank, or anything beyond ASCII that may be one."""
        return self._has(*_BLANKS) or self.more_than_ascii


NO_SIGN = Contents(b" ")
"""Of a column of which it is known that no text shows a sign; it may have blanks and letters beyond ASCII."""
