"""One event a minute that says how far a run is, for logs that no progress bar can be drawn in."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from importer.core.durations import spoken
from importer.core.events import Event, Observer

EVERY = 60.0
"""Seconds between two events."""


@dataclass
class Heartbeat:
    """An observer before another one: it hands everything on, and adds an event `heartbeat` now and then.

    `calls` returns how many requests the run has sent so far.
    """

    observer: Observer
    calls: Callable[[], int]
    clock: Callable[[], float] = time.monotonic
    _stage: str = ""
    _began: tuple[float, int, int] = (0.0, 0, 0)
    _last: float = field(default=0.0)

    def __post_init__(self) -> None:
        self._last = self.clock()

    def tell(self, event: Event) -> None:
        """Hands it on."""
        self.observer.tell(event)

    def reading(self, rows: int) -> None:
        """So many rows are read so far."""
        self.observer.reading(rows)
        self._beat("reading", rows, None, None)

    def sending(self, rows: int, total: int, rejects: int) -> None:
        """So many of `total` rows are done, with so many values and rows rejected."""
        self.observer.sending(rows, total, rejects)
        self._beat("sending", rows, total, rejects)

    def _beat(self, stage: str, rows: int, total: int | None, rejects: int | None) -> None:
        now = self.clock()
        if stage != self._stage:
            self._stage, self._began = stage, (now, rows, self.calls())
        if now - self._last < EVERY:
            return
        self._last = now
        since, rows_before, calls_before = self._began
        seconds = max(now - since, 0.001)
        fields: dict[str, object] = {"stage": stage, "rows": rows}
        parts = [f"{rows:,} rows" if total is None else f"{rows:,} of {total:,} rows"]
        if total is not None:
            calls, speed = self.calls(), (rows - rows_before) / seconds
            rate = round((calls - calls_before) / seconds, 1)
            left = round((total - rows) / speed) if speed > 0 else None
            fields |= {"total": total, "calls": calls, "rate": rate, "rejects": rejects, "seconds_left": left}
            parts += [f"{calls:,} calls", f"{rate:g} a second", f"{rejects:,} rejects"]
            parts += [f"{spoken(left)} left"] if left is not None else []
        self.observer.tell(Event("heartbeat", f"{stage}: {', '.join(parts)}", fields))
