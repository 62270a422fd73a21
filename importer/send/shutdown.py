"""What stops a run from outside: a signal, or its deadline. Calls in flight are waited for, 20 s at most."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from importer.core.durations import Deadline
from importer.core.errors import ImporterError


@dataclass(slots=True)
class Stop:
    """Whether and why no further call is begun. Not thread-safe: for the event loop's thread only."""

    error: Exception | None = None
    signal: int = 0
    _when_set: list[Callable[[], None]] = field(default_factory=list)
    _when_abandoned: list[Callable[[], None]] = field(default_factory=list)

    @property
    def is_set(self) -> bool:
        """Whether anything asked for a stop."""
        return self.error is not None or self.signal != 0

    def because(self, error: Exception) -> None:
        """Stops with this error; of several, the one with the most useful next step is kept."""
        was_set = self.is_set
        if self.error is None or _rank(error) < _rank(self.error):
            self.error = error
        if not was_set:
            self._call_all(self._when_set)

    def by_signal(self, number: int) -> None:
        """Stops with this signal; the exit code of a signal comes before that of any error."""
        self.signal = number
        self._call_all(self._when_set)

    def abandon(self) -> None:
        """The calls in flight are waited for no longer: they end unanswered."""
        self._call_all(self._when_abandoned)

    def when_set(self, then: Callable[[], None]) -> None:
        """Calls `then` once a stop is asked for, at once where that was before."""
        self._when_set.append(then)
        if self.is_set:
            then()

    def when_abandoned(self, then: Callable[[], None]) -> None:
        """Calls `then` once the calls in flight are waited for no longer."""
        self._when_abandoned.append(then)

    @staticmethod
    def _call_all(listeners: Sequence[Callable[[], None]]) -> None:
        for then in listeners:
            then()


_ORDER = (9, 7, 4, 5, 6, 8)  # of exit codes, where several hold


def _rank(error: Exception) -> int:
    return _ORDER.index(error.exit_code) if isinstance(error, ImporterError) else 0


DRAIN_SECONDS = 20.0
"""How long a signal waits for the calls in flight before they are given up as unanswered."""

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def draining(stop: Stop) -> Iterator[None]:
    """SIGINT and SIGTERM let the calls in flight come back; a second one, or the deadline, does not wait.

    In another thread than the main one nothing is installed: Python delivers signals to the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def drain(number: int) -> None:
        if stop.signal:
            task.cancel()
            return
        stop.by_signal(number)
        loop.call_later(DRAIN_SECONDS, stop.abandon)

    before = {number: signal.getsignal(number) for number in _NUMBERS}
    for number in _NUMBERS:
        loop.add_signal_handler(number, drain, number)
    try:
        yield
    finally:
        for number in _NUMBERS:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number] or signal.SIG_DFL)


@contextmanager
def until(deadline: Deadline | None, stop: Stop) -> Iterator[None]:
    """At the deadline no further call is begun; those in flight are waited for as after a signal."""
    loop, timers = asyncio.get_running_loop(), []
    if deadline:
        left = max(0.0, deadline.left())
        timers = [
            loop.call_later(left, stop.because, deadline.error()),
            loop.call_later(left + DRAIN_SECONDS, stop.abandon),
        ]
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
