"""Text → declared types, column by column: the declaration of an attribute, its check and its encoding.

A column comes as one Series, String for CSV and its own type for Parquet, null where the cell is blank. It is
typed once (`type_column`) and, where it is to be sent, encoded once into JSON text (`encode`). Both are
polars from end to end; what differs from column to column (does any cell need escaping? is every number
a small integer?) is asked of the whole column, so that the common case costs one pass.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import polars as pl

from importer.config.attribute import Attribute
from importer.core.errors import SourceError
from importer.core.models import Encoding
from importer.core.rejects import BLANK, INVALID, NOT_DECLARED, TOO_LONG


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """One column of one frame after its check; every Series has the frame's height.

    `value` is null where the cell is blank or bad: number text in canonical JSON form for `number`, Boolean,
    Date, Datetime (microseconds, without a zone), String, or List(String) for multi_choice.
    `present` is true where the cell counts as a value (a blank one too where `blank` is `clear` or `reject`).
    `reason` is null where the value is good. `dropped` holds the options nobody declared, joined by ", ", and
    `utc` is true where a datetime's zone was given and it was converted to UTC; None = nowhere in the column.
    `values` may be what makes the values: a check does not need those of a multi_choice.
    """

    values: pl.Series | Callable[[], pl.Series]
    present: pl.Series
    reason: pl.Series | None = None
    dropped: pl.Series | None = None
    utc: pl.Series | None = None
    cleared: pl.Series | None = None

    @property
    def value(self) -> pl.Series:
        """The typed values, null where the cell is blank or bad."""
        return self.values() if callable(self.values) else self.values

    def clearing(self, cleared: pl.Series) -> "TypedColumn":
        """The same column where some cells, blank so far, ask for the stored value to be removed."""
        reason = None if self.reason is None else self.reason.set(cleared, None)
        return replace(self, present=self.present | cleared, reason=reason, cleared=cleared)


def blank_to_null(column: pl.Series, null_values: tuple[str, ...]) -> pl.Series:
    """The column with each text of `null_values`, or each empty list, as null; other types stay."""
    if isinstance(column.dtype, pl.List):
        return column.set(column.list.len() == 0, None)
    if column.dtype != pl.String or not null_values:
        return column
    blank = column == null_values[0] if len(null_values) == 1 else column.is_in(null_values)
    return column.set(blank, None) if blank.any() else column


def type_column(attribute: Attribute, column: pl.Series) -> TypedColumn:
    """Types and checks one column whose blank cells are null.

    SourceError where a Parquet column has a type that cannot become the declared one.
    """
    typed = _TYPES[_sent_type(attribute)](attribute, column)
    if attribute.blank == "skip":
        return typed
    present = pl.repeat(True, len(column), eager=True)
    if attribute.blank == "clear":
        return TypedColumn(typed.values, present, typed.reason, typed.dropped, typed.utc)
    reasons = (
        pl.repeat(None, len(column), dtype=pl.String, eager=True) if typed.reason is None else typed.reason
    )
    return TypedColumn(typed.values, present, reasons.set(column.is_null(), BLANK), typed.dropped, typed.utc)


def _sent_type(attribute: Attribute) -> str:
    """`number` also for a text that is to go out as a number: then it must be one."""
    return "number" if attribute.send_as == "number" else attribute.type


def encode(typed: TypedColumn, attribute: Attribute, encoding: Encoding) -> pl.Series:
    """The typed values as JSON text, String; null stays null."""
    value = typed.value
    if _sent_type(attribute) == "number":
        return quote_json(value) if attribute.send_as == "text" else value
    if attribute.type == "boolean":
        return _chosen(value, pl.lit(encoding.true), pl.lit(encoding.false))
    if attribute.type == "multi_choice":
        return encode_lists(value) if attribute.join is None else quote_json(value.list.join(attribute.join))
    if attribute.type == "date":
        return quote_json(value.dt.strftime(encoding.date))
    if attribute.type == "datetime":
        return quote_json(_datetime_text(value, typed.utc, encoding))
    return quote_json(value)


def as_text(column: pl.Series) -> pl.Series:
    """A scalar column as the text a person would read; null stays null. SourceError names a nested column."""
    kind = column.dtype
    if kind == pl.String:
        return column
    if kind == pl.Boolean:
        return _chosen(column, pl.lit("true"), pl.lit("false"))
    if kind.is_float() or kind.is_decimal():
        return _shortest(column.cast(pl.String))
    if isinstance(kind, pl.Datetime):
        return _datetime_text(*_naive(column), Encoding())
    if kind.is_nested() or kind in (pl.Binary, pl.Object, pl.Duration):
        raise _unusable(column)
    return column.cast(pl.String)


def quote_json(text: pl.Series) -> pl.Series:
    """Each text as a JSON string, escaped only where the column holds anything to escape."""
    if text.str.contains(r'["\\\x00-\x1f]').any():
        text = text.str.replace_many(list(_ESCAPES), list(_ESCAPES.values()))
    return text.to_frame("t").select(pl.concat_str(_QUOTE, "t", _QUOTE).alias(text.name)).to_series()


_QUOTE = pl.lit('"')
_ESCAPES: Mapping[str, str] = {c: json.dumps(c)[1:-1] for c in '"\\' + "".join(map(chr, range(32)))}


def _chosen(mask: pl.Series, yes: pl.Expr, no: pl.Expr) -> pl.Series:
    """`yes` where the mask is true, `no` where it is false, null where it is null."""
    column = pl.col(mask.name)
    return (
        mask.to_frame().select(pl.when(column).then(yes).when(~column).then(no).alias(mask.name)).to_series()
    )


def _unusable(column: pl.Series) -> SourceError:
    return SourceError(
        f'Column "{column.name}": the Parquet type {column.dtype} cannot become the declared type; '
        "declare another type or convert the column where the file is made."
    )


def _reasons(bad: pl.Series, reason: str) -> pl.Series | None:
    return _chosen(bad, pl.lit(reason), pl.lit(None, pl.String)) if bad.any() else None


def _checked(column: pl.Series, value: pl.Series, reason: str = INVALID) -> TypedColumn:
    """A column whose bad cells are those that have text but no value."""
    present = column.is_not_null()
    bad = present & value.is_null()
    return TypedColumn(value, present, _reasons(bad.rename(column.name), reason))


def _type_text(attribute: Attribute, column: pl.Series) -> TypedColumn:
    text = as_text(column)
    too_long = _too_long(attribute, text)
    if too_long is None:
        return TypedColumn(text, text.is_not_null())
    return _checked(text, text.set(too_long, None), TOO_LONG)


def _too_long(attribute: Attribute, text: pl.Series) -> pl.Series | None:
    """Where the text passes max_length, in characters; None = nowhere. The bytes are counted first."""
    limit = attribute.max_length
    if limit is None or not (text.str.len_bytes() > limit).any():
        return None
    too_long = (text.str.len_chars() > limit).fill_null(value=False)
    return too_long if too_long.any() else None


def _type_single_choice(attribute: Attribute, column: pl.Series) -> TypedColumn:
    if attribute.allow_custom:
        return _type_text(attribute, column)
    text = as_text(column)
    known = text.is_in(attribute.options)
    return _checked(text, text if known.all() else text.set(~known, None))


def _type_multi_choice(attribute: Attribute, column: pl.Series) -> TypedColumn:
    """Works on the distinct texts of the column, which are few, and maps the verdicts back."""
    if isinstance(column.dtype, (pl.List, pl.Array)):
        return _type_lists(attribute, column, column.cast(pl.List(pl.String)))
    text = as_text(column).rename("text")
    distinct = text.drop_nulls().unique().sort()
    few = len(distinct) <= _FEW
    verdicts = _remembered(attribute, tuple(distinct)) if few else _verdicts(attribute, distinct)
    table = verdicts.table

    def mapped(name: str) -> pl.Series:
        verdict = table.select("text", name)
        found = text.to_frame().join(verdict, on="text", how="left", maintain_order="left")
        return found[name].rename(column.name)

    return TypedColumn(
        lambda: mapped("value"),
        text.is_not_null(),
        mapped("reason") if verdicts.some_bad else None,
        mapped("dropped") if verdicts.some_dropped else None,
    )


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """`text`, `value`, `reason` and `dropped` of some distinct texts."""

    table: pl.DataFrame
    some_bad: bool
    some_dropped: bool


_FEW = 1000


@lru_cache(maxsize=64)
def _remembered(attribute: Attribute, texts: tuple[str, ...]) -> _Verdicts:
    """One batch after another holds the same few texts."""
    return _verdicts(attribute, pl.Series("text", texts, dtype=pl.String))


def _verdicts(attribute: Attribute, distinct: pl.Series) -> _Verdicts:
    typed = _type_lists(attribute, distinct, distinct.str.split(attribute.separator))
    table = pl.DataFrame(
        {
            "text": distinct,
            "value": typed.value,
            "reason": _or_null(typed.reason, len(distinct)),
            "dropped": _or_null(typed.dropped, len(distinct)),
        }
    )
    return _Verdicts(table, typed.reason is not None, typed.dropped is not None)


def _or_null(column: pl.Series | None, height: int) -> pl.Series:
    return pl.repeat(None, height, dtype=pl.String, eager=True) if column is None else column


def _type_lists(attribute: Attribute, column: pl.Series, lists: pl.Series) -> TypedColumn:
    """Empty pieces and repeated options go silently; undeclared ones are dropped and named."""
    option = pl.element()
    real = option.filter(option.is_not_null() & (option != "")).unique(maintain_order=True)
    asked = lists.list.eval(real)
    kept, dropped = asked, None
    if not attribute.allow_custom:
        declared = pl.element().is_in(attribute.options)
        kept = asked.list.eval(pl.element().filter(declared))
        if (kept.list.len() < asked.list.len()).any():
            dropped = asked.list.eval(pl.element().filter(~declared)).list.join(", ")
            dropped = dropped.set(dropped == "", None)
    value = kept.set(kept.list.len() == 0, None)
    bad = column.is_not_null() & value.is_null()
    return TypedColumn(value, column.is_not_null(), _list_reasons(bad, asked), dropped)


def _list_reasons(bad: pl.Series, asked: pl.Series) -> pl.Series | None:
    """A list of nothing but undeclared options is told from a text that names no option at all."""
    if not bad.any():
        return None
    reason = _chosen(bad.rename("bad"), pl.lit(NOT_DECLARED), pl.lit(None, pl.String))
    return reason.set(bad & (asked.list.len() == 0), INVALID)


def encode_lists(lists: pl.Series) -> pl.Series:
    """Each list as a JSON array of strings."""
    joined = lists.list.eval(_quoted(pl.element())).list.join(",")
    return ("[" + joined + "]").rename(lists.name)


def _quoted(text: pl.Expr) -> pl.Expr:
    return pl.lit('"') + text.str.replace_many(list(_ESCAPES), list(_ESCAPES.values())) + pl.lit('"')


def _type_number(attribute: Attribute, column: pl.Series) -> TypedColumn:
    if column.dtype == pl.Boolean or column.dtype.is_temporal():
        raise _unusable(column)
    if column.dtype in _EXACT and attribute.decimal == "." and not attribute.thousands:
        return _type_exact_number(attribute, column)
    text = as_text(column)
    number = _number_text(attribute, text)
    return _checked(
        text, number if attribute.min is None and attribute.max is None else _within(attribute, number)
    )


_EXACT = (pl.Float64, pl.Int64, pl.Int32, pl.Int16, pl.Int8, pl.UInt64, pl.UInt32, pl.UInt16, pl.UInt8)
"""Types of Parquet that compare as numbers just as their text would."""


def _type_exact_number(attribute: Attribute, column: pl.Series) -> TypedColumn:
    """Finite and within its range; the text is made only where it is sent."""
    size = column.cast(pl.Float64)
    known = size.set(~size.is_finite(), None) if column.dtype.is_float() else size
    typed = _checked(column, _in_range(attribute, known, known))

    def value() -> pl.Series:
        number = _number_text(attribute, as_text(column))
        return number if typed.reason is None else number.set(typed.reason.is_not_null(), None)

    return TypedColumn(value, typed.present, typed.reason)


_CANONICAL = r"^(?:0|-?[1-9][0-9]{0,17}|-?(?:0|[1-9][0-9]{0,17})\.[0-9]*[1-9])$"
"""Numbers that stay as they stand. Most do, and seeing it costs a tenth of what the others take."""

_PLAIN = r"^[+-]?[0-9]+$"
_DECIMAL = r"^[+-]?[0-9]+(\.[0-9]+)?$"
_NOT_ZERO = r"^[+-]?[0.]*[1-9]"
_EXPONENT = r"^[+-]?[0-9]+(\.[0-9]+)?[eE][+-]?[0-9]+$"


def _number_text(attribute: Attribute, text: pl.Series) -> pl.Series:
    """Canonical JSON number text, exact to the last digit; null where the text is no number.

    Integers never pass through a float and must fit 64 bits, signed or unsigned.
    """
    text = _plain_marks(attribute, text)
    if are_positive(text):
        return text
    other = ~text.str.contains(_CANONICAL)
    return _replaced(text, other, _other_numbers(text.filter(other))) if other.any() else text


def are_positive(text: pl.Series) -> bool:
    """Whether all are positive integers of 64 bits, written without sign and leading zeros; null is none."""
    whole = text.cast(pl.Int64, strict=False)
    return bool(whole.null_count() == text.null_count() and (text >= "1").all())


def _replaced(column: pl.Series, mask: pl.Series, values: pl.Series) -> pl.Series:
    """The column with `values`, one after another, where the mask is true."""
    return column.clone().scatter(mask.arg_true(), values)


def _other_numbers(text: pl.Series) -> pl.Series:
    small = text.cast(pl.Int64, strict=False)
    return pl.DataFrame({"t": text, "s": small}).select(_number_expr().alias(text.name)).to_series()


def _number_expr() -> pl.Expr:
    """Signed and unsigned 64-bit integers, decimals and exponents, in this order."""
    text, small = pl.col("t"), pl.col("s")
    big = text.str.strip_prefix("+").cast(pl.UInt64, strict=False)
    approximate = text.cast(pl.Float64, strict=False)
    finite = approximate.is_finite()
    decimal = shortest(text.str.strip_prefix("+").str.replace(r"^(-?)0+([0-9])", "${1}${2}"))
    return (
        pl.when(text.str.contains(_PLAIN))
        .then(pl.coalesce(small.cast(pl.String), big.cast(pl.String)))
        .when(text.str.contains(_DECIMAL) & finite)
        .then(decimal)
        .when(text.str.contains(_EXPONENT) & finite & ((approximate != 0) | ~text.str.contains(_NOT_ZERO)))
        .then(shortest(approximate.cast(pl.String)))
    )


def _plain_marks(attribute: Attribute, text: pl.Series) -> pl.Series:
    """The declared marks as the plain ones. A thousands mark counts only between groups of three digits."""
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


def _shortest(text: pl.Series) -> pl.Series:
    return text.to_frame("t").select(shortest(pl.col("t")).alias(text.name)).to_series()


def shortest(text: pl.Expr) -> pl.Expr:
    """Decimal text without zeros at its end: 46.20 → 46.2, 3.00 → 3."""
    return text.str.replace(r"^(-?[0-9]+)\.0*$", "${1}").str.replace(r"^(-?[0-9]+\.[0-9]*[1-9])0+$", "${1}")


def _within(attribute: Attribute, number: pl.Series) -> pl.Series:
    return _in_range(attribute, number, number.cast(pl.Float64))


def _in_range(attribute: Attribute, number: pl.Series, size: pl.Series) -> pl.Series:
    """The numbers with null where their size is out of the declared range."""
    outside = pl.repeat(False, len(number), eager=True)
    if attribute.min is not None:
        outside |= (size < attribute.min).fill_null(value=False)
    if attribute.max is not None:
        outside |= (size > attribute.max).fill_null(value=False)
    return number.set(outside, None) if outside.any() else number


def _type_boolean(attribute: Attribute, column: pl.Series) -> TypedColumn:
    if column.dtype == pl.Boolean:
        return TypedColumn(column, column.is_not_null())
    text = as_text(column)
    trues, falses = ([t.lower() for t in ts] for ts in (attribute.true_values, attribute.false_values))
    yes, no = text.is_in(trues), text.is_in(falses)
    if not (yes | no).all():
        lower = text.str.to_lowercase()
        yes, no = lower.is_in(trues), lower.is_in(falses)
    return _checked(text, yes.set(~(yes | no), None))


def _type_date(attribute: Attribute, column: pl.Series) -> TypedColumn:
    if column.dtype == pl.Date:
        return TypedColumn(column, column.is_not_null())
    if isinstance(column.dtype, pl.Datetime):
        days = column.dt.date()
        return _checked(column, days.set(column.dt.truncate("1d") != column, None))
    text = as_text(column)
    pattern = attribute.format or "%Y-%m-%d"
    days = text.str.to_date(pattern, strict=False, exact=True, cache=False)
    days = _plausible(days, pattern)
    if not ((text >= "0") & (text < ":")).all():
        days = days.set(text.str.contains(_LOOSE), None)
    return _checked(text, days)


_LOOSE = r"^[\s+]"
"""Blanks and a plus that chrono reads over at the start of a number; at its end it does not. All sort before
"0" or behind "9"."""


def _plausible(moments: pl.Series, pattern: str) -> pl.Series:
    """Chrono reads `%Y` from one digit on; a year before 1000 is a two-digit year under the wrong pattern."""
    if "%Y" not in pattern:
        return moments
    early = (moments.dt.year() < 1000).fill_null(value=False)
    return moments.set(early, None) if early.any() else moments


_ISO = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?$"
)


def _type_datetime(attribute: Attribute, column: pl.Series) -> TypedColumn:
    if isinstance(column.dtype, pl.Datetime):
        moments, utc = _naive(column)
        return TypedColumn(moments, column.is_not_null(), utc=utc)
    text = as_text(column)
    if attribute.format is None:
        return _type_iso(text)
    zoned = "%z" in attribute.format or "%:z" in attribute.format
    moments = text.str.to_datetime(
        attribute.format, strict=False, exact=True, time_unit="us", time_zone="UTC" if zoned else None
    )
    moments, utc = _naive(_plausible(moments, attribute.format))
    typed = _checked(text, moments)
    return TypedColumn(typed.value, typed.present, typed.reason, utc=utc)


def _naive(moments: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """Moments in microseconds without a zone, and where they are UTC (everywhere or, as None, nowhere)."""
    moments = moments.dt.cast_time_unit("us")
    if getattr(moments.dtype, "time_zone", None) is None:
        return moments, None
    utc = moments.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return utc, pl.repeat(True, len(moments), eager=True)


def _type_iso(text: pl.Series) -> TypedColumn:
    """ISO 8601 with a T or a blank, seconds and fraction optional; an offset is converted to UTC.

    Most columns have one shape. What has it is read at once, the rest part by part.
    """
    shape = _shape_of_first(text)
    other = ~text.str.contains(shape.pattern)
    moments = text.str.to_datetime(shape.format, strict=False, time_unit="us", cache=False)
    utc = pl.repeat(shape.utc, len(text), eager=True)
    if other.any():
        others, zoned = _iso_by_parts(text.filter(other))
        moments, utc = _replaced(moments, other, others), _replaced(utc, other, zoned)
    typed = _checked(text, moments.rename(text.name))
    return TypedColumn(typed.value, typed.present, typed.reason, utc=utc if utc.any() else None)


@dataclass(frozen=True, slots=True)
class _Shape:
    pattern: str
    format: str
    utc: bool


def _shape_of_first(text: pl.Series) -> _Shape:
    """How the first moment of the column is written, to the second, with or without a Z."""
    at = text.is_not_null().arg_max()
    first = str(text[at]) if at is not None else ""
    between, zone = "T" if "T" in first else " ", "Z" if first.endswith("Z") else ""
    clock = "(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}"
    return _Shape(
        f"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{between}{clock}{zone}$",
        f"%Y-%m-%d{between}%H:%M:%S{zone}",
        bool(zone),
    )


def _iso_by_parts(text: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Moments in UTC where a zone is given, else as they stand; and where one is given."""
    parts = text.str.extract_groups(_ISO).struct.unnest()
    day, minute, second, fraction, offset = parts.get_columns()
    second = second.fill_null(":00") + fraction.fill_null("")
    moments = (day + "T" + minute + second).str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us"
    )
    return moments - _offset(offset), offset.is_not_null()


