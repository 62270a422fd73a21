"""When the next call may go out: the ceiling, the pace found by trying, the waits asked for, the breaker.

Ceiling. Calls are 1/R seconds apart, and none goes out before the R-th call before it is a second old,
counted from when that one really went: a loop that wakes late never makes R + 1 in a second.

Pace. Under the ceiling, or without one, the rate is found by trying. Up: doubled every tenth of a second
(five latencies, where that is more) until the server first objects, from then on by a share every second, the
smaller the better the limit is known. Down, for all calls at once: to a little under what was let through in
the second before the refusal, and to half where refusals go on; also where most answers take far longer than
usual. How many calls may be in flight follows from the rate and the latency that is still normal (Little's
law).

Noise. A refusal now and then (a faulty gateway) is not cured by slowing down. So the rate falls only where
the share of refusals among the latest answers is above 7 % (above none, where a refusal names a time to
wait and so costs more) and well above what was still refused after the last cut, while the rate was low.

Breaker. When calls of several people fail in a row, the destination is taken for down: one call at a time
goes out as a probe, after a wait that doubles, until one is answered.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from importer.destinations.base import PaceHint
from importer.send.circuit_breaker import CircuitBreaker

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]

START = 100.0
"""First rate in requests per second where no ceiling is set; a ceiling is where a run begins."""
SLOWEST = 0.5
"""The pace never falls below this, in requests per second: one call every two seconds."""
SPAN = 1.015
"""A second, and a little for calls that take longer to leave than the one a second before them."""
CONNECTS = 0.03
"""What opening a connection may take before the call leaves, in seconds."""
CATCH_UP = 0.05
"""How much lost time may be caught up, in seconds: a loop that wakes late does not lower the rate."""
TICK = 0.002
"""How exactly a loop's timer works, in seconds: calls that were due within it go out together."""
FREE = 1000.0
"""From this pace on, in requests per second, and as long as the server has never objected, calls need not be
evenly spread: what is in flight is bounded all the same, and waiting in turn costs more than the call."""
NAP = 0.2
"""Longest sleep in one piece, in seconds, so that a stop is seen soon."""
LEAST_ROOM = 4
"""So many calls may be in flight at any rate."""

_HASTE = 0.93  # of the gap between calls, while lost time is caught up
_REVIEW = 0.1  # s between looks at the latency, and between doublings at the start
_LATENCIES = 5  # that a doubling at the start is tried for: what is refused is known a latency later
_SETTLE = 1.0  # s that a new rate is tried before the next step: limits are counted over a second
_UNDER = 0.97  # of what was let through: where a refusal leaves the rate
_FIRST_STEP, _MIDDLE_STEP, _SMALL_STEP, _STEP_GROWS = 0.5, 0.12, 0.03, 1.5
_PATIENCE, _LONGEST_PATIENCE = 1.0, 30.0  # s at a rate known to be near the limit, before more is tried
_WORTH = 20.0  # a try that cost a pause of n s is not repeated within n times this
_MEMORY, _MEMORY_SECONDS = 32, 0.05  # answers, and seconds of answers, that tell the share of refusals
_TOLERATED = 0.07  # share of refusals that does not lower the rate
_NOISE = 2.0  # times what is refused anyway, likewise
_MOST_NOISE = 0.2  # share of refusals above which they are never taken for noise
_STORM = 3  # so many refusals after a cut, and more than half as many as other answers: the cut was too small
_ENOUGH = 5  # answers that tell the latency of a calm time
_YOUNG = 3  # looks at the start that together tell what is usual
_ADAPTS = 0.002  # of a higher latency that is taken for normal, a review
_SLACK = 0.05  # s that any answer may take longer; what is less is our own loop's business


class Slot(NamedTuple):
    """Leave to send one call: when it was given, and how many were sent in the second before."""

    at: float
    load: int


