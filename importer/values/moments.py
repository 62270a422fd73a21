"""The types date and datetime."""

import datetime as dt
from dataclasses import dataclass, replace

import polars as pl

from importer.config.attribute import Attribute
from importer.values import counted_moments
from importer.values.cell_texts import as_text, beyond_years, units_a_day, without_zone
from importer.values.fixed_width import all_fit
from importer.values.typed_column import TypedColumn, checked, everywhere, present_in, replace_where


def type_date(attribute: Attribute, column: pl.Series) -> TypedColumn:
    """A date in the declared format; a Parquet moment only where it is midnight."""
    if column.dtype == pl.Date:
        return checked(column, _within_years(column))
    if isinstance(column.dtype, pl.Datetime):
        known = _within_years(column)
        days = known.dt.date()
        days = days.set(known.dt.truncate("1d") != known, None)
        return checked(column, days)
    text = as_text(column)
    if attribute.format == counted_moments.EXCEL:
        return checked(text, counted_moments.excel_days(text))
    pattern = attribute.format or "%Y-%m-%d"
    if all_fit(text, pattern, pl.Date()):
        return TypedColumn(lambda: text.str.to_date(pattern, cache=False), present_in(text))
    days = text.str.to_date(pattern, strict=False, exact=True, cache=False)
    days = _plausible(days, pattern)
    if not ((text >= "0") & (text < ":")).all():
        days = days.set(text.str.contains(_LOOSE), None)
    return checked(text, days)


_LOOSE = r"^[\s+]"
"""Blanks and a plus that chrono reads over at the start of a number; at its end it does not. All sort before
"0" or behind "9"."""


def _plausible(moments: pl.Series, pattern: str) -> pl.Series:
    """Chrono reads `%Y` from one digit on; a year before 1000 is a two-digit year under the wrong pattern."""
    if "%Y" not in pattern:
        return moments
    unit = units_a_day(moments)
    assert unit is not None, "read as days or microseconds"
    early = moments.to_physical() < _FIRST_OF_1000 * unit
    return moments.set(early.fill_null(value=False), None) if early.any() else moments


_FIRST_OF_1000 = (dt.date(1000, 1, 1) - dt.date(1970, 1, 1)).days


_FIRST, _LAST = dt.datetime.min, dt.datetime.max  # noqa: DTZ901 - the series they bound have no zone
"""Moments with a year of four digits. Parquet, an offset or a count of seconds can lead beyond them, and the
text of such a moment would be no date that a destination reads."""


def _within_years(column: pl.Series) -> pl.Series:
    beyond = beyond_years(column)
    return column if beyond is None else column.set(beyond, None)


def _writable(moments: pl.Series, first: dt.date, last: dt.date) -> pl.Series:
    """The moments with null where they stand before `first` or behind `last`."""
    outside = (moments < first) | (moments > last)
    return moments.set(outside, None) if outside.any() else moments


_ISO = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(\.[0-9]{1,9})?"
    r"(Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?$"
)


def type_datetime(attribute: Attribute, column: pl.Series) -> TypedColumn:
    """A date and time in the declared format, else ISO 8601; an offset is converted to UTC.

    With `zone` a moment without an offset is one of that zone, and is converted too. It is bad where the zone
    has no such moment, or has it twice, as clocks go forward or back. A moment whose year is not of four
    digits is bad too.
    """
    if attribute.zone is None and (clear := _type_fixed_width(attribute, column)):
        return clear
    typed = _type_moment(attribute, column)
    if attribute.zone is not None:
        typed = _in_zone(attribute.zone, column, typed)
    moments = typed.value
    known = _writable(moments, _FIRST, _LAST)
    return typed if known is moments else replace(checked(column, known), utc=typed.utc)


def _type_fixed_width(attribute: Attribute, column: pl.Series) -> TypedColumn | None:
    """The column where all its texts are of one form that shows at once; its moments are made when needed."""
    if column.dtype != pl.String:
        return None
    shape = _shape_of_first(column) if attribute.format is None else _Shape("", attribute.format, utc=False)
    if not all_fit(column, shape.format, pl.Datetime("us")):
        return None
    utc = everywhere(len(column)) if shape.utc else None
    return TypedColumn(
        lambda: column.str.to_datetime(shape.format, time_unit="us", cache=False),
        present_in(column),
        utc=utc,
    )


def _type_moment(attribute: Attribute, column: pl.Series) -> TypedColumn:
    if isinstance(column.dtype, pl.Datetime):
        moments, utc = without_zone(_within_years(column))
        return replace(checked(column, moments), utc=utc)
    text = as_text(column)
    if attribute.format is None:
        return _type_iso(text)
    if attribute.format in counted_moments.FORMATS:
        moments, utc = counted_moments.read(attribute.format, text)
    else:
        moments, utc = without_zone(_plausible(_read(attribute.format, text), attribute.format))
    typed = checked(text, moments)
    return TypedColumn(typed.value, typed.present, typed.reason, utc=utc)


def _read(pattern: str, text: pl.Series) -> pl.Series:
    zone = "UTC" if "%z" in pattern or "%:z" in pattern else None
    return text.str.to_datetime(pattern, strict=False, exact=True, time_unit="us", time_zone=zone)


def _in_zone(zone: str, column: pl.Series, typed: TypedColumn) -> TypedColumn:
    naive = typed.value if typed.utc is None else typed.value.set(typed.utc.fill_null(value=False), None)
    local = naive.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
    moments = local.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if typed.utc is not None:
        moments = typed.value.zip_with(typed.utc.fill_null(value=False), moments)
    converted = checked(column, moments)
    return replace(converted, utc=pl.repeat(True, len(column), eager=True))


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
        moments, utc = replace_where(moments, other, others), replace_where(utc, other, zoned)
    typed = checked(text, moments.rename(text.name))
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