def _offset(offset: pl.Series) -> pl.Series:
    digits = offset.str.replace_all(r"[^0-9]", "").cast(pl.Int64, strict=False).fill_null(0)
    minutes = (digits // 100) * 60 + digits % 100
    sign = offset.str.starts_with("-").fill_null(value=False).cast(pl.Int64) * -2 + 1
    frame = (minutes * sign).to_frame("m")
    return frame.select(pl.duration(minutes=pl.col("m"), time_unit="us")).to_series()


def _datetime_text(moments: pl.Series, utc: pl.Series | None, encoding: Encoding) -> pl.Series:
    text = moments.dt.strftime(encoding.datetime)
    if utc is None:
        return text
    frame = pl.DataFrame({"text": text, "utc": utc, "zoned": moments.dt.strftime(encoding.datetime_utc)})
    return frame.select(pl.when("utc").then("zoned").otherwise("text").alias(moments.name)).to_series()


_TYPES: Mapping[str, Callable[[Attribute, pl.Series], TypedColumn]] = {
    "free_text": _type_text,
    "single_choice": _type_single_choice,
    "multi_choice": _type_multi_choice,
    "number": _type_number,
    "boolean": _type_boolean,
    "date": _type_date,
    "datetime": _type_datetime,
}


def display(column: pl.Series) -> pl.Series:
    """A cell as a report shows it: its text, or a list's options joined by ", "; never raises."""
    if isinstance(column.dtype, (pl.List, pl.Array)):
        return column.cast(pl.List(pl.String), strict=False).list.join(", ", ignore_nulls=True)
    try:
        return as_text(column)
    except SourceError:
        return pl.repeat(None, len(column), dtype=pl.String, eager=True).rename(column.name)
