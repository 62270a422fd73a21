"""Jobs that wait: who is due, how the intervals grow, and when a job is given up."""

from collections import deque

import pytest

from importer.core.models import Call
from importer.send.job import Job
from importer.send.polls import GROWTH, LONGEST_INTERVAL, BegunJob, Polls


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def begun(
    number: int, after: float = 30.0, until: float = 1e9, given_up: list[int] | None = None
) -> BegunJob:
    def give_up() -> None:
        assert given_up is not None
        given_up.append(number)

    call = Call("GET", f"/jobs/{number}", b"", (), after=after)
    job = Job([call], lambda _: None, lambda: None, give_up=give_up)
    return BegunJob(0.0, number, job, deque([call]), until)


def test_the_job_that_is_due_first_comes_first() -> None:
    clock = Clock()
    polls = Polls(clock)
    for number, after in ((1, 50.0), (2, 10.0), (3, 30.0)):
        polls.put_off(begun(number, after))
    assert (len(polls), polls.pop_due(), polls.seconds_left()) == (3, None, 10.0)
    clock.now = 200.0
    found = [polls.pop_due() for _ in range(4)]
    assert [one.number if one else None for one in found] == [2, 3, 1, None]


def test_the_intervals_of_one_job_grow_to_a_quarter_of_an_hour() -> None:
    clock = Clock()
    polls, job = Polls(clock), begun(1)
    waits = []
    for _ in range(12):
        polls.put_off(job)
        waits.append(polls.seconds_left())
        clock.now = job.due
        assert polls.pop_due() is job
    assert waits[:3] == pytest.approx([30.0, 30.0 * GROWTH, 30.0 * GROWTH**2])
    assert waits[-1] == LONGEST_INTERVAL


def test_another_call_of_the_job_waits_for_its_own_time() -> None:
    clock = Clock()
    polls, job = Polls(clock), begun(1)
    polls.put_off(job)
    clock.now = job.due
    assert polls.pop_due() is job
    job.calls = deque([Call("GET", "https://results.test/1", b"", (), after=0.5)])
    polls.put_off(job)
    assert polls.seconds_left() == 0.5


def test_a_job_that_would_be_polled_too_late_is_given_up() -> None:
    given_up: list[int] = []
    polls = Polls(Clock())
    polls.put_off(begun(1, until=120.0, given_up=given_up))
    assert (polls.overdue, len(polls), given_up) == (1, 0, [1])
