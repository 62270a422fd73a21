"""The pace, in virtual time: the real Pacer against servers that are only arithmetic. Nobody waits."""

import asyncio
import itertools
import random
import time
from collections import deque
from dataclasses import dataclass, field

import pytest

from importer.destinations.base import RateHint
from importer.send.circuit_breaker import FIRST_PROBE, TRIP
from importer.send.rate_limiter import TICK, TOGETHER, RateLimiter
from tests.support.virtual_time import Virtual, virtually


class Window:
    """At most `rate` times `span` calls let through in any sliding `span` seconds; 0 = no burst at all."""

    def __init__(self, rate: float, span: float) -> None:
        capacity = max(1, int(rate * span))
        self._span = capacity / rate
        self._passed: deque[float] = deque(maxlen=capacity)

    def admits(self, now: float) -> bool:
        passed = self._passed
        if len(passed) == passed.maxlen and now - passed[0] < self._span:
            return False
        passed.append(now)
        return True


@dataclass
class World:
    """A server and the workers that call it, for `seconds`. The loop wakes up to `late` seconds late."""

    limit: float = 0
    span: float = 1.0
    latency: float = 0.02
    capacity: float = 0  # calls a second it gets done; the others queue
    noise: float = 0  # share of calls refused for no reason
    retry_after: float = 0
    ceiling: float = 0
    workers: int = 64
    seconds: float = 20.0
    late: float = 0.001
    calls: int = 1 << 30
    sent: list[float] = field(default_factory=list)
    good: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    flying: list[int] = field(default_factory=list)

    def run(self) -> "World":
        virtually(self._play)
        return self

    async def _play(self, loop: Virtual) -> None:
        self._loop, self._dice, self._free = loop, random.Random(1), 0.0
        self._began = loop.time()
        self._window = Window(self.limit, self.span) if self.limit else None
        self._pacer = RateLimiter(self.ceiling, loop.time, self._sleep)
        await self._worker(once=True)
        await asyncio.gather(*(self._worker() for _ in range(self.workers)))

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds + self._dice.random() * self.late)

    async def _worker(self, *, once: bool = False) -> None:
        while self._loop.time() < self._began + self.seconds and len(self.sent) < self.calls:
            slot = await self._pacer.slot()
            assert slot
            self.sent.append(self._now())
            self.flying.append(self._pacer.in_flight)
            taken = await self._answer()
            self._pacer.call_returned()
            if taken:
                self.good.append(self._now())
                self._pacer.answered(slot)
            else:
                self.refused.append(self._now())
                self._pacer.refused(slot, self.retry_after)
                await asyncio.sleep(0.5 * self._dice.random())
            if once:
                return

    async def _answer(self) -> bool:
        await asyncio.sleep(self.latency / 2)
        now = self._loop.time()
        taken = self._window is None or self._window.admits(now)
        taken = taken and self._dice.random() >= self.noise
        if self.capacity:
            self._free = max(self._free, now) + 1 / self.capacity
            now = self._free
        await asyncio.sleep(self.latency / 2 + now - self._loop.time())
        return taken

    def _now(self) -> float:
        return self._loop.time() - self._began

    def per_second(self, start: float = 0.0) -> float:
        """Calls let through from `start` on."""
        return sum(at >= start for at in self.good) / (self.good[-1] - start)

    @property
    def told(self) -> float:
        """The share of calls that were told to slow down."""
        return len(self.refused) / len(self.sent)

    @property
    def most_in_a_second(self) -> int:
        """The most calls sent in any sliding second."""
        first = most = 0
        for last, at in enumerate(self.sent):
            while self.sent[first] <= at - 1:
                first += 1
            most = max(most, last - first + 1)
        return most


# --- a ceiling


@pytest.mark.parametrize("late", [0.0, 0.001, 0.02])
@pytest.mark.parametrize(("ceiling", "latency"), [(50, 0.1), (150, 0.1), (500, 0.1), (1000, 0.05)])
def test_a_ceiling_is_kept_and_used(ceiling: int, latency: float, late: float) -> None:
    world = World(limit=ceiling, ceiling=ceiling, latency=latency, late=late, workers=128, seconds=8).run()
    assert world.most_in_a_second <= ceiling
    assert world.refused == []
    assert world.per_second(0.5) >= 0.97 * ceiling


@pytest.mark.parametrize("ceiling", [0.5, 1, 2.5, 7])
def test_small_ceilings_too(ceiling: float) -> None:
    world = World(ceiling=ceiling, seconds=40, workers=8).run()
    assert len(world.sent) <= 40 * ceiling + 1 + 8
    assert world.most_in_a_second <= max(1, ceiling + 1 - ceiling % 1 if ceiling % 1 else ceiling)
    assert min(b - a for a, b in itertools.pairwise(world.sent)) >= 0.85 / ceiling


