"""Messages name what is accepted: range, options, format with an example; never a cell."""

from typing import Any

import pytest

from importer.config.attribute import Attribute
from importer.core import rejects
from importer.values.messages import message


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"type": "number"}, "expected a number"),
        ({"type": "number", "min": 0, "max": 120}, "expected a number, 0 to 120"),
        (
            {"type": "number", "min": 0.5, "decimal": ",", "thousands": "."},
            'expected a number, 0.5 or more, "," as decimal mark, "." between thousands',
        ),
        (
            {"type": "boolean", "true_values": ("ja",), "false_values": ("nein", "no")},
            'expected "ja" for true, "nein" or "no" for false',
        ),
        ({"type": "boolean", "map": {"Ja": "true"}}, 'expected a word of the map: "Ja"'),
        (
            {"type": "date", "format": "%d/%m/%Y"},
            "expected a date written as %d/%m/%Y, such as 31/12/2024",
        ),
        (
            {"type": "single_choice", "options": tuple("abcdefg")},
            'expected one of the options: "a", "b", "c", "d", "e" and 2 more',
        ),
        (
            {"type": "multi_choice", "options": ("a",), "separator": ";"},
            'expected options with ";" between them: "a"',
        ),
        ({"type": "email"}, "expected one e-mail address such as name@example.com"),
        (
            {"type": "phone", "region": "GB"},
            "expected one phone number of GB, or with its country, such as +12025550143",
        ),
    ],
)
def test_an_invalid_value_is_answered_with_what_is_accepted(declared: dict[str, Any], expected: str) -> None:
    assert message(Attribute.model_validate(declared), rejects.INVALID) == expected


@pytest.mark.parametrize(
    ("declared", "reason", "expected"),
    [
        (
            {"type": "free_text", "max_length": 9},
            rejects.TOO_LONG,
            "expected at most 9 characters (max_length), found more",
        ),
        (
            {"type": "multi_choice", "options": ("a", "b")},
            rejects.NOT_DECLARED,
            'none of the options is declared; declared: "a", "b"',
        ),
        (
            {"type": "email"},
            rejects.SEVERAL,
            "several values in one cell, expected one e-mail address such as name@example.com",
        ),
        (
            {"type": "free_text", "pattern": "[A-Z]+"},
            rejects.PATTERN,
            "expected a text that fits the pattern [A-Z]+ from end to end",
        ),
        ({"type": "multi_choice", "allow_custom": True}, rejects.NULL_MEMBER, "a member of the list is null"),
        (
            {"type": "multi_choice", "allow_custom": True},
            rejects.EMPTY_LIST,
            "a list without members, which the destination does not take",
        ),
    ],
)
def test_every_other_reason_has_its_clause(declared: dict[str, Any], reason: str, expected: str) -> None:
    assert message(Attribute.model_validate(declared), reason) == expected
