"""Chunks through the sender: the next one is prepared while this one is sent."""

import asyncio
import math
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import polars as pl

from importer.chunk.chunk import Chunk
from importer.config.options import RejectLimit
from importer.config.schema import Config
from importer.core.errors import StateError
from importer.core.events import Observer
from importer.core.models import Call, Settled, Update
from importer.pipeline.guards import limit_passed
from importer.pipeline.ledger import Ledger
from importer.pipeline.open_jobs import OpenJobs
from importer.reconcile.id_resolution import IdResolution
from importer.reconcile.reconciler import OpenChunk
from importer.send.job import Job, Limits
from importer.send.sender import Sender
from importer.send.shutdown import Stop
from importer.storage.id_cache import IdCache
from importer.storage.journal import COMMIT_SECONDS
from importer.storage.spool import ChunkPlan
from importer.transport.choice import client_of

OPEN_AT_ONCE = 2
"""So many chunks may be between two rounds; the people of each are in memory."""


@dataclass
class _Progress:
    """A chunk while its calls go out.

    `rounds` are its further jobs where ids are resolved first; each round begins when the one before is done.
    `settle` and `park` are hooks of each of its jobs (see Job). `parked` are polls of jobs that the
    destination works on; the journal has them.
    """

    opened: OpenChunk
    resolution: IdResolution | None
    settle: Callable[[Settled], None] = field(init=False)
    park: Callable[[Call], bool] = field(init=False)
    jobs: Iterator[Job] = field(init=False)
    rounds: Iterator[Iterator[Job]] = field(init=False)
    parked: list[Call] = field(default_factory=list)
    waiting: int = 0
    exhausted: bool = False

    @property
    def is_done(self) -> bool:
        """Whether every job of the round was sent and has ended."""
        return self.exhausted and not self.waiting


