"""The chunks that wait for jobs of the destination alone: a poll for each job, and nothing of the people."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from importer.core.models import Call, Settled
from importer.send.job import Job
from importer.storage.spool import ChunkPlan

FETCH_AFTER = 900.0
"""Seconds after which the results of ended jobs are fetched, though others of the chunk are still open."""


@dataclass(slots=True)
class _Suspended:
    """A chunk, the paths of its jobs that are open, and when the first of the others ended."""

    plan: ChunkPlan
    open: set[str]
    ended_at: float | None = field(default=None)


class OpenJobs:
    """Suspended chunks. A poll tells only whether its job has ended; the opened chunk fetches the results."""

    def __init__(self) -> None:
        self._suspended: dict[int, _Suspended] = {}
        self._chunks: dict[str, int] = {}  # of each job that is polled
        self._polls: deque[Job] = deque()
        self._ended: deque[ChunkPlan] = deque()
        self._overdue: set[str] = set()

    @property
    def plans(self) -> list[ChunkPlan]:
        """The chunks that are suspended, and those whose results can be fetched."""
        return [*(one.plan for one in self._suspended.values()), *self._ended]

    def suspend(self, plan: ChunkPlan, polls: Iterable[Call]) -> None:
        """Keeps a chunk until jobs of `polls` have ended. A job that is polled already goes on as it is."""
        for poll in polls:
            if poll.path not in self._chunks:
                self._chunks[poll.path] = plan.number
                self._polls.append(self._poll(poll))
        self._suspended[plan.number] = _Suspended(plan, {poll.path for poll in polls})

    def _poll(self, poll: Call) -> Job:
        light = Call(poll.method, poll.path, poll.body, (), after=poll.after)
        ended, give_up = partial(self._job_ended, poll.path), partial(self._give_up, poll.path)
        return Job([light], _ignore, ended, waits=True, give_up=give_up)

    def next_poll(self) -> Job | None:
        """A job of the sender that polls one of the destination's, None where all were handed out."""
        return self._polls.popleft() if self._polls else None

    def pop_ended(self) -> ChunkPlan | None:
        """A chunk to be opened again, whose results can be fetched; it is not among `plans` any more."""
        if not self._ended and (chunk := self._waited_for_longest()):
            self._open_again(chunk)
        return self._ended.popleft() if self._ended else None

    def _waited_for_longest(self) -> _Suspended | None:
        """The chunk whose results wait for the longest, where that is long enough; others are still open."""
        waiting = [one for one in self._suspended.values() if one.ended_at is not None]
        first = min(waiting, key=lambda one: one.ended_at or 0.0, default=None)
        if first is None or first.ended_at is None:
            return None
        waited = asyncio.get_running_loop().time() - first.ended_at
        return first if waited >= FETCH_AFTER else None

    def is_polled(self, poll: Call) -> bool:
        """Whether a poll of this job waits, so that an opened chunk need not ask."""
        return poll.path in self._chunks

    def is_overdue(self, poll: Call) -> bool:
        """Whether a job was polled for as long as it may be, and had not ended."""
        return poll.path in self._overdue

    def _job_ended(self, path: str) -> None:
        chunk = self._suspended.get(self._chunks.pop(path))
        if chunk is None:  # it is open just now, and will ask for the job when it is suspended again
            return
        chunk.open.discard(path)
        if chunk.ended_at is None:
            chunk.ended_at = asyncio.get_running_loop().time()
        if not chunk.open:
            self._open_again(chunk)

    def _give_up(self, path: str) -> None:
        self._overdue.add(path)
        chunk = self._suspended.get(self._chunks.pop(path))
        if chunk is not None:
            chunk.open.discard(path)
            if not chunk.open and chunk.ended_at is not None:
                self._open_again(chunk)

    def _open_again(self, chunk: _Suspended) -> None:
        del self._suspended[chunk.plan.number]
        self._ended.append(chunk.plan)


def _ignore(_: Settled) -> None:
    """Whatever the poll says of the job's end, the opened chunk asks again."""
