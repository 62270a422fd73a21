"""The types date and datetime, from text and from Parquet."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from importer.config.attribute import Attribute
from importer.core.models import Encoding
from importer.core.rejects import INVALID
from importer.values.json_text import encode
from importer.values.moments import type_date, type_datetime


def results(cells: Sequence[str | None] | pl.Series, kind: str = "datetime", **declared: Any) -> list[Any]:
    """The JSON text of each cell, or its reason where it is bad."""
    attribute = Attribute.model_validate({"type": kind, **declared})
    column = cells if isinstance(cells, pl.Series) else pl.Series("c", cells, dtype=pl.String)
    typed = (type_date if kind == "date" else type_datetime)(attribute, column)
    assert typed.present.to_list() == column.is_not_null().to_list()
    reasons = [None] * len(column) if typed.reason is None else typed.reason.to_list()
    texts = encode(typed, attribute, Encoding()).to_list()
    assert all(text is None or reason is None for text, reason in zip(texts, reasons, strict=True))
    return [reason or text for text, reason in zip(texts, reasons, strict=True)]


@pytest.mark.parametrize("text", ["+2024-02-29", " 2024-02-29", "2024-02-29 ", "24-02-29", ""])
def test_a_date_is_read_exactly_as_its_pattern_is_written(text: str) -> None:
    assert results([text, "2024-02-29", None], "date") == [INVALID, '"2024-02-29"', None]


def test_a_year_before_1000_is_a_year_of_two_digits_under_the_wrong_pattern() -> None:
    assert results(["31/12/24", "31/12/0999", "31/12/1000"], "date", format="%d/%m/%Y") == [
        INVALID,
        INVALID,
        '"1000-12-31"',
    ]
    assert results(["31/12/24"], "date", format="%d/%m/%y") == ['"2024-12-31"']
    assert results(["31/12/24 10:00"], format="%d/%m/%Y %H:%M") == [INVALID]


def test_a_date_counted_by_a_spreadsheet() -> None:
    assert results(["45657", "45657.5"], "date", format="excel") == ['"2024-12-31"', INVALID]


def test_a_moment_of_parquet_is_a_date_only_at_midnight() -> None:
    column = pl.Series("c", [1_709_164_800, 1_709_164_801, None]).cast(pl.Int64) * 1_000_000
    assert results(column.cast(pl.Datetime("us")), "date") == ['"2024-02-29"', INVALID, None]


def test_a_column_of_mixed_shapes_is_read_cell_by_cell() -> None:
    assert results(
        [None, "2024-02-29T10:11:12Z", "2024-02-29 10:11:12", "2024-02-29T10:11", "2024-02-29T10:11:12.25"]
    ) == [
        None,
        '"2024-02-29T10:11:12Z"',
        '"2024-02-29T10:11:12"',
        '"2024-02-29T10:11:00"',
        '"2024-02-29T10:11:12.250"',
    ]


def test_a_column_without_a_zone_has_no_mark_of_utc() -> None:
    attribute = Attribute(type="datetime")
    naive = type_datetime(attribute, pl.Series("c", ["2024-02-29T10:11:12", "2024-02-29T10:11"]))
    assert naive.utc is None
    mixed = type_datetime(attribute, pl.Series("c", ["2024-02-29T10:11:12", "2024-02-29T10:11Z"]))
    assert mixed.utc is not None
    assert mixed.utc.to_list() == [False, True]


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        ("+02:00", '"2024-02-29T08:00:00Z"'),
        ("-0330", '"2024-02-29T13:30:00Z"'),
        ("+23:59", '"2024-02-28T10:01:00Z"'),
        ("+24:00", INVALID),
        ("+02:60", INVALID),
        ("-9999", INVALID),
        ("+02", INVALID),
    ],
)
def test_an_offset_is_of_hours_and_minutes_that_a_day_has(offset: str, expected: str) -> None:
    assert results([f"2024-02-29T10:00:00{offset}", "2024-02-29T10:00:00"])[0] == expected


def test_a_declared_pattern_with_an_offset_is_converted_to_utc() -> None:
    assert results(["29.02.2024 10:00 +0200", "29.02.2024 10:00"], format="%d.%m.%Y %H:%M %z") == [
        '"2024-02-29T08:00:00Z"',
        INVALID,
    ]


def test_a_moment_that_a_zone_does_not_have_or_has_twice_is_bad() -> None:
    cells = [
        "2024-03-31T02:30:00",
        "2024-10-27T02:30:00",
        "2024-07-01T12:00:00",
        "2024-07-01T12:00:00Z",
        None,
    ]
    assert results(cells, zone="Europe/Berlin") == [
        INVALID,
        INVALID,
        '"2024-07-01T10:00:00Z"',
        '"2024-07-01T12:00:00Z"',
        None,
    ]


@pytest.mark.parametrize(
    ("text", "declared", "good"),
    [
        ("9999-12-31T23:59:59-02:00", {}, False),
        ("9999-12-31T23:59:59+02:00", {}, True),
        ("9999-12-31T23:59:59", {}, True),
        ("9999-12-31T23:59:59", {"zone": "America/New_York"}, False),
        ("0001-01-01T00:00:00", {}, True),
        ("0001-01-01T00:00:00+02:00", {}, False),
        ("-62135596800", {"format": "unix"}, True),
        ("-62135596801", {"format": "unix"}, False),
        ("-62135596800001", {"format": "unix_ms"}, False),
    ],
)
def test_a_moment_whose_year_has_not_four_digits_in_utc_is_bad(
    text: str, declared: dict[str, Any], good: bool
) -> None:
    found, blank = results([text, None], **declared)
    assert (found != INVALID) == good
    assert blank is None


def test_a_year_of_parquet_that_has_not_four_digits_is_bad() -> None:
    days = pl.Series("c", [2_932_896, 2_932_897, -719_162, -719_163, None], dtype=pl.Int32).cast(pl.Date)
    assert results(days, "date") == ['"9999-12-31"', INVALID, '"0001-01-01"', INVALID, None]
    midnights = days.cast(pl.Datetime("us"))
    assert results(midnights, "date") == ['"9999-12-31"', INVALID, '"0001-01-01"', INVALID, None]
    assert results(midnights)[:2] == ['"9999-12-31T00:00:00"', INVALID]


def test_moments_of_parquet_keep_their_microseconds() -> None:
    at = dt.datetime(2024, 2, 29, 10, 11, 12, 345_678, tzinfo=dt.UTC)
    assert results(pl.Series("c", [at])) == ['"2024-02-29T10:11:12.345678Z"']
