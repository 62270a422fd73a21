"""A configuration is loaded whole or refused with all its mistakes."""

from pathlib import Path
from typing import Any

import pytest

from importer.config.loader import diff_mistakes, load, parse
from importer.core import examples
from importer.core.errors import ConfigError

GOOD: dict[str, Any] = {
    "name": "people",
    "source": {"path": "people.csv"},
    "identity": {"column": "id"},
    "destination": {"type": "vevee", "api_key": "env:KEY"},
    "attributes": {"age": {"type": "number"}, "topics": {"type": "multi_choice", "options": ["a", "b"]}},
}
TEXT = """\
name = "people"
[source]
path = "people.csv"
[identity]
column = "id"
[destination]
type = "vevee"
api_key = "env:KEY"
[attributes.age]
type = "number"
"""


def with_keys(**sections: dict[str, Any]) -> dict[str, Any]:
    return GOOD | {name: {**GOOD.get(name, {}), **keys} for name, keys in sections.items()}


def refusal(data: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(data)
    return str(caught.value)


def test_what_the_vendor_settles_is_filled_in() -> None:
    config = parse(GOOD)
    vendor = config.build_destination()
    assert config.destination.requests_per_second == vendor.requests_per_second == 10
    assert config.destination.base_url == vendor.base_url() == "https://www.vevee.org"
    assert config.path is None


def test_what_is_declared_wins_over_the_vendor() -> None:
    config = parse(with_keys(destination={"requests_per_second": 0, "base_url": "http://127.0.0.1:1/"}))
    assert config.destination.requests_per_second == 0
    assert config.destination.base_url == "http://127.0.0.1:1"


def test_a_vendors_own_keys_are_set_apart() -> None:
    config = parse(with_keys(destination={"auth_scheme": "Token", "mode": "single"}))
    assert config.vendor == {"auth_scheme": "Token", "mode": "single"}


def test_lists_become_tuples_that_nothing_changes() -> None:
    assert parse(GOOD).attributes["topics"].options == ("a", "b")


def test_the_mapping_of_the_caller_is_left_as_it_is() -> None:
    data = with_keys(destination={"auth_scheme": "Token"})
    parse(data)
    assert data == with_keys(destination={"auth_scheme": "Token"})


def test_a_configuration_can_be_given_back_as_a_mapping() -> None:
    config = parse(with_keys(destination={"mode": "single"}))
    assert parse(config.as_mapping()) == config


def test_a_file_is_known_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "people.toml"
    path.write_text(TEXT)
    assert load(path).path == path
    assert load(str(path)).attributes["age"].type == "number"


def test_every_mistake_of_a_file_is_in_one_error(tmp_path: Path) -> None:
    path = tmp_path / "people.toml"
    wrong = TEXT.replace("path =", "pth =").replace('"number"', '"numbr"').replace('"env:KEY"', '"sk_1"')
    path.write_text(wrong + 'separator = "|"\n')
    with pytest.raises(ConfigError) as caught:
        load(path)
    first, *others = str(caught.value).splitlines()
    assert first == f"{path}: {len(others)} mistakes:"
    assert others[0] == '  source.pth: unknown key. Did you mean "path"?'
    assert others[1].startswith("  destination.api_key: a key itself is refused here")
    assert others[2].startswith('  attributes.age.type: expected "free_text", "single_choice"')
    assert "sk_1" not in str(caught.value)


def test_an_unknown_destination_is_refused_with_those_there_are() -> None:
    assert refusal(with_keys(destination={"type": "vevey"})) == (
        'configuration: destination.type: unknown destination "vevey"; one of attentive, engagelab, http, '
        'vevee. Did you mean "vevee"?'
    )


def test_a_mistyped_key_of_the_vendor_is_guessed() -> None:
    assert refusal(with_keys(destination={"auth_shceme": "Token"})) == (
        'configuration: destination.auth_shceme: unknown key. Did you mean "auth_scheme"?'
    )


def test_a_wrong_value_of_a_vendors_key_is_refused_below_destination() -> None:
    assert refusal(with_keys(destination={"mode": "bulk"})) == (
        'configuration: destination.mode: expected "batch" or "single".'
    )


@pytest.mark.parametrize("key", ["vendor", "path"])
def test_what_only_the_program_sets_is_an_unknown_key(key: str) -> None:
    assert refusal(GOOD | {key: "x"}).startswith(f"configuration: {key}: unknown key.")


def test_a_destination_that_is_no_table_is_one_mistake() -> None:
    assert refusal(GOOD | {"destination": "vevee"}) == (
        "configuration: destination: expected a table: a section with keys of its own."
    )


def test_a_column_is_not_both_ignored_and_declared() -> None:
    assert refusal(with_keys(source={"ignore": ["notes", "age"]})) == (
        'configuration: source.ignore: "age" is ignored and declared at once; take it out of one of them.'
    )


def test_clearing_needs_a_vendor_that_can_clear() -> None:
    wrong = with_keys(
        source={"clear_values": ["-"]}, destination={"type": "attentive", "user": {"phone": "mobile"}}
    )
    wrong["attributes"] = {"age": {"type": "number"}}
    assert refusal(wrong) == (
        "configuration: source.clear_values: attentive has no way to clear a value; leave it out."
    )


def test_a_vendor_that_can_clear_takes_a_clear_value() -> None:
    assert parse(with_keys(source={"clear_values": ["-"]})).clearing_cells == ("-",)


def test_who_left_is_cleared_only_by_a_vendor_that_can_clear() -> None:
    wrong = with_keys(
        run={"changed_only": True, "on_gone": "clear"},
        destination={"type": "attentive", "account": "test", "user": {"phone": "mobile"}},
    )
    wrong["attributes"] = {"age": {"type": "number"}}
    assert refusal(wrong) == (
        'configuration: run.on_gone: attentive has no way to clear a value; take "ignore".'
    )


def test_only_what_changed_needs_an_account_and_values_that_can_be_compared() -> None:
    wrong = with_keys(run={"changed_only": True})
    wrong["attributes"] = {"visits": {"type": "number", "operation": "increase"}}
    first, *others = refusal(wrong).splitlines()
    assert first == "configuration: 3 mistakes:"
    assert others[0] == '  attributes.visits.operation: vevee has "set" only'
    assert others[1].startswith("  destination.account: missing; changed_only needs it")
    assert others[2].startswith('  attributes.visits.operation: "increase" cannot be compared with what was')


def test_clearing_who_left_needs_to_know_who_was_there() -> None:
    assert refusal(with_keys(run={"on_gone": "clear"})) == (
        'configuration: run.on_gone: "clear" needs changed_only = true, by which it is known who was there.'
    )


def test_a_configuration_with_nothing_to_compare_has_no_such_mistakes() -> None:
    assert not list(diff_mistakes(parse(GOOD)))
    account = with_keys(run={"changed_only": True, "on_gone": "clear"}, destination={"account": "test"})
    assert not list(diff_mistakes(parse(account)))


@pytest.mark.parametrize("vendor", ["attentive", "engagelab", "vevee"])
def test_every_example_loads(vendor: str) -> None:
    assert load(examples.folder() / "config" / f"{vendor}.toml").destination.type == vendor


def test_a_standard_field_is_for_a_destination_that_has_fields() -> None:
    declared = {"name": {"type": "free_text", "field": "firstName"}}
    assert refusal(with_keys(attributes=declared)) == (
        'configuration: attributes.name.field: only for engagelab, and for attentive with mode = "bulk".'
    )


def test_a_text_that_could_never_be_sent_is_refused_by_the_check() -> None:
    bulk = {"type": "attentive", "mode": "bulk", "user": {"email": "mail"}, "api_key": "env:KEY"}
    declared = {"note": {"type": "free_text"}, "name": {"type": "free_text", "max_length": 60}}
    attributes = parse(GOOD | {"destination": bulk, "attributes": declared}).attributes
    assert (attributes["note"].max_length, attributes["name"].max_length) == (1 << 20, 60)
