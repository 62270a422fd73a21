"""The run's durable record of what was answered: call, person, attributes, operation, state.

One SQLite file per run, write-ahead logged. Answers are appended in groups, a
commit at most `COMMIT_SECONDS` apart, so a kill loses at most the answers of that interval: those calls go
out again. A commit survives the end of the process at once and a power cut from the next checkpoint on
(`synchronous = NORMAL`); what a power cut takes is the newest commits, never one from the middle.

A call that is not repeatable is written down before it goes out, and that commit waits for the disk. It
stays so until a usable answer is recorded: a later life of the run finds it unconfirmed and leaves it alone.

A call that carries on what the destination has taken (a poll) is written down before it goes out, too: a
later life of the run goes on with it instead of sending the values again.

A half-written end of the log is SQLite's to cut: each frame has a checksum. The file itself has none, so
every record carries its own, and one that does not fit it, or is missing from the sequence, is damage.

People are named by their distinct id and values by their attribute, never by a position in a chunk: a later
life of the run derives the same updates from the spool and takes out what stands here.
"""

import json
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from importer.core.errors import StateError, command
from importer.core.models import Call, Target
from importer.destinations.base import NORMALIZED

COMMIT_SECONDS = 0.05

NOT_REPEATABLE = "not_repeatable"
"""The reason of an unconfirmed entry whose call must not be sent again."""

_PATIENCE = 60.0  # s that a commit waits for those of the other workers

