"""Work in a thread of its own, where an event loop of the caller's thread does not get in the way."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")

_LOOK_EVERY = 1.0
"""Seconds between two looks at Ctrl-C on Windows, where waiting for a thread cannot be interrupted."""


def call(work: Callable[[], Result], interrupted: Callable[[BaseException], object]) -> Result:
    """Returns what `work` returns, or raises what it raises.

    What a signal handler raises while this thread waits (KeyboardInterrupt, an error of a scheduler's worker)
    is handed to `interrupted`, and the end of `work` is waited for.
    """
    future, thread = _start(work)
    done = threading.Event()  # a `join` that is interrupted may take a thread for ended that is not
    future.add_done_callback(lambda _: done.set())
    while True:
        try:
            while not done.is_set():
                done.wait(_LOOK_EVERY)
            thread.join()
            return future.result()
        except BaseException as error:
            if done.is_set():
                raise
            interrupted(error)


async def acall(work: Callable[[], Result], cancelled: Callable[[], object]) -> Result:
    """The same for a caller that is a coroutine, whose event loop goes on meanwhile.

    Each time the caller is cancelled, `cancelled` is called; the end of `work` is waited for, and the
    cancellation goes on.
    """
    started, thread = _start(work)
    future = asyncio.wrap_future(started)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            cancelled()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([future])
        future.exception()  # looked at: the cancellation is what the caller gets
        raise
    finally:
        thread.join()  # it has nothing left to do


def _start(work: Callable[[], Result]) -> tuple[Future[Result], threading.Thread]:
    future: Future[Result] = Future()
    future.set_running_or_notify_cancel()

    def body() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            future.set_exception(error)
        else:
            future.set_result(result)

    thread = threading.Thread(target=body, name="importer")
    thread.start()
    return future, thread
