"""SQLite files are their owner's alone, and their errors are sentences."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from importer.core.errors import StateError
from importer.storage import sqlite_errors
from importer.storage.sqlite_errors import id_cache_errors, journal_errors

JOURNAL = Path("/data/state/runs/night/journal.sqlite")


def test_a_database_and_what_sqlite_puts_beside_it_are_their_owners_alone(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        with closing(sqlite_errors.connect(tmp_path / "db")) as database:
            database.execute("CREATE TABLE t (a)")
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
            assert database.execute("PRAGMA temp_store").fetchone() == (2,)  # 2 = memory
    finally:
        os.umask(umask)
    assert modes == dict.fromkeys(("db", "db-wal", "db-shm"), 0o600)


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep me")
    (tmp_path / "db").symlink_to(tmp_path / "precious")
    with pytest.raises(StateError, match="db: "):
        sqlite_errors.connect(tmp_path / "db")
    assert (tmp_path / "precious").read_text() == "keep me"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (sqlite3.OperationalError("database or disk is full"), "the disk is full; free some disk space"),
        (sqlite3.OperationalError("disk I/O error"), "the disk is full; free some disk space"),
        (sqlite3.OperationalError("unable to open database file"), "the journal cannot be written or read"),
        (sqlite3.OperationalError("Could not decode to UTF-8 column 'keys'"), "the journal is damaged"),
        (sqlite3.OperationalError("no such table: answers"), "the journal is damaged"),
        (sqlite3.DatabaseError("database disk image is malformed"), "the journal is damaged"),
    ],
)
def test_each_error_of_a_journal_has_its_sentence(error: sqlite3.Error, sentence: str) -> None:
    with pytest.raises(StateError, match=sentence) as raised, journal_errors(JOURNAL):
        raise error
    assert raised.value.exit_code == 7


def test_a_cache_of_ids_may_be_deleted() -> None:
    with (
        pytest.raises(StateError, match="delete it, and the ids are resolved again"),
        id_cache_errors(Path("/data/state/addresses/x.sqlite")),
    ):
        raise sqlite3.DatabaseError


def test_a_fault_of_ours_is_not_called_damage() -> None:
    for error in (ValueError(), TypeError(), KeyError()):
        with pytest.raises(type(error)), journal_errors(JOURNAL):
            raise error


def test_a_wrong_call_of_sqlite_is_a_fault_of_ours(tmp_path: Path) -> None:
    database = sqlite_errors.connect(tmp_path / "db")
    database.close()
    for errors in (journal_errors, id_cache_errors):
        with pytest.raises(sqlite3.ProgrammingError), errors(tmp_path / "db"):
            database.execute("SELECT 1")
