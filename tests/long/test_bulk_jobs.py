"""Bulk jobs at full size, in virtual time: all within the limits, and nothing handed in twice.

`python -m pytest -s -m slow tests/long/test_bulk_jobs.py`. The vendor's speeds are those of its pages: the
first 10,000 records of a day within 4 hours, the rest within 12; one job in a hundred is late, one in a
thousand loses its results. The sender, the stream of chunks, the journal and Attentive's own rules are the
real ones; a job carries one person in place of 256, because the people are not what is measured here.
"""

import asyncio
import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from importer.config.loader import parse
from importer.core.events import Silent
from importer.core.models import Answer, Call, Part, Settled, Update
from importer.destinations.attentive.destination import Destination
from importer.destinations.attentive.endpoints import BULK, JOB
from importer.destinations.attentive.settings import Settings
from importer.pipeline import chunk_stream
from importer.pipeline.chunk_stream import ChunkStream
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.send import sender as sending
from importer.send.job import Limits
from importer.send.rate_limiter import RateLimiter
from importer.send.sender import Sender
from importer.send.shutdown import Stop
from importer.storage.journal import Journal
from importer.storage.journal_records import Entry
from importer.storage.spool import ChunkPlan
from importer.validate.read_counts import ReadCounts
from tests.support.mappings import mapping
from tests.support.virtual_time import Virtual

PEOPLE_PER_JOB, JOBS_PER_CHUNK = 256, 400
HOUR = 3600.0
RESULTS = "https://results.test/"


@dataclass
class Busiest:
    """The most calls in any sliding second."""

    most: int = 0
    count: int = 0
    _latest: deque[float] = field(default_factory=deque)

    def note(self, now: float) -> None:
        self.count += 1
        self._latest.append(now)
        while self._latest[0] <= now - 1.0:
            self._latest.popleft()
        self.most = max(self.most, len(self._latest))


class Vendor:
    """Attentive's bulk endpoints in virtual time, each answer 50 ms after its request."""

    def __init__(self, loop: Virtual, jobs: int) -> None:
        self.loop = loop
        self.chance = random.Random(7)
        self.submits, self.polls, self.fetches = Busiest(), Busiest(), Busiest()
        self.people: Counter[str] = Counter()
        self.ready: list[float] = []
        self.records: list[Any] = []
        self.lost: set[int] = set()
        self.waited = 0.0
        self._first_day = 10_000 // PEOPLE_PER_JOB
        self._jobs = jobs

    async def send(self, call: Call) -> Answer:
        now = self.loop.time()
        (self.submits if call.path == BULK else self.polls).note(now)
        await asyncio.sleep(0.05)
        if call.path == BULK:
            return self._submit(call)
        number = int(call.path.removeprefix(f"{JOB}j"))
        if self.loop.time() < self.ready[number]:
            return Answer(200, {}, b'{"status":"IN_PROGRESS"}')
        return Answer(200, {}, json.dumps({"status": "COMPLETED", "url": f"{RESULTS}{number}"}).encode())

    def _submit(self, call: Call) -> Answer:
        [user] = json.loads(call.body)["users"]
        number = len(self.ready)
        self.people[user["identifiers"]["email"]] += 1
        self.records.append(user)
        first, last = (0.5, 4.0) if number < self._first_day else (4.0, 12.0)
        if self.chance.random() < 0.01:
            first, last = 12.0, 18.0
        self.ready.append(self.loop.time() + self.chance.uniform(first, last) * HOUR)
        if self.chance.random() < 0.001:
            self.lost.add(number)
        return Answer(202, {}, json.dumps({"batchJobId": f"j{number}"}).encode())

    async def fetch(self, url: str, _: object) -> Answer:
        self.fetches.note(self.loop.time())
        await asyncio.sleep(0.05)
        number = int(url.removeprefix(RESULTS))
        self.waited = max(self.waited, self.loop.time() - self.ready[number])
        line = {"request": self.records[number], "response": {"status": 200}}
        return Answer(200, {}, b"" if number in self.lost else json.dumps(line).encode())


