"""The second half of a run: chunks through the sender, the next one prepared while this one is sent."""

import asyncio
import math
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import polars as pl

from importer import identities
from importer.addresses import Addresses
from importer.changes import Changes
from importer.checking import Marks
from importer.chunker import Chunk, Chunker, Tally, Withhold
from importer.closing import Closed
from importer.config import Config
from importer.destinations.base import Destination
from importer.errors import StateError
from importer.fingerprint import Fingerprints
from importer.guards import limit_passed
from importer.journal import COMMIT_SECONDS, Entry, Journal
from importer.models import Call, Settled, Update
from importer.options import Observer, RejectLimit
from importer.reading import Reading
from importer.reconciler import Answers, Doubts, OpenChunk
from importer.reports import Reports
from importer.resolving import Addressing
from importer.sender import Job, Limits, Sender, Stop
from importer.spool import ChunkPlan, Spool

COUNTING_THREADS = 2
"""Chunks of a check that are counted at one time; each may hold a chunk's bytes in memory."""

OPEN_AT_ONCE = 2
"""So many chunks may be between two rounds; each holds its people in memory."""


@dataclass
class Books:
    """What the chunks of a run share, and what they come to.

    `prepare` may settle values of a chunk without a call before it is sent, `withhold` does so with single
    rows of a sum or union; `addresses` is there where ids are resolved; `earlier` holds what former lives of
    the run had answered of chunks that are still open, `pending` the calls by chunk that carry on what they
    had handed in; `dead` maps an attribute to the destination's reason for never taking it; `problems` holds
    the people whom the destination could not tell. `marks` is there where only marks of the rows were
    spooled; `sends` is false where nothing is meant to be sent (`check`); `changes` is there where the
    snapshot is looked at, `release` closes what `prepare` has opened.
    """

    config: Config
    destination: Destination
    reading: Reading
    spool: Spool
    journal: Journal
    reports: Reports
    marks: Marks | None
    prepare: Callable[[OpenChunk], None] = lambda _: None
    withhold: Withhold | None = None
    addresses: Addresses | None = None
    dead: dict[str, str] = field(default_factory=dict)
    problems: Spool | None = None
    sends: bool = True
    changes: Changes | None = None
    release: Callable[[], None] = lambda: None
    earlier: dict[int, list[Entry]] = field(default_factory=dict)
    pending: dict[int, list[Call]] = field(default_factory=dict)
    doubts: Doubts | None = None
    tally: Tally = field(default_factory=Tally)
    answers: Answers = field(default_factory=Answers)
    plans: list[ChunkPlan] = field(default_factory=list)

    def __post_init__(self) -> None:
        encoding, compare = self.destination.encoding, self.changes.compare if self.changes else None
        self._fingerprints = Fingerprints(self.config, encoding)
        prints = self._prints if compare else None
        self._chunker = Chunker(self.config, encoding, self.reading.cells, self.withhold, prints, compare)
        self.doubts = Doubts() if self.destination.splits else None
        closed = self.journal.closed_chunks()
        for tally in closed.values():
            self.tally.add(Tally.load(tally))
        self.plans = [plan for plan in self.spool.plan() if plan.number not in closed]

    def let_go(self) -> None:
        """Closes what is open besides the journal."""
        if self.addresses:
            self.addresses.close()
        self.release()

    def take_up(self) -> None:
        """Takes what is answered by now of open chunks for that of a former life: they are opened anew."""
        self.journal.flush()
        closed = self.journal.closed_chunks()
        self.plans = [plan for plan in self.plans if plan.number not in closed]
        self.earlier = {}
        for entry in self.journal.open_answers():
            self.earlier.setdefault(entry.chunk, []).append(entry)
        self.pending = self.journal.pending()

    def _prints(self, layout: int, rows: pl.DataFrame, cells: pl.DataFrame) -> pl.Series:
        return self._fingerprints.of(self.reading.sources[layout].layout, rows, cells)

    def open(self, plan: ChunkPlan) -> OpenChunk:
        """A chunk ready to send, marked in the snapshot."""
        opened = self._open(plan)
        if self.changes:
            self.changes.mark(opened)
        return opened

    def _open(self, plan: ChunkPlan) -> OpenChunk:
        """A chunk without what is settled already."""
        chunk = self._build(plan)
        dead_reasons = self.destination.dead_reasons
        opened = OpenChunk(chunk, self.journal, self.answers, self.dead, dead_reasons, self.doubts)
        earlier, pending = self.earlier.get(plan.number, ()), self.pending.get(plan.number, ())
        opened.restore(earlier, pending)
        self.prepare(opened)
        if self.changes:
            self.changes.count(chunk)
        return opened

    def _build(self, plan: ChunkPlan) -> Chunk:
        problems = identities.of_chunk(self.problems, plan) if self.problems else None
        return self._chunker.build(plan, self.spool.read(plan), problems)

    def close(self, opened: OpenChunk) -> Closed:
        """How the chunk ended, its lines and rows set down as parts of the reports."""
        closed = opened.close(self.config, self.reading.cells, check=not self.sends)
        self.earlier.pop(opened.chunk.plan.number, None)
        self.pending.pop(opened.chunk.plan.number, None)
        self.reports.add_chunk(opened.chunk.plan.number, closed.rejects, closed.kept)
        return closed

    def first_values(self) -> list[Call]:
        """For each attribute of mixed kinds, the call that shows the destination a general text of it first.

        Looks through the chunks until one is found for each; the first chunk nearly always has them all.
        """
        wanted, calls = set(self.reading.mixed), list[Call]()
        for plan in self.plans if wanted else ():
            chunk = self._build(plan)
            for key, update in chunk.general(wanted):
                wanted.discard(key)
                call = self.destination.first_value(update)
                calls += [call] if call else []
            if calls and self.changes:
                self.changes.mark(self._open(plan))
            if not wanted:
                break
        return calls

    def settle(self, opened: OpenChunk) -> Closed:
        """Closes a chunk of which every call has come to its end."""
        closed = self.close(opened)
        if self.changes and closed.codes is not None:
            self.changes.settle(opened, closed.codes)
        return closed

    def count_without_sending(self, plans: Sequence[ChunkPlan]) -> None:
        """Closes chunks of which nothing more is sent: all of them for `check`, the rest after a stop."""
        if not self.marks:
            for plan in plans:
                self.tally.add(self.close(self._open(plan)).tally)
            return
        with ThreadPoolExecutor(COUNTING_THREADS, "counting") as threads:
            for closed in threads.map(partial(self._count, self.marks), plans):
                self.tally.add(closed.tally)

    def _count(self, marks: Marks, plan: ChunkPlan) -> Closed:
        closed = marks.close(self._chunker.fold(piece for _, piece in self.spool.read(plan)))
        self.reports.add_chunk(plan.number, closed.rejects, closed.kept)
        return closed


