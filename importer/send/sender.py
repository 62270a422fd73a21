"""Sends calls: in flight, paced, retried.

The calm path is one request and one classification. Calls are repeated (by tenacity) only where an answer
asks for it, with exponential waits and full jitter, bounded in attempts and in total time. Waits that concern
everybody (a ceiling, `Retry-After`, a destination that is down) are the pacer's and count towards neither.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import tenacity

from importer.core.errors import ImporterError, OutOfTimeError, RefusedError, UnreachableError
from importer.core.models import ALL_APPLIED, Answer, Call, Classification, Settled, Verdict
from importer.destinations.responses import UNREADABLE
from importer.send.job import Classifier, Counts, Job, Jobs, Limits, unwatched_job
from importer.send.polls import BegunJob, Polls
from importer.send.rate_limiter import NAP, RateLimiter
from importer.send.rate_search import Slot
from importer.send.refusals import DelayedRefusal, RefusalStreak
from importer.send.request import APPLIED_AT_ONCE, OK, TRANSIENT, StopWhen, Try
from importer.send.shutdown import Stop
from importer.send.wait_notice import WaitNotice
from importer.transport.client import Client, connect
from importer.transport.download import fetch
from importer.transport.errors import TransportError
from importer.transport.retry_after import RETRY_AFTER_MAX, retry_after

START_SECONDS = 10.0
"""How long a destination that has never answered is tried, in seconds (`retry_seconds`, where that is less):
most likely its URL is wrong."""

_BAD_REQUEST = 400
_TOO_MANY = 429
_UNAVAILABLE = 503
_NOBODY_BEHIND = frozenset({502, 503, 504})  # what a gateway says while the destination is down
_LONGEST_WAIT = 30.0
_LOOK_AGAIN = 0.05  # s after which a worker without a job looks whether another one has made some
_IDLE = 0.5  # s that the next job may take before it is taken to wait for what is delayed


@dataclass
class Sender:
    """Sends jobs, several at a time, and hands each call's end back in the order of the answers.

    `pacer` gives the rate of all calls, `poll_limiter` that of polls where the destination has a limit of its
    own for them. `refused_in_a_row` are, after a run that such a row stopped, the distinct ids that are to be
    sent again.
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
    poll_limiter: RateLimiter | None = None
    refusals: RefusalStreak = field(default_factory=RefusalStreak)
    refused_in_a_row: Sequence[str] = ()
    tell: Callable[[str, str], None] = lambda _code, _text: None
    _notice: WaitNotice = field(init=False)
    _reported: set[str] = field(default_factory=set)
    _asking: int = 0
    _poll_next: bool = False
    _workers: int = 0
    _ever_answered: bool = False
    _client: Client = field(init=False)
    _polls: Polls = field(init=False)
    _begun: int = 0
    _busy: int = 0

    def __post_init__(self) -> None:
        self._polls = Polls(self.clock)
        self._notice = WaitNotice(self._say_waiting, self.clock)

    def _say_waiting(self, text: str) -> None:
        self.tell("waiting", text)

    async def run(self, jobs: Jobs) -> None:
        """Sends all jobs, or what was begun until `stop` is set; one job goes alone before the others.

        Before it go, one after another, the key's check and `first_calls`, of whose answers only STOP counts.
        Never raises for the network or an answer: those end in `settle` or in `stop`.
        """
        self.stop.when_set(self.pacer.close)
        if self.poll_limiter:
            self.stop.when_set(self.poll_limiter.close)
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
        if self._polls.overdue:
            self.stop.because(OutOfTimeError(_too_slow(self._polls.overdue, self.limits.job_deadline)))

    async def _check_key(self, call: Call) -> None:
        settled = await self._deliver(unwatched_job(call), call)
        if settled is None or self.stop.is_set:
            return
        classification = settled.classification
        if settled.unconfirmed:
            self.stop.because(UnreachableError(f"the key could not be checked: {classification.message}."))
        elif classification.verdict is not Verdict.DONE:
            self.stop.because(RefusedError(f"{classification.reason}: {classification.message}."))

    async def _show(self, call: Call) -> None:
        if not self.stop.is_set:
            settled = await self._deliver(unwatched_job(call), call)
            if settled and settled.classification.verdict is Verdict.STOP:
                self._settle(unwatched_job(call), settled)

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
                self._busy += 1
                try:
                    await (self._do(job) if isinstance(job, BegunJob) else self._begin(job))
                finally:
                    self._busy -= 1
                if once:
                    return
        except ImporterError as error:  # the disk, say: what is in flight is still waited for
            self.stop.because(error)
        finally:
            self._workers -= 1

    async def _next(self, jobs: Jobs) -> Job | BegunJob | None:
        """A job whose poll is due and a new one in turns, else the one that is due next; None = all are done.

        In turns, because polls that are due more often than the rate allows would keep every new job waiting.
        """
        while not self.stop.is_set:
            self._poll_next = not self._poll_next
            if self._poll_next and (begun := self._polls.pop_due()):
                return begun
            try:
                return await self._ask_for(jobs)
            except StopAsyncIteration:
                if not self._polls and not self._busy and not self._settle_refusals():
                    return None
            self._poll_next = False
            await self._rest(self._polls.seconds_left() if self._polls else _LOOK_AGAIN)
        return None

    def _settle_refusals(self) -> bool:
        """Settles what is delayed where no call is left that could; whether any was settled.

        Where all calls so far were refused for the request itself, the run stops instead.
        """
        if not self.refusals.delays_some:
            return False
        if error := self.refusals.end():
            self.stop.because(error)
            return False
        self.refusals.settle()
        return True

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
                self._settle_refusals()
            return await asking
        finally:
            asking.cancel()

    async def _begin(self, job: Job) -> None:
        """A new job. Nearly all are one call that is applied at the first try, and cost no more than that."""
        calls, first = job.calls, None
        if job.waits:
            self._put_off(self._begun_job(job))
            return
        if len(calls) == 1 and not (call := calls[0]).after:
            first = await self._attempt(job, call)
            if first is None:
                return
            if first is APPLIED_AT_ONCE:
                settled = Settled(call, ALL_APPLIED, OK, 1, time.time())
                if self.refusals.is_calm:
                    job.settle(settled)
                else:
                    self._settle(job, settled)
                job.finish()
                return
        await self._do(self._begun_job(job), first)

    def _begun_job(self, job: Job) -> BegunJob:
        self._begun += 1
        until = self.clock() + self.limits.job_deadline
        return BegunJob(0.0, self._begun, job, deque(job.calls), until)

    async def _do(self, begun: BegunJob, first: Try | None = None) -> None:
        """Sends the calls of a job, as far as none of them has to wait first; `first` is tried already."""
        job, calls = begun.job, begun.calls
        while calls:
            if (self.stop.is_set and not first) or not await self._step(job, calls, first):
                return
            first = None
            if calls and calls[0].after:
                if len(calls) > 1 or not job.park(calls[0]):
                    self._put_off(begun)
                return
        self.refusals.finish(job.finish)

    async def _step(self, job: Job, calls: deque[Call], first: Try | None = None) -> bool:
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
        self.counts.retried += (
            classification.verdict is Verdict.CONTINUE and classification.reason == UNREADABLE
        )
        if classification.verdict is not Verdict.CONTINUE:
            self._settle(job, settled)
        elif classification.durable:
            job.keep(settled)
        else:
            job.release(call)
        return True

    def _put_off(self, begun: BegunJob) -> None:
        self._polls.put_off(begun, self._limiter_of(begun.calls[0]).rate)
        if self._polls:
            self._notice.polling(len(self._polls), self._polls.seconds_left())

    async def _deliver(self, job: Job, call: Call, first: Try | None = None) -> Settled | None:
        """The call's end; None where a stop came first and the destination has certainly done nothing."""
        first = first or await self._attempt(job, call)
        if first is None:
            return None
        if first.is_transient:
            return await self._retry(job, call, first)
        return Settled(call, first.classification, first.status, 1, time.time())

    async def _attempt(self, job: Job, call: Call) -> Try | None:
        """One request, when the pacer lets it go; None where a stop came first."""
        limiter = self._limiter_of(call)
        slot = await limiter.slot()
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
            limiter.call_returned()
        return self._weigh(call, slot, answer)

    def _limiter_of(self, call: Call) -> RateLimiter:
        return self.poll_limiter if self.poll_limiter and call.after else self.pacer

    def _ask(self, call: Call) -> Coroutine[Any, Any, Answer]:
        """One request: to the destination, or for a file at another address."""
        if call.path.startswith("/"):
            return self._client.send(call)
        return fetch(call.path, self.limits)

    def _weigh(self, call: Call, slot: Slot, answer: Answer) -> Try:
        """What an answer means for its call, and what its coming says to the pacer."""
        self._ever_answered, limiter = True, self._limiter_of(call)
        classification, hint = self.classify.classify(call, answer), self.classify.rate_hint(answer)
        if hint is not None:
            limiter.apply_hint(hint)
        if classification.verdict not in TRANSIENT:
            limiter.answered(slot)
            calm = classification is ALL_APPLIED and answer.status == OK
            return APPLIED_AT_ONCE if calm else Try(classification, answer.status)
        seconds = self.clock() - slot.at
        if classification.verdict is Verdict.CONTRADICTION:  # somebody is there, and says so
            limiter.answered(slot)
            return Try(classification, answer.status, seconds)
        was_down = limiter.is_down
        self._slow_down(call, slot, answer)
        nobody = answer.status in _NOBODY_BEHIND
        return Try(
            classification, answer.status, seconds, answer.status != _TOO_MANY, not (was_down and nobody)
        )

    def _slow_down(self, call: Call, slot: Slot, answer: Answer) -> None:
        """One answer that asks for it slows all calls; a long `Retry-After` ends the run."""
        wait, status = retry_after(answer.headers, time.time()), answer.status
        limiter = self._limiter_of(call)
        if wait > RETRY_AFTER_MAX:
            self.stop.because(UnreachableError(_long_wait(wait)))
            wait = 0.0
        self.counts.throttled += status == _TOO_MANY
        if status in (_TOO_MANY, _UNAVAILABLE):
            limiter.refused(slot, wait)
        limiter.pause(wait)
        self._notice.throttled(status, wait)
        if status != _TOO_MANY:
            limiter.failed(slot, call)
            answered = str(status) if status >= _BAD_REQUEST else f"{status} and what makes no sense"
            self._give_up_in_time(limiter, f"the destination answers {answered} to everything")

    def _unanswered(self, call: Call, slot: Slot, error: TransportError) -> Try:
        """Nothing came back; where there was not even a connection, it says nothing about the call."""
        classification = Classification(Verdict.RETRY, reason="no_answer", message=str(error))
        limiter = self._limiter_of(call)
        if error.hopeless:
            self.stop.because(UnreachableError(f"{error}."))
        was_down = limiter.is_down
        self._ever_answered = self._ever_answered or error.answered
        limiter.failed(slot, call, alone=not (error.connected and self._ever_answered))
        self._give_up_in_time(limiter, str(error))
        counts = error.answered or (error.connected and not was_down)
        return Try(classification, 0, self.clock() - slot.at, error.connected, counts)

    def _give_up_in_time(self, limiter: RateLimiter, sentence: str) -> None:
        bound = self.limits.give_up_after
        if not self._ever_answered:
            bound = min(bound, START_SECONDS, self.limits.retry_seconds)
        failing = limiter.failing_for()
        if limiter.is_down:
            self._notice.down(sentence, failing, bound)
        if failing >= bound and (limiter.is_down or not self._ever_answered):
            self.stop.because(
                UnreachableError(f"{sentence}; tried for {failing:.0f} s. Check base_url and the network.")
            )

    def _abandoned(self, job: Job, call: Call) -> None:
        """A call in flight that is no longer waited for: sent, and no answer came. A poll is asked again."""
        if self.stop.is_set and not call.after:
            classification = Classification(
                Verdict.RETRY, reason="no_answer", message="interrupted before the answer"
            )
            job.settle(Settled(call, classification, 0, 1, time.time()))

    async def _retry(self, job: Job, call: Call, first: Try) -> Settled | None:
        """The same call again while its answers are transient; what stays so is left unconfirmed."""
        tries = [first]

        async def again() -> Try:
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
            stop=StopWhen(lambda waited: self._is_enough(tries, waited)),
            wait=tenacity.wait_random_exponential(multiplier=self.limits.retry_wait, max=_LONGEST_WAIT),
            sleep=self._rest,
            retry_error_callback=lambda _: tries[-1],
        )
        last: Try = await retrying(again)
        if last.is_transient and self.stop.is_set and not any(t.acted_on for t in tries):
            return None
        classification = last.classification
        if last.is_transient and not call.repeatable and not any(t.acted_on for t in tries):
            classification = replace(
                classification, verdict=Verdict.REFUSED
            )  # nothing was done: it may be sent again
        return Settled(call, classification, last.status, len(tries), time.time())

    def _is_enough(self, tries: Sequence[Try], waited: float) -> bool:
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
    return bool(classification.message) and all(call.after for call in classification.follow_up)


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
