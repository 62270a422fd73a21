"""When the next call may go out: the ceiling, the rate found by trying, the pauses asked for, the breaker.

Ceiling. Calls are 1/R seconds apart, and none goes out before the R-th call before it is a second old,
counted from when that one really left: a loop that wakes late never sends R + 1 in a second.

Rate. Under the ceiling, or without one, the rate is found by trying. Up: doubled every tenth of a second
(five latencies, where that is more) until the server first objects, from then on by a share every second, the
smaller the better the limit is known. Down, for all calls at once: to a little under what was let through in
the second before the refusal, and to half where refusals go on; also where most answers take far longer than
usual. How many calls may be in flight follows from the rate and the latency that is still normal (Little's
law).

Noise. Slowing down does not cure an occasional refusal (a faulty gateway). So the rate falls only where
the share of refusals among the latest answers is above 7 % (above none, where a refusal names a time to
wait and so costs more) and well above what was still refused after the last cut, while the rate was low.

Breaker. When calls of several people fail in a row, the destination counts as down: one call at a time
goes out as a probe, after a wait that doubles, until one is answered.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from importer.destinations.base import RateHint
from importer.send.circuit_breaker import CircuitBreaker
from importer.send.rate_search import MEMORY, SPAN, RateSearch, Slot

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]

START = 100.0
"""First rate in requests per second where no ceiling is set; a ceiling is where a run begins."""
CONNECTS = 0.03
"""What opening a connection may take before the call leaves, in seconds."""
CATCH_UP = 0.05
"""How much lost time may be caught up, in seconds: a loop that wakes late does not lower the rate."""
TICK = 0.002
"""How exactly a loop's timer works, in seconds: calls that were due within it go out together."""
TOGETHER = 0.02
"""Calls that come due within so many seconds leave together while the rate is the ceiling: what a call costs
is a quarter less where the loop does not wake for it alone."""
FREE = 1000.0
"""From this rate on, in requests per second, calls need not be evenly spread while the server has
never refused one: the calls in flight are bounded anyway, and waiting in turn costs more than the call."""
NAP = 0.2
"""Longest sleep in one piece, in seconds, so that a stop is seen soon."""
LEAST_ROOM = 4
"""So many calls may be in flight at any rate."""

_TURN_KEPT = 0.5  # s after which a turn that was not used, because of a pause, say, is given up
_MOMENT = 0.001  # s after which a turn is asked for again while another process takes one

_HASTE = 0.93  # of the gap between calls, while lost time is caught up


class Turns(Protocol):
    """The pace that several processes share."""

    def take(self, now: float, most: int, until: float) -> Sequence[tuple[int, float]]:
        """Turns: their numbers, and when the call of each may leave. Empty: ask again in a moment.

        One at least, and the further ones that come by `until`; `most` in all.
        """

    def left(self, number: int, at: float) -> None:
        """When the call of a turn really left, where that was later than thought."""