def test_lost_time_is_not_made_up_in_a_burst() -> None:
    async def scenario(loop: Virtual) -> list[float]:
        pacer, at = RateLimiter(100, loop.time), []
        for number in range(60):
            if number == 20:
                loop.now += 3.0  # the machine slept
            slot = await pacer.slot()
            assert slot
            at.append(slot.at)
            pacer.call_returned()
        return at

    at = virtually(scenario)
    together = 1 + int((TOGETHER + TICK) / (0.9 * 0.01))
    assert min(b - a for a, b in zip(at, at[together:], strict=False)) >= 0.9 * 0.01 - TICK - 1e-9
    assert at[59] - at[20] >= 0.33


@pytest.mark.parametrize(("ceiling", "together"), [(40, 1), (150, 4), (500, 12)])
def test_at_a_ceiling_calls_that_come_soon_after_each_other_leave_together(
    ceiling: int, together: int
) -> None:
    world = World(ceiling=ceiling, latency=0.05, late=0.0, seconds=4).run()
    groups = [len(list(calls)) for _, calls in itertools.groupby(world.sent[1:])]
    assert max(groups) <= together
    assert ceiling < 50 or len(world.sent) / len(groups) >= 2


# --- a limit nobody has told


@pytest.mark.parametrize("retry_after", [0, 1])
@pytest.mark.parametrize("latency", [0.001, 0.02, 0.2])
def test_an_undisclosed_limit_is_found_and_used(latency: float, retry_after: float) -> None:
    world = World(limit=150, latency=latency, retry_after=retry_after, seconds=25).run()
    assert world.per_second(8.0) >= 0.9 * 150
    assert world.told <= 0.05
    assert sum(at > 8 for at in world.refused) <= 0.02 * 150 * 17


@pytest.mark.parametrize(("span", "share"), [(0.1, 0.85), (0.0, 0.8)])
def test_a_limit_over_less_than_a_second_is_found_too(span: float, share: float) -> None:
    world = World(limit=150, span=span, late=0.0002).run()
    assert world.per_second(8.0) >= share * 150
    assert world.told <= 0.05


@pytest.mark.parametrize("limit", [10, 40, 1000])
def test_limits_of_other_sizes(limit: float) -> None:
    world = World(limit=limit, latency=0.05, seconds=25).run()
    assert world.per_second(8.0) >= 0.85 * limit
    assert world.told <= 0.1


def test_refusals_that_do_not_depend_on_the_rate_do_not_bring_it_down() -> None:
    for every in (7, 15, 40):
        world = World(noise=1 / every, latency=0.002, workers=8, calls=300, seconds=600).run()
        assert world.sent[-1] < 90, every


@pytest.mark.parametrize("noise", [0.02, 0.05])
def test_a_few_stray_refusals_cost_nothing(noise: float) -> None:
    world = World(noise=noise, latency=0.02, seconds=8).run()
    busy = 0.02 + noise * 0.25  # s a call, the wait after a refusal included
    assert world.per_second(3.0) >= 0.85 * 64 * (1 - noise) / busy


def test_more_is_used_once_the_limit_is_lifted() -> None:
    world = World(limit=50)

    async def scenario(loop: Virtual) -> None:
        loop.call_later(10, lambda: setattr(world, "_window", None))
        await world._play(loop)

    virtually(scenario)
    assert sum(at > 19 for at in world.good) > 100


# --- calm servers, and slow ones


def test_a_calm_server_is_not_slowed() -> None:
    world = World(latency=0.001, workers=8, seconds=3).run()
    assert world.per_second(1.0) >= 0.99 * 8 / 0.001 * 0.99
    assert sum(at < 1 for at in world.good) >= 0.4 * 8000, "half a second to get going"


def test_answers_of_very_different_speed_are_no_trouble() -> None:
    world = World(latency=0.02, workers=16, seconds=8)

    async def uneven() -> bool:
        await asyncio.sleep(0.02 + 0.18 * world._dice.random())
        return True

    world._answer = uneven  # type: ignore[method-assign]
    world.run()
    assert world.per_second(2.0) >= 0.9 * 16 / 0.11


