"""A journal that lost something at its end is found out by the count beside it."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from importer.core.errors import StateError
from importer.storage import high_water
from importer.storage.high_water import Count, HighWater
from importer.storage.journal import Journal
from importer.storage.journal_records import NOT_REPEATABLE, Entry


def answer(person: str, state: str = "applied") -> Entry:
    return Entry(0, person, "set", ("a",), (1,), state, "", 200, 1, 1.0)


def intent(person: str) -> Entry:
    return Entry(0, person, "increase", ("a",), (1,), "unconfirmed", NOT_REPEATABLE, 0, 1, 1.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "state" / "runs" / "night"
    folder.mkdir(parents=True)
    return folder / "journal.sqlite"


def test_the_count_is_what_was_written_last(tmp_path: Path) -> None:
    count = HighWater(tmp_path)
    assert count.read() is None
    for answers in (1, 10_000_000, 10_000_001):
        count.write(Count(answers, 3))
        assert HighWater(tmp_path).read() == Count(answers, 3)
    assert (tmp_path / high_water.NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("at", range(0, 56, 5))
def test_a_damaged_count_is_said(at: int, tmp_path: Path) -> None:
    HighWater(tmp_path).write(Count(5, 7))
    path = tmp_path / high_water.NAME
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(StateError, match="not known whether the journal beside it is whole"):
        HighWater(tmp_path).read()


def test_a_journal_that_is_whole_has_lost_nothing(path: Path) -> None:
    with closing(Journal(path)) as journal:
        journal.intend([intent("p1"), intent("p2")])
        journal.append(answer("p3"))
        journal.close_chunk(0, {})
    with closing(Journal(path)) as journal:
        assert journal.lost == 0
    assert HighWater(path.parent).read() == Count(1, 2)


def test_a_journal_without_begun_calls_that_were_recorded_is_refused(path: Path) -> None:
    with closing(Journal(path)) as journal:
        journal.intend([intent("p1")])
        journal.flush()
    before = path.with_name("copy")
    shutil.copy(path, before)
    with closing(Journal(path)) as journal:
        journal.intend([intent("p2")])
    before.replace(path)
    with pytest.raises(StateError, match=r"has 1 of the 2 calls .* not be sent twice.*resume night"):
        Journal(path)


def test_a_lost_journal_of_calls_that_may_be_repeated_says_how_many_answers_it_lost(path: Path) -> None:
    with closing(Journal(path)) as journal:
        for person in ("p1", "p2", "p3"):
            journal.append(answer(person))
        journal.flush()
    path.unlink()
    with closing(Journal(path)) as journal:
        assert journal.lost == 3
        journal.accept_loss()
        journal.append(answer("p1"))
    with closing(Journal(path)) as journal:
        assert journal.lost == 0


def test_answers_that_are_lost_leave_their_calls_as_begun(path: Path) -> None:
    """After a power cut: the begun calls waited for the disk, the newest answers did not."""
    with closing(Journal(path)) as journal:
        journal.intend([intent("p1")])
    before = path.with_name("copy")
    shutil.copy(path, before)
    with closing(Journal(path)) as journal:
        journal.append(answer("p2"))
    before.replace(path)
    with closing(Journal(path)) as journal:
        assert journal.lost == 1
        assert [entry.person for entry in journal.open_answers()] == ["p1"]


def test_a_run_of_the_version_before_has_no_count(path: Path) -> None:
    with closing(Journal(path)) as journal:
        journal.append(answer("p1"))
    (path.parent / high_water.NAME).unlink()
    with closing(Journal(path)) as journal:
        assert journal.lost == 0