class RateLimiter:
    """Hands out slots, one at a time, first come, first served; `call_returned` is called once for each.

    `requests_per_second` is a ceiling, 0 = none; `clock` in seconds, monotonic; `learned_rate` the rate
    that an earlier run found, from which the search goes on in small steps; `turns` are shared with others
    that send to the same account.
    """

    def __init__(
        self,
        requests_per_second: float = 0,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        learned_rate: float | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._turns = turns
        self._taken: deque[tuple[int, float]] = deque()  # turns that no call has left by yet
        self._ceiling = requests_per_second or float("inf")
        self._clock = clock
        self._sleep = sleep
        self._queue: deque[asyncio.Future[tuple[int, int | None] | None]] = deque()
        self._server: asyncio.Task[None] | None = None
        self._closed = False
        self._sent: deque[float] = deque()  # when the calls of the last second left
        self._gone = 0  # calls that are no longer in it
        self._even = self._next = self._last = self._late = 0.0
        self._paused_until = 0.0
        self._in_flight = self._most = 0
        self._room_made: asyncio.Future[None] | None = None
        first = learned_rate or (START if requests_per_second == 0 else requests_per_second)
        self._search = RateSearch(min(self._ceiling, first), known=learned_rate is not None)
        self._breaker = CircuitBreaker()
        self._set_rate(self._search.rate)

    @property
    def rate(self) -> float:
        """The rate at this moment, in requests per second."""
        return self._rate

    @property
    def learned_rate(self) -> float | None:
        """The rate to remember for the next run; None where nothing ever asked for a lower one."""
        return self._rate if self._search.known else None

    @property
    def in_flight(self) -> int:
        """Calls that have no answer yet."""
        return self._in_flight

    @property
    def is_down(self) -> bool:
        """Whether the breaker is open: only probes go out."""
        return self._breaker.is_open

    def failing_for(self) -> float:
        """Seconds since the first of the failures in a row, 0 where the last call was answered."""
        began = self._breaker.began
        return self._clock() - began if began is not None else 0.0

    def close(self) -> None:
        """No further slot is given; each caller that waits for one gets None."""
        self._closed = True
        self._set_room()
        for turn in self._queue:
            if not turn.done():
                turn.set_result(None)
        self._queue.clear()

    # ------------------------------------------------------------- giving

    async def slot(self) -> Slot | None:
        """Returns when one more request may be sent; None once closed."""
        now = self._clock()
        is_free = self._in_flight < self._room and not self._queue and self._turns is None
        if is_free and self._due() <= now:
            self._give(now)
            return Slot(now, len(self._sent))
        return await self._in_turn()

    async def _in_turn(self) -> Slot | None:
        """A slot for a caller that has to wait; it counts from the moment the caller runs."""
        if self._closed:
            return None
        turn: asyncio.Future[tuple[int, int | None] | None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        if self._server is None:
            self._server = asyncio.create_task(self._serve())
        try:
            given = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result() is not None:
                self.call_returned()
            raise
        if given is None:
            return None
        if self._closed:
            self.call_returned()
            return None
        now = self._clock()
        self._left(*given, now)
        return Slot(now, len(self._sent))

    async def _serve(self) -> None:
        """Wakes the callers that wait, first come, first served, until there are none."""
        while self._queue:
            now = self._clock()
            if self._due() > now:
                await self._doze(min(self._due(self._together) - now, NAP))
            elif self._in_flight >= self._room:
                self._search.is_wanted = True
                await self._wait_for_room()
            elif (wait := self._turn_due(now) - now) > 0:
                await self._doze(min(wait, NAP))
            else:
                turn = self._queue.popleft()
                if not turn.done():
                    shared = self._taken.popleft()[0] if self._taken else None
                    turn.set_result((self._give(now), shared))
        self._server = None

    def _turn_due(self, now: float) -> float:
        """When the turn among all processes comes. It is kept until a call leaves by it, but not for long."""
        if self._turns is None:
            return now
        while self._taken and now - self._taken[0][1] > _TURN_KEPT:
            self._taken.popleft()
        if not self._taken:
            most = min(len(self._queue), self._room - self._in_flight)
            self._taken.extend(self._turns.take(now, most, now + self._together))
        return self._taken[0][1] if self._taken else now + _MOMENT

    async def _doze(self, seconds: float) -> None:
        self._search.is_wanted = True
        until = self._clock() + seconds
        await self._sleep(seconds)
        self._late += (max(0.0, self._clock() - until) - self._late) / MEMORY

    def _due(self, later: float = 0.0) -> float:
        """When the next call may go; the R-th before it must be a second old, whatever the schedule says.

        `later` than the schedule says, in seconds.
        """
        at = max(self._next + later, self._paused_until)
        behind = len(self._sent) - self._capacity
        return max(at, self._sent[behind] + self._span) if behind >= 0 else at

    def _give(self, now: float) -> int:
        """Counts one call out, and returns its number."""
        self._schedule(now)
        sent, old = self._sent, now - self._old
        while sent and sent[0] <= old:
            sent.popleft()
            self._gone += 1
        self._in_flight += 1
        # One more in flight than ever before opens a connection first, and so leaves a little later.
        if self._in_flight > self._most:
            self._most = self._in_flight
            sent.append(now + CONNECTS)
        else:
            sent.append(now)
        return self._gone + len(sent) - 1

    def _schedule(self, now: float) -> None:
        """When the next call is due, by the rate alone."""
        self._even = max(self._even, now - CATCH_UP) + self._gap
        # What is lost by waking late is caught up call by call, each a little sooner after the one before; by
        # how much, is as late as the loop usually is.
        slack = self._together + (TICK + 2 * self._late if self._coarse else 4 * self._late)
        self._last = max(self._last + self._haste, now - slack)
        self._next = max(self._even, self._last + self._haste)

    def _left(self, number: int, shared: int | None, now: float) -> None:
        """When a call really left, where that was later than thought."""
        if shared is not None and self._turns:
            self._turns.left(shared, now)
        place = number - self._gone
        if place >= 0:
            self._sent[place] = max(self._sent[place], now)

    async def _wait_for_room(self) -> None:
        self._room_made = asyncio.get_running_loop().create_future()
        await self._room_made

    def _make_room(self) -> None:
        if self._room_made is not None and not self._room_made.done():
            self._room_made.set_result(None)

    # ------------------------------------------------------------- taking back

    def call_returned(self) -> None:
        """A call has ended, answered or not: called once for every slot."""
        self._in_flight -= 1
        self._make_room()

    def answered(self, slot: Slot) -> None:
        """The call was answered, and the answer does not ask for fewer calls."""
        if self._breaker.began is not None:
            self._breaker.close()
            self._set_room()
        now, search = self._clock(), self._search
        search.answered(now - slot.at)
        if now >= search.review_at:
            search.review(now)
            self._set_rate(search.rate)

    def refused(self, slot: Slot, wait: float = 0.0) -> None:
        """The server asked for fewer calls; `wait` is the pause that it named, in seconds, 0 = none."""
        self._search.refused(slot, self._clock(), wait)
        self._set_rate(self._search.rate)
        self.pause(wait)

    def failed(self, slot: Slot, call: object, *, alone: bool = False) -> None:
        """No answer came, or that of a gateway with nothing behind it; counts towards the breaker.

        `alone`: the failures of one call are enough, because its content cannot be the cause.
        """
        self.pause(self._breaker.failed(slot.at, call, self._clock(), alone=alone))
        self._set_room()

    def pause(self, seconds: float) -> None:
        """No request goes out for this long."""
        if seconds > 0:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    def apply_hint(self, hint: RateHint) -> None:
        """Keeps to the limit that an answer's headers name."""
        if hint.requests_per_second:
            self._ceiling = min(self._ceiling, hint.requests_per_second)
        if hint.remaining is not None and hint.reset > 0:
            if hint.remaining <= 0:
                self.pause(hint.reset)
            else:
                self._search.at_most(hint.remaining / hint.reset)
        self._set_rate(self._search.rate)

    def _set_rate(self, rate: float) -> None:
        self._rate = rate = min(rate, self._ceiling)
        self._search.rate = rate
        self._gap = 1.0 / rate
        self._capacity = max(1, int(rate))
        self._span = SPAN * self._capacity / rate
        self._old = max(self._span, SPAN)
        # As even as timers can make it where the limit is not known: it may be counted call by call.
        self._coarse = rate >= self._ceiling or self._gap < 2 * TICK
        self._together = TOGETHER if rate >= self._ceiling and self._gap < TOGETHER else 0.0
        self._haste = 0.0 if rate >= FREE and self._search.never_refused else _HASTE * self._gap
        self._set_room()

    def _set_room(self) -> None:
        """How many calls may be in flight now."""
        self._room = max(LEAST_ROOM, int(self._rate * self._search.longest_normal) + 1)
        if self._breaker.is_open:
            self._room = 1
        if self._closed:
            self._room = 0
        self._make_room()
