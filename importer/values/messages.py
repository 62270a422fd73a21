"""What was expected where a value is refused: one clause that names what is accepted and quotes no cell."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from importer.config.attribute import Attribute
from importer.core.rejects import (
    BLANK,
    EMPTY_LIST,
    INVALID,
    NOT_DECLARED,
    NULL_MEMBER,
    PATTERN,
    SEVERAL,
    TOO_LONG,
)
from importer.values.counted_moments import EXCEL, UNIX, UNIX_MS

_SHOWN = 5
"""So many options are named."""


def message(attribute: Attribute, reason: str) -> str:
    """What was expected, in one clause that quotes no cell."""
    if reason == INVALID:
        return f"expected {_EXPECTED.get(attribute.type, _any_value)(attribute)}"
    return _OTHERS[reason](attribute)


def _number(attribute: Attribute) -> str:
    marks = [f'"{attribute.decimal}" as decimal mark'] if attribute.decimal != "." else []
    marks += [f'"{attribute.thousands}" between thousands'] if attribute.thousands else []
    size = _range(attribute.min, attribute.max)
    marks += [f"{_either(attribute.units)} around it"] if attribute.units else []
    marks += ["(12) for -12"] if attribute.parentheses else []
    return "a number" + "".join(f", {part}" for part in [*([size] if size else []), *marks])


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{low:.15g} to {high:.15g}"
    if low is not None:
        return f"{low:.15g} or more"
    return "" if high is None else f"{high:.15g} or less"


def _boolean(attribute: Attribute) -> str:
    if attribute.map:
        return _listed("a word of the map", list(attribute.map))
    return f"{_either(attribute.true_values)} for true, {_either(attribute.false_values)} for false"


def _date(attribute: Attribute) -> str:
    return f"a date {_written(attribute.format or '%Y-%m-%d', '2024-12-31')}"


def _datetime(attribute: Attribute) -> str:
    once = f", which the clocks of {attribute.zone} show once" if attribute.zone else ""
    if attribute.format is None:
        return f"a date and time such as 2024-12-31T18:30:00 or 2024-12-31 18:30:00+01:00{once}"
    return f"a date and time {_written(attribute.format, '2024-12-31T18:30:00')}{once}"


_COUNTED: Mapping[str, str] = {
    EXCEL: "counted in days as a spreadsheet does, such as 45657 for 2024-12-31",
    UNIX: "counted in seconds since 1970, such as 1735669800",
    UNIX_MS: "counted in milliseconds since 1970, such as 1735669800000",
}


def _written(pattern: str, example: str) -> str:
    if pattern in _COUNTED:
        return _COUNTED[pattern]
    moment = dt.datetime.fromisoformat(example)
    return f"written as {pattern}, such as {moment.strftime(pattern)}"


def _single_choice(attribute: Attribute) -> str:
    return _listed("one of the options", attribute.options)


def _multi_choice(attribute: Attribute) -> str:
    if attribute.format == "json":
        return 'a JSON list of texts such as ["a","b"]'
    return _listed(f'options with "{attribute.separator}" between them', attribute.options)


def _email(_: Attribute) -> str:
    return "one e-mail address such as name@example.com"


def _phone(attribute: Attribute) -> str:
    if attribute.region is None:
        return "one phone number with its country, such as +12025550143"
    return f"one phone number of {attribute.region}, or with its country, such as +12025550143"


def _any_value(_: Attribute) -> str:
    return "a value of the declared type"


_EXPECTED: Mapping[str, Callable[[Attribute], str]] = {
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "single_choice": _single_choice,
    "multi_choice": _multi_choice,
    "email": _email,
    "phone": _phone,
}

_OTHERS: Mapping[str, Callable[[Attribute], str]] = {
    TOO_LONG: lambda a: f"expected at most {a.max_length} characters (max_length), found more",
    BLANK: lambda _: 'blank, and blank = "reject" is declared',
    NOT_DECLARED: lambda a: f"none of the options is declared; {_listed('declared', a.options)}",
    NULL_MEMBER: lambda _: "a member of the list is null",
    EMPTY_LIST: lambda a: (
        "a list without members, which "
        + ("the destination does not take" if a.operation == "set" else "changes nothing")
    ),
    PATTERN: lambda a: f"expected a text that fits the pattern {a.pattern} from end to end",
    SEVERAL: lambda a: f"several values in one cell, expected {_EXPECTED.get(a.type, _any_value)(a)}",
}


def _listed(what: str, words: Sequence[str]) -> str:
    """`what: "a", "b" and 3 more`."""
    if not words:
        return what
    shown = ", ".join(f'"{word}"' for word in words[:_SHOWN])
    more = len(words) - _SHOWN
    return f"{what}: {shown}" + (f" and {more} more" if more > 0 else "")


def _either(words: Sequence[str]) -> str:
    return " or ".join(f'"{word}"' for word in words)
