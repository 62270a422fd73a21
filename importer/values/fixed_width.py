"""Dates and moments of fixed width, such as 2024-05-20: whether all texts of a column surely are such.

To make a date of a text costs more than all else that is asked of it, and a check needs none. So the bytes of
many texts are compared at once with the least and the greatest byte of each place, and each two digits with
the least and the greatest number.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

_PARTS: Mapping[str, tuple[bytes, int]] = {
    "Y": (b"1000", 99),
    "m": (b"00", 12),
    "d": (b"00", 31),
    "H": (b"00", 23),
    "M": (b"00", 59),
    "S": (b"00", 59),
}
"""The least text of each part, and the greatest number that its first two digits are."""

_WHOLE = ("Ydm", "HMYdm", "HMSYdm")
"""The parts of a date, and of a moment to the minute or the second."""

_PIECES = re.compile("%(.)|([^%]+)", re.DOTALL)

_ROWS = 1 << 16
"""So many texts are compared at once."""

_FEW_ROWS = 1 << 10
"""For so few, what they are compared with is not made for more."""


@dataclass(frozen=True, slots=True)
class _Form:
    """A format, byte by byte; `month` and `day` are the places of these two.

    `low` is the least text, and `span` how far the greatest one is from it. `pairs` are the greatest numbers
    that each byte and the next one are as digits, counted from those of the least text.
    """

    month: int
    day: int
    low: bytes
    span: bytes
    pairs: bytes


def all_fit(text: pl.Series, pattern: str, kind: pl.Date | pl.Datetime) -> bool:
    """Whether every text, null apart, is a date or moment of this format, of the years from 1000 on.

    False also where that cannot be told so: where the format has a part of no fixed width, or a text is not
    of it. `kind` is the type that polars is to make of the few texts of which the calendar decides.
    """
    form = _form(pattern)
    if form is None:
        return False
    known = text.drop_nulls()
    lengths = known.str.len_bytes()
    if not {lengths.min(), lengths.max()} <= {len(form.low), None}:
        return False  # what is no date mostly has another length
    to_read = [known.head(1)]
    for start in range(0, len(known), _ROWS):
        unsure = _unsure(form, known.slice(start, _ROWS))
        if unsure is None:
            return False
        to_read.append(unsure)
    return not pl.concat(to_read).str.strptime(kind, pattern, strict=False).null_count()


@lru_cache(maxsize=100)
def _form(pattern: str) -> _Form | None:
    """None where the pattern has other parts, one twice, or not all that it takes."""
    full = pattern.replace("%F", "%Y-%m-%d").replace("%T", "%H:%M:%S")
    low, span, pairs, places = b"", b"", b"", dict[str, int]()
    for part, between in _PIECES.findall(full):
        if part in places or (part and part not in _PARTS):
            return None
        text, last = _PARTS[part] if part else (between.encode(), 255)
        if part:
            places[part] = len(low)
        low += text
        span += bytes(ord("9") - digit if part else 0 for digit in text)
        pairs += bytes([last]).ljust(len(text), b"\xff")
    if "".join(sorted(places)) not in _WHOLE or full.count("%") != len(places):
        return None
    return _Form(places["m"], places["d"], low, span, pairs)


@lru_cache(maxsize=16)
def _repeated(text: bytes, rows: int) -> pl.Series:
    return _bytes(pl.Series([text * rows]), len(text) * rows)


def _bytes(texts: pl.Series, width: int) -> pl.Series:
    """The bytes of all texts, which are of this width, one after another."""
    return texts.cast(pl.Binary).bin.reinterpret(dtype=pl.Array(pl.UInt8, width)).explode().rechunk()


def _unsure(form: _Form, text: pl.Series) -> pl.Series | None:
    """Those of the texts, all of this width, that the calendar decides; None where one is not of the form."""
    width = len(form.low)
    found = _bytes(text, width)
    rows = _FEW_ROWS if len(text) <= _FEW_ROWS else _ROWS
    low, span, most = (_repeated(bound, rows).head(len(found)) for bound in (form.low, form.span, form.pairs))
    digits = found - low  # what is below the least one wraps around, and is far above
    if not (digits <= span).all():
        return None
    pairs = digits.head(-1) * 10 + digits.slice(1)
    if not (pairs <= most.head(-1)).all():
        return None
    month, day = (pairs.gather_every(width, place) for place in (form.month, form.day))
    if not ((month > 0) & (day > 0)).all():
        return None
    return text.filter((day > 30) | ((day > 28) & (month == 2)))
