"""Stops calling a destination that does not answer, and tries it again from time to time."""

TRIP = 5
"""So many failures in a row, of more than one call, and the destination counts as down."""
FIRST_PROBE, LAST_PROBE = 0.5, 30.0
"""Seconds before the first probe of a destination that is down, and most between two."""


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
        """An answer came: failures are counted from the beginning again."""
        if self._failures:
            self.__init__()  # type: ignore[misc]

    def failed(self, sent_at: float, call: object, now: float, *, alone: bool) -> float:
        """One more failure; seconds to wait before the next probe, 0 while the breaker is closed."""
        if self.began is None:
            self.began = now
        self._failures += 1
        self._calls.add(id(call))
        if self.is_open:
            if sent_at < self._opened:  # it was sent before the breaker opened
                return 0.0
            self._wait = min(2 * self._wait, LAST_PROBE)
        elif self._failures < TRIP or (len(self._calls) < 2 and not alone):
            return 0.0
        self.is_open, self._opened = True, now
        return self._wait
