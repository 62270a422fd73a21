"""The type number: exact to the last digit, never through a float."""

import re
from collections.abc import Callable

import polars as pl

from importer.config.attribute import Attribute
from importer.values.blanks import PATTERN as BLANK
from importer.values.cell_texts import as_text, shortest, unusable
from importer.values.typed_column import TypedColumn, checked, replace_where


def type_number(attribute: Attribute, column: pl.Series) -> TypedColumn:
    """A number with the declared marks and in the declared range."""
    if column.dtype == pl.Boolean or column.dtype.is_temporal():
        raise unusable(column)
    if column.dtype in _EXACT and not _has_marks(attribute):
        return _type_exact_number(attribute, column)
    text = as_text(column)
    plain = _plain_marks(attribute, text)
    numbers = plain if are_positive(plain) else _numbers_in(plain)
    return _made_later(checked(text, _within(attribute, numbers)), lambda: _number_text(plain))


def _numbers_in(text: pl.Series) -> pl.Series:
    """The texts that are numbers, as they stand; null where one is none."""
    other = ~text.str.contains(_ORDINARY)
    if not other.any():
        return text
    none = _number_text(text.filter(other)).is_null()
    return text.set(other.clone().scatter(other.arg_true(), none), None)


_EXACT = (pl.Float64, pl.Int64, pl.Int32, pl.Int16, pl.Int8, pl.UInt64, pl.UInt32, pl.UInt16, pl.UInt8)
"""Types of Parquet that compare as numbers just as their text would."""


def _type_exact_number(attribute: Attribute, column: pl.Series) -> TypedColumn:
    """Finite and within its range."""
    size = column.cast(pl.Float64)
    known = size.set(~size.is_finite(), None) if column.dtype.is_float() else size
    typed = checked(column, _in_range(attribute, known, known))
    return _made_later(typed, lambda: _number_text(_plain_marks(attribute, as_text(column))))


def _made_later(typed: TypedColumn, numbers: Callable[[], pl.Series]) -> TypedColumn:
    """The same column with the text of its numbers, which is made only where it is sent."""

    def value() -> pl.Series:
        return numbers() if typed.reason is None else numbers().set(typed.reason.is_not_null(), None)

    return TypedColumn(value, typed.present, typed.reason)


_ORDINARY = r"^[+-]?[0-9]{1,18}(?:\.[0-9]+)?$"
"""Numbers, in any case: they fit 64 bits before the point, and are finite."""

_CANONICAL = r"^(?:0|-?[1-9][0-9]{0,17}|-?(?:0|[1-9][0-9]{0,17})\.[0-9]*[1-9])$"
"""Numbers that stay as they stand. Most do, and seeing it costs a tenth of what the others take."""

_PLAIN = r"^[+-]?[0-9]+$"
_DECIMAL = r"^[+-]?[0-9]+(\.[0-9]+)?$"
_NOT_ZERO = r"^[+-]?[0.]*[1-9]"
_EXPONENT = r"^[+-]?[0-9]+(\.[0-9]+)?[eE][+-]?[0-9]+$"


def _number_text(text: pl.Series) -> pl.Series:
    """Canonical JSON number text, exact to the last digit; null where the text is no number.

    Integers never pass through a float and must fit 64 bits, signed or unsigned.
    """
    if are_positive(text):
        return text
    other = ~text.str.contains(_CANONICAL)
    return replace_where(text, other, _other_numbers(text.filter(other))) if other.any() else text


def are_positive(text: pl.Series) -> bool:
    """Whether all are positive integers of 64 bits, written without sign and leading zeros; null is none."""
    if not str(text.first() or "1").isdigit():
        return False
    whole = text.cast(pl.Int64, strict=False)
    return bool(whole.null_count() == text.null_count() and (text >= "1").all())


def _other_numbers(text: pl.Series) -> pl.Series:
    small = text.cast(pl.Int64, strict=False)
    return pl.DataFrame({"t": text, "s": small}).select(_number_expr().alias(text.name)).to_series()


def _number_expr() -> pl.Expr:
    """Signed and unsigned 64-bit integers, decimals and exponents, in this order."""
    text, small = pl.col("t"), pl.col("s")
    big = text.str.strip_prefix("+").cast(pl.UInt64, strict=False)
    approximate = text.cast(pl.Float64, strict=False)
    finite = approximate.is_finite()
    decimal = _unsigned_zero(text.str.strip_prefix("+").str.replace(r"^(-?)0+([0-9])", "${1}${2}"))
    return (
        pl.when(text.str.contains(_PLAIN))
        .then(pl.coalesce(small.cast(pl.String), big.cast(pl.String)))
        .when(text.str.contains(_DECIMAL) & finite)
        .then(decimal)
        .when(text.str.contains(_EXPONENT) & finite & ((approximate != 0) | ~text.str.contains(_NOT_ZERO)))
        .then(_unsigned_zero(approximate.cast(pl.String)))
    )


def _unsigned_zero(text: pl.Expr) -> pl.Expr:
    """The shortest decimal text; zero has one text alone."""
    return shortest(text).str.replace("^-0$", "0")


def _has_marks(attribute: Attribute) -> bool:
    return bool(attribute.decimal != "." or attribute.thousands or attribute.units or attribute.parentheses)


def _without_units(attribute: Attribute, text: pl.Series) -> pl.Series:
    """The text without a unit before or behind it, and (12) as -12."""
    if attribute.units:
        units = "|".join(re.escape(unit) for unit in attribute.units)
        text = text.str.replace(rf"^([(]?[+-]?){BLANK}*(?:{units}){BLANK}*", "${1}")
        text = text.str.replace(rf"{BLANK}*(?:{units}){BLANK}*([)]?)$", "${1}")
    if attribute.parentheses:
        text = text.str.replace(rf"^[(]{BLANK}*([0-9].*?){BLANK}*[)]$", "-${1}")
    return text


def _plain_marks(attribute: Attribute, text: pl.Series) -> pl.Series:
    """The declared marks as the plain ones. A thousands mark counts only between groups of three digits."""
    text = _without_units(attribute, text)
    if attribute.thousands:
        mark, decimal = _escaped(attribute.thousands), _escaped(attribute.decimal)
        grouped = text.str.contains(rf"^[+-]?[0-9]{{1,3}}({mark}[0-9]{{3}})*({decimal}[0-9]+)?$")
        plain = text.str.replace_all(attribute.thousands, "", literal=True)
        has_mark = text.str.contains(attribute.thousands, literal=True)
        text = plain.set((has_mark & ~grouped).fill_null(value=False), "")
    if attribute.decimal != ".":
        foreign = text.str.contains(".", literal=True).fill_null(value=False)
        text = text.str.replace(attribute.decimal, ".", literal=True).set(foreign, "")
    return text


def _escaped(mark: str) -> str:
    return rf"\x{{{ord(mark):x}}}"


def _within(attribute: Attribute, number: pl.Series) -> pl.Series:
    if attribute.min is None and attribute.max is None:
        return number
    return _in_range(attribute, number, number.cast(pl.Float64))


def _in_range(attribute: Attribute, number: pl.Series, size: pl.Series) -> pl.Series:
    """The numbers with null where their size is out of the declared range."""
    if attribute.min is not None and (below := size < attribute.min).any():
        number = number.set(below.fill_null(value=False), None)
    if attribute.max is not None and (above := size > attribute.max).any():
        number = number.set(above.fill_null(value=False), None)
    return number
