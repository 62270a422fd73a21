"""When the next call may go out.

A ceiling of R requests per second is kept by slots 1/R apart: no second holds more than R of them and no
burst follows a pause. A wait the destination asked for (`Retry-After`) moves every later slot, so that one
answer slows all calls.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


class Pacer:
    """Hands out slots. `requests_per_second` 0 = no ceiling; clock in seconds, monotonic."""

    def __init__(
        self, requests_per_second: float, clock: Clock = time.monotonic, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._gap = 1.0 / requests_per_second if requests_per_second else 0.0
        self._clock = clock
        self._sleep = sleep
        self._next = 0.0

    async def slot(self) -> None:
        """Returns when one more request may be sent."""
        now = self._clock()
        at = max(now, self._next)
        self._next = at + self._gap
        while at > now:
            await self._sleep(at - now)
            now = self._clock()

    def hold(self, seconds: float) -> None:
        """No request goes out for this long, whoever asks."""
        self._next = max(self._next, self._clock() + seconds)
