"""When a run has to be over: `--stop-by 06:00`, `--max-duration 2h`.

The wall clock says when that is, once, at the start; from then on time is counted by one that never jumps.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from importer.core.errors import ConfigError, OutOfTimeError


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of the monotonic clock, and how it was asked for."""

    at: float
    asked: str
    clock: Callable[[], float] = time.monotonic

    def left(self) -> float:
        """Seconds until it comes; negative once it is over."""
        return self.at - self.clock()

    def error(self) -> OutOfTimeError:
        """What the run says that it stops."""
        return OutOfTimeError(f"{self.asked}: the time is up; what is not sent yet waits in the run.")


def deadline(stop_by: str | None, max_duration: float | None) -> Deadline | None:
    """The earlier of the two, from now on; None where neither is given.

    `stop_by` is "HH:MM", local time, its next occurrence, or a date and time with its zone, which may be over
    already; `max_duration` is in seconds.
    """
    found = []
    if stop_by is not None:
        found.append(Deadline(time.monotonic() + seconds_until(stop_by), f"--stop-by {stop_by}"))
    if max_duration is not None:
        found.append(Deadline(time.monotonic() + max_duration, f"--max-duration {spoken(max_duration)}"))
    return min(found, key=lambda d: d.at, default=None)


def seconds_until(stop_by: str, now: datetime | None = None) -> float:
    """Seconds from `now` to the next "HH:MM" of the local clock, also over midnight or a change of hour.

    Or to a moment like "2026-11-28T06:00+01:00" or "2026-11-28T05:00Z"; negative where that is over.
    ConfigError where it is neither.
    """
    if "T" in stop_by:
        return _moment(stop_by).timestamp() - (now.timestamp() if now else time.time())
    now = now or datetime.now()  # noqa: DTZ005 - the local clock is what was asked for
    found = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", stop_by, re.ASCII)
    if not found:
        raise ConfigError(_EXPECTED)
    then = now.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
    if then <= now:
        then += timedelta(days=1)
    return then.timestamp() - now.timestamp()


_EXPECTED = (
    "--stop-by: expected a time of day like 06:00, or a date and time with its zone like "
    "2026-11-28T06:00+01:00."
)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(_EXPECTED) from None
    if moment.tzinfo is None:
        raise ConfigError(_EXPECTED)
    return moment


def spoken(seconds: float) -> str:
    """A length of time in its two largest units: `1 h 5 min`, `12 s`."""
    total = round(seconds)
    if total < 60:
        return f"{seconds:.1f} s" if seconds < 10 and seconds != total else f"{total} s"
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    parts: list[tuple[int, str]] = []
    for name, size in units:
        count, total = divmod(total, size)
        if count or parts:
            parts.append((count, name))
    return " ".join(f"{count} {name}" for count, name in parts[:2] if count)


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds_of(text: str) -> float | None:
    """Seconds of a text like "15m", "26h" or "30d"; None where it is none."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)", text)
    return float(found[1]) * _UNITS[found[2]] if found else None
