"""Blanks around a text, and texts of nothing but blanks.

A blank is what Unicode calls white space, a character of no width, or a mark of writing direction. Exports of
web pages and spreadsheets leave the latter two at the edges of a cell, where nobody sees them.
"""

import polars as pl

SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B)))
SPACES += "\u2028\u2029\u202f\u205f\u3000"
"""White space of Unicode, and the four separators of ASCII that Python counts as such."""

INVISIBLE = (
    "\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
"""Zero-width characters, the byte order mark among them, and marks of writing direction."""

BLANKS = SPACES + INVISIBLE

PATTERN = "[" + "".join(rf"\x{{{ord(c):x}}}" for c in BLANKS) + "]"
"""One blank, as a regular expression of polars."""


def strip(text: pl.Series) -> pl.Series:
    """Each text without the blanks around it."""
    return text.str.strip_chars(BLANKS)


def any_at_edges(text: pl.Series) -> bool:
    """Whether a text may begin or end with a blank; it also says yes for some other rare characters.

    It looks at the first and the last character only, which costs less than removing the blanks.
    """
    return any_at_start(text) or any_at_start(text.str.tail(1))


def any_at_start(text: pl.Series) -> bool:
    """Whether one begins with a character below "!", or with a blank that is not ASCII.

    Where none does, no text is empty or consists of blanks alone. It costs a third of `any_at_edges`.
    """
    if (text < "!").any():
        return True
    foreign = text > "\x7f"
    return bool(foreign.any() and text.filter(foreign).str.contains("^" + PATTERN).any())


def stripped_if_needed(text: pl.Series) -> pl.Series:
    """The same Series where no text has blanks around it, else each text without them."""
    return strip(text) if any_at_edges(text) else text