class RateLimiter:
    """Hands out slots, one at a time, first come, first served; `back` is called once for each.

    `requests_per_second` is a ceiling, 0 = none; `clock` in seconds, monotonic; `borne` the pace that an
    earlier run found, from which the search goes on in small steps.
    """

    def __init__(
        self,
        requests_per_second: float = 0,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        learned_rate: float | None = None,
    ) -> None:
        self._ceiling = requests_per_second or float("inf")
        self._clock = clock
        self._sleep = sleep
        self._queue: deque[asyncio.Future[int | None]] = deque()
        self._server: asyncio.Task[None] | None = None
        self._closed = False
        self._sent: deque[float] = deque()  # when the calls of the last second left
        self._gone = 0  # calls that are no longer in it
        self._even = self._next = self._last = self._late = 0.0
        self._held = 0.0
        self._in_flight = self._most = 0
        self._room_made: asyncio.Future[None] | None = None
        first = learned_rate or (START if requests_per_second == 0 else requests_per_second)
        self._search = _Search(min(self._ceiling, first), known=learned_rate is not None)
        self._breaker = CircuitBreaker()
        self._set_rate(self._search.rate)

    @property
    def rate(self) -> float:
        """The pace at this moment, in requests per second."""
        return self._rate

    @property
    def learned_rate(self) -> float | None:
        """The pace worth remembering for the next run; None where nothing ever asked for a slower one."""
        return self._rate if self._search.known else None

    @property
    def in_flight(self) -> int:
        """Calls that are out."""
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
        """No further slot is given; who waits for one is sent away."""
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
        if self._in_flight < self._room and not self._queue and self._due() <= now:
            self._give(now)
            return Slot(now, len(self._sent))
        return await self._in_turn()

    async def _in_turn(self) -> Slot | None:
        """A slot for one who has to wait; it counts from when they wake, not from when they were woken."""
        if self._closed:
            return None
        turn: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        if self._server is None:
            self._server = asyncio.create_task(self._serve())
        try:
            number = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result() is not None:
                self.back()
            raise
        if number is None:
            return None
        if self._closed:
            self.back()
            return None
        now = self._clock()
        self._left(number, now)
        return Slot(now, len(self._sent))

    async def _serve(self) -> None:
        """Wakes those who wait, first come, first served, until nobody does."""
        while self._queue:
            now = self._clock()
            if (wait := self._due() - now) > 0:
                await self._doze(min(wait, NAP))
            elif self._in_flight >= self._room:
                self._search.is_wanted = True
                await self._wait_for_room()
            else:
                turn = self._queue.popleft()
                if not turn.done():
                    turn.set_result(self._give(now))
        self._server = None

    async def _doze(self, seconds: float) -> None:
        self._search.is_wanted = True
        until = self._clock() + seconds
        await self._sleep(seconds)
        self._late += (max(0.0, self._clock() - until) - self._late) / _MEMORY

    def _due(self) -> float:
        """When the next call may go; the R-th before it must be a second old, whatever the schedule says."""
        at = max(self._next, self._held)
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
        slack = TICK + 2 * self._late if self._coarse else 4 * self._late
        self._last = max(self._last + self._haste, now - slack)
        self._next = max(self._even, self._last + self._haste)

    def _left(self, number: int, now: float) -> None:
        """When a call really left, where that was later than thought."""
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

    def back(self) -> None:
        """A call has come back, whatever came of it: to be said once for every slot."""
        self._in_flight -= 1
        self._make_room()

    def answered(self, slot: Slot) -> None:
        """The call was answered, and not with the wish for fewer."""
        if self._breaker.began is not None:
            self._breaker.close()
            self._set_room()
        now, search = self._clock(), self._search
        search.took(now - slot.at)
        if now >= search.review_at:
            search.review(now)
            self._set_rate(search.rate)

    def refused(self, slot: Slot, wait: float = 0.0) -> None:
        """The server asked for fewer calls, and for a pause of `wait` seconds where it named one."""
        self._search.refused(slot, self._clock(), wait)
        self._set_rate(self._search.rate)
        self.hold(wait)

    def failed(self, slot: Slot, call: object, *, alone: bool = False) -> None:
        """No answer came, or that of a gateway with nothing behind it; counts towards the breaker.

        `alone`: the failures of one call suffice, since they cannot be due to what it carries.
        """
        self.hold(self._breaker.failed(slot.at, call, self._clock(), alone=alone))
        self._set_room()

    def hold(self, seconds: float) -> None:
        """No request goes out for this long, whoever asks."""
        if seconds > 0:
            self._held = max(self._held, self._clock() + seconds)

    def told(self, hint: PaceHint) -> None:
        """Keeps to what an answer's headers say of the limit."""
        if hint.requests_per_second:
            self._ceiling = min(self._ceiling, hint.requests_per_second)
        if hint.remaining is not None and hint.reset > 0:
            if hint.remaining <= 0:
                self.hold(hint.reset)
            else:
                self._search.at_most(hint.remaining / hint.reset)
        self._set_rate(self._search.rate)

    def set_ceiling(self, requests_per_second: float) -> None:
        """Another ceiling from now on; what `told` learns comes under it again."""
        self._ceiling = requests_per_second
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
        self._haste = 0.0 if rate >= FREE and self._search.is_untold else _HASTE * self._gap
        self._set_room()

    def _set_room(self) -> None:
        """How many calls may be in flight now."""
        self._room = max(LEAST_ROOM, int(self._rate * self._search.normal) + 1)
        if self._breaker.is_open:
            self._room = 1
        if self._closed:
            self._room = 0
        self._make_room()


