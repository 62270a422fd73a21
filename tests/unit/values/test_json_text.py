"""Typed values as JSON text."""

import json
from typing import Any

import polars as pl
import pytest

from importer.config.attribute import Attribute
from importer.core.models import Encoding
from importer.values.column_types import type_column
from importer.values.json_text import encode, encode_lists, quote_json


def encoded(cells: list[str | None], encoding: Encoding | None = None, **declared: Any) -> list[str | None]:
    attribute = Attribute.model_validate(declared)
    column = pl.Series("c", cells, dtype=pl.String)
    return encode(type_column(attribute, column), attribute, encoding or Encoding()).to_list()


@pytest.mark.parametrize("text", ['"', "\\", *map(chr, range(32)), "\x7f", "ä", "🙂", "\u2028", "</script>"])
def test_every_character_comes_back_from_its_json(text: str) -> None:
    quoted = quote_json(pl.Series("c", [f"a{text}b", "plain", None]))
    assert json.loads(quoted[0]) == f"a{text}b"
    assert quoted.to_list()[1:] == ['"plain"', None]
    listed = encode_lists(pl.Series("c", [[text, "b"], [], None]))
    assert json.loads(listed[0]) == [text, "b"]
    assert listed.to_list()[1:] == ["[]", None]
    assert quoted.name == listed.name == "c"


def test_a_number_is_bare_unless_it_goes_out_as_text() -> None:
    assert encoded(["1.50", None], type="number") == ["1.5", None]
    assert encoded(["1.50", None], type="number", send_as="text") == ['"1.5"', None]
    assert encoded(["42", None], type="free_text", send_as="number") == ["42", None]


def test_the_destination_says_how_a_boolean_and_a_moment_are_written() -> None:
    encoding = Encoding(true='"Y"', false='"N"', date="%d.%m.%Y", datetime="%H:%M", datetime_utc="%H:%MZ")
    assert encoded(["true", "false", None], encoding, type="boolean") == ['"Y"', '"N"', None]
    assert encoded(["2024-02-29", None], encoding, type="date") == ['"29.02.2024"', None]
    assert encoded(["2024-02-29T10:11", "2024-02-29T10:11Z"], encoding, type="datetime") == [
        '"10:11"',
        '"10:11Z"',
    ]


def test_a_multi_choice_is_an_array_or_one_joined_text() -> None:
    declared: dict[str, Any] = {"type": "multi_choice", "allow_custom": True}
    assert encoded(["a|b", None], **declared) == ['["a","b"]', None]
    assert encoded(["a|b", None], join="; ", **declared) == ['"a; b"', None]
