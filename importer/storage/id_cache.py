"""What a destination resolved distinct ids to, kept between runs: `<state-dir>/addresses/`.

One SQLite file for each destination, base URL, account and whatever else an address depends on, so that a
second run resolves nobody again. Committed with each answer; looked up a chunk's people at a time.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from importer.config.schema import Config
from importer.storage import account, atomic_files, sqlite_errors
from importer.storage.sqlite_errors import id_cache_errors

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
        name = f"{config.destination.type}-{account.account_digest(config, scope)[:16]}.sqlite"
        self._path = state_dir / "addresses" / name
        self._lock = threading.Lock()
        atomic_files.make_folder(self._path.parent)
        with id_cache_errors(self._path):
            self._db = sqlite_errors.connect(self._path)
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
        with id_cache_errors(self._path):
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, id_cache_errors(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
