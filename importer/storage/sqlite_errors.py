"""SQLite files of the state folder: how they are opened, and their errors as StateError."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from importer.core.errors import StateError, command
from importer.storage import atomic_files
from importer.storage.disk_errors import state_errors

_PATIENCE = 60.0
"""Seconds that a commit waits for another process or thread that is writing."""


def connect(path: Path) -> sqlite3.Connection:
    """Opens a database, made where it is missing: for its owner alone, as what SQLite puts beside it.

    Temporary tables stay in memory: the folder for them is a setting of the whole process. StateError where
    the file is a symbolic link or cannot be made; inside of one of the blocks below, SQLite's errors.
    """
    with state_errors(path):
        atomic_files.make_if_missing(path)
    return _opened(path, "journal_mode = WAL", "synchronous = NORMAL")


def connect_again(path: Path) -> sqlite3.Connection:
    """One more connection to a database that this process has open. Raises SQLite's errors."""
    return _opened(path)


def _opened(path: Path, *settings: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, _PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        for setting in ("temp_store = MEMORY", *settings):
            database.execute(f"PRAGMA {setting}")
    except sqlite3.Error:
        database.close()
        raise
    return database


@contextmanager
def journal_errors(path: Path) -> Iterator[None]:
    """Of a run's journal. SQLite's text is dropped: the next step depends only on the kind of error."""
    again = command("resume", path.parent.name, state_dir=path.parent.parent.parent)
    damaged = (
        "the journal is damaged, so what was sent is not known for certain; start a new run, which writes "
        "every value again."
    )
    with _errors(path, "the journal", again, damaged):
        yield


@contextmanager
def id_cache_errors(path: Path) -> Iterator[None]:
    """Of a cache of resolved ids, which may be lost."""
    damaged = "damaged; delete it, and the ids are resolved again."
    with _errors(path, "the cache of ids", "the same command again", damaged):
        yield


@contextmanager
def _errors(path: Path, what: str, again: str, damaged: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a wrong call, of a closed database for example: a fault of ours, whatever the file is like
    except sqlite3.OperationalError as error:
        text = str(error)
        if "decode" in text or "no such" in text:  # text that is not UTF-8, a lost table or column
            raise StateError(f"{path}: {damaged}") from None
        full = "full" in text or "I/O" in text  # the latter where a quota or a limit ends the file
        step = "free some disk space" if full else "make the folder writable"
        found = "the disk is full" if full else f"{what} cannot be written or read"
        raise StateError(f"{path}: {found}; {step}, then: {again}") from None
    except sqlite3.DatabaseError:
        raise StateError(f"{path}: {damaged}") from None
