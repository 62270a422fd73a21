"""A column is declared as a person would: by its texts and, where these leave it open, by its name."""

from typing import Any

import polars as pl
import pytest

from importer.commands.draft_attribute import DraftedAttribute, draft_attribute, lines, simple_name
from importer.config import toml_text


def drafted(name: str, *cells: str | None) -> DraftedAttribute:
    return draft_attribute(name, pl.Series(name, cells, dtype=pl.String))


@pytest.mark.parametrize(
    ("name", "simple"),
    [
        ("customerID", "customer_id"),
        ("Customer id", "customer_id"),
        ("FM: Person ID", "fm_person_id"),
        ("E-mail 1 - Value", "e_mail_1_value"),
        ("#6", "6"),
        ("Größe", "größe"),
    ],
)
def test_simple_names(name: str, simple: str) -> None:
    assert simple_name(name) == simple


@pytest.mark.parametrize(
    ("name", "cells", "keys"),
    [
        ("a", ["x@example.com", "y@example.com"], {"type": "email"}),
        ("mobile", ["+12025550143", "+442079460000"], {"type": "phone"}),
        ("a", ['["x"]', '["x","y"]', "[]"], {"type": "multi_choice", "format": "json", "allow_custom": True}),
        ("a", ["2026-03-31", "2026-04-01"], {"type": "date"}),
        ("a", ["31/01/2026", "03/04/2026"], {"type": "date", "format": "%d/%m/%Y"}),
        ("a", ["2026-03-31 10:20:30"], {"type": "datetime"}),
        ("born on", ["20001231", "19990101"], {"type": "date", "format": "%Y%m%d"}),
        ("a", ["20001231", "19990101"], {"type": "number"}),
        ("created_at", ["1700000000", "1700000001"], {"type": "datetime", "format": "unix"}),
        ("created_at", ["1700000000123"], {"type": "datetime", "format": "unix_ms"}),
        ("score", ["1700000000", "1700000001"], {"type": "number"}),
        ("a", ["2024-01-01 10:00:00 +0200"], {"type": "datetime", "format": "%Y-%m-%d %H:%M:%S %z"}),
        ("a", ["x;y", "x"] * 5, {"type": "multi_choice", "separator": ";", "options": ("x", "y")}),
        ("a", ["Ja", "nein"], {"type": "boolean", "true_values": ("ja",), "false_values": ("nein",)}),
        ("is_vip", ["0", "1"], {"type": "boolean"}),
        ("a", ["0", "1"] * 10, {"type": "boolean"}),
        ("tax_exempt", ["no", "no"], {"type": "boolean"}),
        ("a", ["no", "no"], {"type": "free_text"}),
        ("visits", ["0", "1"], {"type": "number"}),
        ("a", ["1.5", "-2", ""], {"type": "number"}),
        ("a", ["1.234,5", "12,50"], {"type": "number", "decimal": ",", "thousands": "."}),
        ("a", ["pro"] * 5 + ["free"] * 5, {"type": "single_choice", "options": ("free", "pro")}),
        ("a", ["x|y"] * 5 + ["x"], {"type": "multi_choice", "separator": "|", "options": ("x", "y")}),
        ("a", ["x, y", "y"] * 5, {"type": "multi_choice", "separator": ",", "options": ("x", "y")}),
        ("a", ['"x","y z"'] * 5, {"type": "multi_choice", "separator": ",", "options": ("x", "y z")}),
        ("a", ["Acme, Inc.", "Acme", "Beta, Inc."] * 5, {"type": "single_choice"}),
        ("a", ["Doe, Jane", "Roe, Jane", "Doe, John"] * 5, {"type": "single_choice"}),
        ("a", ["Ana", "Ben"], {"type": "free_text"}),
        ("zip", ["12345", "99999"], {"type": "free_text"}),
        ("a", ["01067", "12345"], {"type": "free_text"}),
        ("a", ["12345678901234567", "1"], {"type": "free_text"}),
        ("a", ["1.00012E+11", "5"], {"type": "free_text"}),
        ("city", ["Oslo"] * 28 + ["Washington, D.C."] * 5, {"type": "single_choice"}),
    ],
)
def test_types(name: str, cells: list[str], keys: dict[str, Any]) -> None:
    found = dict(drafted(name, *cells).keys)
    assert keys.items() <= found.items()
    assert found["type"] == keys["type"]


def test_the_majority_decides_and_the_exceptions_are_counted() -> None:
    assert drafted("age", *["7"] * 18, "seven", "n/a") == DraftedAttribute(
        {"type": "number"}, ["2 of 20 cells do not fit"], []
    )
    assert drafted("a", *["7"] * 8, "seven", "eight").keys == {"type": "free_text"}


def test_a_name_that_says_the_type_needs_half_of_the_cells() -> None:
    cells = ["a@example.com", "none"]
    assert drafted("E-Mail", *cells).keys == {"type": "email"}
    assert drafted("contact", *cells).keys == {"type": "free_text"}


def test_dates_of_two_readings_stay_text_until_a_person_has_decided() -> None:
    found = drafted("born", "01/02/2026", "03/04/2026")
    assert found.keys == {"type": "free_text"}
    assert [other["format"] for other in found.others] == ["%d/%m/%Y", "%m/%d/%Y"]


def test_a_number_of_two_readings_shows_the_other_one() -> None:
    found = drafted("visits", "1,034", "600")
    assert found.keys == {"type": "number", "thousands": ","}
    assert found.others == [{"type": "number", "decimal": ","}]
    assert drafted("visits", "1.5", "600").others == []


def test_a_rare_text_is_no_option_and_never_shown() -> None:
    found = drafted("plan", *["pro"] * 50, *["free"] * 50, "Ana Smith")
    assert found.keys["options"] == ("free", "pro")
    assert "Ana Smith" not in "\n".join(lines(found, toml_text.line))


@pytest.mark.parametrize("count", [12, 13])
def test_more_than_twelve_texts_are_no_options(count: int) -> None:
    found = drafted("plan", *[f"plan {n % count}" for n in range(count * 5)])
    assert (found.keys["type"] == "single_choice") == (count == 12)


def test_sentences_are_no_options() -> None:
    assert drafted("note", *["two\nlines"] * 9, *["x" * 41] * 9).keys == {"type": "free_text"}


def test_phone_numbers_without_a_country_wait_for_the_region() -> None:
    found = drafted("phone", "(202) 555-0143", "202 555 0144")
    assert found.keys == {"type": "free_text"}
    assert found.others == [{"type": "phone", "region": "GB"}]


def test_blank_columns_are_named() -> None:
    assert drafted("a", "", None, " ").remarks == ["blank in every row looked at"]


def test_other_ways_stand_below_as_lines_to_switch_on() -> None:
    found = DraftedAttribute({"type": "number"}, ["2 of 9 cells do not fit"], [{"type": "boolean"}])
    assert list(lines(found, toml_text.line)) == [
        "# 2 of 9 cells do not fit",
        'type = "number"',
        "# or:",
        '# type = "boolean"',
    ]
