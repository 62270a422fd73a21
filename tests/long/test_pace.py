"""Pace against the real sandbox, by the real clock: `python -m pytest -m slow -s tests/long/test_pace.py`

Prints, for each server, the calls a second after the first seconds, the share told to slow down, and for a
ceiling the most calls in any sliding second of the sender's own send times. Takes some minutes, and wants a
machine that does little else. IMPORTER_PACE_SECONDS is how long each case sends (20).
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop

from importer.config import loader as configuration
from importer.core.models import Call, Settled, Target
from importer.send.job import Job, Limits
from importer.send.rate_limiter import RateLimiter
from importer.send.rate_search import Slot
from importer.send.sender import Sender
from importer.transport.choice import choose_client
from tests.support.disturbed_runs import Setting, control, prepared
from tests.support.oracle.program import ROOT
from tests.support.oracle.replies import KEY

SECONDS = float(os.environ.get("IMPORTER_PACE_SECONDS", "20"))
FIRST = 6.0
"""Seconds that a limit may take to be found."""


SERVER = """
import sys
from importer.config import loader as config
from importer.sandbox import server as sandbox
from importer.sandbox.faults import parse_seconds
from importer.sandbox.options import SandboxOptions
path, latency, limit, after, key = sys.argv[1:]
options = SandboxOptions(
    latency=parse_seconds(latency), rate_limit=float(limit), rate_retry_after=after or None
)
sandbox.serve(config.load(path), options, key, lambda url: print(url, flush=True))
"""


@contextmanager
def serving(setting: Setting, latency: str, limit: float, retry_after: str | None) -> Iterator[str]:
    """A sandbox with an unannounced limit, in a process of its own; yields its URL."""
    settings = [str(setting.config), latency, str(limit), retry_after or "", KEY]
    command = [sys.executable, "-c", SERVER, *settings]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


class Watched(RateLimiter):
    """Remembers when each slot was given: the sender's own send times."""

    def __init__(self, ceiling: float) -> None:
        super().__init__(ceiling)
        self.sent: list[float] = []

    async def slot(self) -> Slot | None:
        slot = await super().slot()
        if slot:
            self.sent.append(slot.at)
        return slot


@dataclass
class Figures:
    """What one case came to."""

    pacer: Watched
    throttled: int = 0
    good: list[float] = field(default_factory=list)

    @property
    def most(self) -> int:
        first = most = 0
        for last, at in enumerate(self.pacer.sent):
            while self.pacer.sent[first] <= at - 1:
                first += 1
            most = max(most, last - first + 1)
        return most

    def rate(self, start: float) -> float:
        """Calls applied a second from `start` seconds on."""
        began = self.pacer.sent[0] + start
        return sum(at >= began for at in self.good) / (self.good[-1] - began)


async def jobs(figures: Figures, clock: "asyncio.AbstractEventLoop") -> AsyncIterator[Job]:
    end = clock.time() + SECONDS
    number = 0

    def settle(_: Settled) -> None:
        figures.good.append(clock.time())

    while clock.time() < end:
        number += 1
        body = b'{"distinctId":"p%d","attributes":{"age":1}}' % number
        target = Target(number, f"p{number}", "set", ("age",))
        call = Call("POST", "/api/v1/attributes/values/batch", body, (target,))
        yield Job([call], settle, lambda: None)


def send(url: str, folder: Path, ceiling: float, in_flight: int) -> Figures:
    destination = configuration.load(folder / "import.toml").build_destination()
    figures = Figures(Watched(ceiling))
    client = choose_client("auto", url, ceiling)
    limits = Limits(url, destination.headers(KEY), max_in_flight=in_flight, client=client)
    sender = Sender(limits, destination, figures.pacer)

    async def play() -> None:
        await sender.run(jobs(figures, asyncio.get_running_loop()))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(play())
    figures.throttled = sender.counts.throttled
    return figures


@pytest.mark.parametrize("retry_after", ["", "1"])
@pytest.mark.parametrize("latency", ["1ms", "20ms", "200ms"])
def test_an_undisclosed_limit_of_150(latency: str, retry_after: str, tmp_path: Path) -> None:
    setting = prepared(tmp_path, "http://127.0.0.1:1", 1)
    with serving(setting, latency, 150, retry_after or None) as url:
        figures = send(url, tmp_path, 0, 64)
        stats = control(url, "stats")
    told = stats["throttled"] / stats["requests"]
    rate = figures.rate(FIRST)
    sys.stdout.write(
        f"\nlimit 150, {latency}, Retry-After {retry_after or '-'}: {rate:.1f}/s, told {told:.1%}"
    )
    assert rate >= 0.9 * 150
    assert told <= 0.05


@pytest.mark.parametrize(
    ("ceiling", "latency"), [(50, "100ms"), (150, "100ms"), (500, "100ms"), (1000, "50ms")]
)
def test_a_disclosed_ceiling(ceiling: int, latency: str, tmp_path: Path) -> None:
    setting = prepared(tmp_path, "http://127.0.0.1:1", 1)
    with serving(setting, latency, ceiling, None) as url:
        figures = send(url, tmp_path, ceiling, 128)
        stats = control(url, "stats")
    rate = figures.rate(1.0)
    sys.stdout.write(f"\nceiling {ceiling}, {latency}: {rate / ceiling:.1%} used, {figures.most} in a second")
    assert figures.most <= ceiling
    assert stats["throttled"] == 0
    assert rate >= 0.97 * ceiling