def test_a_server_that_queues_is_relieved() -> None:
    world = World(capacity=200, latency=0.02).run()
    late = world.flying[len(world.flying) // 2 :]
    assert sum(late) / len(late) < 32, "64 would all wait in its queue"
    assert world.per_second(5.0) >= 0.65 * 200


# --- one for all


def test_one_refusal_holds_every_call_at_once() -> None:
    async def scenario(loop: Virtual) -> list[float]:
        pacer, sent = RateLimiter(1000, loop.time), []

        async def worker() -> None:
            slot = await pacer.slot()
            assert slot
            sent.append(slot.at)
            if len(sent) == 10:
                pacer.refused(slot, 5.0)
            pacer.call_returned()

        await asyncio.gather(*(worker() for _ in range(40)))
        return [at - sent[0] for at in sent]

    at = virtually(scenario)
    assert at[9] < 0.1
    assert at[10] >= at[9] + 5


@pytest.mark.parametrize("wait", [0.0, 3.0])
def test_a_refusal_lowers_the_rate_once_for_all_calls_under_way(wait: float) -> None:
    async def scenario(loop: Virtual) -> None:
        pacer = RateLimiter(200, loop.time)
        slots = [await pacer.slot() for _ in range(pacer._room)]
        before = pacer.rate
        for slot in slots:
            assert slot
            pacer.call_returned()
            pacer.refused(slot, wait)
            rates.append(pacer.rate / before)

    rates: list[float] = []
    virtually(scenario)
    at_once = 0 if wait else 2  # a pause that is asked for costs more than a stray refusal
    assert set(rates[:at_once]) <= {1.0}
    assert rates[at_once] < 0.5
    assert set(rates[at_once:]) == {rates[at_once]}


def test_what_headers_say_is_obeyed() -> None:
    async def scenario(loop: Virtual) -> None:
        pacer = RateLimiter(0, loop.time)
        pacer.apply_hint(RateHint(requests_per_second=20))
        assert pacer.rate == 20
        pacer.apply_hint(RateHint(remaining=30, reset=10.0))
        assert pacer.rate == pytest.approx(3)
        pacer.apply_hint(RateHint(remaining=0, reset=7.0))
        began = loop.time()
        assert await pacer.slot()
        assert loop.time() - began >= 7

    virtually(scenario)


def test_who_waits_is_sent_away_when_it_closes() -> None:
    async def scenario(loop: Virtual) -> None:
        pacer = RateLimiter(1, loop.time)
        assert await pacer.slot()
        pacer.pause(600)
        loop.call_later(1, pacer.close)
        began = loop.time()
        assert await asyncio.gather(*(pacer.slot() for _ in range(5))) == [None] * 5
        assert loop.time() - began < 2

    virtually(scenario)


# --- down


async def fail(pacer: RateLimiter, call: object, *, alone: bool = False) -> None:
    slot = await pacer.slot()
    assert slot
    pacer.call_returned()
    pacer.failed(slot, call, alone=alone)


def test_failures_of_several_calls_open_the_breaker_and_an_answer_closes_it() -> None:
    async def scenario(loop: Virtual) -> None:
        pacer, calls = RateLimiter(0, loop.time), [object(), object()]
        for number in range(TRIP):
            assert not pacer.is_down
            await fail(pacer, calls[number % 2])
        assert pacer.is_down
        waits = []
        for _ in range(8):
            began = loop.time()
            await fail(pacer, calls[0])
            waits.append(loop.time() - began)
        assert waits == pytest.approx([FIRST_PROBE * 2**n for n in range(6)] + [30, 30], abs=0.02)
        assert pacer.failing_for() > sum(waits)
        first, second = asyncio.create_task(pacer.slot()), asyncio.create_task(pacer.slot())
        slot = await first
        await asyncio.sleep(60)
        assert slot
        assert not second.done(), "one probe at a time"
        pacer.call_returned()
        pacer.answered(slot)
        assert await second
        assert not pacer.is_down
        assert pacer.failing_for() == 0

    virtually(scenario)


def test_one_call_that_always_fails_does_not_open_it_unless_it_cannot_be_its_fault() -> None:
    async def scenario(loop: Virtual) -> None:
        pacer, call = RateLimiter(0, loop.time), object()
        for _ in range(3 * TRIP):
            await fail(pacer, call)
        assert not pacer.is_down
        await fail(pacer, call, alone=True)
        assert pacer.is_down

    virtually(scenario)


def test_the_hot_path_is_short() -> None:
    """No figure of this machine, only that nobody has put something slow there: 50 us a call at most."""

    async def scenario() -> float:
        pacer = RateLimiter(1e6)
        began = time.process_time()
        for _ in range(5000):
            slot = await pacer.slot()
            assert slot
            pacer.call_returned()
            pacer.answered(slot)
        return time.process_time() - began

    assert asyncio.run(scenario()) < 5000 * 50e-6
