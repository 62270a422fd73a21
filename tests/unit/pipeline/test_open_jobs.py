"""Chunks that wait for jobs of the destination: polled without their people, and opened again."""

import pytest

from importer.core.models import Call, Target
from importer.pipeline.open_jobs import OpenJobs
from importer.storage.spool import ChunkPlan

PLAN = ChunkPlan(3, 0, 1, 100)


def poll(number: int) -> Call:
    return Call("GET", f"/jobs/{number}", b"", (Target(0, "p1", "set", ("a",)),), after=30.0, context="[1]")


@pytest.fixture
def jobs() -> OpenJobs:
    found = OpenJobs()
    found.suspend(PLAN, [poll(1), poll(2)])
    return found


def test_a_poll_holds_nothing_of_the_people_and_waits_first(jobs: OpenJobs) -> None:
    first, second = jobs.next_poll(), jobs.next_poll()
    assert first is not None
    assert second is not None
    assert jobs.next_poll() is None
    [call] = first.calls
    assert (call.path, call.targets, call.context, call.after) == ("/jobs/1", (), "", 30.0)
    assert first.waits
    assert (jobs.plans, jobs.pop_ended()) == ([PLAN], None)


def test_a_chunk_is_opened_again_when_the_last_of_its_jobs_has_ended(jobs: OpenJobs) -> None:
    for _ in range(2):
        assert jobs.pop_ended() is None
        job = jobs.next_poll()
        assert job is not None
        job.finish()
    assert jobs.plans == [PLAN]
    assert (jobs.pop_ended(), jobs.plans) == (PLAN, [])


def test_a_job_that_is_late_keeps_the_results_of_the_others_not_waiting(jobs: OpenJobs) -> None:
    first, second = jobs.next_poll(), jobs.next_poll()
    assert first is not None
    assert second is not None
    first.finish()
    second.give_up()
    assert jobs.pop_ended() == PLAN
    assert [jobs.is_overdue(poll(n)) for n in (1, 2)] == [False, True]


def test_a_chunk_of_which_no_job_has_ended_stays_suspended(jobs: OpenJobs) -> None:
    for _ in range(2):
        job = jobs.next_poll()
        assert job is not None
        job.give_up()
    assert (jobs.pop_ended(), jobs.plans) == (None, [PLAN])
