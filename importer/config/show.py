"""A configuration as it is understood: bases joined, variables replaced, defaults filled in, as TOML."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from importer.config.schema import Config


def as_toml(config: Config) -> Iterator[str]:
    """The lines of a file that means the same; it refers to secrets and holds none.

    Of an attribute only what is declared, and its column: most keys fit few types.
    """
    data = config.model_dump(mode="json", exclude={"path", "vendor", "attributes"})
    data["destination"] |= config.build_destination().settings.model_dump(mode="json")
    yield f"name = {_value(data.pop('name'))}"
    for title, table in data.items():
        yield from _table(title, table)
    for key, attribute in config.attributes.items():
        declared = attribute.model_dump(mode="json", exclude_unset=True)
        yield from _table(f"attributes.{_key(key)}", {"column": config.columns[key], **declared})


def _table(title: str, table: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", f"[{title}]")
    for key, value in table.items():
        if value is not None and value != {}:
            yield f"{_key(key)} = {_value(value)}"


def _key(name: str) -> str:
    plain = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if plain else json.dumps(name, ensure_ascii=False)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)
