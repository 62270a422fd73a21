"""Types of configuration values that the importer's sections and those of the destinations share."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from importer.core.durations import seconds_of


def _duration(value: Any) -> Any:
    """Seconds from a text like "15m"; anything else is left to the type's own check."""
    if not isinstance(value, str):
        return value
    found = seconds_of(value)
    if found is None:
        raise ValueError('expected a time like "90s", "15m" or "2h", or a number of seconds')
    return found


_SCHEMA = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0},
        {"type": "string", "pattern": "^[0-9.]+(ms|s|m|h|d)$"},
    ]
}

Duration = Annotated[float, BeforeValidator(_duration), Field(gt=0), WithJsonSchema(_SCHEMA)]
"""Seconds, or a text like "90s", "15m", "2h"."""
