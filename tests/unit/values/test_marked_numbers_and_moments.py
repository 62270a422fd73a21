"""Numbers with units and parentheses; moments that are counted, or belong to a zone."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from importer.config.attribute import Attribute
from importer.core.models import Encoding
from importer.values.column_types import CellRules, type_cells
from importer.values.json_text import encode

BAD = "attribute_value_invalid"


def results(cells: Sequence[Any], **declared: Any) -> list[str | None]:
    """The JSON text of each cell, or its reason where it is bad."""
    attribute = Attribute.model_validate(declared)
    typed = type_cells(attribute, CellRules(("",), (), trims=True, unwraps=False), pl.Series("c", cells))
    reasons = [None] * len(cells) if typed.reason is None else typed.reason.to_list()
    texts = encode(typed, attribute, Encoding()).to_list()
    return [reason or text for text, reason in zip(texts, reasons, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.50 €", "12.5"),
        ("€12.50", "12.5"),
        ("-€12.50", "-12.5"),
        ("€ 12", "12"),
        ("12\u00a0€", "12"),
        ("12 %", "12"),
        ("(12.00)", "-12"),
        ("(€12.00)", "-12"),
        ("(12.00 €)", "-12"),
        ("12", "12"),
        ("€", BAD),
        ("12 $", BAD),
        ("12 € €", BAD),
        ("(-12)", BAD),
        ("(12", BAD),
        ("()", BAD),
        ("1 2", BAD),
    ],
)
def test_units_and_parentheses_are_read_where_declared(text: str, expected: str) -> None:
    assert results([text, "7"], type="number", units=("€", "%"), parentheses=True) == [expected, "7"]


@pytest.mark.parametrize("text", ["12 €", "(12)", "12 %"])
def test_without_a_declaration_they_are_no_numbers(text: str) -> None:
    assert results([text], type="number") == [BAD]


def test_units_go_with_other_marks() -> None:
    given = {"units": ("EUR",), "decimal": ",", "thousands": "."}
    assert results(["1.234,50 EUR", "EUR 0,5"], type="number", **given) == ["1234.5", "0.5"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("45657", '"2024-12-31"'),
        ("45657.0", '"2024-12-31"'),
        ("1", '"1900-01-01"'),
        ("59", '"1900-02-28"'),
        ("60", BAD),
        ("61", '"1900-03-01"'),
        ("2958465", '"9999-12-31"'),
        ("2958466", BAD),
        ("0", BAD),
        ("-5", BAD),
        ("45657.5", BAD),
        ("2024-12-31", BAD),
    ],
)
def test_days_of_a_spreadsheet(text: str, expected: str) -> None:
    assert results([text], type="date", format="excel") == [expected]


def test_moments_of_a_spreadsheet() -> None:
    cells = ["45657", "45657.5", "45657.770833333336", "x"]
    expected = ['"2024-12-31T00:00:00"', '"2024-12-31T12:00:00"', '"2024-12-31T18:30:00"', BAD]
    assert results(cells, type="datetime", format="excel") == expected
    assert results([45657.5], type="datetime", format="excel") == ['"2024-12-31T12:00:00"']


def test_seconds_and_milliseconds_of_unix_are_utc() -> None:
    cells = ["1735669800", "0", "1735669800.25", "-1.5", "99999999999999", "x", "1e9"]
    assert results(cells, type="datetime", format="unix") == [
        '"2024-12-31T18:30:00Z"',
        '"1970-01-01T00:00:00Z"',
        '"2024-12-31T18:30:00.250Z"',
        '"1969-12-31T23:59:58.500Z"',
        BAD,
        BAD,
        BAD,
    ]
    assert results([1735669800123], type="datetime", format="unix_ms") == ['"2024-12-31T18:30:00.123Z"']
    assert results(["253402300799999", "253402300800000"], type="datetime", format="unix_ms")[1] == BAD


def test_moments_without_an_offset_belong_to_the_declared_zone() -> None:
    cells = [
        "2024-01-15 12:00",
        "2024-07-15 12:00",
        "2024-03-31 02:30",  # the clocks go from 2 to 3: there is no such moment
        "2024-10-27 02:30",  # the clocks go back from 3 to 2: there are two
        "2024-07-15 12:00+00:00",
        "x",
    ]
    expected = ['"2024-01-15T11:00:00Z"', '"2024-07-15T10:00:00Z"', BAD, BAD, '"2024-07-15T12:00:00Z"', BAD]
    assert results(cells, type="datetime", zone="Europe/Berlin") == expected
    naive = pl.Series(["2024-01-15 12:00"]).str.to_datetime()
    assert results(naive.to_list(), type="datetime", zone="Europe/Berlin") == ['"2024-01-15T11:00:00Z"']


def test_what_does_not_go_together_is_refused() -> None:
    for declared, message in (
        ({"type": "date", "format": "unix"}, "only for type = datetime"),
        ({"type": "datetime", "zone": "Berlin"}, "zone: not a time zone"),
        ({"type": "date", "zone": "Europe/Berlin"}, "zone: only for type = datetime"),
        ({"type": "number", "units": ("",)}, "units: a unit is a text"),
    ):
        with pytest.raises(ValueError, match=message):
            Attribute.model_validate(declared)
