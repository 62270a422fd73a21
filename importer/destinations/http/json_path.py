"""JSON paths: names and positions from 0, joined by dots (`errors.0.reason`); "." is the whole value."""

import re
from typing import Any

WHOLE = "."
PATH = re.compile(r"\.|[^.]+(\.[^.]+)*")


def value_at(value: Any, path: str) -> Any:
    """The value at a path, None where there is none."""
    for step in path.split(".") if path != WHOLE else ():
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and len(step) <= 9 and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def with_value(document: dict[str, Any], path: str, value: Any) -> Any:
    """The document with a value at a path; objects are made on the way, lists are not."""
    if path == WHOLE:
        return value
    *steps, last = path.split(".")
    place = document
    for step in steps:
        place = place.setdefault(step, {})
    place[last] = value
    return document
