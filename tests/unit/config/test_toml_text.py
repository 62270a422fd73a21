"""What is written as TOML is read back as the same value."""

import tomllib
from typing import Any

import pytest

from importer.config import toml_text


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        'a "quoted" \\ text',
        "two\nlines, a tab\t and DEL \x7f",
        "Łódź 🎂",
        7,
        1.5,
        True,
        ["a", "b"],
        [],
        {"Ja": "true", "": "x", "a b": [1, 2]},
    ],
)
def test_a_value_is_read_back(value: Any) -> None:
    assert tomllib.loads(toml_text.line("k", value)) == {"k": value}


@pytest.mark.parametrize("name", ["plan", "a-b_2", "first name", 'a"b', "é", "x.y", ""])
def test_a_name_is_read_back_as_a_key(name: str) -> None:
    assert tomllib.loads(toml_text.line(name, 1)) == {name: 1}


def test_a_tuple_is_a_list() -> None:
    assert toml_text.line("k", ("a", "b")) == 'k = ["a", "b"]'


def test_nothing_is_written_for_none_and_for_an_empty_table() -> None:
    assert list(toml_text.table("t", {"a": 1, "b": None, "c": {}})) == ["[t]", "a = 1"]
