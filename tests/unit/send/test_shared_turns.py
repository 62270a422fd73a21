"""Rate limiters of several imports share one account's ceiling: in virtual time, by the real file."""

import asyncio
from pathlib import Path

from importer.send.rate_limiter import RateLimiter
from importer.storage.shared_pace import SharedPace
from tests.support.virtual_time import Virtual, virtually

CEILING = 50.0
SECONDS = 20.0
KILLED_AFTER = 8.0
LATENCY = 0.05


def test_the_ceiling_is_held_and_used_while_one_of_three_dies(tmp_path: Path) -> None:
    """Each sends with four callers at a time; one of the three is gone after some seconds."""

    async def scenario(loop: Virtual) -> list[tuple[float, int]]:
        began, left = loop.now, list[tuple[float, int]]()

        async def caller(number: int, limiter: RateLimiter, until: float) -> None:
            while loop.now < until and (slot := await limiter.slot()) is not None and loop.now < until:
                left.append((slot.at - began, number))
                await asyncio.sleep(LATENCY)
                limiter.call_returned()
                limiter.answered(slot)

        callers = []
        for number in range(3):
            turns = SharedPace(tmp_path / "account.pace", CEILING)
            limiter = RateLimiter(CEILING, loop.time, turns=turns)
            until = began + (KILLED_AFTER if number == 0 else SECONDS)
            callers += [caller(number, limiter, until) for _ in range(4)]
        await asyncio.wait_for(asyncio.gather(*callers), SECONDS + 5)
        return left

    left = virtually(scenario)
    times = sorted(at for at, _ in left)
    assert max(sum(start <= at < start + 1 for at in times) for start in times) <= CEILING
    assert len(times) >= 0.95 * CEILING * SECONDS
    after = [number for at, number in left if at > KILLED_AFTER + 1]
    assert set(after) == {1, 2}
    assert len(after) >= 0.95 * CEILING * (SECONDS - KILLED_AFTER - 1)


def test_a_turn_that_cannot_be_taken_now_is_asked_for_again() -> None:
    class Busy:
        asked = 0

        def take(self, now: float, most: int, until: float) -> list[tuple[int, float]]:
            self.asked += 1
            return [] if self.asked < 4 else [(0, now + 1.0)]

        def left(self, number: int, at: float) -> None:
            assert number == 0

    async def scenario(loop: Virtual) -> float:
        began = loop.now
        limiter = RateLimiter(10, loop.time, turns=Busy())
        slot = await limiter.slot()
        assert slot is not None
        return slot.at - began

    assert 1.0 <= virtually(scenario) < 1.1


def test_a_turn_that_a_pause_has_made_old_is_given_up() -> None:
    class Turns:
        taken = 0

        def take(self, now: float, most: int, until: float) -> list[tuple[int, float]]:
            self.taken += 1
            return [(self.taken, now + 0.1)]

        def left(self, number: int, at: float) -> None:
            assert number == self.taken

    async def scenario(loop: Virtual) -> int:
        turns = Turns()
        limiter = RateLimiter(10, loop.time, turns=turns)
        waiting = asyncio.create_task(limiter.slot())
        await asyncio.sleep(0.05)
        limiter.pause(5.0)
        assert await waiting is not None
        return turns.taken

    assert virtually(scenario) == 2
