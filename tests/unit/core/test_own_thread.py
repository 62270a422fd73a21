"""Work in a thread of its own: results, errors, interruptions."""

import asyncio
import signal
import threading
import time
from pathlib import Path

import pytest

from importer.core import own_thread


def _fail() -> None:
    raise LookupError("here")


def test_results_and_errors_come_back() -> None:
    assert own_thread.call(threading.current_thread, lambda _: None).name == "importer"
    with pytest.raises(LookupError, match="here"):
        own_thread.call(_fail, lambda _: None)


@pytest.mark.parametrize("error", [KeyboardInterrupt, LookupError])
def test_what_a_signal_raises_is_handed_on_and_the_work_ends(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped, seen = threading.Event(), list[BaseException]()

    def handler(*_: object) -> None:
        raise error

    def interrupted(raised: BaseException) -> None:
        seen.append(raised)
        stopped.set()

    def work() -> bool:
        time.sleep(0.1)  # the other thread waits by now
        signal.raise_signal(signal.SIGUSR1)
        return stopped.wait(10)

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        assert own_thread.call(work, interrupted)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert [type(one) for one in seen] == [error]


@pytest.mark.asyncio
async def test_a_coroutine_is_cancelled_when_the_work_has_ended() -> None:
    stopped, asked = threading.Event(), list[float]()

    def cancelled() -> None:
        asked.append(time.monotonic())
        stopped.set()

    def work() -> None:
        stopped.wait(10)
        time.sleep(0.05)

    task = asyncio.create_task(own_thread.acall(work, cancelled))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(asked) == 1
    assert time.monotonic() - asked[0] >= 0.05
    assert all(thread.name != "importer" for thread in threading.enumerate())


@pytest.mark.asyncio
async def test_a_coroutine_gets_results_and_errors() -> None:
    assert await own_thread.acall(Path.cwd, lambda: None) == Path.cwd()
    with pytest.raises(LookupError):
        await own_thread.acall(_fail, lambda: None)
