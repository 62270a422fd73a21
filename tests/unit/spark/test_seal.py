"""A seal is written only where every piece is there, one for each partition."""

from pathlib import Path

import pytest

from importer.errors import StateError
from importer.spark.piece import Job, Written
from importer.spark.seal import seal
from importer.storage.staging import staging_of


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(str(tmp_path / "staging"), "night", "{}", {"version": "1"}, "token")


def test_a_job_is_the_same_in_an_option_of_spark(job: Job) -> None:
    assert Job.load(job.dump()) == job


@pytest.mark.parametrize(
    ("pieces", "problem"),
    [
        ([Written("gone", 0, 5)], "1 of 1 pieces are not there"),
        ([Written("a", 0, 5), Written("b", 0, 5)], "two pieces of one partition"),
    ],
)
def test_what_does_not_add_up_is_not_sealed(job: Job, pieces: list[Written], problem: str) -> None:
    with pytest.raises(StateError, match=problem):
        seal(job, pieces)
    assert staging_of(job.location, job.run_id).read_seal() is None


def test_a_table_without_rows_is_sealed(job: Job) -> None:
    seal(job, [])
    assert staging_of(job.location, job.run_id).read_seal() == {
        "made_with": {"version": "1"},
        "snapshot": "",
        "rows": 0,
        "pieces": [],
    }
