"""Sends calls: in flight, paced, retried.

The calm path is one request and one classification. Calls are repeated (by tenacity) only where an answer
asks for it, with exponential waits and full jitter, bounded in attempts and in total time. Waits that concern
everybody (a ceiling, `Retry-After`, a destination that is down) are the pacer's and count towards neither.
"""

import asyncio
import heapq
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple, Protocol

import tenacity

from importer.core.errors import ImporterError, OutOfTimeError, RefusedError, UnreachableError
from importer.core.models import ALL_APPLIED, Answer, Call, Classification, Settled, Verdict
from importer.destinations.base import RateHint
from importer.send.rate_limiter import NAP, RateLimiter
from importer.send.rate_search import Slot
from importer.send.refusals import DelayedRefusal, RefusalRow
from importer.send.shutdown import Stop
from importer.send.wait_notice import WaitNotice
from importer.transport.client import Client, Endpoint, connect
from importer.transport.download import fetch
from importer.transport.errors import TransportError
from importer.transport.retry_after import RETRY_AFTER_MAX, retry_after

START_SECONDS = 10.0
"""How long a destination that has never answered is tried, in seconds (`retry_seconds`, where that is less):
most likely its URL is wrong."""

WAITING_MAX = 1024
"""So many jobs may wait for their next poll beside those under way; each holds its people in memory."""


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


def _no_job(call: Call) -> "Job":
    """A job of which nobody is told how it ends."""
    return Job([call], _nothing, lambda: None)


class Job(NamedTuple):
    """Calls that go out one after another: all calls of a person are in one job.

    `settle` takes each call's end; `finish` is called once, when the last is settled, follow-ups included. A
    job cut short by a stop is never finished. `intend` is called before a call that is not repeatable goes
    out, and `release` where it has certainly done nothing: a stop came first, or it was refused and goes out
    in parts. `keep` is called before the follow-up calls of a durable CONTINUE go out. What `intend` and
    `keep` are told must be on disk when they return.
    """

    calls: Sequence[Call]
    settle: Callable[[Settled], None]
    finish: Callable[[], None]
    intend: Callable[[Call], None] = _nothing
    release: Callable[[Call], None] = _nothing
    keep: Callable[[Settled], None] = _nothing


Jobs = AsyncIterator[Job]

_TRANSIENT = (Verdict.RETRY, Verdict.CONTRADICTION)
_OK = 200
_BAD_REQUEST = 400
_TOO_MANY = 429
_UNAVAILABLE = 503
_NOBODY_BEHIND = frozenset({502, 503, 504})  # what a gateway says while the destination is down
_LONGEST_WAIT = 30.0
_IDLE = 0.5  # s that the next job may take before it is taken to wait for what is delayed


@dataclass(frozen=True, slots=True)
class _Try:
    """One request: its classification, its status (0 = no answer), how many seconds it took.

    `acted_on` is false where the destination certainly did nothing with it: there was no connection, or it
    said that there were too many. `counts` is false for a failure that only shows that the destination is
    down, which is no fault of the call.
    """

    classification: Classification
    status: int = 0
    seconds: float = 0.0
    acted_on: bool = True
    counts: bool = True

    @property
    def is_transient(self) -> bool:
        return self.classification.verdict in _TRANSIENT


_CALM = _Try(ALL_APPLIED, _OK)
"""What nearly every request comes to."""


@dataclass(slots=True, order=True)
class _Begun:
    """A job under way: the calls still to go out, when the first is `due`, and `until` when it is polled."""

    due: float
    number: int
    job: Job = field(compare=False)
    calls: deque[Call] = field(compare=False)
    until: float = field(compare=False)


class _StopWhen(tenacity.stop.stop_base):
    """No further attempt once `asked`, given the seconds spent waiting so far, says so."""

    def __init__(self, asked: Callable[[float], bool]) -> None:
        self._asked = asked

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        return self._asked(retry_state.idle_for)


