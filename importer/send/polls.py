"""Jobs that wait for their next poll: the one that is due first comes first, at intervals that grow.

The more jobs wait, the longer the intervals are: together, polls use half of what the destination allows.
"""

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from importer.core.models import Call
from importer.send.job import Job

GROWTH = 1.5
"""Each interval between two polls of a job is so much longer than the one before."""

LONGEST_INTERVAL = 300.0
"""Longest interval between two polls of a job, in seconds, unless the destination asks for a longer one, or
so many jobs wait that SHARE allows no shorter one."""

SHARE = 0.5
"""The share of the rate of polls that the waiting jobs use: the rest is for other imports of the account."""


@dataclass(slots=True, order=True)
class BegunJob:
    """A job that is not finished: its calls still to go out, and when the first of them is `due`.

    `until` is when it is no longer polled; `interval` is what was waited before the latest poll of
    `polled`, in seconds. All are of the same clock.
    """

    due: float
    number: int
    job: Job = field(compare=False)
    calls: deque[Call] = field(compare=False)
    until: float = field(compare=False)
    polled: str = field(default="", compare=False)
    interval: float = field(default=0.0, compare=False)

    def wait(self, now: float, least: float) -> None:
        """Puts the next call off: by its own `after`, and longer with each poll of the same job.

        A poll waits for `least` seconds. A call that goes on with what was polled does not: it is no poll.
        """
        call = self.calls[0]
        again = call.path == self.polled
        longest = max(call.after, LONGEST_INTERVAL)
        self.interval = min(self.interval * GROWTH, longest) if again else call.after
        self.polled = call.path
        self.due = now + (max(self.interval, least) if self.job.waits else self.interval)


class Polls:
    """The jobs that wait. `overdue` counts those that are no longer polled."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waiting: list[BegunJob] = []
        self.overdue = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put_off(self, begun: BegunJob, per_second: float) -> None:
        """The job waits for its next call, unless that would be too late.

        `per_second` is how many polls the destination allows at the moment.
        """
        begun.wait(self._clock(), len(self._waiting) / (SHARE * per_second))
        if begun.due > begun.until:
            self.overdue += 1
            begun.job.give_up()
        else:
            heapq.heappush(self._waiting, begun)

    def pop_due(self) -> BegunJob | None:
        """The job that has been due for the longest, None where none is."""
        if self._waiting and self._waiting[0].due <= self._clock():
            return heapq.heappop(self._waiting)
        return None

    def seconds_left(self) -> float:
        """Until the next job is due; asked only where one waits."""
        return self._waiting[0].due - self._clock()
