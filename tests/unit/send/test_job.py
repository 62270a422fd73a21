"""What the sender is given, and what it is unless somebody says otherwise."""

import math

from importer.core.models import ALL_APPLIED, Call, Settled
from importer.send.job import Counts, Limits, unwatched_job

CALL = Call("POST", "/", b"", ())


def test_the_limits_of_sending_are_those_of_the_documentation_unless_set() -> None:
    limits = Limits("https://x.example", {"A": "b"})
    assert (limits.base_url, limits.headers, limits.client) == ("https://x.example", {"A": "b"}, "httpx")
    assert (limits.connect_timeout, limits.read_timeout, limits.request_timeout) == (10.0, 30.0, 70.0)
    assert (limits.max_in_flight, limits.retry_attempts, limits.retry_seconds) == (8, 8, 300.0)
    assert (limits.retry_wait, limits.give_up_after, limits.job_deadline) == (0.5, 900.0, math.inf)


def test_nothing_is_counted_at_first() -> None:
    assert Counts() == Counts(sent=0, retried=0, throttled=0)


def test_an_unwatched_job_is_one_call_and_its_hooks_do_nothing() -> None:
    job = unwatched_job(CALL)
    assert (list(job.calls), job.waits, job.park(CALL)) == ([CALL], False, False)
    settled = Settled(CALL, ALL_APPLIED, 200, 1, 0.0)
    job.settle(settled)
    job.keep(settled)
    job.intend(CALL)
    job.release(CALL)
    job.finish()
    job.give_up()
