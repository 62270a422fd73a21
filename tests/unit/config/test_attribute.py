"""An attribute takes only what fits its type, and says why it refuses the rest."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from importer.config.attribute import Attribute, check_pattern, check_zone


def attribute(**keys: Any) -> Attribute:
    return Attribute.model_validate(keys)


def test_the_defaults_send_text_as_it_stands_and_skip_blanks() -> None:
    made = attribute(type="free_text")
    assert (made.column, made.blank, made.operation, made.default) == (None, "skip", "set", None)
    assert (made.separator, made.decimal, made.thousands) == ("|", ".", "")
    assert (made.true_values, made.false_values) == (("true", "1", "yes"), ("false", "0", "no"))


@pytest.mark.parametrize(
    ("kind", "sent_as"),
    [("email", "free_text"), ("phone", "free_text"), ("number", "number"), ("date", "date")],
)
def test_an_address_and_a_phone_number_are_texts_to_a_destination(kind: str, sent_as: str) -> None:
    assert attribute(type=kind).sent_as_type == sent_as


def test_a_column_may_be_given_by_its_place() -> None:
    assert attribute(type="number", column=3).column == "#3"


@pytest.mark.parametrize("column", [0, -1, True, 1.0, ""])
def test_a_place_is_a_whole_number_from_one(column: object) -> None:
    with pytest.raises(ValidationError):
        attribute(type="number", column=column)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            {"type": "single_choice", "options": ("pro", "free"), "max_length": 3},
            "max_length: less than the length of an option",
        ),
        ({"type": "number", "max_length": 3}, "max_length: only for type = free_text or email or phone"),
        ({"type": "email", "region": "DE"}, "region: only for type = phone, not email"),
        ({"type": "date", "zone": "Europe/Berlin"}, "zone: only for type = datetime, not date"),
        (
            {"type": "single_choice"},
            "options: missing; a choice needs options = [...] or allow_custom = true",
        ),
        ({"type": "number", "min": 2.0, "max": 1.0}, "min: greater than max, so no number would fit"),
        ({"type": "number", "decimal": ",", "thousands": ","}, "thousands: the same mark as decimal"),
        ({"type": "number", "units": ("kg", "")}, "units: a unit is a text, not blank"),
        (
            {"type": "multi_choice", "allow_custom": True, "format": "csv"},
            'format: "json" is the only format of a multi_choice',
        ),
        (
            {"type": "date", "format": "unix"},
            'format: "unix" is only for type = datetime: a second is no day',
        ),
        ({"type": "free_text", "pattern": "(?=a)"}, "pattern: not a regular expression as Rust has them"),
        ({"type": "datetime", "zone": "Berlin"}, 'zone: not a time zone; one such as "Europe/Berlin"'),
        (
            {"type": "boolean", "map": {"ja": "maybe"}},
            "map: expected meanings of true_values or false_values",
        ),
        (
            {"type": "free_text", "operation": "increase"},
            'operation: "increase" is only for type = number',
        ),
        (
            {"type": "number", "operation": "increase", "blank": "clear"},
            'blank: "clear" is only for operation = "set"',
        ),
        ({"type": "number", "default": "0", "blank": "reject"}, 'default: not with blank = "reject"'),
    ],
)
def test_keys_that_do_not_fit_are_refused_with_the_reason(keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(sentence)):
        attribute(**keys)


@pytest.mark.parametrize(
    "keys",
    [
        {"type": "single_choice", "allow_custom": True},
        {"type": "number", "min": 1.0, "max": 1.0},
        {"type": "number", "decimal": ",", "thousands": "."},
        {"type": "datetime", "format": "unix_ms"},
        {"type": "date", "format": "excel"},
        {"type": "multi_choice", "options": ("a",), "format": "json", "operation": "add"},
        {"type": "boolean", "map": {"ja": "YES", "nein": "no"}},
        {"type": "free_text", "operation": "delete"},
    ],
)
def test_keys_that_fit_are_taken(keys: dict[str, Any]) -> None:
    assert attribute(**keys).model_dump(include=set(keys)) == keys


def test_an_attribute_cannot_be_changed_once_it_is_checked() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        attribute(type="number").min = 1.0


def test_a_mistake_quotes_nothing_that_was_typed() -> None:
    with pytest.raises(ValidationError) as caught:
        attribute(type="free_text", region="jane@example.com")
    assert "jane" not in str(caught.value)


@pytest.mark.parametrize("pattern", ["^[A-Z]{2}$", r"\d+", ""])
def test_a_pattern_of_rusts_regex_passes(pattern: str) -> None:
    check_pattern(pattern)


@pytest.mark.parametrize("pattern", ["(", "(?<!a)b", r"(a)\1"])
def test_look_around_and_references_are_no_patterns(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"^pattern: not a regular expression as Rust has them, "):
        check_pattern(pattern)


def test_a_zone_has_a_name_of_the_time_zone_database() -> None:
    check_zone("America/New_York")
    for name in ("Mars/Olympus", "../etc/passwd", "", "a" * 5000):
        with pytest.raises(ValueError, match=r'^zone: not a time zone; one such as "Europe/Berlin"$'):
            check_zone(name)
