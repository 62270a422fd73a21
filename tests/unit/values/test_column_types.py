"""Typing and encoding, value by value."""

import datetime as dt
import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.config.attribute import Attribute
from importer.core.errors import SourceError
from importer.core.models import Encoding
from importer.values.cell_texts import as_text
from importer.values.column_types import CellRules, type_cells, type_column
from importer.values.json_text import encode, quote_json

BAD = "attribute_value_invalid"


def moment(hour: int) -> dt.datetime:
    """A naive moment, as a file without zones holds it."""
    return dt.datetime(2024, 2, 29, hour)  # noqa: DTZ001 - naive on purpose


def typed(column: pl.Series, **declaration: Any) -> list[tuple[Any, str | None]]:
    """Each cell's JSON text, and why it has none."""
    attribute = Attribute(**declaration)
    result = type_column(attribute, column)
    texts = encode(result, attribute, Encoding()).to_list()
    reasons = [None] * len(texts) if result.reason is None else result.reason.to_list()
    return list(zip(texts, reasons, strict=True))


def one(text: Any, **declaration: Any) -> tuple[Any, str | None]:
    """The verdict on one cell, looked at alone and among others."""
    alone = typed(pl.Series("c", [text], dtype=pl.String), **declaration)
    among = typed(pl.Series("c", ["1", text, None, "x"], dtype=pl.String), **declaration)
    assert among[1] == alone[0]
    return alone[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("42", "42"),
        ("007", "7"),
        ("+5", "5"),
        ("-0", "0"),
        ("-17", "-17"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9223372036854775808"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", None),
        ("-9223372036854775808", "-9223372036854775808"),
        ("-9223372036854775809", None),
        ("46.20", "46.2"),
        ("3.00", "3"),
        ("0.1", "0.1"),
        ("-00.50", "-0.5"),
        ("100.0", "100"),
        ("123456789012345678.123", "123456789012345678.123"),
        ("1E5", "100000"),
        ("1e-3", "0.001"),
        ("1e999", None),
        ("1e-400", None),
        ("0e-400", "0"),
        ("NaN", None),
        ("inf", None),
        ("-Infinity", None),
        ("5.", None),
        (".5", None),
        (" 5", None),
        ("5 ", None),
        ("0x1", None),
        ("1_000", None),
        ("1,5", None),
        ("٣", None),
        ("--5", None),
        ("", None),
    ],
)
def test_numbers_are_exact(text: str, expected: str | None) -> None:
    assert one(text, type="number") == (expected, None if expected else BAD)


@pytest.mark.parametrize(
    ("text", "marks", "expected"),
    [
        ("1.234,5", (".", ","), "1234.5"),
        ("1.234.567", (".", ","), "1234567"),
        ("12.34", (".", ","), None),
        ("1234", (".", ","), "1234"),
        ("1.23.456", (".", ","), None),
        ("1,234.50", (",", "."), "1234.5"),
        ("1'234", ("'", "."), "1234"),
        ("5.5", ("", ","), None),
        ("5,5", ("", ","), "5.5"),
    ],
)
def test_marks_are_declared(text: str, marks: tuple[str, str], expected: str | None) -> None:
    verdict = one(text, type="number", thousands=marks[0], decimal=marks[1])
    assert verdict == (expected, None if expected else BAD)


@given(st.integers(-(2**63), 2**64 - 1))
def test_every_64_bit_integer_survives(number: int) -> None:
    assert one(str(number), type="number") == (str(number), None)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_decimals_keep_their_value(number: Any) -> None:
    text, reason = one(f"{number:f}", type="number")
    assert reason is None
    assert float(text) == float(number)
    assert not text.endswith("0") or "." not in text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_any_text_is_valid_json_and_comes_back(text: str) -> None:
    assert json.loads(quote_json(pl.Series([text]))[0]) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-29", '"2024-02-29"'),
        ("2023-02-29", None),
        ("23-01-01", None),
        ("29.02.2024", None),
        ("x", None),
    ],
)
def test_dates_by_the_default_format(text: str, expected: str | None) -> None:
    assert one(text, type="date") == (expected, None if expected else BAD)


def test_dates_by_a_declared_format() -> None:
    assert one("03/04/2024", type="date", format="%d/%m/%Y") == ('"2024-04-03"', None)
    assert one("2024-04-03", type="date", format="%d/%m/%Y") == (None, BAD)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-29T10:11:12", '"2024-02-29T10:11:12"'),
        ("2024-02-29 10:11", '"2024-02-29T10:11:00"'),
        ("2024-02-29T10:11:12Z", '"2024-02-29T10:11:12Z"'),
        ("2024-02-29T10:11:12.5+02:00", '"2024-02-29T08:11:12.500Z"'),
        ("2024-02-29T00:30:00-0130", '"2024-02-29T02:00:00Z"'),
        ("2024-02-29T24:11:12", None),
        ("2024-02-30T10:11:12", None),
        ("2024-02-29", None),
    ],
)
def test_datetimes_are_iso_by_default(text: str, expected: str | None) -> None:
    assert one(text, type="datetime") == (expected, None if expected else BAD)


def test_booleans_are_declared_texts() -> None:
    cells = pl.Series("c", ["TRUE", "0", "Yes", "ja", None])
    assert [t for t, _ in typed(cells, type="boolean")] == ["true", "false", "true", None, None]
    only = typed(pl.Series("c", ["ja", "1"]), type="boolean", true_values=("ja",), false_values=("nein",))
    assert only == [("true", None), (None, BAD)]


