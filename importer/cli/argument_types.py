"""The values of flags: each function takes the text given and returns the value, or says what it expected."""

import argparse
from typing import TYPE_CHECKING

from importer.core.durations import seconds_of
from importer.core.text import printable

if TYPE_CHECKING:
    from importer.config.options import RejectLimit


def _wrong(expected: str, found: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f'expected {expected}, found "{printable(found)}"')


def whole_number(text: str) -> int:
    """A whole number from 0 on."""
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise _wrong("a whole number from 0 on", text)
    return int(text)


def positive_number(text: str) -> int:
    """A whole number from 1 on."""
    number = whole_number(text)
    if not number:
        raise _wrong("a whole number from 1 on", text)
    return number


def rate(text: str) -> float:
    """Requests per second; 0 is no ceiling."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise _wrong("requests per second, 0 for no ceiling", text)
    return value


def duration(text: str) -> float:
    """Seconds of `90s`, `30m`, `2h` or `30d`."""
    found = seconds_of(text)
    if found is None:
        raise _wrong("a time like 90s, 30m, 2h or 30d", text)
    return found


def latency(text: str) -> float:
    """Seconds of `50ms` or `0.2s`; a bare number is seconds."""
    found = seconds_of(text) if text[-1:].isalpha() else rate(text)
    if found is None:
        raise _wrong("a time like 50ms or 0.2s", text)
    return found


def reject_limit(text: str) -> "RejectLimit":
    """`250` values, or a share of them, `2%`."""
    from importer.config.options import RejectLimit  # brings pydantic, which `--help` must not wait for

    return RejectLimit.parse(text)
