"""The progress bar of a run, and the events that a person sees."""

import logging
import os
import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

from importer.cli import logs
from importer.core.events import Event

if TYPE_CHECKING:
    from tqdm import tqdm

_SHOWN = ("waiting", "cost", "not_notified", "not_written", "journal_lost", "fast_client_missing")
"""Kinds of events that are always shown; the others are for `--log-format json` and `--verbose`."""

_PROBLEMS = ("not_notified", "not_written", "journal_lost")

_COUNTED = ("reading", "sending")
"""Stages that know how much they have done; of any other there is the time alone."""

_TICK = 1.0
"""Seconds between two looks at the clock while nothing else moves the bar."""


class Progress:
    """A bar on standard error: stage, share, rows, rejects, time left.

    Where that is no terminal, a line a minute says the same.

    `run_id` is that of the run, once it has begun.
    """

    def __init__(self, *, quiet: bool, events: bool = True) -> None:
        self.run_id = ""
        self._shows_events = events and not quiet
        self._off = quiet or logs.is_json() or not sys.stderr.isatty()
        self._bar: tqdm[NoReturn] | None = None
        self._stage = ""
        self._rejects = 0
        self._waits_since: float | None = None
        self._moved = 0.0
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        if not self._off:
            threading.Thread(target=self._tick, name="progress", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        with self._lock:
            self._close_bar()

    def tell(self, event: Event) -> None:
        """What a person waits for: why nothing happens yet, and what is about to be sent."""
        if event.kind == "progress":
            self._read_bytes(event)
            return
        if event.kind == "waiting":
            self._waits_since = time.monotonic()
        if event.kind == "began":
            self.run_id = str(event.fields.get("run_id", ""))
        if event.kind == "finishing":
            self._show("finishing", 0, None, unit=" steps")
        is_wanted = event.kind in _SHOWN or (event.kind == "heartbeat" and self._off)
        shown = logs.is_json() or (is_wanted and self._shows_events)
        level = logging.WARNING if event.kind in _PROBLEMS else logging.INFO
        logs.say(event.text, event.kind, level if shown else logging.DEBUG, **event.fields)

    def reading(self, rows: int) -> None:
        """So many rows are read so far; `progress` events draw the bar."""

    def _read_bytes(self, event: Event) -> None:
        done, total, self._rejects = (event.fields[name] for name in ("bytes", "total_bytes", "rejects"))  # type: ignore[assignment]
        self._show("reading", int(str(done)), int(str(total)) if total is not None else None, unit="B")

    def sending(self, rows: int, total: int, rejects: int) -> None:
        """So many of `total` rows are done, with so many values and rows rejected."""
        self._rejects = rejects
        self._show("sending", rows, total, unit=" rows")

    def _show(self, stage: str, done: int, total: int | None, unit: str) -> None:
        if self._off:
            return
        with self._lock:
            if self._stage != stage or self._bar is None:
                self._close_bar()
                self._stage, self._bar = stage, _bar(stage, done, total, unit)
                self._waits_since = None
            self._note_move(done != self._bar.n)
            self._bar.set_postfix_str(self._postfix(), refresh=False)
            self._bar.update(done - self._bar.n)

    def _note_move(self, moves: bool) -> None:
        """Ends a wait. What comes back at its beginning was in flight before, and ends none."""
        now = time.monotonic()
        if moves:
            self._moved = now
            if self._waits_since is not None and now - self._waits_since > _TICK:
                self._waits_since = None

    def _postfix(self) -> str:
        """The rejects, and whether the importer waits while nothing moves; for what, a line above says."""
        stands = time.monotonic() - self._moved >= _TICK
        waits = "waiting" if self._waits_since is not None and stands else ""
        return ", ".join(filter(None, (f"{self._rejects:,} rejects" if self._rejects else "", waits)))

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _tick(self) -> None:
        """Moves the clock of the bar while the importer waits or writes its reports."""
        while not self._closed.wait(_TICK):
            with self._lock:
                if self._bar is not None:
                    self._bar.set_postfix_str(self._postfix())


def _bar(stage: str, done: int, total: int | None, unit: str) -> "tqdm[NoReturn]":
    """A bar that begins at `done`: after a resume, what was done before counts for no speed of now."""
    from tqdm import tqdm

    colour = None if "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb" else "green"
    return tqdm(
        total=total,
        initial=done,
        desc=stage,
        unit=unit,
        unit_scale=True,
        unit_divisor=1024 if unit == "B" else 1000,
        file=sys.stderr,
        dynamic_ncols=True,
        colour=colour,
        bar_format=None if stage in _COUNTED else "{desc} [{elapsed}{postfix}]",
    )
