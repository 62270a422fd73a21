"""Days of a spreadsheet, seconds and milliseconds of Unix."""

import datetime as dt

import polars as pl
import pytest

from importer.values.counted_moments import EXCEL, UNIX, UNIX_MS, excel_days, read


def moments(form: str, *texts: str | None) -> list[str | None]:
    """Each moment as ISO text, to the microsecond where it has a fraction."""
    found, _ = read(form, pl.Series("c", texts, dtype=pl.String))
    assert found.dtype == pl.Datetime("us")
    return found.dt.strftime("%Y-%m-%dT%H:%M:%S%.f").to_list()


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1", dt.date(1900, 1, 1)),
        ("59", dt.date(1900, 2, 28)),
        ("60", None),  # 29 February 1900, which the calendar does not have
        ("61", dt.date(1900, 3, 1)),
        ("45657", dt.date(2024, 12, 31)),
        ("45657.0", dt.date(2024, 12, 31)),
        ("45657.5", None),
        ("2958465", dt.date(9999, 12, 31)),
        ("2958466", None),
        ("12345678", None),
        ("0", None),
        ("-1", None),
        ("", None),
        ("x", None),
        (None, None),
    ],
)
def test_a_whole_number_of_spreadsheet_days_is_a_date(text: str | None, day: dt.date | None) -> None:
    assert excel_days(pl.Series("c", [text, "45657"], dtype=pl.String)).to_list() == [
        day,
        dt.date(2024, 12, 31),
    ]


def test_a_fraction_of_a_spreadsheet_day_is_a_time_to_the_millisecond() -> None:
    assert moments(EXCEL, "45657.5", "45657", "61.000011574", "45657.999999999", "60.5", "0.5") == [
        "2024-12-31T12:00:00",
        "2024-12-31T00:00:00",
        "1900-03-01T00:00:01",
        "2025-01-01T00:00:00",
        None,
        None,
    ]
    assert moments(EXCEL, "-1.5", "1,5", "x", None) == [None] * 4


def test_spreadsheet_moments_have_no_zone_and_unix_moments_are_utc() -> None:
    one = pl.Series("c", ["1", None])
    assert read(EXCEL, one)[1] is None
    for form in (UNIX, UNIX_MS):
        utc = read(form, one)[1]
        assert utc is not None
        assert utc.to_list() == [True, True]


def test_unix_seconds_may_have_a_fraction_and_a_sign() -> None:
    assert moments(UNIX, "0", "1.5", "-1.5", "-0.5", "1.123456", "1735689599") == [
        "1970-01-01T00:00:00",
        "1970-01-01T00:00:01.500",
        "1969-12-31T23:59:58.500",
        "1969-12-31T23:59:59.500",
        "1970-01-01T00:00:01.123456",
        "2024-12-31T23:59:59",
    ]


@pytest.mark.parametrize("text", ["253402300800", "1e3", "1.1234567", "+1", "", " 1", "1.", "x", None])
def test_what_is_no_count_of_seconds_has_no_moment(text: str | None) -> None:
    assert moments(UNIX, text, "253402300799") == [None, "9999-12-31T23:59:59"]


def test_unix_milliseconds_are_whole() -> None:
    assert moments(UNIX_MS, "1500", "-1", "253402300799000", "253402300799999", "1.5", "x", None) == [
        "1970-01-01T00:00:01.500",
        "1969-12-31T23:59:59.999",
        "9999-12-31T23:59:59",
        None,
        None,
        None,
        None,
    ]
