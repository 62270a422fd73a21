"""Each mistake of a configuration names its place and what is expected, and repeats no typed value."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from importer.config.mistakes import listing, sentences, unknown_key
from importer.config.schema import Config

GOOD: dict[str, Any] = {
    "name": "people",
    "source": {},
    "identity": {"column": "id"},
    "destination": {"type": "vevee", "api_key": "env:KEY"},
    "attributes": {"age": {"type": "number"}},
}


def mistakes(data: object, *vendor_keys: str) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(data)
    return sentences(caught.value, vendor_keys)


def with_key(section: str, key: str, value: object) -> dict[str, Any]:
    return GOOD | {section: {**GOOD.get(section, {}), key: value}}


@pytest.mark.parametrize(
    ("section", "key", "value", "sentence"),
    [
        ("source", "path", 5, 'source.path: expected a text in quotes, like "text"'),
        ("source", "skip_lines", "two", "source.skip_lines: expected a whole number"),
        ("source", "skip_lines", 1.5, "source.skip_lines: expected a whole number"),
        ("source", "skip_lines", -1, "source.skip_lines: expected at least 0"),
        ("source", "trim", "yes", "source.trim: expected true or false"),
        ("source", "ignore", "notes", 'source.ignore: expected a list, like ["a", "b"]'),
        ("source", "quote", "''", "source.quote: expected at most 1 character(s)"),
        ("source", "delimiter", "", "source.delimiter: expected a text, found none"),
        ("source", "computed", 1, "source.computed: expected a table: a section with keys of its own"),
        ("source", "format", "ods", 'source.format: expected "csv", "tsv", "jsonl", "parquet" or "xlsx"'),
        ("destination", "max_in_flight", 1025, "destination.max_in_flight: expected at most 1024"),
        ("destination", "read_timeout", 0, "destination.read_timeout: expected more than 0"),
        ("destination", "requests_per_second", "10", "destination.requests_per_second: expected a number"),
        ("guards", "max_row_change", 30, 'guards.max_row_change: expected a share like "30%"'),
        ("attributes", "age", {}, 'attributes.age.type: missing; add type = "free_text"'),
        (
            "source",
            "format",
            "csvv",
            'source.format: expected "csv", "tsv", "jsonl", "parquet" or "xlsx". Did you mean "csv"?',
        ),
        ("attributes", "age", "number", "attributes.age: expected a table: a section with keys of its own"),
    ],
)
def test_a_wrong_value_is_named_by_its_place_and_what_is_expected(
    section: str, key: str, value: object, sentence: str
) -> None:
    assert mistakes(with_key(section, key, value)) == [sentence]


def test_a_missing_section_comes_with_the_lines_to_add() -> None:
    assert mistakes({}) == [
        'name: missing; add name = "customers", say',
        'source: missing; add a section [source] with path = "customers.csv"',
        'identity: missing; add a section [identity] with column = "customer_id"',
        'destination: missing; add a section [destination] with type = "vevee"',
        'attributes: missing; add a section [attributes.NAME] with type = "free_text" for each attribute',
    ]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("string", "free_text"),
        ("Integer", "number"),
        ("bool", "boolean"),
        ("timestamp", "datetime"),
        ("array", "multi_choice"),
        ("enum", "single_choice"),
        ("emial", "email"),
    ],
)
def test_a_type_of_another_program_is_named_as_ours(word: str, meant: str) -> None:
    (sentence,) = mistakes(with_key("attributes", "age", {"type": word}))
    assert sentence.startswith('attributes.age.type: expected "free_text", ')
    assert sentence.endswith(f'. Did you mean "{meant}"?')


def test_a_word_that_is_like_no_type_is_not_guessed() -> None:
    (sentence,) = mistakes(with_key("attributes", "age", {"type": "qqq"}))
    assert sentence.endswith('"email" or "phone"')


@pytest.mark.parametrize(
    ("section", "lacking", "sentence"),
    [
        ("identity", "column", 'identity.column: missing; add column = "customer_id"'),
        ("destination", "type", 'destination.type: missing; add type = "vevee"'),
        (
            "destination",
            "api_key",
            'destination.api_key: missing; add api_key = "env:NAME", the variable that holds the key',
        ),
    ],
)
def test_a_missing_key_comes_with_the_line_to_add(section: str, lacking: str, sentence: str) -> None:
    left = {name: value for name, value in GOOD[section].items() if name != lacking}
    assert mistakes(GOOD | {section: left}) == [sentence]


def test_no_attribute_at_all_is_too_few() -> None:
    assert mistakes(GOOD | {"attributes": {}}) == ["attributes: expected at least 1 entry"]


def test_a_name_that_is_no_text_is_named_as_it_stands() -> None:
    assert mistakes(GOOD | {"attributes": {1: {"type": "number"}}}) == [
        'attributes.1: expected a text in quotes, like "text"'
    ]


def test_a_key_that_clashes_with_another_is_named_below_its_section() -> None:
    assert mistakes(with_key("source", "columns", ("a",))) == [
        "source.columns: only with header = false; with a header the names stand in the file"
    ]
    assert mistakes(with_key("attributes", "age", {"type": "boolean", "min": 1.0})) == [
        "attributes.age.min: only for type = number, not boolean"
    ]


def test_what_was_typed_is_never_repeated() -> None:
    secret = "sk_live_0123456789"
    for key in ("api_key", "requests_per_second", "base_url"):
        (sentence,) = mistakes(with_key("destination", key, secret))
        assert sentence.startswith(f"destination.{key}: ")
        assert secret not in sentence


def test_all_mistakes_are_found_at_once() -> None:
    wrong = with_key("source", "trim", "yes") | {"name": "two words"}
    assert mistakes(wrong) == [
        "name: expected a letter or digit, then up to 63 of A-Z a-z 0-9 . _ -",
        "source.trim: expected true or false",
    ]


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        (["sources"], 'sources: unknown key. Did you mean "source"?'),
        (["extend"], 'extend: unknown key. Did you mean "extends"?'),
        (["source", "delimeter"], 'source.delimeter: unknown key. Did you mean "delimiter"?'),
        (["attributes", "age", "colunm"], 'attributes.age.colunm: unknown key. Did you mean "column"?'),
        (["destination", "auth_shceme"], 'destination.auth_shceme: unknown key. Did you mean "auth_scheme"?'),
        (["source", "qqqqqq"], "source.qqqqqq: unknown key"),
        (["nowhere", "key"], "nowhere.key: unknown key"),
    ],
)
def test_an_unknown_key_is_named_with_the_one_that_was_probably_meant(
    place: list[object], sentence: str
) -> None:
    assert unknown_key(place, ["auth_scheme"]) == sentence


def test_an_unknown_key_of_a_file_may_be_meant_for_the_vendor() -> None:
    wrong = with_key("destination", "auth_shceme", "Token")
    assert mistakes(wrong) == ["destination.auth_shceme: unknown key"]
    assert mistakes(wrong, "auth_scheme") == [
        'destination.auth_shceme: unknown key. Did you mean "auth_scheme"?'
    ]


def test_an_unknown_key_cannot_move_the_cursor() -> None:
    assert unknown_key(["source", "a\x1b[2Jb"]) == r"source.a\x1b[2Jb: unknown key"


def test_one_mistake_is_one_line_and_ends_as_a_sentence() -> None:
    assert listing(Path("people.toml"), ["name: missing"]) == "people.toml: name: missing."
    assert listing(None, ['sorce: unknown key. Did you mean "source"?']) == (
        'configuration: sorce: unknown key. Did you mean "source"?'
    )


def test_several_mistakes_are_counted_and_stand_one_a_line() -> None:
    found = listing(Path("people.toml"), ["name: missing", "source: missing"])
    assert found == "people.toml: 2 mistakes:\n  name: missing\n  source: missing"
