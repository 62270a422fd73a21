"""What a destination resolved distinct ids to, kept between runs: `<state-dir>/addresses/`.

One SQLite file for each destination, base URL, account and whatever else an address depends on, so that a
second run resolves nobody again. Committed with each answer; looked up a chunk's people at a time.
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from importer.config.schema import Config
from importer.core.errors import StateError

_WAIT = 60.0
"""Seconds that one process waits for another that is writing."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS addresses (id TEXT PRIMARY KEY, address TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_address ON addresses (address);
CREATE TEMP TABLE wanted (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""

_LOOKUP = """
SELECT a.id, CASE WHEN EXISTS (SELECT 1 FROM addresses b WHERE b.address = a.address AND b.id <> a.id)
             THEN '' ELSE a.address END
FROM addresses a JOIN wanted USING (id)
"""

AMBIGUOUS = ""
"""Stands for an id that has several addresses, or shares one with another id."""


class IdCache:
    """The addresses of one scope; may be asked from any thread. StateError where the file cannot be used."""

    def __init__(self, state_dir: Path, config: Config, scope: Sequence[str]) -> None:
        section = config.destination
        names = [section.type, section.base_url, section.account or "", *scope]
        digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]
        self._path = state_dir / "addresses" / f"{section.type}-{digest}.sqlite"
        self._lock = threading.Lock()
        with _state_errors(self._path):
            self._path.parent.mkdir(exist_ok=True)
            self._db = sqlite3.connect(
                self._path, timeout=_WAIT, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)

    def lookup(self, ids: Iterable[str]) -> dict[str, str]:
        """The known ones of `ids` with their addresses, AMBIGUOUS where one is shared."""
        with self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", ((i,) for i in ids))
            found = dict(self._db.execute(_LOOKUP))
            self._db.execute("DELETE FROM wanted")
        return found

    def remember(self, addresses: Mapping[str, str]) -> None:
        """Keeps what was resolved, durable at once."""
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO addresses VALUES (?, ?)", addresses.items())

    def erase(self, ids: Iterable[str]) -> None:
        """Drops addresses that the destination does not know any more."""
        with self._transaction():
            self._db.executemany("DELETE FROM addresses WHERE id = ?", ((i,) for i in ids))

    def close(self) -> None:
        """Folds the log into the file."""
        with _state_errors(self._path):
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, _state_errors(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


@contextmanager
def _state_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError:
        raise StateError(
            f"{path}: cannot be written or read; free some space and make it writable."
        ) from None
    except (sqlite3.DatabaseError, OSError):
        raise StateError(f"{path}: damaged; delete it, and the ids are resolved anew.") from None
