"""What the sender is given: jobs, which are calls of the same people, and the limits of sending."""

import math
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from importer.core.frozen import frozen
from importer.core.models import Answer, Call, Classification, Settled
from importer.destinations.base import RateHint
from importer.transport.client import Endpoint


@dataclass(frozen=True, slots=True)
class Limits(Endpoint):
    """How calls go out; times in seconds.

    A call is sent `retry_attempts` times at most, the first included, as long as its requests and the waits
    between them have not taken `retry_seconds`. The wait before the n-th repetition is anything between 0 and
    `retry_wait` times 2 to the power of n - 1, 30 s at most. `give_up_after` is how long a destination may be
    down, `job_deadline` how long one job is polled for.
    """

    max_in_flight: int = 8
    retry_attempts: int = 8
    retry_seconds: float = 300.0
    retry_wait: float = 0.5
    give_up_after: float = 900.0
    job_deadline: float = math.inf


@dataclass(slots=True)
class Counts:
    """`sent` counts every request that went out, `retried` those that repeat one, `throttled` the 429s."""

    sent: int = 0
    retried: int = 0
    throttled: int = 0


class Classifier(Protocol):
    """What the sender needs of a destination."""

    def classify(self, call: Call, answer: Answer) -> Classification:
        """What `answer` means for `call`."""

    def rate_hint(self, answer: Answer) -> RateHint | None:
        """What the answer's headers say of the rate limit."""


def _nothing(_: Call | Settled) -> None:
    """The default of a hook."""


def unwatched_job(call: Call) -> "Job":
    """A job of which nobody is told how it ends."""
    return Job([call], _nothing, lambda: None)


@frozen
class Job:
    """Calls that go out one after another: all calls of a person are in one job.

    `settle` takes each call's end; `finish` is called once, when the last is settled, follow-ups included. A
    job cut short by a stop is never finished. `intend` is called before a call that is not repeatable goes
    out, and `release` where it has certainly done nothing: a stop came first, or it was refused and goes out
    in parts. `keep` is called before the follow-up calls of a durable CONTINUE go out. What `intend` and
    `keep` are told must be on disk when they return. `park` is called where the only call left has to wait
    first; where it returns True, somebody else goes on with the call, and the job ends here. `waits`: the
    first call has to wait, too. `give_up` is called where a job is no longer polled.
    """

    calls: Sequence[Call]
    settle: Callable[[Settled], None]
    finish: Callable[[], None]
    intend: Callable[[Call], None] = _nothing
    release: Callable[[Call], None] = _nothing
    keep: Callable[[Settled], None] = _nothing
    park: Callable[[Call], bool] = lambda _: False
    waits: bool = False
    give_up: Callable[[], None] = lambda: None


Jobs = AsyncIterator[Job]
