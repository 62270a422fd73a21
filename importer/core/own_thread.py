"""Work in a thread of its own, where an event loop of the caller's thread does not get in the way."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")

_LOOK_EVERY = 1.0
"""Seconds between two looks at Ctrl-C on Windows, where waiting for a thread cannot be interrupted."""


def call(work: Callable[[], Result], interrupted: Callable[[], object]) -> Result:
    """Returns what `work` returns, or raises what it raises.

    KeyboardInterrupt while this thread waits: `interrupted` is called, and the end of `work` is waited for.
    """
    future = _start(work)
    thread_ended = threading.Event()
    future.add_done_callback(lambda _: thread_ended.set())
    while not thread_ended.is_set():
        try:
            thread_ended.wait(_LOOK_EVERY)
        except KeyboardInterrupt:
            interrupted()
    return future.result()


async def acall(work: Callable[[], Result], cancelled: Callable[[], object]) -> Result:
    """The same for a caller that is a coroutine, whose event loop goes on meanwhile.

    Where the caller is cancelled, `cancelled` is called, the end of `work` is waited for, and the
    cancellation goes on.
    """
    future = asyncio.wrap_future(_start(work))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        cancelled()
        await asyncio.wait([future])
        if not future.cancelled():
            future.exception()  # looked at: the cancellation is what the caller gets
        raise


def _start(work: Callable[[], Result]) -> Future[Result]:
    future: Future[Result] = Future()
    future.set_running_or_notify_cancel()

    def body() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=body, name="importer").start()
    return future
