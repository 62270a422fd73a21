"""What stops a run from outside: a signal, or its deadline. Calls in flight are waited for, but not long."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from importer.clock import Deadline
from importer.sender import Stop

DRAIN_SECONDS = 20.0
"""How long a signal waits for the calls in flight before they are given up as unanswered."""

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def draining(stop: Stop) -> Iterator[None]:
    """SIGINT and SIGTERM let the calls in flight come back; a second one, or the deadline, does not wait.

    A caller's thread gets none: Python hands signals to the main one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def drain(number: int) -> None:
        if stop.signal:
            task.cancel()
            return
        stop.by_signal(number)
        loop.call_later(DRAIN_SECONDS, stop.abandon)

    before = {number: signal.getsignal(number) for number in _NUMBERS}
    for number in _NUMBERS:
        loop.add_signal_handler(number, drain, number)
    try:
        yield
    finally:
        for number in _NUMBERS:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number] or signal.SIG_DFL)


@contextmanager
def until(deadline: Deadline | None, stop: Stop) -> Iterator[None]:
    """At the deadline no further call is begun; those in flight are waited for as after a signal."""
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
