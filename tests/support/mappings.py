"""Configurations as a Python program gives them: mappings with the keys of the TOML file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from importer.config import loader
from importer.config.schema import Config


def mapping(
    source: Path | str, attributes: Mapping[str, Any], key_name: str, **tables: Any
) -> dict[str, Any]:
    """An import to Vevee, as fast as it goes, of people by `id`; its key is in the variable `key_name`.

    `tables` replaces whole tables, except `destination`, whose keys are added.
    """
    destination = {
        "type": "vevee",
        "api_key": f"env:{key_name}",
        "account": "test",
        "requests_per_second": 0,
        **tables.pop("destination", {}),
    }
    return {
        "name": "people",
        "source": {"path": str(source)},
        "identity": {"column": "id"},
        "destination": destination,
        "attributes": dict(attributes),
        **tables,
    }


def config_of(name: str = "nightly", **more: Any) -> Config:
    """An import of three texts; `more` replaces whole tables."""
    attributes = {key: {"type": "free_text"} for key in ("plan", "city", "note")}
    given = mapping("people.csv", attributes, "KEY")
    del given["destination"]["requests_per_second"]
    return loader.parse({**given, "name": name, **more})
