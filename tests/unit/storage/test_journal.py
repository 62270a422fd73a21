"""The journal: what it keeps, what it never sends again, and what it says when it is damaged."""

import sqlite3
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from importer.core.errors import StateError
from importer.storage.journal import Journal
from importer.storage.journal_records import NOT_REPEATABLE, Entry, RefusedValue
from tests.support.disturbed_runs import people, playing
from tests.support.oracle.program import importer

TOO_OLD = RefusedValue("age", "attribute_value_invalid", "too old", 400)


def entry(person: int, state: str = "applied", chunk: int = 0) -> Entry:
    refusals = [TOO_OLD] if person % 7 == 0 else ()
    return Entry(chunk, f"p{person}", "set", ("age", "näme"), (person,), state, "", 200, 1, 17.25, refusals)


def filled(path: Path, count: int = 3000) -> Path:
    journal = Journal(path)
    journal.remember("reading", {"rows": count})
    for person in range(count):
        journal.append(entry(person))
    journal.close()
    return path


def test_what_was_appended_comes_back_in_order(tmp_path: Path) -> None:
    journal = Journal(filled(tmp_path / "journal.sqlite", 20))
    found = list(journal.open_answers())
    assert [e._replace(refusals=()) for e in found] == [entry(n)._replace(refusals=()) for n in range(20)]
    assert [len(e.refusals) for e in found] == [1 if n % 7 == 0 else 0 for n in range(20)]
    journal.append(entry(20))
    journal.close_chunk(0, {"rows": {"applied": 21}})
    assert list(journal.open_answers()) == []
    assert journal.closed_chunks() == {0: {"rows": {"applied": 21}}}
    assert journal.fact("reading") == {"rows": 20}
    journal.close()


def test_a_journal_of_many_refusals_is_read_in_little_memory(tmp_path: Path) -> None:
    """Every call has one: 10,000 of them took 5 MiB, and a run has millions."""
    journal = Journal(tmp_path / "journal.sqlite")
    for person in range(10_000):
        journal.append(entry(person)._replace(refusals=[TOO_OLD]))
    journal.flush()
    tracemalloc.start()
    try:
        assert sum(len(e.refusals) for e in journal.open_answers()) == 10_000
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
        journal.close()


def test_flush_waits_for_what_another_thread_commits(tmp_path: Path) -> None:
    """Else the caller takes for written what a kill still loses."""
    journal, begun, go_on = Journal(tmp_path / "journal.sqlite"), threading.Event(), threading.Event()
    journal.append(entry(1))

    def commit_slowly() -> None:
        with journal._transaction():
            journal._write_waiting()
            begun.set()
            go_on.wait(60)

    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(commit_slowly)
        assert begun.wait(60)
        flushed = threads.submit(journal.flush)
        try:
            assert not wait([flushed], 0.1).done
        finally:
            go_on.set()
        flushed.result(60)
        slow.result(60)
    assert [answer.person for answer in journal.open_answers()] == ["p1"]
    journal.close()


def test_threads_that_write_and_read_at_once_see_whole_commits(tmp_path: Path) -> None:
    """One thread records calls that must not be repeated, one answers with refusals, two read them."""
    journal = Journal(tmp_path / "journal.sqlite")
    done = threading.Event()

    def intend() -> None:
        for person in range(60):
            journal.intend([entry(person, "unconfirmed", 1)._replace(operation="increase", refusals=())])

    def answer() -> None:
        for person in range(1_200):
            journal.append(entry(person)._replace(refusals=[TOO_OLD] * 9))
            if person % 5 == 0:
                journal.flush()

    def read() -> None:
        while not done.is_set():
            assert all(len(e.refusals) == 9 for e in journal.open_answers(0))
            journal.known_values(["p3"])
            journal.fact("none")

    with ThreadPoolExecutor(4) as threads:
        reading = [threads.submit(read) for _ in range(2)]
        writing = [threads.submit(intend), threads.submit(answer)]
        wait(writing)
        done.set()
    for future in (*writing, *reading):
        future.result()
    journal.close()


def test_what_was_not_flushed_is_gone_and_what_was_flushed_is_not(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    killed = Journal(path)
    killed.append(entry(1))
    killed.flush()
    killed.append(entry(2))
    assert [e.person for e in Journal(path).open_answers()] == ["p1"]


def test_a_half_written_end_of_the_log_is_cut(tmp_path: Path) -> None:
    path, log = tmp_path / "journal.sqlite", tmp_path / "journal.sqlite-wal"
    killed = Journal(path)
    for person in range(3):
        killed.append(entry(person))
        killed.flush()
    copy = tmp_path / "copy" / "journal.sqlite"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    (copy.parent / log.name).write_bytes(log.read_bytes()[:-2000])
    assert [e.person for e in Journal(copy).open_answers()] == ["p0", "p1"]


def test_what_must_not_be_sent_twice_is_on_disk_before_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    killed = Journal(path)
    for person in (1, 2, 3):
        killed.intend([entry(person)._replace(state="unconfirmed", reason=NOT_REPEATABLE)])
    killed.append(entry(1))
    killed.append(entry(2)._replace(state="unconfirmed"))
    killed.flush()
    found = [(e.person, e.state, e.reason) for e in Journal(path).open_answers()]
    assert found == [
        ("p1", "applied", ""),
        ("p2", "unconfirmed", ""),
        ("p2", "unconfirmed", NOT_REPEATABLE),
        ("p3", "unconfirmed", NOT_REPEATABLE),
    ]


def overwritten(path: Path) -> None:
    """Zeros over two kilobytes in the middle."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\0" * 2048)


def truncated(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def no_database(path: Path) -> None:
    path.write_bytes(b"not a database at all\n" * 500)


def one_person_renamed(path: Path) -> None:
    """Bytes that a database has no reason to doubt."""
    data = path.read_bytes()
    at = data.index(b"p1234set") if b"p1234set" in data else data.index(b"p123set")
    path.write_bytes(data[:at] + b"q" + data[at + 1 :])


def one_answer_lost(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM answers WHERE call = 123")
    database.close()


DAMAGES = [overwritten, truncated, no_database, one_person_renamed, one_answer_lost]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)
def test_damage_is_never_read_as_an_answer(damage: Callable[[Path], None], tmp_path: Path) -> None:
    path = filled(tmp_path / "journal.sqlite")
    damage(path)
    with pytest.raises(StateError, match=r"damaged.*start a new run"):
        list(Journal(path).open_answers())


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)
def test_a_damaged_journal_is_exit_7_and_nothing_is_sent(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    with playing(tmp_path, 400, {"quota": 390}) as (setting, server):
        assert setting.run().code == 4
        damage(tmp_path / ".importer/runs/r/journal.sqlite")
        before = server.stats.requests
        result = setting.resume()
        assert result.code == 7, result.err
        assert "start a new run" in result.err
        assert server.stats.requests == before
        assert importer("runs", cwd=tmp_path).code == 0
        assert server.stored.keys() < people(400).keys()
