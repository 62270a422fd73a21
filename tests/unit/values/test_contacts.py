"""One e-mail address, one phone number: what is taken, what is refused and why."""

import sys
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from importer.config.attribute import Attribute
from importer.core.errors import ConfigError
from importer.values import contacts
from importer.values.column_types import CellRules, type_cells

BAD, SEVERAL = "attribute_value_invalid", "several_values"


def results(cells: Sequence[str | None], **declared: Any) -> list[str | None]:
    """Each value, or its reason where it is bad."""
    rules = CellRules(("",), (), trims=True, unwraps=False)
    typed = type_cells(Attribute.model_validate(declared), rules, pl.Series("c", cells, dtype=pl.String))
    reasons = [None] * len(cells) if typed.reason is None else typed.reason.to_list()
    return [reason or value for value, reason in zip(typed.value.to_list(), reasons, strict=True)]


@pytest.mark.parametrize(
    "text",
    [
        "ana@example.com",
        "TOM@EXAMPLE.COM",
        "a.b+tag@sub.example.co.uk",
        "o'neill@example.com",
        "zoe@exämple.de",
        "юзер@пример.рф",
        "x@xn--exmple-cua.xn--p1ai",
        "1@2.example",
    ],
)
def test_an_address_stays_as_it_is(text: str) -> None:
    assert results([text, f" {text}\u00a0", f"\u200b{text}"], type="email") == [text] * 3


@pytest.mark.parametrize(
    "text",
    [
        "Mia Garcia <mia@example.com>",
        "mailto:ned@example.com",
        "zoe@example,com",
        "noatsign.example.com",
        "a@localhost",
        "a@example.c",
        "@example.com",
        "a b@example.com",
        "a@-example.com",
        "a@example..com",
        "a@exam\u200bple.com",
        "a" * 65 + "@example.com",
        "a@" + "b." * 130 + "com",
        '"quoted"@example.com',
        "a@example.com.",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert results([text], type="email") == [BAD]


@pytest.mark.parametrize("between", [";", " ; ", ", ", " ::: ", " "])
def test_several_addresses_in_one_cell_are_refused_as_such(between: str) -> None:
    assert results([f"a@example.com{between}b@example.net", ""], type="email") == [SEVERAL, None]


def test_phone_numbers_are_written_as_e164() -> None:
    cells = ["+1 202-555-0143", "(775) 555-0154", "+49 151 23456789", "202.555.0143", None]
    expected = ["+12025550143", "+17755550154", "+4915123456789", "+12025550143", None]
    assert results(cells, type="phone", region="US") == expected
    assert results(["07700 900123", "447700900123"], type="phone", region="GB") == ["+447700900123"] * 2


def test_a_national_number_needs_a_region() -> None:
    assert results(["(775) 555-0154", "447700900123", "+447700900123"], type="phone") == [
        BAD,
        BAD,
        "+447700900123",
    ]


@pytest.mark.parametrize(
    "text",
    ["4.47912E+11", "+0 000 000-00-00", "(202) 555-0101 x12", "12", "1-800-FLOWERS", "-", "+", "+1" * 40],
)
def test_what_is_no_phone_number_is_refused(text: str) -> None:
    assert results([text], type="phone", region="US") == [BAD]


@pytest.mark.parametrize("between", [" / ", ";", " ::: ", ", ", " or "])
def test_several_numbers_in_one_cell_are_refused_as_such(between: str) -> None:
    assert results([f"+1 202 555 0102{between}+1 202 555 0103"], type="phone") == [SEVERAL]


def test_many_distinct_numbers_are_read_as_few_are() -> None:
    cells = [f"+1202555{n:04d}" for n in range(1500)]
    assert results([*cells, cells[0]], type="phone") == [*cells, cells[0]]


def test_without_the_library_the_install_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    contacts._remembered.cache_clear()
    with pytest.raises(ConfigError, match=r"pip install .*\[phone\]"):
        results(["+12025550199"], type="phone")


def test_a_longest_text_holds_for_addresses_too() -> None:
    assert results(["ana@example.com", "x"], type="email", max_length=10) == ["attribute_value_too_long", BAD]


def test_a_pattern_holds_for_the_whole_value() -> None:
    assert results(["AB12", "AB123", "xAB12", ""], type="free_text", pattern="[A-Z]{2}[0-9]{2}") == [
        "AB12",
        "pattern_not_matched",
        "pattern_not_matched",
        None,
    ]
    assert results(["12", "7", "x1"], type="number", pattern="1.|x1") == ["12", "pattern_not_matched", BAD]
    rules = CellRules((), (), trims=True, unwraps=False)
    typed = type_cells(Attribute(type="number", pattern="1."), rules, pl.Series([12, 7, None]))
    assert typed.value.to_list() == ["12", None, None]
    with pytest.raises(ValueError, match="pattern: not a regular expression"):
        Attribute(type="free_text", pattern="(?=x)")
