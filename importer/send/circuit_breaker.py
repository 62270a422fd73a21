"""Stops calling a destination that does not answer, and tries it again from time to time."""

from importer.send.rate_limiter import FIRST_PROBE, LAST_PROBE, TRIP, Slot


class CircuitBreaker:
    """Counts failures in a row. `began` is when the first of them was noticed."""

    def __init__(self) -> None:
        self.is_open = False
        self.began: float | None = None
        self._failures = 0
        self._calls: set[int] = set()
        self._opened = 0.0
        self._wait = FIRST_PROBE

    def close(self) -> None:
        """An answer: all is well."""
        if self._failures:
            self.__init__()  # type: ignore[misc]

    def failed(self, slot: Slot, call: object, now: float, *, alone: bool) -> float:
        """One more failure; seconds to wait before the next probe, 0 while the breaker is closed."""
        if self.began is None:
            self.began = now
        self._failures += 1
        self._calls.add(id(call))
        if self.is_open:
            if slot.at < self._opened:  # was under way before
                return 0.0
            self._wait = min(2 * self._wait, LAST_PROBE)
        elif self._failures < TRIP or (len(self._calls) < 2 and not alone):
            return 0.0
        self.is_open, self._opened = True, now
        return self._wait
