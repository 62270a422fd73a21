"""The schema for editors accepts what the importer accepts, and describes every key."""

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # has no types
import pytest

from docs import generate
from importer.cli import main
from importer.config.json_schema import json_schema

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "config").glob("*.toml"))
SCHEMA: dict[str, Any] = json.loads(generate.SCHEMA.read_text("utf-8"))


def test_the_schema_is_that_of_the_code() -> None:
    assert generate.SCHEMA.read_text("utf-8") == generate.schema_text(), "python -m docs.generate writes it"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_names_the_schema_and_fits_it(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith("#:schema importer.schema.json\n")
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(tomllib.loads(text), SCHEMA)


@pytest.mark.parametrize(
    ("section", "key", "value", "fits"),
    [
        ("source", "delimeter", ";", False),
        ("source", "path", 5, False),
        ("destination", "read_timeout", "15m", True),
        ("destination", "read_timeout", "soon", False),
        ("guards", "max_row_change", "30%", True),
        ("guards", "max_row_change", 30, False),
    ],
)
def test_mistakes_are_seen_in_the_editor(section: str, key: str, value: Any, *, fits: bool) -> None:
    data: dict[str, Any] = tomllib.loads(EXAMPLES[0].read_text("utf-8"))
    data.setdefault(section, {})[key] = value
    assert jsonschema.Draft7Validator(SCHEMA).is_valid(data) is fits


def test_the_keys_of_the_common_sections_are_described() -> None:
    for name in ("SourceConfig", "IdentityConfig", "DestinationConfig", "GuardsConfig", "NotifyConfig"):
        for key, value in SCHEMA["$defs"][name]["properties"].items():
            assert value.get("description"), (name, key)
    assert all(value.get("description") for value in SCHEMA["$defs"]["Attribute"]["properties"].values())


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA


def test_a_key_gets_its_meaning_by_its_section_and_one_without_has_no_description() -> None:
    made = json_schema(
        {"source": {"path": "Where the list is"}, "destination-vevee": {"envelope": "The field"}}
    )
    source, section = (made["$defs"][name]["properties"] for name in ("SourceConfig", "DestinationConfig"))
    assert source["path"]["description"] == "Where the list is"
    assert section["envelope"]["description"] == "The field"
    assert "description" not in source["delimiter"]


def test_the_keys_of_every_vendor_stand_in_the_destination() -> None:
    made = json_schema({})
    keys = made["$defs"]["DestinationConfig"]["properties"]
    assert {"api_key", "auth_scheme", "poll_seconds", "data_center"} <= keys.keys()
    assert keys["data_center"]["enum"] == ["singapore", "virginia"]


def test_what_only_the_program_sets_is_no_key_of_the_file() -> None:
    keys = json_schema({})["properties"].keys()
    assert "extends" in keys
    assert not {"vendor", "path"} & keys