def test_choices_are_compared_exactly() -> None:
    cells = pl.Series("c", ["pro", "Pro", "pro ", None])
    assert typed(cells, type="single_choice", options=("pro",)) == [
        ('"pro"', None),
        (None, BAD),
        (None, BAD),
        (None, None),
    ]
    assert typed(pl.Series("c", ["any"]), type="single_choice", options=("pro",), allow_custom=True) == [
        ('"any"', None)
    ]


def test_multi_choice_keeps_what_is_declared_and_names_the_rest() -> None:
    attribute = Attribute(type="multi_choice", options=("a", "b"))
    column = pl.Series("c", ["a|b", "b|x|b||a", "x|y", "|", None])
    result = type_column(attribute, column)
    assert encode(result, attribute, Encoding()).to_list() == ['["a","b"]', '["b","a"]', None, None, None]
    assert result.reason is not None
    assert result.reason.to_list() == [None, None, "option_not_declared", BAD, None]
    assert result.dropped is not None
    assert result.dropped.to_list() == [None, "x", "x, y", None, None]


def test_too_long_is_counted_in_characters() -> None:
    assert one("äöü", type="free_text", max_length=3) == ('"äöü"', None)
    assert one("äöü!", type="free_text", max_length=3) == (None, "attribute_value_too_long")


@pytest.mark.parametrize("policy", ["skip", "clear", "reject"])
def test_blank_cells_follow_their_policy(policy: str) -> None:
    attribute = Attribute.model_validate({"type": "free_text", "blank": policy})
    result = type_column(attribute, pl.Series("c", ["a", None]))
    assert result.present.to_list() == [True, policy != "skip"]
    reasons = [None, None] if result.reason is None else result.reason.to_list()
    assert reasons == [None, "attribute_value_blank" if policy == "reject" else None]


@pytest.mark.parametrize(
    ("column", "declaration", "expected"),
    [
        (pl.Series([1, None], dtype=pl.UInt64), {"type": "number"}, ["1", None]),
        (pl.Series([2**64 - 1], dtype=pl.UInt64), {"type": "number"}, ["18446744073709551615"]),
        (pl.Series([1.5, 2.0, float("nan")]), {"type": "number"}, ["1.5", "2", None]),
        (pl.Series(["12.50"]).cast(pl.Decimal(10, 2)), {"type": "number"}, ["12.5"]),
        (pl.Series([True, None]), {"type": "boolean"}, ["true", None]),
        (pl.Series([True]), {"type": "free_text"}, ['"true"']),
        (pl.Series([dt.date(2024, 2, 29)]), {"type": "date"}, ['"2024-02-29"']),
        (
            pl.Series([moment(0), moment(1)]),
            {"type": "date"},
            ['"2024-02-29"', None],
        ),
        (
            pl.Series([moment(1)], dtype=pl.Datetime("ns")),
            {"type": "datetime"},
            ['"2024-02-29T01:00:00"'],
        ),
        (
            pl.Series([moment(1)]).dt.replace_time_zone("Europe/Berlin"),
            {"type": "datetime"},
            ['"2024-02-29T00:00:00Z"'],
        ),
        (
            pl.Series([["a", "x"], None, []]),
            {"type": "multi_choice", "options": ("a",)},
            ['["a"]', None, "[]"],
        ),
        (pl.Series(["a"], dtype=pl.Categorical), {"type": "free_text"}, ['"a"']),
        (pl.Series([7], dtype=pl.Int8), {"type": "free_text"}, ['"7"']),
    ],
)
def test_parquet_columns_keep_their_own_types(
    column: pl.Series, declaration: dict[str, Any], expected: list[str | None]
) -> None:
    assert [text for text, _ in typed(column.alias("c"), **declaration)] == expected


def test_a_column_that_cannot_become_the_type_is_named() -> None:
    with pytest.raises(SourceError, match='Column "c"'):
        as_text(pl.Series("c", [[b"x"]]))
    with pytest.raises(SourceError, match='Column "c"'):
        type_column(Attribute(type="number"), pl.Series("c", [True]))


RULES = CellRules(nulls=("",), clears=(), trims=True, unwraps=False)


@pytest.mark.parametrize("declaration", [{"type": "free_text"}, {"type": "datetime"}, {"type": "date"}])
@pytest.mark.parametrize("kind", [pl.Datetime("us"), pl.Datetime("ms", "UTC")])
def test_a_moment_that_has_no_text_of_a_date_is_rejected_alone(
    kind: pl.DataType, declaration: dict[str, Any]
) -> None:
    column = pl.Series("c", [2**63 - 1, 0, None]).cast(kind)
    found = type_cells(Attribute(**declaration), RULES, column)
    assert found.value.is_null().to_list() == [True, False, True]
    assert found.reason is not None
    assert found.reason.to_list() == [BAD, None, None]


def test_a_decimal_is_exact_as_text_and_as_a_number() -> None:
    column = pl.Series("c", ["0.10", "12345678901234567890.12"]).cast(pl.Decimal(38, 2))
    assert [text for text, _ in typed(column, type="free_text")] == ['"0.10"', '"12345678901234567890.12"']
    assert [text for text, _ in typed(column, type="number")] == ["0.1", "12345678901234567890.12"]


def test_bytes_are_typed_by_their_text() -> None:
    found = type_cells(Attribute(type="number"), RULES, pl.Series("c", [b"7", b"ab", None]))
    assert found.value.to_list() == ["7", None, None]
    assert found.present.to_list() == [True, True, False]
