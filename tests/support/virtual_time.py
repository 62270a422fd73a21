"""Virtual time: an event loop in which nobody waits."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


A_MOMENT = 1e-9
"""Seconds that a turn of the loop takes, as it does outside of tests.

asyncio takes a timer that ends within its clock's resolution for ended. If no time passed, a caller who looks
at the clock then, and waits for the rest again, would wait for ever.
"""


class Jump(selectors.DefaultSelector):
    """A selector that does not wait: it moves the loop's clock to where the wait would have ended."""

    loop: "Virtual"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits for something that will never happen"
        self.loop.now += max(A_MOMENT, timeout)
        return super().select(0)


class Virtual(asyncio.SelectorEventLoop):
    """An event loop in which an hour passes in no time."""

    def __init__(self) -> None:
        self.now = 1000.0
        selector = Jump()
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        return self.now


def virtually(scenario: Callable[[Virtual], Coroutine[Any, Any, T]]) -> T:
    loop = Virtual()
    try:
        return loop.run_until_complete(scenario(loop))
    finally:
        loop.close()
