"""Calls that carry on: polls, what is written down of them, the key's check, people refused as a whole."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from importer.core.errors import OutOfTimeError, RefusedError
from importer.core.models import ALL_APPLIED, Answer, Call, Classification, Refusal, Settled, Target, Verdict
from importer.destinations.base import RateHint
from importer.send.job import Job, Limits
from importer.send.rate_limiter import RateLimiter
from importer.send.refusals import LONGEST
from importer.send.sender import Sender
from importer.storage.journal import Journal
from importer.storage.journal_records import Entry
from tests.support.oracle.replies import Received, Reply, ReplyServer


def submit(person: int) -> Call:
    target = Target(person, f"p{person}", "set", ("a", "b"))
    return Call("PUT", "/jobs", json.dumps({"distinctId": f"p{person}"}).encode(), (target,))


def poll(call: Call) -> Call:
    return replace(call, method="GET", path="/jobs/1", body=b"", after=0.05)


class Jobs:
    """A destination of jobs: 202 is taken, 204 is not ready, 200 is done, 400 refuses the person."""

    def classify(self, call: Call, answer: Answer) -> Classification:
        if answer.status == 202:
            return Classification(Verdict.CONTINUE, follow_up=(poll(call),), durable=True)
        if answer.status == 204:
            return Classification(Verdict.CONTINUE, follow_up=(call,))
        if answer.status == 400:
            return Classification(Verdict.DONE, (Refusal(0, "", "no_such_person"),))
        if answer.status == 401:
            return Classification(Verdict.STOP, reason="key", message="refused")
        return ALL_APPLIED if answer.status == 200 else Classification(Verdict.RETRY, message="busy")

    def rate_hint(self, answer: Answer) -> RateHint | None:
        return None


class Play:
    """Jobs of one call each; what was kept and how each ended, in order."""

    def __init__(self, calls: list[Call], script: Callable[[Received], Reply], **more: object) -> None:
        self.kept: list[Settled] = []
        self.settled: list[Settled] = []
        self.finished = 0
        key_check = more.pop("key_check", None)
        with ReplyServer(script=script) as server:
            limits = Limits(server.url, {}, retry_wait=0.01, retry_attempts=2, **more)  # type: ignore[arg-type]
            self.sender = Sender(limits, Jobs(), RateLimiter(), key_check=key_check)  # type: ignore[arg-type]
            asyncio.run(self.sender.run(self._jobs(calls)))
            self.arrived = list(server.calls)

    async def _jobs(self, calls: list[Call]) -> AsyncIterator[Job]:
        for call in calls:
            yield Job([call], self.settled.append, self._finish, keep=self.kept.append)

    def _finish(self) -> None:
        self.finished += 1


def reply(status: int) -> Reply:
    """A 204 has no body: bytes behind it would spoil the connection."""
    return Reply(status, b"" if status == 204 else {})


def replies(*statuses: int) -> Callable[[Received], Reply]:
    """Answers of these statuses, the last one for ever."""
    return lambda received: reply(statuses[min(received.number, len(statuses)) - 1])


def test_a_job_is_kept_once_and_polled_until_it_is_done() -> None:
    play = Play([submit(0)], replies(202, 204, 204, 200))
    assert [c.method for c in play.arrived] == ["PUT", "GET", "GET", "GET"]
    assert [s.classification.follow_up[0].path for s in play.kept] == ["/jobs/1"]
    assert [s.classification for s in play.settled] == [ALL_APPLIED]
    assert play.finished == 1
    gaps = [b.arrived - a.arrived for a, b in zip(play.arrived, play.arrived[1:], strict=False)]
    assert min(gaps) >= 0.045


def test_a_poll_that_fails_is_asked_again() -> None:
    play = Play([submit(0)], replies(202, 500, 500, 500, 200))
    assert play.finished == 1
    assert [s.classification for s in play.settled] == [ALL_APPLIED]


def test_jobs_wait_beside_one_another_whatever_max_in_flight_is() -> None:
    submitted: list[int] = []

    def script(received: Received) -> Reply:
        if received.method == "PUT":
            submitted.append(received.number)
            return Reply(202, {})
        return reply(200 if len(submitted) == 20 else 204)  # no job ends before every one is handed in

    play = Play([submit(n) for n in range(20)], script, max_in_flight=1)
    assert play.finished == 20


def test_a_job_that_takes_too_long_ends_the_run_resumable() -> None:
    def script(received: Received) -> Reply:
        return reply(202 if received.method == "PUT" and received.distinct_id == "p0" else 204)

    play = Play([submit(0)], script, job_deadline=0.2)
    assert (play.finished, play.settled) == (0, [])
    assert isinstance(play.sender.stop.error, OutOfTimeError)
    assert play.sender.stop.error.exit_code == 8


def test_what_a_job_waits_for_is_told_once() -> None:
    told: list[tuple[str, str]] = []

    class Reviews(Jobs):
        def classify(self, call: Call, answer: Answer) -> Classification:
            found = super().classify(call, answer)
            if answer.status != 204:
                return found
            return replace(found, reason="job_needs_review", message="somebody has to look")

    async def jobs() -> AsyncIterator[Job]:
        yield Job([submit(0)], lambda _: None, lambda: None)

    with ReplyServer(script=replies(202, 204, 204, 204, 200)) as server:
        sender = Sender(Limits(server.url, {}), Reviews(), RateLimiter())
        sender.tell = lambda code, text: told.append((code, text))
        asyncio.run(sender.run(jobs()))
    assert told == [("job_needs_review", "somebody has to look.")]


def test_a_poll_that_is_not_waited_for_says_nothing_of_its_job() -> None:
    settled: list[Settled] = []
    asked = threading.Event()

    def script(received: Received) -> Reply:
        if received.method == "PUT":
            return Reply(202, {})
        asked.set()
        return Reply(200, {}, delay=1.0)

    async def jobs() -> AsyncIterator[Job]:
        yield Job([submit(0)], settled.append, lambda: None)

    async def give_up(sender: Sender) -> None:
        await asyncio.to_thread(asked.wait, 30.0)
        sender.stop.by_signal(2)
        sender.stop.abandon()

    async def play(server: ReplyServer) -> None:
        sender = Sender(Limits(server.url, {}), Jobs(), RateLimiter())
        await asyncio.gather(sender.run(jobs()), give_up(sender))

    with ReplyServer(script=script) as server:
        asyncio.run(play(server))
    assert settled == [], "else resume would submit the values again while the job is open"


def test_a_call_refused_and_sent_in_parts_is_no_doubt_where_a_stop_comes_between() -> None:
    released: list[Call] = []
    settled: list[Settled] = []
    once = replace(submit(0), repeatable=False)

    class Halves(Jobs):
        def classify(self, call: Call, answer: Answer) -> Classification:
            sender.stop.by_signal(2)
            return Classification(Verdict.CONTINUE, follow_up=(replace(call, path="/half"),))

    async def jobs() -> AsyncIterator[Job]:
        yield Job([once], settled.append, lambda: None, release=released.append)

    with ReplyServer(script=replies(400)) as server:
        sender = Sender(Limits(server.url, {}), Halves(), RateLimiter())
        asyncio.run(sender.run(jobs()))
        assert [call.path for call in server.calls] == ["/jobs"]
    assert (released, settled) == ([once], []), "else resume would hold its increases for sent"


@pytest.mark.parametrize(("status", "error"), [(401, "key: refused."), (400, "")])
def test_the_key_is_checked_alone_before_anything_else(status: int, error: str) -> None:
    check = Call("GET", "/me", b"", ())
    play = Play([submit(n) for n in range(5)], replies(status), key_check=check)
    if error:
        assert str(play.sender.stop.error) == error
        assert [c.method for c in play.arrived] == ["GET"]
    else:
        assert len(play.arrived) == 6


def test_a_key_that_cannot_be_checked_stops_before_the_first_write() -> None:
    play = Play([submit(0)], replies(500), key_check=Call("GET", "/me", b"", ()))
    assert {c.method for c in play.arrived} == {"GET"}
    assert play.sender.stop.error
    assert play.sender.stop.error.exit_code == 5  # type: ignore[attr-defined]


def test_people_refused_in_a_row_stop_the_run() -> None:
    play = Play([submit(n) for n in range(50)], replies(400), max_in_flight=1)
    assert (len(play.arrived), play.settled) == (LONGEST, []), "they go out again after a resume"
    assert play.sender.refused_in_a_row == [f"p{n}" for n in range(LONGEST)]
    assert isinstance(play.sender.stop.error, RefusedError)


def test_one_who_is_not_refused_breaks_the_row() -> None:
    def script(received: Received) -> Reply:
        return Reply(200 if received.number % LONGEST == 0 else 400, {})

    play = Play([submit(n) for n in range(50)], script, max_in_flight=1)
    assert (play.finished, len(play.settled), play.sender.stop.error) == (50, 50, None)


def entry(person: str, *keys: str, state: str = "applied") -> Entry:
    return Entry(0, person, "set", keys, (0,), state, "", 200, 1, 0.0)


def test_a_later_life_finds_what_is_still_open(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    targets = tuple(Target(n, f"p{n}", "set", ("a", "b")) for n in range(3))
    first = Call("GET", "/jobs/1", b"{}", targets, after=5.0, context="ü")
    journal.keep(0, [first])
    journal.append(entry("p0", "a", "b"))
    journal.append(entry("p1", "a", state="unconfirmed"))
    second = Call("GET", "/jobs/2", b"", (targets[2],), after=5.0)
    journal.keep(0, [second])
    journal.keep(1, [second])
    journal.close_chunk(1, {})
    journal.close()
    found = Journal(tmp_path / "journal.sqlite").pending()
    assert [call.path for call in found[0]] == ["/jobs/1", "/jobs/2"]
    assert [t.keys for t in found[0][0].targets] == [(), ("b",), ()]
    assert [(t.distinct_id, t.keys, t.person) for t in found[0][1].targets] == [("p2", ("a", "b"), -1)]
    assert (found[0][0].after, found[0][0].context) == (5.0, "ü")
    assert list(found) == [0], "what is finished is not open"