@dataclass
class Sender:
    """Sends jobs, several at a time, and hands each call's end back in the order of the answers.

    `refused_in_a_row` are, after a run that such a row stopped, the distinct ids that are to be sent again.
    """

    limits: Limits
    classify: Classifier
    pacer: RateLimiter
    stop: Stop = field(default_factory=Stop)
    counts: Counts = field(default_factory=Counts)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    key_check: Call | None = None
    first_calls: Sequence[Call] = ()
    refusals: RefusalRow = field(default_factory=RefusalRow)
    refused_in_a_row: Sequence[str] = ()
    tell: Callable[[str, str], None] = lambda _code, _text: None
    _notice: WaitNotice = field(init=False)
    _reported: set[str] = field(default_factory=set)
    _asking: int = 0
    _poll_next: bool = False
    _workers: int = 0
    _ever_answered: bool = False
    _client: Client = field(init=False)
    _polls: list["_Begun"] = field(default_factory=list)
    _begun: int = 0
    _overdue: int = 0

    def __post_init__(self) -> None:
        self._notice = WaitNotice(self._say_waiting, self.clock)

    def _say_waiting(self, text: str) -> None:
        self.tell("waiting", text)

    async def run(self, jobs: Jobs) -> None:
        """Sends all jobs, or what was begun until `stop` is set; one job goes alone before the others.

        Before it go, one after another, the key's check and `first_calls`, of whose answers only STOP counts.
        Never raises for the network or an answer: those end in `settle` or in `stop`.
        """
        self.stop.when_set(self.pacer.close)
        async with connect(self.limits) as self._client:
            if self.key_check:
                await self._together([self._check_key(self.key_check)])
            for call in self.first_calls:
                await self._together([self._show(call)])
            await self._together([self._work(jobs, once=True)])
            await self._together([self._work(jobs) for _ in range(self.limits.max_in_flight)])
        stopped_at = None if self.stop.is_set else self.refusals.end()
        if stopped_at:
            self.stop.because(stopped_at)
        if self.refusals.stopped_at is None:
            self.refusals.settle()
        else:
            self.refused_in_a_row = self.refusals.release()
        if self._overdue:
            self.stop.because(OutOfTimeError(_too_slow(self._overdue, self.limits.job_deadline)))

    async def _check_key(self, call: Call) -> None:
        settled = await self._deliver(_no_job(call), call)
        if settled is None or self.stop.is_set:
            return
        classification = settled.classification
        if settled.unconfirmed:
            self.stop.because(UnreachableError(f"the key could not be checked: {classification.message}."))
        elif classification.verdict is not Verdict.DONE:
            self.stop.because(RefusedError(f"{classification.reason}: {classification.message}."))

    async def _show(self, call: Call) -> None:
        if not self.stop.is_set:
            settled = await self._deliver(_no_job(call), call)
            if settled and settled.classification.verdict is Verdict.STOP:
                self._settle(_no_job(call), settled)

    async def _together(self, workers: Sequence[Coroutine[Any, Any, None]]) -> None:
        """Runs workers to their end; an error of one ends the others, and so does `stop.abandon`."""
        tasks = [asyncio.create_task(worker) for worker in workers]
        self._workers = len(tasks)

        def cancel() -> None:
            for task in tasks:
                task.cancel()

        self.stop.when_abandoned(cancel)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _work(self, jobs: Jobs, *, once: bool = False) -> None:
        try:
            while (job := await self._next(jobs)) is not None:
                if isinstance(job, _Begun):
                    await self._do(job)
                else:
                    await self._begin(job)
                if once:
                    return
        except ImporterError as error:  # the disk, say: what is in flight is still waited for
            self.stop.because(error)
        finally:
            self._workers -= 1

    async def _next(self, jobs: Jobs) -> "Job | _Begun | None":
        """A job whose poll is due and a new one in turns, else the one that is due next; None = all are done.

        In turns, because polls that are due more often than the rate allows would keep every new job waiting.
        """
        while not self.stop.is_set:
            self._poll_next = not self._poll_next or len(self._polls) >= WAITING_MAX
            if self._poll_next and self._polls and self._polls[0].due <= self.clock():
                return heapq.heappop(self._polls)
            if len(self._polls) < WAITING_MAX:
                try:
                    return await self._ask_for(jobs)
                except StopAsyncIteration:
                    pass
            if not self._polls:
                return None
            self._poll_next = False
            await self._rest(self._polls[0].due - self.clock())
        return None

    async def _ask_for(self, jobs: Jobs) -> Job:
        """The next new job."""
        self._asking += 1
        try:
            if self._asking == self._workers and self.refusals.delays_some:
                return await self._ask_while_idle(jobs)
            return await jobs.__anext__()
        finally:
            self._asking -= 1

    async def _ask_while_idle(self, jobs: Jobs) -> Job:
        """The next new job while nothing is in flight: it may wait until what is delayed is settled."""
        asking = asyncio.create_task(_next_of(jobs))
        try:
            if not (await asyncio.wait([asking], timeout=_IDLE))[0]:
                self.refusals.settle()
            return await asking
        finally:
            asking.cancel()

    async def _begin(self, job: Job) -> None:
        """A new job. Nearly all are one call that is applied at the first try, and cost no more than that."""
        calls, first = job.calls, None
        if len(calls) == 1 and not calls[0].after:
            first = await self._attempt(job, calls[0])
            if first is None:
                return
            if first is _CALM:
                self._settle(job, Settled(calls[0], ALL_APPLIED, first.status, 1, time.time()))
                job.finish()
                return
        self._begun += 1
        until = self.clock() + self.limits.job_deadline
        await self._do(_Begun(0.0, self._begun, job, deque(calls), until), first)

    async def _do(self, begun: "_Begun", first: "_Try | None" = None) -> None:
        """Sends the calls of a job, as far as none of them has to wait first; `first` is tried already."""
        job, calls = begun.job, begun.calls
        while calls:
            if (self.stop.is_set and not first) or not await self._step(job, calls, first):
                return
            first = None
            if calls and calls[0].after:
                self._put_off(begun, calls[0].after)
                return
        self.refusals.finish(job.finish)

    async def _step(self, job: Job, calls: deque[Call], first: "_Try | None" = None) -> bool:
        """Sends the first of the calls; False where a stop came first."""
        call = calls.popleft()
        settled = await self._deliver(job, call, first)
        if settled is None:
            job.release(call)
            return False
        classification = settled.classification
        cut_short = settled.unconfirmed and self.stop.is_set
        if call.after and (classification.verdict is Verdict.RETRY or cut_short):
            calls.appendleft(call)
            return True
        calls.extendleft(reversed(classification.follow_up))
        self._report(classification)
        if classification.verdict is not Verdict.CONTINUE:
            self._settle(job, settled)
        elif classification.durable:
            job.keep(settled)
        else:
            job.release(call)
        return True

    def _put_off(self, begun: "_Begun", seconds: float) -> None:
        begun.due = self.clock() + seconds
        if begun.due > begun.until:
            self._overdue += 1
        else:
            heapq.heappush(self._polls, begun)
            self._notice.polling(len(self._polls), self._polls[0].due - self.clock())

    async def _deliver(self, job: Job, call: Call, first: "_Try | None" = None) -> Settled | None:
        """The call's end; None where a stop came first and the destination has certainly done nothing."""
        first = first or await self._attempt(job, call)
        if first is None:
            return None
        if first.is_transient:
            return await self._retry(job, call, first)
        return Settled(call, first.classification, first.status, 1, time.time())

    async def _attempt(self, job: Job, call: Call) -> _Try | None:
        """One request, when the pacer lets it go; None where a stop came first."""
        slot = await self.pacer.slot()
        if slot is None:
            return None
        try:
            if not call.repeatable:
                job.intend(call)
            self.counts.sent += 1
            answer = await self._ask(call)
        except TransportError as error:
            return self._unanswered(call, slot, error)
        except asyncio.CancelledError:
            self._abandoned(job, call)
            raise
        finally:
            self.pacer.call_returned()
        return self._weigh(call, slot, answer)

    async def _ask(self, call: Call) -> Answer:
        """One request: to the destination, or for a file at another address."""
        if call.path.startswith("/"):
            return await self._client.send(call)
        return await fetch(call.path, self.limits)

    def _weigh(self, call: Call, slot: Slot, answer: Answer) -> _Try:
        """What an answer means for its call, and what its coming says to the pacer."""
        self._ever_answered = True
        classification, hint = self.classify.classify(call, answer), self.classify.rate_hint(answer)
        if hint is not None:
            self.pacer.apply_hint(hint)
        if classification.verdict not in _TRANSIENT:
            self.pacer.answered(slot)
            calm = classification is ALL_APPLIED and answer.status == _OK
            return _CALM if calm else _Try(classification, answer.status)
        seconds = self.clock() - slot.at
        if classification.verdict is Verdict.CONTRADICTION:  # somebody is there, and says so
            self.pacer.answered(slot)
            return _Try(classification, answer.status, seconds)
        was_down = self.pacer.is_down
        self._slow_down(call, slot, answer)
        nobody = answer.status in _NOBODY_BEHIND
        return _Try(
            classification, answer.status, seconds, answer.status != _TOO_MANY, not (was_down and nobody)
        )

    def _slow_down(self, call: Call, slot: Slot, answer: Answer) -> None:
        """One answer that asks for it slows all calls; a long `Retry-After` ends the run."""
        wait, status = retry_after(answer.headers, time.time()), answer.status
        if wait > RETRY_AFTER_MAX:
            self.stop.because(UnreachableError(_long_wait(wait)))
            wait = 0.0
        self.counts.throttled += status == _TOO_MANY
        if status in (_TOO_MANY, _UNAVAILABLE):
            self.pacer.refused(slot, wait)
        self.pacer.pause(wait)
        self._notice.throttled(status, wait)
        if status != _TOO_MANY:
            self.pacer.failed(slot, call)
            said = str(status) if status >= _BAD_REQUEST else f"{status} and what makes no sense"
            self._give_up_in_time(f"the destination answers {said} to everything")

    def _unanswered(self, call: Call, slot: Slot, error: TransportError) -> _Try:
        """Nothing came back; where there was not even a connection, it says nothing about the call."""
        classification = Classification(Verdict.RETRY, reason="no_answer", message=str(error))
        if error.hopeless:
            self.stop.because(UnreachableError(f"{error}."))
        was_down = self.pacer.is_down
        self._ever_answered = self._ever_answered or error.answered
        self.pacer.failed(slot, call, alone=not (error.connected and self._ever_answered))
        self._give_up_in_time(str(error))
        counts = error.answered or (error.connected and not was_down)
        return _Try(classification, 0, self.clock() - slot.at, error.connected, counts)

    def _give_up_in_time(self, sentence: str) -> None:
        bound = self.limits.give_up_after
        if not self._ever_answered:
            bound = min(bound, START_SECONDS, self.limits.retry_seconds)
        failing = self.pacer.failing_for()
        if self.pacer.is_down:
            self._notice.down(sentence, failing, bound)
        if failing >= bound and (self.pacer.is_down or not self._ever_answered):
            self.stop.because(UnreachableError(f"{sentence}; tried for {failing:.0f} s."))

    def _abandoned(self, job: Job, call: Call) -> None:
        """A call in flight that is no longer waited for: sent, and no answer came. A poll is asked again."""
        if self.stop.is_set and not call.after:
            classification = Classification(
                Verdict.RETRY, reason="no_answer", message="interrupted before the answer"
            )
            job.settle(Settled(call, classification, 0, 1, time.time()))

    async def _retry(self, job: Job, call: Call, first: _Try) -> Settled | None:
        """The same call again while its answers are transient; what stays so is left unconfirmed."""
        tries = [first]

        async def again() -> _Try:
            if len(tries) == 1 and retrying.statistics["attempt_number"] == 1:
                return first  # tenacity counts the calm first try as its own first attempt
            next_try = await self._attempt(job, call)
            if next_try is not None:
                self.counts.retried += 1
                tries.append(next_try)
            return tries[-1]

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_result(
                lambda last: last.is_transient and (call.repeatable or not last.acted_on)
            ),
            stop=_StopWhen(lambda waited: self._is_enough(tries, waited)),
            wait=tenacity.wait_random_exponential(multiplier=self.limits.retry_wait, max=_LONGEST_WAIT),
            sleep=self._rest,
            retry_error_callback=lambda _: tries[-1],
        )
        last: _Try = await retrying(again)
        if last.is_transient and self.stop.is_set and not any(t.acted_on for t in tries):
            return None
        classification = last.classification
        if last.is_transient and not call.repeatable and not any(t.acted_on for t in tries):
            classification = replace(
                classification, verdict=Verdict.REFUSED
            )  # nothing was done: it may be sent again
        return Settled(call, classification, last.status, len(tries), time.time())

    def _is_enough(self, tries: Sequence[_Try], waited: float) -> bool:
        stats = waited + sum(t.seconds for t in tries if t.counts)
        attempts = sum(t.counts for t in tries)
        limits = self.limits
        too_much = attempts >= limits.retry_attempts or (attempts > 0 and stats >= limits.retry_seconds)
        return self.stop.is_set or too_much

    async def _rest(self, seconds: float) -> None:
        """Waits, but not longer than until a stop."""
        until = self.clock() + seconds
        while (left := until - self.clock()) > 0 and not self.stop.is_set:
            await self.sleep(min(left, NAP))

    def _report(self, classification: Classification) -> None:
        """Tells a person, once for each reason, what a call that goes on waits for."""
        waits = classification.verdict is Verdict.CONTINUE and _waits_for_a_person(classification)
        if waits and classification.reason not in self._reported:
            self._reported.add(classification.reason)
            self.tell(classification.reason, f"{classification.message}.")

    def _settle(self, job: Job, settled: Settled) -> None:
        """Hands in how a call ended; one that was refused as a whole waits until its row is over."""
        row, classification = self.refusals, settled.classification
        if classification.verdict is Verdict.STOP:
            self.stop.because(RefusedError(f"{classification.reason}: {classification.message}."))
        elif row.counts(settled):
            settle, release = partial(job.settle, settled), partial(job.release, settled.call)
            if error := row.delay(DelayedRefusal(settled, settle, release)):
                self.stop.because(error)
            return
        elif row.accept(settled) and row.stopped_at is None:
            row.settle()
        job.settle(settled)


async def _next_of(jobs: Jobs) -> Job:
    return await jobs.__anext__()


def _waits_for_a_person(classification: Classification) -> bool:
    """Whether a CONTINUE polls on and gives a reason: it waits for somebody."""
    return bool(classification.reason) and all(call.after for call in classification.follow_up)


def _too_slow(jobs: int, job_deadline: float) -> str:
    hours = f"{job_deadline / 3600:.3g} h"
    return (
        f"{jobs:,} jobs are still open at the destination after {hours} of polling; what they hold is "
        "unconfirmed until they are polled to their end."
    )


def _long_wait(seconds: float) -> str:
    return (
        f"the destination asks to wait {seconds / 60:.0f} minutes, and the importer waits "
        f"{RETRY_AFTER_MAX / 60:.0f} at most."
    )