class ChunkStream:
    """Feeds the sender with the jobs of one chunk after another, and closes each chunk when it is over.

    A chunk of which everything is handed in, and that waits for jobs of the destination alone, is suspended:
    its people leave the memory, and only its jobs are polled. It is opened again to fetch their results.
    """

    def __init__(
        self,
        ledger: Ledger,
        id_cache: IdCache | None,
        stop: Stop,
        observer: Observer,
        limit: RejectLimit | None,
        *,
        settle_only: bool = False,
    ) -> None:
        self._ledger = ledger
        self._id_cache = id_cache
        self._stop = stop
        self._observer = observer
        self._limit = limit
        self._settle_only = settle_only
        self._plans_left = [p for p in ledger.plans if p.number in ledger.pending or not settle_only]
        self._advance_lock = asyncio.Lock()
        self._current: _Progress | None = None
        self._next_plan: ChunkPlan | None = None
        self._next_chunk: asyncio.Task[tuple[OpenChunk, IdResolution | None]] | None = None
        self._jobs_open = OpenJobs()
        self._opened: set[int] = set()
        self._closing_tasks: set[asyncio.Task[None]] = set()
        # A person answered by an earlier attempt has one row at least; the others are known with the chunk.
        answered = sum(len(ledger.answered(plan)) for plan in ledger.plans)
        self._rows = sum(ledger.tally.rows.values()) + answered
        self._people_allowed: int | None = None  # how many more people may be called, None = all
        self.unfinished: dict[int, _Progress] = {}
        self.finished_jobs = 0
        self._next_rounds: deque[_Progress] = deque()
        self._changed = asyncio.Event()
        self._failed: StateError | None = None
        stop.when_set(self._changed.set)

    async def send(self, sender: Sender) -> None:
        """Sends every chunk; what a stop left open is in `unfinished` and in the plans not begun."""
        await self._deliver(sender)
        self._count_unfinished()

    async def send_first(self, sender: Sender, people: int) -> None:
        """Sends the calls of the first `people` and nothing more; the open chunks are not counted yet."""
        self._people_allowed = people
        await self._deliver(sender)

    async def _deliver(self, sender: Sender) -> None:
        ticking = asyncio.create_task(self._tick())
        try:
            await sender.run(self)
            await asyncio.gather(*self._closing_tasks)
        finally:
            ticking.cancel()
            if self._next_chunk:
                await asyncio.gather(self._next_chunk, return_exceptions=True)
            with self._stopping():
                self._ledger.journal.flush()
        self._show()
        if self._failed:
            raise self._failed

    def _count_unfinished(self) -> None:
        for progress in self.unfinished.values():
            self._ledger.tally.add(self._ledger.close(progress.opened).tally)
        begun = [self._next_plan] if self._next_plan else []
        self._ledger.count_without_sending([*begun, *self._plans_left, *self._jobs_open.plans])

    async def _tick(self) -> None:
        """Commits the journal at its interval, and shows how far the run is.

        Where that fails because the disk is full, nothing more is sent: it would be sent again.
        """
        while not self._failed:
            await asyncio.sleep(COMMIT_SECONDS)
            with self._stopping():
                self._ledger.journal.flush()
            self._show()

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """An error of the state folder stops the run; it is raised after the calls in flight."""
        try:
            yield
        except StateError as error:
            self._failed = self._failed or error
            self._stop.because(error)

    def _show(self) -> None:
        intake = self._ledger.reading.counts
        done = intake.filtered + intake.empty_rows + intake.set_aside + intake.unchanged_rows + self._rows
        self._observer.sending(done, intake.rows_read, intake.rejected + self._ledger.answers.bad)

    def __aiter__(self) -> "ChunkStream":
        return self

    async def __anext__(self) -> Job:
        """The next job; waits only where the next chunk is not ready yet."""
        while True:
            if self._people_allowed == 0:
                raise StopAsyncIteration
            if poll := self._jobs_open.next_poll():
                return poll
            current = self._current
            jobs = current.jobs if current else None
            job = next(jobs, None) if jobs else None
            if current and job:
                current.waiting += 1
                return job
            async with self._advance_lock:
                if self._current is current and (current is None or current.jobs is jobs):
                    await self._advance()
                if self._current is None:
                    if poll := self._jobs_open.next_poll():  # of a chunk that was suspended just now
                        return poll
                    raise StopAsyncIteration

    async def _advance(self) -> None:
        """Makes a chunk's next round or the next chunk the current one; None where no more can come."""
        if self._current:
            self._current.exhausted = True
            self._close_if_done(self._current)
        self._current = None
        while not self._stop.is_set and self._current is None:
            if self._next_rounds:
                self._current = self._next_rounds.popleft()
            elif self._may_open():
                self._current = await self._open_next()
            elif not any(p.resolution for p in self.unfinished.values()):
                return
            else:
                self._changed.clear()
                await self._changed.wait()

    def _may_open(self) -> bool:
        """Whether there is another chunk, and not too many are waiting for their next round."""
        self._next_chunk = self._next_chunk or self._prepare()
        rounds = sum(p.resolution is not None for p in self.unfinished.values())
        return self._next_chunk is not None and rounds < OPEN_AT_ONCE

    async def _open_next(self) -> _Progress:
        """The next chunk; the one after it is prepared meanwhile."""
        assert self._next_chunk is not None
        opened, resolution = await self._next_chunk
        self._next_chunk = self._prepare()
        if opened.chunk.plan.number not in self._opened:
            self._rows += sum(opened.chunk.tally.rows.values()) + self._further_rows(opened.chunk)
            self._opened.add(opened.chunk.plan.number)
        progress = _Progress(opened, resolution)
        progress.settle, progress.park = partial(self._settle, progress), partial(self._park, progress)
        progress.rounds = self._rounds(progress)
        progress.jobs = next(progress.rounds)
        self.unfinished[opened.chunk.plan.number] = progress
        return progress

    def _further_rows(self, chunk: Chunk) -> int:
        """The rows of people answered by an earlier attempt, but for the one that counts already."""
        answered = self._ledger.answered(chunk.plan)
        if not answered:
            return 0
        rows = chunk.people.filter(pl.col("id").is_in(list(answered)))["rows"]
        return int(rows.sum()) - rows.len()

    def _prepare(self) -> "asyncio.Task[tuple[OpenChunk, IdResolution | None]] | None":
        self._next_plan = self._jobs_open.pop_ended() or (
            self._plans_left.pop(0) if self._plans_left else None
        )
        if not self._next_plan:
            return None
        return asyncio.create_task(asyncio.to_thread(self._open, self._next_plan))

    def _open(self, plan: ChunkPlan) -> tuple[OpenChunk, IdResolution | None]:
        opened, cache = self._ledger.open(plan), self._id_cache
        return opened, IdResolution(opened, self._ledger.destination, cache) if cache else None

    def _rounds(self, progress: _Progress) -> Iterator[Iterator[Job]]:
        """All jobs at once, or in turns the jobs that resolve ids and those that write."""
        resolution = progress.resolution
        if self._settle_only:
            yield self._jobs(progress, iter(()))
            return
        if resolution is None:
            yield self._jobs(progress, progress.opened.jobs())
            return
        while resolution.begin():
            yield self._resolve_jobs(progress, resolution)
            yield self._jobs(progress, resolution.updates())

    def _resolve_jobs(self, progress: _Progress, resolution: IdResolution) -> Iterator[Job]:
        def settle(settled: Settled) -> None:
            if not (settled.unconfirmed and self._stop.is_set):  # else a later attempt asks again
                resolution.resolved(settled)
                self._watch_limit()

        for call in resolution.calls(self._people_allowed):
            yield Job([call], settle, partial(self._finish, progress, 0))

    def _jobs(self, progress: _Progress, waiting: Iterator[Update]) -> Iterator[Job]:
        size = min(self._ledger.destination.people_per_call, self._people_allowed or sys.maxsize)
        rows = progress.opened.chunk.people["rows"].to_list()
        for call in progress.opened.carried:
            if self._jobs_open.is_overdue(call):
                progress.waiting += 1  # what it carries stays open for a later attempt
            elif self._jobs_open.is_polled(call):
                progress.parked.append(call)
            else:
                yield self._job(progress, [call], sum(rows[t.person] for t in call.targets))
        while updates := list(islice(waiting, size)):
            calls = self._ledger.destination.calls(updates)
            if self._people_allowed is not None:
                self._people_allowed = max(0, self._people_allowed - len(updates))
            yield self._job(progress, calls, sum([rows[u.person] for u in updates]))

    def _job(self, progress: _Progress, calls: Sequence[Call], rows: int) -> Job:
        opened, finish = progress.opened, partial(self._finish, progress, rows)
        return Job(calls, progress.settle, finish, opened.intend, opened.release, opened.keep, progress.park)

    def _park(self, progress: _Progress, call: Call) -> bool:
        """Takes over a poll that the journal has; not for the first people, which are waited for."""
        if self._people_allowed is not None or not call.path.startswith("/"):
            return False
        progress.parked.append(call)
        progress.waiting -= 1
        self._close_if_done(progress)
        return True

    def _settle(self, progress: _Progress, settled: Settled) -> None:
        (progress.resolution or progress.opened).settle(settled)
        self._watch_limit()

    def _watch_limit(self) -> None:
        """Evaluates the reject limit with each answer."""
        if self._limit:
            error = limit_passed(self._limit, self._ledger.reading.counts.rejected, self._ledger.answers)
            if error:
                self._stop.because(error)

    def _finish(self, progress: _Progress, rows: int) -> None:
        self.finished_jobs += 1
        self._rows += rows
        progress.waiting -= 1
        self._close_if_done(progress)
        self._changed.set()

    def _close_if_done(self, progress: _Progress) -> None:
        if not progress.is_done or self._stop.is_set:
            return
        number = progress.opened.chunk.plan.number
        if number not in self.unfinished:
            return
        more = next(progress.rounds, None)
        if more is not None:
            progress.jobs, progress.exhausted = more, False
            self._next_rounds.append(progress)
            return
        del self.unfinished[number]
        del progress.settle, progress.park  # they refer to it, and it would wait for the garbage collector
        if progress.parked:
            with self._stopping():
                self._ledger.suspend(number)
            self._jobs_open.suspend(progress.opened.chunk.plan, progress.parked)
            return
        self._closing_tasks.add(asyncio.create_task(self._close(progress.opened)))

    async def _close(self, opened: OpenChunk) -> None:
        with self._stopping():
            closed = await asyncio.to_thread(self._ledger.settle, opened)
            if not closed.tally.values["not_attempted"]:  # what was not sent stays open for a later attempt
                self._ledger.journal.close_chunk(opened.chunk.plan.number, closed.tally.dump())
            self._ledger.tally.add(closed.tally)


def limits_of(config: Config, headers: Mapping[str, str], job_deadline: float = math.inf) -> Limits:
    """How calls go out by this configuration; `headers` go with each. `job_deadline` is the destination's."""
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
        client=client_of(section),
        job_deadline=job_deadline,
    )