class _Search:
    """Looks for the rate that a server takes. Times in seconds; `rate` in requests per second."""

    def __init__(self, rate: float, *, known: bool = False) -> None:
        self.rate = rate
        self.known = known  # a limit was met, in this run or an earlier one
        self.is_wanted = False  # somebody waited for the rate since the last look
        self.review_at = 0.0
        self.normal = _SLACK  # longest latency that is not yet a sign of trouble
        self._calm = 0.0  # the latency at the calmest of times, 0 = not known yet
        self._latency = 0.0  # of all answers since the last look, added up
        self._answers = self._slow = self._slow_reviews = self._reviews = 0
        self._reviewed = 0.0
        # growth at a time, and the time between
        self._step, self._pause = (_SMALL_STEP, _SETTLE) if known else (1.0, 0.0)
        self._grow_at = 0.0
        self._patience = _PATIENCE
        self._cut_at = -1.0
        self._limit = 0.0  # what was let through before the last refusal
        self._grown = True  # since the last cut
        self._refused: deque[float] = deque()  # when the refused calls of the last second were sent
        self._share = 0.0  # of the latest answers that are refusals
        self._weight = 1 / _MEMORY  # of one answer in it
        self._noise = 0.0  # share that is refused anyway
        self._taken = self._strays = 0  # answers and refusals since the last cut, until the rate grows again
        self._cut_for = 0.0  # the share of refusals that led to the last cut

    @property
    def is_untold(self) -> bool:
        """Whether the server has never objected, but for noise."""
        return not self.known and self._step == 1.0

    def took(self, latency: float) -> None:
        """One answer. Called for every call, so it only counts."""
        self._answers += 1
        self._latency += latency
        self._share -= self._share * self._weight
        if latency > self.normal:
            self._slow += 1

    def review(self, now: float) -> None:
        """Looks at the answers since the last time: slower where they have become slow, else faster."""
        slow = self._calm > 0 and self._slow * 2 > self._answers > 2
        self._slow_reviews = self._slow_reviews + 1 if slow else min(0, self._slow_reviews)
        if self._slow_reviews > 1:  # not for a single hiccup
            self._relieve(now)
        elif self.is_wanted and not slow and now >= self._grow_at:
            self._grow(now)
        self._remember(self._latency / self._answers)
        self._taken += self._answers
        self._answers, self._slow, self._latency = 0, 0, 0.0
        self.is_wanted = False
        self._reviewed = now
        self.review_at = now + max(_REVIEW, self._calm)

    def _grow(self, now: float) -> None:
        """More, but not more than twice what really comes back: the rest would be found out late."""
        if not self._grown:
            self._learn_noise()
        came = self._answers / max(now - self._reviewed, 0.001)
        self.rate = max(self.rate, min(self.rate * (1 + self._step), 2 * came))
        self._weight = 1 / max(_MEMORY, self.rate * _MEMORY_SECONDS)
        self._step = min(1.0, self._step * _STEP_GROWS)
        self._grow_at = now + (self._pause or _LATENCIES * self._calm)
        self._grown = True

    def _learn_noise(self) -> None:
        """What was refused although slower; where that is much of what led to the cut, it was for nothing."""
        share = self._strays / max(self._strays + self._taken, _MEMORY)
        self._noise = share if share <= _MOST_NOISE else 0.0
        if self._noise > self._cut_for / 4:
            self._step, self._pause, self._patience = 1.0, 0.0, _PATIENCE
            self.known = False

    def _relieve(self, now: float) -> None:
        """Answers queue up somewhere: a little under what came back lately."""
        came = self._answers / max(now - self._reviewed, 0.001)
        self.rate = max(SLOWEST, min(self.rate, came) * 0.9)
        self._slow_reviews = -2  # what waits in its queue comes back late all the same
        self._step = max(_SMALL_STEP, self._step / 4)
        self._pause = max(self._pause, self.normal)
        self._grow_at = now + 2 * self.normal

    def _remember(self, latency: float) -> None:
        """The calmest latency; it rises slowly where the server has become slower for good."""
        self._reviews += 1
        if latency < self._calm and self._answers >= _ENOUGH:
            self._calm = latency
        weight = 1 / self._reviews if self._reviews <= _YOUNG else _ADAPTS
        self._calm += (latency - self._calm) * weight
        self.normal = 2 * self._calm + _SLACK

    def refused(self, slot: Slot, now: float, wait: float) -> None:
        """A call was told to slow down; those sent before the last cut say nothing new."""
        self._share += (1 - self._share) * self._weight
        let_through = self._let_through(slot)
        if slot.at <= self._cut_at:
            return
        told = self._told_too_much(let_through, wait) if self._grown else self._told_again(let_through, wait)
        if told:
            self._cut_at, self._cut_for = now, self._share
            self._grown, self.known = False, True
            self._share, self._strays, self._taken = 0.0, 0, 0
            self._grow_at = now + wait + max(self._pause, self._patience)

    def _told_too_much(self, let_through: float, wait: float) -> bool:
        """Slower where more is refused than at any rate; whether it was."""
        if self._share <= _NOISE * self._noise + (0 if wait else _TOLERATED):
            return False
        self._cut(let_through, wait)
        return True

    def _told_again(self, let_through: float, wait: float) -> bool:
        """Refused although slower: to half where that goes on; whether it does."""
        self._strays += 1
        if self._strays >= _STORM and 2 * self._strays > self._taken:
            self.rate = max(SLOWEST, min(self.rate / 2, max(let_through, self.rate / 4)))
            self._step, self._patience = _FIRST_STEP, _PATIENCE
            return True
        if wait and self._share > _NOISE * self._noise:
            self.rate = max(SLOWEST, self.rate * _UNDER)
            self._strays = self._taken = 0
        return False

    def _let_through(self, slot: Slot) -> float:
        """How many calls of the second before this refused one were not refused."""
        refused = self._refused
        while refused and refused[0] <= slot.at - 1:
            refused.popleft()
        refused.append(slot.at)
        return max(SLOWEST, (slot.load - len(refused)) / SPAN)

    def _cut(self, let_through: float, wait: float) -> None:
        """To just under what was let through. Where that comes out alike twice, the limit is known."""
        before, self._limit = self._limit, let_through
        if let_through >= (0.5 if wait else 0.75) * self.rate or let_through <= 1.1 * before:
            self._patience = max(min(2 * self._patience, _LONGEST_PATIENCE), _WORTH * wait)
            self._step = _SMALL_STEP
        else:  # the rate was not kept for long enough to tell
            short = let_through < self.rate / 4  # most likely it counts over less than a second
            self._patience, self._step = _PATIENCE, _FIRST_STEP if short else _MIDDLE_STEP
            let_through = max(let_through, self.rate / 4)
        self._pause = _SETTLE + self.normal
        self.rate = min(self.rate, max(SLOWEST, _UNDER * min(self.rate, let_through)))

    def at_most(self, rate: float) -> None:
        """What the destination says is left for now."""
        self.rate = max(SLOWEST, min(self.rate, rate))
