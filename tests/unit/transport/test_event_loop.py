"""The loop that sending runs in."""

import asyncio
import errno
import os
from functools import partial

import pytest

from importer.core.errors import InterruptedRunError, UnreachableError
from importer.transport import event_loop


def nothing(_: BaseException) -> None:
    """No interrupt comes."""


async def note(found: list[str]) -> None:
    found.append(type(asyncio.get_running_loop()).__module__)


def test_the_fast_client_runs_on_uvloop_and_httpx_on_asyncio() -> None:
    found: list[str] = []
    event_loop.run(partial(note, found), "fast", nothing)
    event_loop.run(partial(note, found), "httpx", nothing)
    assert found[0] == "uvloop"
    assert found[1].startswith("asyncio")


def test_without_uvloop_the_fast_client_runs_on_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_loop, "find_spec", lambda _: None)
    found: list[str] = []
    event_loop.run(partial(note, found), "fast", nothing)
    assert found[0].startswith("asyncio")


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EMFILE, UnreachableError), (errno.ENOSPC, OSError)], ids=["files", "other"]
)
def test_a_limit_of_files_is_a_sentence(number: int, kind: type[Exception]) -> None:
    async def fail() -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(kind):
        event_loop.run(fail, "httpx", nothing)


def test_a_cancelled_run_ends_with_an_error_of_ours() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(InterruptedRunError, match="stopped at once") as caught:
        event_loop.run(cancelled, "httpx", nothing)
    assert caught.value.exit_code == 130
