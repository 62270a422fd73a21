"""Chunks that wait for jobs of the destination: polled without their people, and opened again."""

import asyncio

import pytest

from importer.core.models import Call, Target
from importer.pipeline import open_jobs
from importer.pipeline.open_jobs import OpenJobs
from importer.send.job import Job
from importer.storage.spool import ChunkPlan

PLAN = ChunkPlan(3, 0, 1, 100)


def poll(number: int) -> Call:
    return Call("GET", f"/jobs/{number}", b"", (Target(0, "p1", "set", ("a",)),), after=30.0, context="[1]")


def polled(jobs: OpenJobs) -> Job:
    job = jobs.next_poll()
    assert job is not None
    return job


@pytest.fixture
def jobs() -> OpenJobs:
    found = OpenJobs()
    found.suspend(PLAN, [poll(1), poll(2)])
    return found


def in_a_loop(*steps: object) -> None:
    async def go() -> None:
        for step in steps:
            assert callable(step)
            step()

    asyncio.run(go())


def test_a_poll_holds_nothing_of_the_people_and_waits_first(jobs: OpenJobs) -> None:
    first = polled(jobs)
    [call] = first.calls
    assert (call.path, call.targets, call.context, call.after) == ("/jobs/1", (), "", 30.0)
    assert first.waits
    assert polled(jobs).calls[0].path == "/jobs/2"
    assert jobs.next_poll() is None
    assert (jobs.plans, jobs.pop_ended()) == ([PLAN], None)


def test_a_chunk_is_opened_again_when_the_last_of_its_jobs_has_ended(jobs: OpenJobs) -> None:
    first, second = polled(jobs), polled(jobs)
    found: list[ChunkPlan | None] = []
    in_a_loop(first.finish, lambda: found.append(jobs.pop_ended()), second.finish)
    assert found == [None]
    assert jobs.plans == [PLAN]
    assert (jobs.pop_ended(), jobs.plans) == (PLAN, [])


def test_results_do_not_wait_long_for_a_job_that_is_late(
    jobs: OpenJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_jobs, "FETCH_AFTER", 0.0)
    first, second = polled(jobs), polled(jobs)
    found: list[ChunkPlan | None] = []
    in_a_loop(first.finish, lambda: found.append(jobs.pop_ended()))
    assert found == [PLAN]
    assert [jobs.is_polled(poll(n)) for n in (1, 2)] == [False, True]
    jobs.suspend(PLAN, [poll(2)])
    assert jobs.next_poll() is None, "its poll waits already"
    in_a_loop(second.finish)
    assert jobs.pop_ended() == PLAN


def test_results_wait_no_longer_than_that_though_no_other_job_ends(
    jobs: OpenJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.suspend(ChunkPlan(4, 1, 2, 100), [poll(3), poll(4)])
    first = polled(jobs)
    found: list[ChunkPlan | None] = []

    async def go() -> None:
        loop, ended = asyncio.get_running_loop(), 1000.0
        monkeypatch.setattr(loop, "time", lambda: ended)
        first.finish()
        for seconds in (open_jobs.FETCH_AFTER - 1, open_jobs.FETCH_AFTER, open_jobs.FETCH_AFTER + 1):
            monkeypatch.setattr(loop, "time", lambda at=ended + seconds: at)
            found.append(jobs.pop_ended())
        monkeypatch.undo()

    asyncio.run(go())
    assert found == [None, PLAN, None], "of the other chunk no job has ended"


def test_a_job_that_ends_while_its_chunk_is_open_is_polled_again(jobs: OpenJobs) -> None:
    first, second = polled(jobs), polled(jobs)
    in_a_loop(first.finish, second.give_up)
    assert jobs.pop_ended() == PLAN
    assert [jobs.is_overdue(poll(n)) for n in (1, 2)] == [False, True]
    jobs.suspend(PLAN, [poll(1)])
    assert polled(jobs).calls[0].path == "/jobs/1"


def test_a_chunk_of_which_no_job_has_ended_stays_suspended(jobs: OpenJobs) -> None:
    in_a_loop(polled(jobs).give_up, polled(jobs).give_up)
    assert (jobs.pop_ended(), jobs.plans) == (None, [PLAN])
