"""The JSON Schema of the TOML file, by which editors complete and check it."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from importer import destinations
from importer.config.schema import Config

Meanings = Mapping[str, Mapping[str, str]]
"""Section (`source`, `attribute`, `destination-vevee`, …) → key → what it means."""


def json_schema(meanings: Meanings) -> dict[str, Any]:
    """The schema as plain data, each key with its meaning; one without a meaning has no description.

    The keys of `[destination]` are those of every vendor together: a schema cannot ask for the `type` first.
    """
    found = Config.model_json_schema()
    for name in ("vendor", "path"):
        del found["properties"][name]
    found["properties"]["extends"] = {
        "type": "string",
        "description": "A file whose tables lie below those of this one. Its path starts beside this file",
    }
    definitions = found["$defs"]
    for vendor in destinations.own_names():
        _add_vendor(
            definitions, destinations.load(vendor).settings_type, meanings.get(f"destination-{vendor}", {})
        )
    for title, definition in definitions.items():
        section = title.removesuffix("Config").lower()
        for key, value in definition.get("properties", {}).items():
            _describe(value, meanings.get(section, {}).get(key))
    return {"$schema": "http://json-schema.org/draft-07/schema#", **found, "title": "importer"}


def add_installed(schema: dict[str, Any]) -> None:
    """Adds the keys of the destinations of installed packages; ConfigError where one cannot be loaded."""
    for vendor in destinations.installed():
        _add_vendor(schema["$defs"], destinations.load(vendor).settings_type, {})


def _add_vendor(definitions: dict[str, Any], settings: type[BaseModel], meanings: Mapping[str, str]) -> None:
    own = settings.model_json_schema()
    definitions |= own.pop("$defs", {})
    for key, value in own.get("properties", {}).items():
        _describe(value, meanings.get(key))
        definitions["DestinationConfig"]["properties"].setdefault(key, value)


def _describe(value: dict[str, Any], meaning: str | None) -> None:
    value.pop("title", None)
    if meaning:
        value.setdefault("description", meaning)
