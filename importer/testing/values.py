"""Cells that fit a declared attribute or do not, and values in one form, whatever destination holds them."""

import json
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

Declared = Mapping[str, Any]
"""One `[attributes.NAME]` of a configuration."""

_FIRST_DAY = date(2020, 1, 2)


def good(attribute: Declared, number: int) -> str:
    """A cell that fits the declaration, another one for most numbers."""
    return _GOOD[attribute["type"]](attribute, number)


def bad(attribute: Declared) -> str | None:
    """A cell that does not fit, None where every text does."""
    if attribute["type"] == "free_text":
        return "x" * (attribute["max_length"] + 1) if "max_length" in attribute else None
    return None if attribute.get("allow_custom") else "31/31/31 no such thing"


def _options(a: Declared) -> list[str]:
    return list(a.get("options", ["x"]))


def _number(a: Declared, number: int) -> str:
    return str(int(a.get("min", 0)) + number % 50) + (".5" if number % 2 else "")


def _day(default: str) -> Callable[[Declared, int], str]:
    return lambda a, n: (_FIRST_DAY + timedelta(days=n)).strftime(a.get("format", default))


_GOOD: Mapping[str, Callable[[Declared, int], str]] = {
    "free_text": lambda _, n: f"Zoë {n}",
    "email": lambda _, n: f"p{n}@example.com",
    "phone": lambda _, n: f"+1202555{n:04}",
    "single_choice": lambda a, n: _options(a)[n % len(_options(a))],
    "multi_choice": lambda a, n: _listed(a, _options(a)[: 1 + n % 3]),
    "number": _number,
    "boolean": lambda _, n: ("true", "false")[n % 2],
    "date": _day("%Y-%m-%d"),
    "datetime": _day("%Y-%m-%dT%H:%M:%S"),
}


def _listed(a: Declared, options: list[str]) -> str:
    return json.dumps(options) if a.get("format") == "json" else str(a.get("separator", "|")).join(options)


def plain(attribute: Declared, value: Any) -> object:
    """A stored value in one form: destinations differ in how they write a type."""
    kind = attribute["type"]
    if kind == "number":
        return Decimal(str(value)).normalize()
    if kind == "boolean":
        return str(value).lower() in ("true", "1")
    if kind == "multi_choice":
        joined = attribute.get("join", attribute.get("separator", "|"))
        return sorted(value.split(joined) if isinstance(value, str) else value)
    text = str(value).replace("T", " ").removesuffix("Z") if kind == "datetime" else str(value)
    return text.removesuffix(" 00:00:00") if kind == "date" else text


def meant(attribute: Declared, cell: str) -> object:
    """What a good cell stands for, in the form of `plain`."""
    if attribute["type"] == "multi_choice":
        is_json, separator = attribute.get("format") == "json", attribute.get("separator", "|")
        return sorted(json.loads(cell) if is_json else cell.split(separator))
    return plain(attribute, cell)
