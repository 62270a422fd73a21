"""The sections of a configuration: what they take, and what the rest of the program asks them."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from importer.config.schema import GONE, PLACEHOLDERS, Config, Percent

BASE: dict[str, Any] = {
    "name": "people",
    "source": {},
    "identity": {"column": "id"},
    "destination": {"type": "vevee", "api_key": "env:KEY"},
    "attributes": {"age": {"type": "number"}},
}


def config(**sections: Any) -> Config:
    found = {
        name: {**BASE.get(name, {}), **keys} if isinstance(keys, dict) else keys
        for name, keys in sections.items()
    }
    return Config.model_validate(BASE | found)


def refusal(**sections: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        config(**sections)
    (only,) = caught.value.errors()
    return only["msg"].removeprefix("Value error, ")


@pytest.mark.parametrize(("text", "percent"), [("30%", 30.0), ("0%", 0.0), ("0.5%", 0.5), ("250%", 250.0)])
def test_a_share_is_a_text_with_a_percent_sign(text: str, percent: float) -> None:
    shares = TypeAdapter[float](Percent)
    assert shares.validate_python(text) == percent
    assert shares.dump_python(percent) == text


@pytest.mark.parametrize("value", [30, 0.3, "0.5", "-1%", "30 %", "1e2%", "%", "", None, "9" * 10 + "%"])
def test_a_bare_number_is_no_share(value: object) -> None:
    with pytest.raises(ValidationError, match='expected a share like "30%"'):
        TypeAdapter[float](Percent).validate_python(value)


@pytest.mark.parametrize("name", ["people", "9", "a.b_c-d", "a" * 64])
def test_a_name_that_fits_a_folder_is_taken(name: str) -> None:
    assert config(name=name).name == name


@pytest.mark.parametrize("name", ["", "..", "-a", "a/b", "a b", "a" * 65, "ä", "a\n"])
def test_a_name_that_fits_no_folder_is_refused(name: str) -> None:
    assert refusal(name=name) == "expected a letter or digit, then up to 63 of A-Z a-z 0-9 . _ -"


@pytest.mark.parametrize("key", ["sk_live_1", "env:", "env:1A", "env:A B", "file:", "ENV:KEY"])
def test_a_key_itself_is_refused(key: str) -> None:
    assert refusal(destination={"api_key": key}).startswith("a key itself is refused here, so that it cannot")


def test_the_url_and_the_headers_of_a_hook_are_references() -> None:
    hook = "https://hooks.example.com/T0/secret"
    assert refusal(notify={"webhook": hook}) == (
        'the URL of a hook is a secret; write "env:NAME" or "file:PATH"'
    )
    assert refusal(notify={"webhook": "env:HOOK", "headers": {"X-Key": "abc"}}) == (
        'X-Key may be a secret; write "env:NAME" or "file:PATH"'
    )
    assert refusal(notify={"webhook": "env:HOOK", "headers": {"X Key": "env:A"}}) == (
        "expected names of letters, digits and dashes"
    )
    assert refusal(notify={"headers": {"X-Key": "env:A"}}) == "headers: only with a webhook"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({"encoding": "utf-9"}, 'not a text encoding; one such as "utf-8", "cp1252" or "utf-16"'),
        ({"encoding": "hex"}, 'not a text encoding; one such as "utf-8", "cp1252" or "utf-16"'),
        ({"header": False}, "columns: missing; header = false needs columns = [...] in the file's order"),
        ({"columns": ("a",)}, "columns: only with header = false; with a header the names stand in the file"),
        ({"latest_format": "%Y"}, "latest_format: only with latest_by, and not for a number"),
        (
            {"latest_format": "%Y", "latest_by": "t", "latest_type": "number"},
            "latest_format: only with latest_by, and not for a number",
        ),
        ({"escape": "'"}, "escape: expected the quote itself (doubled quotes) or a backslash"),
    ],
)
def test_a_source_that_cannot_be_read_so_is_refused(source: dict[str, Any], sentence: str) -> None:
    assert refusal(source=source) == sentence


def test_a_blank_cell_is_cleared_by_the_attribute_not_by_a_clear_value() -> None:
    assert refusal(source={"clear_values": ("-", "")}).startswith('clear_values: "" is a blank cell')


def test_a_parquet_file_has_column_names_of_its_own() -> None:
    assert config(source={"header": False, "format": "parquet"}).source.columns is None


def test_a_base_url_loses_its_last_slash_and_the_former_client_name_its_place() -> None:
    section = config(destination={"base_url": "https://a.example/v1/", "http_client": "plain"}).destination
    assert (section.base_url, section.http_client) == ("https://a.example/v1", "httpx")


def test_a_column_is_named_like_its_attribute_unless_it_is_declared() -> None:
    made = config(attributes={"age": {"type": "number"}, "home": {"type": "free_text", "column": "address"}})
    assert made.columns == {"age": "age", "home": "address"}


def test_the_declared_columns_begin_with_the_id_and_stand_once_each() -> None:
    made = config(
        source={"latest_by": "seen"},
        attributes={"b": {"type": "number"}, "a": {"type": "number", "column": "id"}},
    )
    assert made.declared_columns == ["id", "age", "b", "seen"]


def test_a_computed_column_asks_for_the_columns_that_it_is_made_of() -> None:
    made = config(source={"computed": {"age": "first || last || first"}})
    assert made.computed_from == ["first", "last"]
    assert made.declared_columns == ["id", "first", "last"]
    assert config(source={"computed": {"age": "no SQL ("}}).computed_from == []
    assert config().computed_from == []


def test_who_left_is_cleared_only_where_it_is_asked_for() -> None:
    source = {"clear_values": ("-",)}
    assert config(source=source).clearing_cells == ("-",)
    assert config(source=source, run={"on_gone": "clear"}).clearing_cells == ("-", GONE)


def test_a_destination_gets_what_it_needs_to_know_of_an_attribute() -> None:
    (only,) = config(attributes={"age": {"type": "number", "min": 0.0, "blank": "clear"}}).definitions
    assert (only.key, only.type, only.min, only.blank, only.operation) == (
        "age",
        "number",
        0.0,
        "clear",
        "set",
    )


def test_a_configuration_as_a_mapping_holds_the_reference_of_the_key() -> None:
    made = config(guards={"max_row_change": "30%"}).as_mapping()
    assert made["destination"]["api_key"] == "env:KEY"
    assert made["guards"] == {"max_row_change": "30%"}
    assert "path" not in made
    assert "vendor" not in made


def test_texts_that_stand_for_no_person_are_in_lower_case() -> None:
    assert all(text == text.lower() or text == r"\N" for text in PLACEHOLDERS)
    assert len(set(PLACEHOLDERS)) == len(PLACEHOLDERS)
    assert config().identity.reject == PLACEHOLDERS
