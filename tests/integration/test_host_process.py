"""As a library the importer changes nothing of the process that calls it."""

import asyncio
import logging
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

import importer
import importer.errors
from importer.config import loader as configuration
from importer.sandbox import faults
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions

KEY = "sk_test_host"


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _open_files() -> set[str]:
    """What the process has open, without what Python's own machinery opens for a thread or a loop."""
    found = set()
    for number in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{number.name}:{number.readlink()}")
        except FileNotFoundError:  # the folder's own number
            continue
    return found


def _host() -> dict[str, Any]:
    """What the importer must leave as it was."""
    return {
        "umask": _umask(),
        "environ": dict(os.environ),
        "tempdir": (tempfile.tempdir, tempfile.gettempdir()),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "loop policy": type(asyncio.get_event_loop_policy()),
        "logging": (
            logging.root.level,
            list(logging.root.handlers),
            sorted(name for name in logging.root.manager.loggerDict if name.startswith("importer")),
        ),
        "files": _open_files(),
        "threads": {thread.name for thread in threading.enumerate()},
        "folder": Path.cwd(),
    }


@contextmanager
def unchanged() -> Iterator[None]:
    before = _host()
    yield
    after = _host()
    assert after == before


@pytest.fixture
def mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    source = tmp_path / "people.csv"
    source.write_text("id,plan\n" + "".join(f"{n},{'pro' if n % 7 else 'off'}\n" for n in range(40)))
    monkeypatch.setenv("HOST_KEY", KEY)
    return {
        "name": "host",
        "source": {"path": str(source)},
        "identity": {"column": "id"},
        "destination": {
            "type": "vevee",
            "api_key": "env:HOST_KEY",
            "requests_per_second": 0,
        },
        "attributes": {"plan": {"type": "single_choice", "options": ["pro"]}},
    }


@pytest.fixture
def server(mapping: dict[str, Any]) -> Iterator[sandbox.SandboxServer]:
    with sandbox.running(configuration.parse(mapping), SandboxOptions(), KEY) as running:
        yield running


def _run(mapping: dict[str, Any], server: sandbox.SandboxServer, folder: Path) -> importer.RunSummary:
    return importer.run(mapping, options=importer.Options(state_dir=folder, base_url=server.url))


def _stopped(mapping: dict[str, Any], server: sandbox.SandboxServer, folder: Path) -> None:
    server.change(SandboxOptions(faults=(faults.parse_fault("401@2-:times=0"),)))
    assert _run(mapping, server, folder).exit_code == 4
    server.change(SandboxOptions())


Prepare = Callable[[dict[str, Any], sandbox.SandboxServer, Path], object]
Act = Callable[[dict[str, Any], sandbox.SandboxServer, Path], object]

CALLS: dict[str, tuple[Prepare, Act]] = {
    "run": (lambda *_: None, _run),
    "check": (
        lambda *_: None,
        lambda mapping, _, folder: importer.check(mapping, options=importer.Options(state_dir=folder)),
    ),
    "resume": (_stopped, lambda _m, _s, folder: importer.resume(folder)),
    "retry": (_run, lambda _m, _s, folder: importer.retry(folder)),
    "verify": (_run, lambda _m, _s, folder: importer.verify(folder)),
}
"""What is called, after what has to be there for it."""


@pytest.mark.parametrize("name", CALLS)
def test_the_process_is_as_before(
    name: str, mapping: dict[str, Any], server: sandbox.SandboxServer, tmp_path: Path
) -> None:
    prepare, act = CALLS[name]
    for folder in ("first", "main", "thread", "loop"):  # the first call loads modules, which stay
        prepare(mapping, server, tmp_path / folder)
    act(mapping, server, tmp_path / "first")
    with unchanged():
        act(mapping, server, tmp_path / "main")
    with unchanged():
        thread = threading.Thread(target=act, args=(mapping, server, tmp_path / "thread"))
        thread.start()
        thread.join()

    async def notebook() -> None:
        """A call without `await`, under a running loop, as in the cell of a notebook."""
        with unchanged():
            act(mapping, server, tmp_path / "loop")

    asyncio.run(notebook())


@pytest.mark.asyncio
async def test_a_coroutine_leaves_the_loop_to_others(
    mapping: dict[str, Any], server: sandbox.SandboxServer, tmp_path: Path
) -> None:
    server.change(SandboxOptions(latency=0.02))
    options = importer.Options(state_dir=tmp_path / "s", base_url=server.url)
    await importer.acheck(mapping, options=options)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    with unchanged():
        ticking = asyncio.create_task(tick())
        summary = await importer.arun(mapping, options=options)
        ticking.cancel()
    assert (summary.state, summary.people["called"]) == ("finished", 34)
    assert ticks > 10