@dataclass
class _Progress:
    """A chunk while its calls go out. Also where the sender hands in what became of a job.

    `rounds` are its further jobs where ids are resolved first; each begins when the one before has come back.
    """

    opened: OpenChunk
    addressing: Addressing | None
    jobs: Iterator[Job] = field(init=False)
    rounds: Iterator[Iterator[Job]] = field(init=False)
    waiting: int = 0
    exhausted: bool = False

    @property
    def over(self) -> bool:
        """Whether every job of the round was handed out and came back."""
        return self.exhausted and not self.waiting


class ChunkStream:
    """Feeds the sender with the jobs of one chunk after another, and closes each chunk when it is over."""

    def __init__(self, books: Books, stop: Stop, observer: Observer, limit: RejectLimit | None) -> None:
        self._books = books
        self._stop = stop
        self._observer = observer
        self._limit = limit
        self._left = list(books.plans)
        self._turn = asyncio.Lock()
        self._current: _Progress | None = None
        self._coming: asyncio.Task[tuple[OpenChunk, Addressing | None]] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._rows = sum(books.tally.rows.values())
        self._people_left: int | None = None  # how many more people may be called, None = all
        self.unfinished: dict[int, _Progress] = {}
        self.finished_jobs = 0
        self._again: deque[_Progress] = deque()
        self._change = asyncio.Event()
        self._failed: StateError | None = None
        stop.when_set(self._change.set)

    async def send(self, sender: Sender) -> None:
        """Sends every chunk; what a stop left open is in `unfinished` and in the plans not begun."""
        await self._deliver(sender)
        self._count_unfinished()

    async def send_first(self, sender: Sender, people: int) -> None:
        """Sends the calls of the first `people` and nothing more; the open chunks are another's to count."""
        self._people_left = people
        await self._deliver(sender)

    async def _deliver(self, sender: Sender) -> None:
        ticking = asyncio.create_task(self._tick())
        try:
            await sender.run(self)
            await asyncio.gather(*self._closing)
        finally:
            ticking.cancel()
            if self._coming:
                await asyncio.gather(self._coming, return_exceptions=True)
            with self._stopping():
                self._books.journal.flush()
        if self._failed:
            raise self._failed

    def _count_unfinished(self) -> None:
        for progress in self.unfinished.values():
            self._books.tally.add(self._books.close(progress.opened).tally)
        self._books.count_without_sending(self._left)

    async def _tick(self) -> None:
        """Commits the journal at its interval, and shows how far the run is.

        Where that fails, the disk being full, nothing more is sent: it would be sent again.
        """
        while not self._failed:
            await asyncio.sleep(COMMIT_SECONDS)
            with self._stopping():
                self._books.journal.flush()
            self._show()

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """An error of the state folder stops the run; it is raised when the calls in flight are back."""
        try:
            yield
        except StateError as error:
            self._failed = self._failed or error
            self._stop.because(error)

    def _show(self) -> None:
        intake = self._books.reading.intake
        done = intake.filtered + intake.set_aside + intake.unchanged_rows + self._rows
        self._observer.sending(done, intake.rows_read, intake.rejected + self._books.answers.bad)

    def __aiter__(self) -> "ChunkStream":
        return self

    async def __anext__(self) -> Job:
        """The next job; waits only where the next chunk is not ready yet."""
        while True:
            if self._people_left == 0:
                raise StopAsyncIteration
            current = self._current
            jobs = current.jobs if current else None
            job = next(jobs, None) if jobs else None
            if current and job:
                current.waiting += 1
                return job
            async with self._turn:
                if self._current is current and (current is None or current.jobs is jobs):
                    await self._advance()
                if self._current is None:
                    raise StopAsyncIteration

    async def _advance(self) -> None:
        """Makes a chunk's next round or the next chunk the current one; None where no more can come."""
        if self._current:
            self._current.exhausted = True
            self._close_if_over(self._current)
        self._current = None
        while not self._stop.is_set and self._current is None:
            if self._again:
                self._current = self._again.popleft()
            elif self._may_open():
                self._current = await self._open_next()
            elif not any(p.addressing for p in self.unfinished.values()):
                return
            else:
                self._change.clear()
                await self._change.wait()

    def _may_open(self) -> bool:
        """Whether there is another chunk, and not too many are waiting for their next round."""
        self._coming = self._coming or self._prepare()
        rounds = sum(p.addressing is not None for p in self.unfinished.values())
        return self._coming is not None and rounds < OPEN_AT_ONCE

    async def _open_next(self) -> _Progress:
        """The next chunk; the one after it is prepared meanwhile."""
        assert self._coming is not None
        opened, addressing = await self._coming
        self._left.pop(0)
        self._coming = self._prepare()
        self._rows += sum(opened.chunk.tally.rows.values())
        progress = _Progress(opened, addressing)
        progress.rounds = self._rounds(progress)
        progress.jobs = next(progress.rounds)
        self.unfinished[opened.chunk.plan.number] = progress
        return progress

    def _prepare(self) -> "asyncio.Task[tuple[OpenChunk, Addressing | None]] | None":
        if not self._left:
            return None
        return asyncio.create_task(asyncio.to_thread(self._open, self._left[0]))

    def _open(self, plan: ChunkPlan) -> tuple[OpenChunk, Addressing | None]:
        opened, books = self._books.open(plan), self._books
        return opened, Addressing(opened, books.destination, books.addresses) if books.addresses else None

    def _rounds(self, progress: _Progress) -> Iterator[Iterator[Job]]:
        """All jobs at once, or by turns those that resolve ids and those that write."""
        addressing = progress.addressing
        if addressing is None:
            yield self._jobs(progress, progress.opened.jobs())
            return
        while addressing.begin():
            yield self._resolve_jobs(progress, addressing)
            yield self._jobs(progress, addressing.updates())

    def _resolve_jobs(self, progress: _Progress, addressing: Addressing) -> Iterator[Job]:
        def settle(settled: Settled) -> None:
            if not (settled.unconfirmed and self._stop.is_set):  # else a later life asks again
                addressing.resolved(settled)
                self._watch_limit()

        for call in addressing.calls(self._people_left):
            yield Job([call], settle, partial(self._finish, progress, 0))

    def _jobs(self, progress: _Progress, waiting: Iterator[Update]) -> Iterator[Job]:
        size = min(self._books.destination.people_per_call, self._people_left or sys.maxsize)
        rows = progress.opened.chunk.people["rows"].to_list()
        for call in progress.opened.carried:
            yield self._job(progress, [call], sum(rows[t.person] for t in call.targets))
        updates: list[Update] = []
        for update in waiting:
            updates.append(update)
            if len(updates) == size:
                yield self._update_job(progress, updates, rows)
                updates = []
        if updates:
            yield self._update_job(progress, updates, rows)

    def _update_job(self, progress: _Progress, updates: Sequence[Update], rows: Sequence[int]) -> Job:
        calls = self._books.destination.calls(updates)
        if self._people_left is not None:
            self._people_left = max(0, self._people_left - len(updates))
        return self._job(progress, calls, sum([rows[u.person] for u in updates]))

    def _job(self, progress: _Progress, calls: Sequence[Call], rows: int) -> Job:
        opened = progress.opened
        settle, finish = partial(self._settle, progress), partial(self._finish, progress, rows)
        return Job(calls, settle, finish, opened.intend, opened.release, opened.keep)

    def _settle(self, progress: _Progress, settled: Settled) -> None:
        (progress.addressing or progress.opened).settle(settled)
        self._watch_limit()

    def _watch_limit(self) -> None:
        """The reject limit, judged with each answer."""
        if self._limit:
            error = limit_passed(self._limit, self._books.reading.intake.rejected, self._books.answers)
            if error:
                self._stop.because(error)

    def _finish(self, progress: _Progress, rows: int) -> None:
        self.finished_jobs += 1
        self._rows += rows
        progress.waiting -= 1
        self._close_if_over(progress)
        self._change.set()

    def _close_if_over(self, progress: _Progress) -> None:
        number = progress.opened.chunk.plan.number
        if not progress.over or self._stop.is_set or number not in self.unfinished:
            return
        more = next(progress.rounds, None)
        if more is not None:
            progress.jobs, progress.exhausted = more, False
            self._again.append(progress)
            return
        del self.unfinished[number]
        self._closing.add(asyncio.create_task(self._close(progress.opened)))

    async def _close(self, opened: OpenChunk) -> None:
        with self._stopping():
            closed = await asyncio.to_thread(self._books.settle, opened)
            if not closed.tally.values["not_attempted"]:  # what was forgotten stays for a later life
                self._books.journal.close_chunk(opened.chunk.plan.number, closed.tally.dump())
            self._books.tally.add(closed.tally)


def limits_of(config: Config, headers: Mapping[str, str], patience: float = math.inf) -> Limits:
    """How calls go out by this configuration; `headers` go with each. `patience` is the destination's."""
    section = config.destination
    return Limits(
        base_url=section.base_url,
        headers=headers,
        max_in_flight=section.max_in_flight,
        connect_timeout=section.connect_timeout,
        read_timeout=section.read_timeout,
        retry_attempts=section.retry_attempts,
        retry_seconds=section.retry_seconds,
        retry_wait=section.retry_wait,
        give_up_after=section.give_up_after,
        client=section.http_client,
        patience=patience,
    )
