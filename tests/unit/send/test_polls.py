"""Jobs that wait: who is due, how the intervals grow, and when a job is given up."""

from collections import deque

import pytest

from importer.core.models import Call
from importer.send.job import Job
from importer.send.polls import GROWTH, LONGEST_INTERVAL, SHARE, BegunJob, Polls

PER_SECOND = 100.0


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def begun(
    number: int,
    after: float = 30.0,
    until: float = 1e9,
    given_up: list[int] | None = None,
    *,
    waits: bool = True,
) -> BegunJob:
    def give_up() -> None:
        assert given_up is not None
        given_up.append(number)

    call = Call("GET", f"/jobs/{number}", b"", (), after=after)
    job = Job([call], lambda _: None, lambda: None, waits=waits, give_up=give_up)
    return BegunJob(0.0, number, job, deque([call]), until)


def test_the_job_that_is_due_first_comes_first() -> None:
    clock = Clock()
    polls = Polls(clock)
    for number, after in ((1, 50.0), (2, 10.0), (3, 30.0)):
        polls.put_off(begun(number, after), PER_SECOND)
    assert (len(polls), polls.pop_due(), polls.seconds_left()) == (3, None, 10.0)
    clock.now = 200.0
    found = [polls.pop_due() for _ in range(4)]
    assert [one.number if one else None for one in found] == [2, 3, 1, None]


def test_the_intervals_of_one_job_grow_to_five_minutes() -> None:
    clock = Clock()
    polls, job = Polls(clock), begun(1)
    waits = []
    for _ in range(12):
        polls.put_off(job, PER_SECOND)
        waits.append(polls.seconds_left())
        clock.now = job.due
        assert polls.pop_due() is job
    assert waits[:3] == pytest.approx([30.0, 30.0 * GROWTH, 30.0 * GROWTH**2])
    assert waits[-1] == LONGEST_INTERVAL == 300.0


def test_more_jobs_are_polled_less_often_and_use_their_share_of_the_rate() -> None:
    clock = Clock()
    polls, jobs, hours = Polls(clock), 2000, 1.0
    for number in range(jobs):
        polls.put_off(begun(number), per_second=4.0)
    begin, count = clock.now + 2 * jobs / 4, 0
    while clock.now < begin + hours * 3600:
        clock.now += max(0.0, polls.seconds_left())
        job = polls.pop_due()
        assert job is not None
        count += clock.now >= begin
        polls.put_off(job, per_second=4.0)
    assert count / (hours * 3600) == pytest.approx(SHARE * 4.0, rel=0.02)


def test_what_follows_a_poll_does_not_wait_for_the_other_jobs() -> None:
    polls, fetch = Polls(Clock()), begun(100, after=0.01, waits=False)
    for number in range(100):
        polls.put_off(begun(number), PER_SECOND)
    polls.put_off(fetch, per_second=0.1)
    assert polls.seconds_left() == pytest.approx(0.01)


def test_another_call_of_the_job_waits_for_its_own_time() -> None:
    clock = Clock()
    polls, job = Polls(clock), begun(1)
    polls.put_off(job, PER_SECOND)
    clock.now = job.due
    assert polls.pop_due() is job
    job.calls = deque([Call("GET", "https://results.test/1", b"", (), after=0.5)])
    polls.put_off(job, PER_SECOND)
    assert polls.seconds_left() == 0.5


def test_a_job_that_would_be_polled_too_late_is_given_up() -> None:
    given_up: list[int] = []
    polls = Polls(Clock())
    polls.put_off(begun(1, until=120.0, given_up=given_up), PER_SECOND)
    assert (polls.overdue, len(polls), given_up) == (1, 0, [1])