class Ledger:
    """In place of the run's: chunks made of numbers, their answers in the real journal."""

    def __init__(self, journal: Journal, jobs: int, destination: Destination) -> None:
        self.journal, self.destination, self.jobs = journal, destination, jobs
        self.pending: set[int] = set()
        self.reading = SimpleNamespace(counts=ReadCounts(rows_read=jobs))
        self.answers = SimpleNamespace(bad=0)
        self.tally = SimpleNamespace(rows={}, add=lambda _: None)
        closed = journal.closed_chunks()
        numbers = range(math.ceil(jobs / JOBS_PER_CHUNK))
        self.plans = [ChunkPlan(n, n, n + 1, JOBS_PER_CHUNK) for n in numbers if n not in closed]

    def open(self, plan: ChunkPlan) -> "Opened":
        return Opened(self, plan)

    def answered(self, _: ChunkPlan) -> set[str]:
        """For the rows shown on a screen."""
        return set()

    def suspend(self, number: int) -> None:
        self.journal.flush()

    def settle(self, opened: "Opened") -> Any:
        return SimpleNamespace(tally=SimpleNamespace(values={"not_attempted": 0}, dump=dict))

    close = settle

    def count_without_sending(self, plans: object) -> None:
        """Nothing is counted here."""


class Opened:
    """In place of a chunk of people."""

    def __init__(self, ledger: Ledger, plan: ChunkPlan) -> None:
        self.journal, number = ledger.journal, plan.number
        first = number * JOBS_PER_CHUNK
        self.numbers = range(first, min(first + JOBS_PER_CHUNK, ledger.jobs))
        rows = SimpleNamespace(to_list=lambda: [1] * len(self.numbers))
        self.chunk = SimpleNamespace(plan=plan, tally=SimpleNamespace(rows={}), people={"rows": rows})
        self.carried = self.journal.pending(number).get(number, [])
        known = {target.distinct_id for call in self.carried for target in call.targets}
        known |= {entry.person for entry in self.journal.open_answers(number)}
        self._left = [n for n in self.numbers if f"p{n}" not in known]

    def jobs(self) -> Iterator[Update]:
        for n in self._left:
            part = Part("set", ("a",), '"a":1')
            yield Update(n - self.numbers.start, f"p{n}", (part,), user=(f"p{n}@x.org",))

    def settle(self, settled: Settled) -> None:
        state = "unconfirmed" if settled.unconfirmed or settled.classification.unreported else "applied"
        for target in settled.call.targets:
            what = (target.distinct_id, "set", target.keys, (0,), state, "", settled.status, 1, settled.at)
            self.journal.append(Entry(self.chunk.plan.number, *what))

    def keep(self, settled: Settled) -> None:
        self.journal.keep(self.chunk.plan.number, settled.classification.follow_up)

    def intend(self, _: Call) -> None:
        """Every call may be repeated."""

    release = intend


def attempt(
    loop: Virtual, vendor: Vendor, path: Path, jobs: int, seconds: float | None, job_deadline: float
) -> Stop:
    """One attempt, ended after `seconds` of virtual time as a killed process is: no await, no clean-up."""
    journal, stop = Journal(path), Stop()
    settings = Settings.model_validate({"user": {"email": "email"}, "mode": "bulk"})
    destination = Destination(settings, [])
    destination.people_per_call = 1
    sender = Sender(
        Limits("https://api.test", {}, max_in_flight=16, job_deadline=job_deadline),
        destination,
        RateLimiter(destination.requests_per_second, loop.time),
        stop,
        clock=loop.time,
    )
    sender.poll_limiter = RateLimiter(destination.polls_per_second, loop.time)
    ledger: Any = Ledger(journal, jobs, destination)

    async def work() -> None:
        stream = ChunkStream(ledger, None, stop, Silent(), None)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stream.send(sender)

    loop.run_until_complete(work())
    journal.close()
    return stop


@pytest.fixture
def _virtual_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    async def inline(work: Callable[..., Any], *args: object) -> Any:
        return work(*args)

    monkeypatch.setattr(asyncio, "to_thread", inline)
    monkeypatch.setattr(chunk_stream, "COMMIT_SECONDS", 60.0)
    monkeypatch.setattr(sending, "NAP", 5.0)


def play(
    monkeypatch: pytest.MonkeyPatch,
    path: Path,
    people: int,
    kills: int,
    job_deadline: float = 20 * HOUR,
    attempts: int = 1,
) -> tuple[Vendor, list[Stop]]:
    """All attempts of a run: `kills` of them killed at random moments, the last one left alone."""
    loop, jobs = Virtual(), math.ceil(people / PEOPLE_PER_JOB)
    vendor, chance = Vendor(loop, jobs), random.Random(kills)

    @asynccontextmanager
    async def connect(_: object) -> AsyncIterator[Vendor]:
        yield vendor

    monkeypatch.setattr(sending, "connect", connect)
    monkeypatch.setattr(sending, "fetch", vendor.fetch)
    submitting = jobs / 100
    undisturbed: list[float | None] = [None] * attempts
    moments = [
        chance.choice([chance.uniform(0, submitting), chance.uniform(0, 3 * HOUR)]) for _ in range(kills)
    ]
    stops = []
    try:
        for seconds in [*moments, *undisturbed]:
            stops.append(attempt(loop, vendor, path, jobs, seconds, job_deadline))
            loop.now += 2.0  # a process takes longer to start
    finally:
        loop.close()
    return vendor, stops


