"""What was expected where a value is refused, in one clause that quotes no cell."""

from collections.abc import Mapping

from importer.config.attribute import Attribute
from importer.core.rejects import BLANK, INVALID, NOT_DECLARED, TOO_LONG

MESSAGES: Mapping[tuple[str, str], str] = {
    ("number", INVALID): "expected a number (as declared: marks, range, 64-bit integers)",
    ("boolean", INVALID): "expected one of the declared texts for true and false",
    ("date", INVALID): "expected a date in the declared format",
    ("datetime", INVALID): "expected a date and time in the declared format",
    ("single_choice", INVALID): "expected one of the declared options",
    ("multi_choice", INVALID): "expected options joined by the declared separator",
    ("multi_choice", NOT_DECLARED): "none of the options is declared",
}
"""What was expected, by type and reason; anything else is in `_COMMON_MESSAGES`."""

_COMMON_MESSAGES: Mapping[str, str] = {
    TOO_LONG: "longer than the declared max_length",
    BLANK: 'blank, and blank = "reject" is declared',
    INVALID: "not a value of the declared type",
}


def message(attribute: Attribute, reason: str) -> str:
    """What was expected, in one clause that quotes no cell."""
    return MESSAGES.get((attribute.type, reason)) or _COMMON_MESSAGES[reason]
