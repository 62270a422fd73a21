"""Dates and times that are written as a count: days of a spreadsheet, seconds or milliseconds of Unix."""

import polars as pl

EXCEL, UNIX, UNIX_MS = "excel", "unix", "unix_ms"
FORMATS = (EXCEL, UNIX, UNIX_MS)

_EPOCH_DAY = 25_569
"""1970-01-01 as a spreadsheet counts it."""

_MISSING_DAY = 60
"""29 February 1900, which spreadsheets count and the calendar does not have."""

_LAST_DAY = 2_958_465
"""9999-12-31."""

_DAY_MS = 86_400_000
_LAST_SECOND = 253_402_300_799
_SECONDS = r"^(-?[0-9]{1,12})(?:\.([0-9]{1,6}))?$"
_MILLISECONDS = r"^-?[0-9]{1,15}$"


def excel_days(text: pl.Series) -> pl.Series:
    """Date of each whole number of days, null where it is none: 45657 is 2024-12-31."""
    whole = text.str.strip_suffix(".0")
    days = _known_days(whole.set(~whole.str.contains("^[0-9]{1,7}$"), None).cast(pl.Int32))
    return days.cast(pl.Date)


def read(form: str, text: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """Moments in microseconds without a zone, null where the text is none; and where they are UTC."""
    if form == EXCEL:
        return _excel_moments(text), None
    micros = _unix_seconds(text) if form == UNIX else _unix_milliseconds(text)
    return micros.cast(pl.Datetime("us")), pl.repeat(True, len(text), eager=True)


def _known_days(days: pl.Series) -> pl.Series:
    """Days since 1970 of spreadsheet days; before the day that is missing, the count is one behind."""
    known = days.set((days < 1) | (days == _MISSING_DAY) | (days > _LAST_DAY), None)
    return known - _EPOCH_DAY + (known < _MISSING_DAY).cast(pl.Int32)


def _excel_moments(text: pl.Series) -> pl.Series:
    """To the millisecond: a spreadsheet's count has no more digits."""
    count = text.set(~text.str.contains(r"^[0-9]{1,7}(?:\.[0-9]+)?$"), None).cast(pl.Float64)
    total = (count * _DAY_MS).round(0).cast(pl.Int64)
    days = _known_days((total // _DAY_MS).cast(pl.Int32)).cast(pl.Int64)
    return ((days * _DAY_MS + total % _DAY_MS) * 1000).cast(pl.Datetime("us"))


def _unix_seconds(text: pl.Series) -> pl.Series:
    parts = text.str.extract_groups(_SECONDS).struct.unnest()
    seconds, fraction = parts.get_columns()
    whole = seconds.cast(pl.Int64, strict=False)
    micros = fraction.fill_null("").str.pad_end(6, "0").cast(pl.Int64)
    sign = text.str.starts_with("-").cast(pl.Int64) * -2 + 1
    return whole.set(whole.abs() > _LAST_SECOND, None) * 1_000_000 + micros * sign


def _unix_milliseconds(text: pl.Series) -> pl.Series:
    count = text.set(~text.str.contains(_MILLISECONDS), None).cast(pl.Int64)
    return count.set(count.abs() > _LAST_SECOND * 1000, None) * 1000