def states(path: Path) -> Counter[str]:
    """How the people of a run ended, each by the last of their answers."""
    journal = Journal(path)
    try:
        journal._db.execute("DELETE FROM chunks")  # so that closed chunks are read, too
        return Counter({e.person: e.state for e in journal.open_answers()}.values())
    finally:
        journal.close()


@pytest.mark.usefixtures("_virtual_surroundings")
@pytest.mark.parametrize(("people", "kills"), [(200_000, 0), (200_000, 6), (10_000_000, 3)])
def test_all_jobs_end_within_the_limits(people: int, kills: int, monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        vendor, stops = play(monkeypatch, path, people, kills)
        found = states(path)
    jobs = math.ceil(people / PEOPLE_PER_JOB)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(  # noqa: T201 - the figures are what the test is run for
        f"\n{people:,} people, {jobs:,} jobs, {kills} kills: {vendor.submits.count:,} submits (at most "
        f"{vendor.submits.most} in a second), {vendor.polls.count:,} polls ({vendor.polls.most}), "
        f"{vendor.fetches.count:,} results; longest from a job's end to its results "
        f"{vendor.waited / 60:.0f} min; {vendor.loop.time() / HOUR:.1f} h in "
        f"{time.monotonic() - began:.0f} s, "
        f"peak {peak:.0f} MiB"
    )
    assert stops[-1].error is None
    assert (len(vendor.people), set(vendor.people.values())) == (jobs, {1}), "nothing is handed in twice"
    assert vendor.submits.most <= 100
    assert vendor.polls.most <= 100
    assert vendor.waited < 35 * 60
    assert found == Counter({"applied": jobs - len(vendor.lost), "unconfirmed": len(vendor.lost)})
    assert peak < 500


@pytest.mark.usefixtures("_virtual_surroundings")
def test_jobs_that_are_late_end_the_run_resumable_and_are_settled_by_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "journal.sqlite"
    vendor, stops = play(monkeypatch, path, 200_000, 0, job_deadline=8 * HOUR, attempts=3)
    assert "still open at the destination" in str(stops[0].error)
    assert stops[-1].error is None, "18 hours are within three attempts"
    assert states(path).total() == len(vendor.people) == 782
    assert set(vendor.people.values()) == {1}


def test_fifty_thousand_people_for_real_within_500_mib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over sockets, against the sandbox, whose jobs are done at the second poll; prints the figures."""
    monkeypatch.setenv("BULK_KEY", "sk_test_bulk")
    source = tmp_path / "people.csv"
    with source.open("w", encoding="utf-8") as file:
        file.write("id,email,name,age\n")
        file.writelines(f"p{n},p{n}@example.com,Name {n},{n % 90}\n" for n in range(50_000))
    attributes = {"name": {"type": "free_text", "field": "firstName"}, "age": {"type": "number"}}
    jobs = {"type": "attentive", "mode": "bulk", "poll_seconds": 1.0, "user": {"email": "email"}}
    data = mapping(source, attributes, "BULK_KEY", destination={**jobs, "requests_per_second": 100})
    with sandbox.running(parse(data), SandboxOptions(), "sk_test_bulk") as server:
        (tmp_path / "bulk.json").write_text(json.dumps(data), "utf-8")
        words = [sys.executable, "-c", RUN, str(tmp_path / "bulk.json"), server.url, str(tmp_path / "state")]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=600)
        stored = server.stored
    code, peak, seconds, calls = json.loads(done.stdout)
    print(  # noqa: T201 - the figures are what the test is run for
        f"\n50,000 people for real: {calls:,} requests in {seconds:.0f} s, peak {peak >> 20} MiB"
    )
    assert (code, len(stored)) == (0, 50_000)
    assert peak < 500 << 20


RUN = """
import json, sys, importer
data = json.loads(open(sys.argv[1]).read())
summary = importer.run(data, options=importer.Options(state_dir=sys.argv[3], base_url=sys.argv[2]))
calls = summary.calls["sent"]
print(json.dumps([summary.exit_code, summary.peak_rss_bytes, summary.seconds["total"], calls]))
"""
