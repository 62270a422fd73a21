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


def test_the_loop_is_that_of_uvloop() -> None:
    found: list[str] = []
    event_loop.run(partial(note, found), nothing)
    assert found == ["uvloop"]


def test_without_uvloop_it_is_that_of_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_loop, "find_spec", lambda _: None)
    found: list[str] = []
    event_loop.run(partial(note, found), nothing)
    assert found[0].startswith("asyncio")


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EMFILE, UnreachableError), (errno.ENOSPC, OSError)], ids=["files", "other"]
)
def test_a_limit_of_files_is_a_sentence(number: int, kind: type[Exception]) -> None:
    async def fail() -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(kind):
        event_loop.run(fail, nothing)


def test_a_cancelled_run_ends_with_an_error_of_ours() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(InterruptedRunError, match="stopped at once") as caught:
        event_loop.run(cancelled, nothing)
    assert caught.value.exit_code == 130
