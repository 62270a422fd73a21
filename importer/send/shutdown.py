"""What stops a run from outside: a signal, or its deadline. Calls in flight are waited for, 20 s at most.

asyncio is loaded where something is sent: every command that reads a list loads this module.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from importer.core.durations import Deadline
from importer.core.errors import ImporterError


@dataclass(slots=True)
class Stop:
    """Whether and why no further call is begun. Not thread-safe: for the event loop's thread only.

    `is_abandoned`: the calls in flight were not waited for, or not to their end.
    """

    error: Exception | None = None
    signal: int = 0
    is_abandoned: bool = False
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
        self.is_abandoned = True
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


_ORDER = (9, 7, 4, 5, 6, 8)  # of exit codes, where several hold; any other comes after them


def _rank(error: Exception) -> int:
    code = error.exit_code if isinstance(error, ImporterError) else ImporterError.exit_code
    return _ORDER.index(code) if code in _ORDER else len(_ORDER)


def is_own_fault(error: Exception | None) -> bool:
    """Whether a stop is a fault of the importer, exit 9, which comes before every other reason."""
    return error is not None and _rank(error) == 0


DRAIN_SECONDS = 20.0
"""How long a signal waits for the calls in flight before they are given up as unanswered."""


class StopRequest:
    """Asks a run to stop after the calls in flight. It may be asked from any thread, and more than once.

    `asked` is the number of the last signal, 0 where nothing asked yet.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._lock = threading.RLock()  # a signal's handler may interrupt another one
        self._hear: Callable[[int], object] | None = None

    def ask(self, number: int = signal.SIGINT) -> bool:
        """Asks with this signal's number; False where nothing is sent at this moment, so nothing is to stop.

        The second time the calls in flight are not waited for and nothing is reported: InterruptedRunError.
        """
        with self._lock:
            self.asked = number
            if self._hear is None:
                return False
            self._hear(number)
            return True

    @contextmanager
    def heard_by(self, stop: Stop) -> Iterator[None]:
        """While calls are sent: lets those in flight come back, but waits no longer than DRAIN_SECONDS.

        Used inside the event loop that sends. A second request cancels the task.
        """
        import asyncio

        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def drain(number: int) -> None:
            if stop.signal:
                stop.is_abandoned = True
                task.cancel()
                return
            stop.by_signal(number)
            loop.call_later(DRAIN_SECONDS, stop.abandon)

        def hear(number: int) -> None:
            loop.call_soon_threadsafe(drain, number)

        with self._lock:
            self._hear = hear
            if self.asked:
                hear(self.asked)
        try:
            yield
        finally:
            with self._lock:
                self._hear = None


@contextmanager
def until(deadline: Deadline | None, stop: Stop) -> Iterator[None]:
    """At the deadline no further call is begun; those in flight are waited for as after a signal."""
    import asyncio

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
