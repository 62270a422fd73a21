"""How long an answer asks to wait before the next call."""

import email.utils
import re
from collections.abc import Mapping

RETRY_AFTER_MAX = 600.0
"""Longest `Retry-After` that is waited for, in seconds; a longer one is a stop, not a pause."""

_ENDLESS = 1e9  # s; a `Retry-After` of hundreds of digits is none the longer
_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)  # a fraction is against the standard, and common


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Seconds to wait by a `Retry-After` header, given in seconds or as an HTTP date; 0 = none.

    A date is counted from the answer's own `Date`, where it has one: our clock may be wrong.
    """
    text = headers.get("Retry-After", "") or headers.get("retry-after", "")
    if not text:
        return 0.0
    if _SECONDS.fullmatch(text.strip()):
        return min(float(text), _ENDLESS)
    until = _moment(text)
    if until is None:
        return 0.0
    said = _moment(headers.get("Date", "") or headers.get("date", ""))
    return max(0.0, until - (now if said is None else said))


def _moment(text: str) -> float | None:
    """An HTTP date as seconds since 1970, None where it is not one."""
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
