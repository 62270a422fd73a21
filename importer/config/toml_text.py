"""Values as TOML writes them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def table(title: str, keys: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a table; keys whose value is None or an empty table are left out."""
    yield f"[{title}]"
    for name, value in keys.items():
        if value is not None and value != {}:
            yield line(name, value)


def line(name: str, value: Any) -> str:
    """`name = value`."""
    return f"{key(name)} = {text_of(value)}"


def key(name: str) -> str:
    """A key, in quotes where it holds anything but letters of ASCII, digits, `_` and `-`."""
    plain = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if plain else text_of(name)


def text_of(value: Any) -> str:
    """A value on one line: as JSON writes it, but for tables, and DEL, which TOML wants escaped too."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(line(k, v) for k, v in value.items() if v is not None) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(text_of(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
