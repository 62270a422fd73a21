"""The unannounced rate limit of the sandbox."""

import math
from collections import deque


class RateWindow:
    """The unannounced limit: at most `capacity` requests let through in any sliding `span` seconds."""

    def __init__(self, rate: float, window: float) -> None:
        capacity = max(1, math.floor(rate * window))
        self._span = capacity / rate if rate else 0.0
        self._passed: deque[float] = deque(maxlen=capacity)

    def admits(self, now: float) -> bool:
        """Whether a request at `now` (seconds) is let through; it is counted where it is."""
        passed = self._passed
        if not self._span:
            return True
        if len(passed) == passed.maxlen and now - passed[0] < self._span:
            return False
        passed.append(now)
        return True