_RECORD = """(
    call INTEGER PRIMARY KEY,
    chunk INTEGER NOT NULL,
    person TEXT NOT NULL,
    operation TEXT NOT NULL,
    attributes INTEGER NOT NULL,
    origin TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    status INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    at REAL NOT NULL,
    seal INTEGER NOT NULL
)"""

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL, seal INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attribute_sets (id INTEGER PRIMARY KEY, keys TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS answers {_RECORD};
CREATE TABLE IF NOT EXISTS intents {_RECORD};
CREATE TABLE IF NOT EXISTS refusals (
    call INTEGER NOT NULL, attribute TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS pending (
    id INTEGER PRIMARY KEY, chunk INTEGER NOT NULL, calls TEXT NOT NULL, seal INTEGER
);
CREATE TABLE IF NOT EXISTS chunks (chunk INTEGER PRIMARY KEY, tally TEXT NOT NULL, seal INTEGER);
"""


class Entry(NamedTuple):
    """One answered call as it concerns one person.

    `state` is `applied` (but for its refusals), `rejected` or `unconfirmed`. `origin` is the source order of
    the row each value came from: one number where all came from one row, else one per attribute.
    `refusals` are (attribute, reason, message); with the reason NORMALIZED the value is stored all the same.
    """

    chunk: int
    person: str
    operation: str
    attributes: tuple[str, ...]
    origin: tuple[int, ...]
    state: str
    reason: str
    status: int
    attempts: int
    at: float
    refusals: Sequence[tuple[str, str, str]] = ()


@dataclass(frozen=True, slots=True)
class KnownValue:
    """What a run knows of one attribute of one person: where its value came from and how it ended."""

    origin: int
    state: str


class Journal:
    """Appends entries from any thread; `flush` commits what waits. Several processes may have it open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # chunks are opened in another thread than calls are settled in
        with _state_errors(path):
            self._db = sqlite3.connect(path, _PATIENCE, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
            self._check()
        self._sets: dict[tuple[str, ...], int] = {}
        self._waiting: list[Entry] = []
        self._intended: dict[tuple[str, str], dict[int, frozenset[str]]] = {}
        self._fulfilled: list[tuple[int]] = []
        self._failed = False  # a commit did not succeed: what waited with it is lost, so nothing may follow

    def _check(self) -> None:
        """Reads every page and counts the answers: one that is missing was written, and is lost."""
        sound = self._db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
        if not sound or self._scalar("SELECT coalesce(max(call), 0) - count(*) FROM answers"):
            raise sqlite3.DatabaseError

    def _scalar(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])

    def append(self, entry: Entry) -> None:
        """Takes one answer; durable after the next `flush`."""
        with self._lock:
            self._waiting.append(entry)
            if self._intended and entry.state != "unconfirmed":
                self._fulfilled += [(number,) for number in self._answered(entry)]

    def _answered(self, entry: Entry) -> list[int]:
        """The intents that a later word on any of their attributes shows to be answered; forgotten here.

        A person's calls go out one after another, so the next one begins only when that answer is known.
        """
        intended = self._intended.get((entry.person, entry.operation), {})
        numbers = [n for n, keys in intended.items() if not keys.isdisjoint(entry.attributes)]
        for number in numbers:
            del intended[number]
        return numbers

    def release(self, entry: Entry) -> None:
        """The intended call has certainly done nothing; it may be sent again from the next flush on."""
        with self._lock:
            self._fulfilled += [(number,) for number in self._answered(entry)]

    def intend(self, entries: Sequence[Entry]) -> None:
        """Records that a call which is not repeatable is about to go out; on disk when this returns.

        It takes the place of an earlier one for the same attributes, which was answered with a refusal that
        lets it be sent again: in parts, or to another address.
        """
        with _state_errors(self._path):
            self._db.execute("PRAGMA synchronous = FULL")
            with self._transaction():
                for entry in entries:
                    number = self._scalar("SELECT coalesce(max(call), 0) + 1 FROM intents")
                    row = self._row(number, entry)
                    replaced = [(n,) for n in self._answered(entry)]
                    self._db.executemany("DELETE FROM intents WHERE call = ?", replaced)
                    self._db.execute(f"INSERT INTO intents VALUES ({_MARKS})", row)  # noqa: S608
                    intended = self._intended.setdefault((entry.person, entry.operation), {})
                    intended[number] = frozenset(entry.attributes)
            self._db.execute("PRAGMA synchronous = NORMAL")

    def keep(self, chunk: int, calls: Sequence[Call]) -> None:
        """Records calls that carry on what the destination has taken; on disk when this returns."""
        text = json.dumps([_dump_call(call) for call in calls])
        with _state_errors(self._path):
            self._db.execute("PRAGMA synchronous = FULL")
            with self._transaction():
                query = "INSERT INTO pending (chunk, calls, seal) VALUES (?, ?, ?)"
                self._db.execute(query, (chunk, text, _seal(text)))
            self._db.execute("PRAGMA synchronous = NORMAL")

    def pending(self) -> dict[int, list[Call]]:
        """The kept calls of chunks that are not finished, by chunk, as far as nothing was answered since.

        A target of which everything was answered, or is carried on by a later call, has no keys left. People
        are named by their distinct id alone: `person` is -1.
        """
        with _state_errors(self._path):
            where = "WHERE chunk NOT IN (SELECT chunk FROM chunks) ORDER BY id DESC"
            rows = self._db.execute(f"SELECT chunk, calls, seal FROM pending {where}").fetchall()  # noqa: S608
            gone = self._answered_keys() if rows else {}
            found: dict[int, list[Call]] = {}
            for chunk, text, seal in rows:
                for data in reversed(json.loads(_opened(text, seal))):
                    call = _without(_load_call(data), gone)
                    if any(target.keys for target in call.targets):
                        found.setdefault(int(chunk), []).insert(0, call)
            return found

    def _answered_keys(self) -> dict[tuple[str, str], set[str]]:
        gone: dict[tuple[str, str], set[str]] = {}
        for entry in self.open_answers():
            gone.setdefault((entry.person, entry.operation), set()).update(entry.attributes)
        return gone

    def _row(self, call: int, entry: Entry) -> tuple[object, ...]:
        chunk, person, operation, attributes, origin, state, reason, status, attempts, at, _ = entry
        keys = self._attribute_set(attributes)
        places = str(origin[0]) if len(origin) == 1 else json.dumps(origin)
        seal = _seal_of(call, entry)
        return call, chunk, person, operation, keys, places, state, reason, status, attempts, at, seal

    def _attribute_set(self, keys: tuple[str, ...]) -> int:
        number = self._sets.get(keys)
        if number is None:
            text = json.dumps(keys)
            self._db.execute("INSERT OR IGNORE INTO attribute_sets (keys) VALUES (?)", (text,))
            found = self._db.execute("SELECT id FROM attribute_sets WHERE keys = ?", (text,)).fetchone()
            number = self._sets[keys] = int(found[0])
        return number

    def flush(self) -> None:
        """Commits everything appended so far; StateError where the disk does not take it."""
        if self._waiting or self._fulfilled:
            with _state_errors(self._path), self._transaction():
                self._write_waiting()

    def close_chunk(self, chunk: int, tally: dict[str, object]) -> None:
        """Records, in one commit with all its answers, that a chunk is finished and how it ended."""
        with _state_errors(self._path), self._transaction():
            self._write_waiting()
            text = json.dumps(tally)
            self._db.execute("INSERT OR REPLACE INTO chunks VALUES (?, ?, ?)", (chunk, text, _seal(text)))

    def _write_waiting(self) -> None:
        first = self._scalar("SELECT coalesce(max(call), 0) + 1 FROM answers")
        rows = [self._row(call, entry) for call, entry in enumerate(self._waiting, first)]
        said = [(call, *r) for call, entry in enumerate(self._waiting, first) for r in entry.refusals]
        self._db.executemany(f"INSERT INTO answers VALUES ({_MARKS})", rows)  # noqa: S608
        self._db.executemany("INSERT INTO refusals VALUES (?,?,?,?)", said)
        self._db.executemany("DELETE FROM intents WHERE call = ?", self._fulfilled)
        self._waiting, self._fulfilled = [], []

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One commit. After one that failed (a full disk) none is tried again: it would leave a gap."""
        with self._lock:
            if self._failed:
                raise sqlite3.OperationalError("full")
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._failed = True
                self._sets.clear()
                if self._db.in_transaction:
                    with suppress(sqlite3.Error):
                        self._db.execute("ROLLBACK")
                raise

    def remember(self, name: str, value: object) -> None:
        """Keeps one fact of the run (JSON), durable at once."""
        with _state_errors(self._path), self._transaction():
            text = json.dumps(value)
            self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", (name, text, _seal(text)))

    def fact(self, name: str) -> object:
        """A fact kept by `remember`, None where there is none."""
        with _state_errors(self._path):
            row = self._db.execute("SELECT value, seal FROM facts WHERE name = ?", (name,)).fetchone()
            return json.loads(_opened(*row)) if row else None

    def closed_chunks(self) -> dict[int, dict[str, object]]:
        """The finished chunks and their tallies."""
        with _state_errors(self._path):
            rows = self._db.execute("SELECT chunk, tally, seal FROM chunks")
            return {int(chunk): json.loads(_opened(tally, seal)) for chunk, tally, seal in rows}

    def attempts(self, *, several: bool = False) -> tuple[int, int]:
        """Requests that were answered in the end, and how many of them repeated another.

        `several`: a call may be about several people, each of whom has an entry; those were answered at the
        same moment. A call whose job is still open counts too.
        """
        one = "SELECT max(attempts) AS attempts FROM answers GROUP BY at"
        calls = f"({one})" if several else "answers"
        sent = self._scalar(f"SELECT coalesce(sum(attempts), 0) FROM {calls}")  # noqa: S608 - a constant
        repeats = "coalesce(sum(max(attempts - 1, 0)), 0)"
        repeated = self._scalar(f"SELECT {repeats} FROM {calls}")  # noqa: S608 - constants
        return sent + self._scalar("SELECT count(*) FROM pending"), repeated

    def open_answers(self) -> Iterator[Entry]:
        """What was answered of chunks that are not finished, in the order of the answers.

        Then the calls that must not be sent again and have no usable answer, unconfirmed as NOT_REPEATABLE.
        """
        where = "WHERE a.chunk NOT IN (SELECT chunk FROM chunks) ORDER BY a.call"
        yield from self._entries(where)
        yield from self._entries(where, "intents")

    def written_people(self) -> Iterator[str]:
        """Everybody of whom this run has written something, once each."""
        query = "SELECT DISTINCT person FROM answers WHERE state = 'applied' AND attempts > 0"
        with _state_errors(self._path):
            yield from (person for (person,) in self._db.execute(query))

    def answers_of(self, person: str) -> list[Entry]:
        """Everything that was answered of one person, in the order of the answers."""
        self._db.execute("CREATE TEMP TABLE IF NOT EXISTS wanted (person TEXT PRIMARY KEY)")
        self._db.execute("DELETE FROM wanted")
        self._db.execute("INSERT INTO wanted VALUES (?)", (person,))
        where = "WHERE a.person IN (SELECT person FROM wanted) ORDER BY a.call"
        return [*self._entries(where), *self._entries(where, "intents")]

    def held(self, people: Iterable[str]) -> dict[str, dict[str, KnownValue]]:
        """What this run has written of each of these people, by attribute; the last answer counts.

        A call that must not be sent again and has no usable answer comes after all of them, as unconfirmed.
        Looked up by an index, which is made when it is first asked for: a run that only sends needs none.
        """
        self._db.execute("CREATE INDEX IF NOT EXISTS answers_of ON answers (person)")
        self._db.execute("CREATE INDEX IF NOT EXISTS refusals_of ON refusals (call)")
        self._want(people)
        found: dict[str, dict[str, KnownValue]] = {}
        where = "WHERE a.person IN (SELECT person FROM wanted) ORDER BY a.call"
        for entry in chain(self._entries(where), self._entries(where, "intents")):
            held = found.setdefault(entry.person, {})
            refused = {attribute for attribute, reason, _ in entry.refusals if reason != NORMALIZED}
            origins = entry.origin if len(entry.origin) > 1 else entry.origin * len(entry.attributes)
            for attribute, origin in zip(entry.attributes, origins, strict=True):
                held[attribute] = KnownValue(origin, "rejected" if attribute in refused else entry.state)
        return found

    def _entries(self, where: str, table: str = "answers") -> Iterator[Entry]:
        query = f"""
            SELECT a.call, a.chunk, a.person, a.operation, s.keys, a.origin, a.state, a.reason, a.status,
                   a.attempts, a.at, a.seal
            FROM {table} a LEFT JOIN attribute_sets s ON s.id = a.attributes {where}
        """  # noqa: S608 - both are constants of this module
        with _state_errors(self._path):
            said = self._db.execute(
                "SELECT r.call, r.attribute, r.reason, r.message FROM answers a "  # noqa: S608
                f"JOIN refusals r ON r.call = a.call {where}, r.rowid"
            )
            refusals = _Refusals(said if table == "answers" else iter(()))
            for call, *fields, seal in self._db.execute(query):
                yield _entry(call, fields, refusals.of(call), seal)

    def erase(self, person: str) -> bool:
        """Takes a person's name out of every record; the records stay, as those of nobody.

        Returns whether the person stood in any. What is deleted is overwritten in the file.
        """
        found = 0
        self._want([person])
        where = "WHERE a.person IN (SELECT person FROM wanted) ORDER BY a.call"
        with _state_errors(self._path):
            self._db.execute("PRAGMA secure_delete = ON")
            for table in ("answers", "intents"):
                calls = [call for (call,) in self._db.execute(f"SELECT call FROM {table} a {where}")]  # noqa: S608
                nobody = [entry._replace(person="") for entry in self._entries(where, table)]
                changes = [(_seal_of(call, entry), call) for call, entry in zip(calls, nobody, strict=True)]
                with self._transaction():
                    self._db.executemany(
                        f"UPDATE {table} SET person = '', seal = ? WHERE call = ?",  # noqa: S608
                        changes,
                    )
                found += len(changes)
            with self._transaction():
                quoted = json.dumps(person)[1:-1]
                found += self._db.execute("DELETE FROM pending WHERE instr(calls, ?)", (quoted,)).rowcount
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return found > 0

    def _want(self, people: Iterable[str]) -> None:
        """Fills the table of people that the next queries are about."""
        self._db.execute("CREATE TEMP TABLE IF NOT EXISTS wanted (person TEXT PRIMARY KEY)")
        self._db.execute("DELETE FROM wanted")
        self._db.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", ((p,) for p in people))

    def close(self) -> None:
        """Commits what waits and folds the log into the file."""
        try:
            self.flush()
        finally:
            with _state_errors(self._path):
                self._db.close()


_MARKS = ",".join("?" * 12)


class _Refusals:
    """The refusals of one call after another. They were written as the calls were, so none is held."""

    def __init__(self, rows: Iterator[tuple[int, str, str, str]]) -> None:
        self._by_call = groupby(rows, itemgetter(0))
        self._next = next(self._by_call, None)

    def of(self, call: int) -> Sequence[tuple[str, str, str]]:
        """Those of this call; asked for in rising order."""
        while self._next and self._next[0] < call:
            self._next = next(self._by_call, None)
        if not self._next or self._next[0] != call:
            return ()
        return [(attribute, reason, message) for _, attribute, reason, message in self._next[1]]


def count_pending(path: Path) -> int:
    """How many kept calls of a run still carry on what the destination has taken."""
    with _state_errors(path), closing(sqlite3.connect(path)) as db:
        known = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'pending'").fetchone()
        if not known or not db.execute("SELECT 1 FROM pending LIMIT 1").fetchone():
            return 0
    journal = Journal(path)
    try:
        return sum(map(len, journal.pending().values()))
    finally:
        journal.close()


def _dump_call(call: Call) -> dict[str, Any]:
    """A call as JSON; its sets of keys are written once each, for there are few."""
    sets = list(dict.fromkeys(target.keys for target in call.targets))
    place = {keys: index for index, keys in enumerate(sets)}
    return {
        "method": call.method,
        "path": call.path,
        "body": call.body.decode(),
        "repeatable": call.repeatable,
        "after": call.after,
        "context": call.context,
        "sets": sets,
        "targets": [[t.distinct_id, t.operation, place[t.keys]] for t in call.targets],
    }


def _load_call(data: Mapping[str, Any]) -> Call:
    sets = [tuple(keys) for keys in data["sets"]]
    targets = tuple(Target(-1, person, operation, sets[at]) for person, operation, at in data["targets"])
    return Call(
        data["method"],
        data["path"],
        data["body"].encode(),
        targets,
        data["repeatable"],
        data["after"],
        data["context"],
    )


def _without(call: Call, gone: dict[tuple[str, str], set[str]]) -> Call:
    """The call with only those keys of its targets that are not in `gone`, which they are added to."""
    targets = []
    for target in call.targets:
        known = gone.setdefault((target.distinct_id, target.operation), set())
        left = tuple(key for key in target.keys if key not in known)
        known.update(left)
        targets.append(replace(target, keys=left))
    return replace(call, targets=tuple(targets))


def _seal(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def _seal_of(call: int, entry: Entry) -> int:
    """A checksum of everything that an entry says."""
    chunk, person, operation, attributes, origin, state, reason, status, attempts, at, refusals = entry
    what = f"{call},{chunk},{operation},{_seal_of_keys(attributes)},{origin},{state},{status},{attempts}"
    told = [tuple(refusal) for refusal in refusals] if refusals else ""
    return _seal(f"{what},{float(at)!r}\0{person}\0{reason}\0{told}")


@lru_cache(maxsize=1024)
def _seal_of_keys(keys: tuple[str, ...]) -> int:
    return _seal(repr(keys))


def _opened(text: str, seal: int) -> str:
    if _seal(text) != seal:
        raise sqlite3.DatabaseError
    return text


def _entry(call: int, fields: Sequence[Any], refusals: Sequence[tuple[str, str, str]], seal: int) -> Entry:
    """An entry as it was written; DatabaseError where it is not."""
    chunk, person, operation, keys, origin, *ending = fields
    places = json.loads(origin)
    origins = (places,) if isinstance(places, int) else tuple(places)
    what = (chunk, person, operation, tuple(json.loads(keys or "[]")), origins)
    entry = Entry(*what, *ending, refusals)  # type: ignore[call-arg]
    if _seal_of(call, entry) != seal:
        raise sqlite3.DatabaseError
    return entry


@contextmanager
def _state_errors(path: Path) -> Iterator[None]:
    """SQLite's errors as ours. Its text is dropped: the next step depends only on the kind of error."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        full = "full" in text or "I/O" in text  # the latter where a quota or a limit ends the file
        step = "free some disk space" if full else "make the folder writable"
        what = "the disk is full" if full else "the journal cannot be written or read"
        way_on = command("resume", path.parent.name, state_dir=path.parent.parent.parent)
        raise StateError(f"{path}: {what}; {step}, then: {way_on}") from None
    except (sqlite3.DatabaseError, ValueError):
        raise StateError(
            f"{path}: the journal is damaged, so what was sent is not known for certain; start a new run, "
            "which writes every value again."
        ) from None