@pytest.mark.asyncio
async def test_a_cancelled_run_stops_after_the_calls_in_flight_and_is_resumable(
    mapping: dict[str, Any], server: sandbox.SandboxServer, tmp_path: Path
) -> None:
    server.change(SandboxOptions(latency=0.05))
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def note(progress: importer.Progress) -> None:
        if progress.stage == "sending":
            loop.call_soon_threadsafe(begun.set)

    mapping["destination"]["requests_per_second"] = 10
    options = importer.Options(state_dir=tmp_path / "s", base_url=server.url, run_id="r")
    task = asyncio.create_task(importer.arun(mapping, options=options, progress=note))
    await begun.wait()
    async with asyncio.timeout(10):
        while not server.stats.requests:  # noqa: ASYNC110 - the server tells by its counter only
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    answered = server.stats.requests
    assert 0 < answered < 34
    await asyncio.sleep(0.3)
    assert server.stats.requests == answered, "nothing goes on behind the caller's back"
    resumed = await asyncio.to_thread(importer.resume, tmp_path / "s", "r", importer.Options(rate=0))
    assert (resumed.state, resumed.people["called"]) == ("finished", 34)
    assert len(server.stored) == 34


def test_ctrl_c_stops_and_reports_the_run_and_is_raised(
    mapping: dict[str, Any], server: sandbox.SandboxServer, tmp_path: Path
) -> None:
    mapping["destination"]["requests_per_second"] = 10
    sent = threading.Event()

    def note(progress: importer.Progress) -> None:
        if progress.stage == "sending" and not sent.is_set():
            sent.set()
            os.kill(os.getpid(), signal.SIGINT)

    options = importer.Options(state_dir=tmp_path / "s", base_url=server.url, run_id="r")
    with pytest.raises(KeyboardInterrupt):
        importer.run(mapping, options=options, progress=note)
    assert '"state": "interrupted"' in (tmp_path / "s" / "runs" / "r" / "summary.json").read_text()


def test_the_caller_of_a_request_stops_a_run(
    mapping: dict[str, Any], server: sandbox.SandboxServer, tmp_path: Path
) -> None:
    mapping["destination"]["requests_per_second"] = 10
    request = importer.StopRequest()

    def note(progress: importer.Progress) -> None:
        if progress.stage == "sending" and not request.asked:  # a second time would not wait for the calls
            request.ask()

    options = importer.Options(state_dir=tmp_path / "s", base_url=server.url)
    summary = importer.run(mapping, options=options, progress=note, request=request)
    assert (summary.state, summary.exit_code) == ("interrupted", 130)
    with pytest.raises(importer.errors.InterruptedRunError) as caught:
        summary.raise_for_status()
    assert caught.value.exit_code == 130


def test_a_second_request_stops_at_once_and_the_run_goes_on_later(
    mapping: dict[str, Any], server: sandbox.SandboxServer, tmp_path: Path
) -> None:
    server.change(SandboxOptions(latency=30))
    request = importer.StopRequest()

    def stop() -> None:
        while not server.stats.requests:
            time.sleep(0.01)
        request.ask()
        request.ask()

    options = importer.Options(state_dir=tmp_path / "s", base_url=server.url, run_id="r")
    asking = threading.Thread(target=stop, daemon=True)
    asking.start()
    with pytest.raises(importer.errors.InterruptedRunError, match="stopped at once"):
        importer.run(mapping, options=options, request=request)
    asking.join()
    assert not (tmp_path / "s" / "runs" / "r" / "summary.json").exists()
    server.change(SandboxOptions())
    resumed = importer.resume(tmp_path / "s", "r", importer.Options(rate=0))
    assert (resumed.state, len(server.stored)) == ("finished", 34)


def _account(number: int, folder: Path, key: str) -> dict[str, Any]:
    path = folder / f"list-{number}.csv"
    path.write_text("id,plan\n" + "".join(f"{number}-{n},p{number}\n" for n in range(60)))
    return {
        "name": f"list-{number}",
        "source": {"path": str(path)},
        "identity": {"column": "id"},
        "destination": {"type": "vevee", "api_key": f"env:{key}", "requests_per_second": 0},
        "attributes": {"plan": {"type": "free_text"}},
    }


def test_two_threads_import_two_lists_into_two_accounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {number: f"HOST_KEY_{number}" for number in (1, 2)}
    for number, key in keys.items():
        monkeypatch.setenv(key, f"sk_test_{number}")
    mappings = {number: _account(number, tmp_path, key) for number, key in keys.items()}
    for turn in range(10):
        stored: dict[int, Any] = {}

        def work(number: int, turn: int = turn, stored: dict[int, Any] = stored) -> None:
            config = configuration.parse(mappings[number])
            with sandbox.running(config, SandboxOptions(), f"sk_test_{number}") as server:
                folder = tmp_path / f"state-{turn}"  # one for both, as in one job
                options = importer.Options(state_dir=folder, base_url=server.url)
                summary = importer.run(mappings[number], options=options)
                summary.raise_for_status()
                stored[number] = server.stored

        with unchanged() if turn else nullcontext():  # what is loaded the first time stays
            threads = [threading.Thread(target=work, args=(number,)) for number in keys]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        for number in keys:
            expected = {f"{number}-{n}": {"plan": f"p{number}"} for n in range(60)}
            assert stored[number] == expected
