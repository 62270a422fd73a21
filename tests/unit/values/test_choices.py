"""Lists of options: their separators, JSON, quotation marks, and what is no list."""

from typing import Any

import polars as pl
import pytest

from importer.config.attribute import Attribute
from importer.core.models import Encoding
from importer.values.choices import type_multi_choice
from importer.values.json_text import encode

BAD = "attribute_value_invalid"


def lists(cells: list[Any], takes_empty: bool = True, **declared: Any) -> list[str | None]:
    attribute = Attribute.model_validate({"type": "multi_choice", "allow_custom": True, **declared})
    typed = type_multi_choice(attribute, pl.Series("c", cells), takes_empty=takes_empty)
    texts = encode(typed, attribute, Encoding()).to_list()
    reasons = [None] * len(texts) if typed.reason is None else typed.reason.to_list()
    return [reason or text for text, reason in zip(texts, reasons, strict=True)]


def test_blanks_around_options_are_cut() -> None:
    assert lists(["retail, ag-exempt", " VIP ,\u00a0Blog"], separator=",") == [
        '["retail","ag-exempt"]',
        '["VIP","Blog"]',
    ]


def test_quotation_marks_around_every_option_are_removed() -> None:
    assert lists(['"VIP","Blog"', '"a, b" , "say ""x"""', '"one"'], separator=",") == [
        '["VIP","Blog"]',
        '["a, b","say \\"x\\""]',
        '["one"]',
    ]


@pytest.mark.parametrize(
    "cell",
    ['["north","south"]', "['north', 'south']", "{north,south}", "[]", '["broken",]', '"a",b', "(a,b)"],
)
def test_another_form_of_a_list_is_never_an_option(cell: str) -> None:
    assert lists([cell], separator=",") == [BAD]


def test_a_declared_option_may_have_brackets() -> None:
    assert lists(["[x]"], options=("[x]",), allow_custom=False) == ['["[x]"]']


def test_empty_pieces_and_repeated_options_go_silently() -> None:
    assert lists([";north;south;north", ";"], separator=";") == ['["north","south"]', BAD]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('["a","b"]', '["a","b"]'),
        ('[ "a" , 3, 2.50 ]', '["a","3","2.50"]'),
        ("[]", "[]"),
        ('["a",null]', "list_member_null"),
        ("[[1],[2]]", BAD),
        ('["broken",]', BAD),
        ('{"a":1}', BAD),
        ("north|south", BAD),
        ("[true]", BAD),
        ("[NaN]", BAD),
        ("[" * 100_000, BAD),
        ('[""]', BAD),
    ],
)
def test_lists_as_json(cell: str, expected: str) -> None:
    assert lists([cell], format="json") == [expected]


def test_an_empty_list_is_no_blank() -> None:
    cells = [["a"], [], None]
    assert lists(cells) == ['["a"]', "[]", None]
    assert lists(cells, takes_empty=False) == ['["a"]', "list_empty", None]
    assert lists(cells, operation="add") == ['["a"]', "list_empty", None]


def test_a_null_member_of_a_parquet_list_rejects_it() -> None:
    assert lists([["a", None], ["b"]]) == ["list_member_null", '["b"]']


def test_undeclared_options_are_named_in_json_too() -> None:
    attribute = Attribute.model_validate({"type": "multi_choice", "options": ("a",), "format": "json"})
    typed = type_multi_choice(attribute, pl.Series("c", ['["a","x"]', '["x"]']))
    assert typed.dropped is not None
    assert typed.dropped[0] == "x"
    assert typed.reason is not None
    assert typed.reason.to_list() == [None, "option_not_declared"]


def test_many_distinct_lists_are_read_as_few_are() -> None:
    cells = [f"a{n}, b" for n in range(2_000)]
    assert lists(cells, separator=",") == [f'["a{n}","b"]' for n in range(2_000)]
