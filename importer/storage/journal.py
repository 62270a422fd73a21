"""The run's durable record of what was answered: call, person, attributes, operation, state.

One SQLite file per run, write-ahead logged. Answers are appended in groups, a commit at most
`COMMIT_SECONDS` apart, so a kill loses at most the answers of that interval: those calls go out again. A
commit survives the end of the process at once and a power cut from the next checkpoint on (`synchronous =
NORMAL`); what a power cut takes is the newest commits, never one from the middle.

A call that is not repeatable is written down before it goes out, and that commit waits for the disk. It
stays so until a usable answer is recorded: a later attempt of the run finds it unconfirmed and leaves it.

A call that carries on what the destination has accepted (a poll) is written down before it goes out, too: a
later attempt of the run goes on with it instead of sending the values again.

A half-written end of the log is SQLite's to cut: each frame has a checksum. The file itself has none, so
every record carries its own, and one that does not fit it, or is missing from the sequence, is damage. What
is missing at the end is found by a count outside of the journal (`high_water`).

People are named by their distinct id and values by their attribute, never by a position in a chunk: a later
attempt of the run derives the same updates from the spool and takes out what stands here.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from importer.core.errors import StateError, command
from importer.core.models import Call
from importer.destinations.base import NORMALIZED
from importer.storage import sqlite_errors
from importer.storage.high_water import Count, HighWater
from importer.storage.journal_records import (
    COLUMNS,
    PLACES,
    SCHEMA,
    Entry,
    KnownValue,
    Refusals,
    checked,
    checksum,
    checksum_of,
    dump_call,
    entry_of,
    load_call,
    row_of,
    without_answered,
)
from importer.storage.sqlite_errors import journal_errors

COMMIT_SECONDS = 0.05

_WANTED = "WHERE a.person IN (SELECT person FROM wanted) ORDER BY a.call"
_OPEN = "WHERE a.chunk NOT IN (SELECT chunk FROM chunks) ORDER BY a.call"


class Journal:
    """Appends entries from any thread; `flush` commits what waits. Several processes may have it open.

    One thread writes at a time. Reading several rows that belong together is done in a connection of its
    own: it sees whole commits, where the one that writes would show another thread's half-written one.

    Every method raises StateError where the disk does not take it or the file is damaged; opening it also
    where it has lost calls that must not be sent again. `lost` is how many other answers it lost.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # chunks are opened in another thread than calls are settled in
        with journal_errors(path):
            self._db = sqlite_errors.connect(path)
            try:
                self._db.executescript(SCHEMA)
                self._upgrade()
                self._check()
            except BaseException:
                self._db.close()
                raise
        self._high_water = HighWater(path.parent)
        try:
            self.lost = self._lost()
        except BaseException:
            self._db.close()
            raise
        self._sets: dict[tuple[str, ...], int] = {}
        self._waiting: list[Entry] = []
        self._intended: dict[tuple[str, str], dict[int, frozenset[str]]] = {}
        self._fulfilled: list[tuple[int]] = []
        self._failed = False  # a commit did not succeed: what waited with it is lost, so nothing may follow

    def _upgrade(self) -> None:
        """Adds the columns that version 0.1.0 did not have."""
        new = {"answers": "message TEXT", "intents": "message TEXT", "refusals": "status INTEGER"}
        for table, column in new.items():
            name, kind = column.split()
            columns = [row[1] for row in self._db.execute(f"PRAGMA table_info({table})")]
            if name not in columns:
                default = "''" if kind == "TEXT" else 0
                self._db.execute(f"ALTER TABLE {table} ADD COLUMN {column} NOT NULL DEFAULT {default}")

    def _check(self) -> None:
        """Reads every page and counts the answers: one that is missing was written, and is lost."""
        sound = self._db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
        if not sound or self._scalar("SELECT coalesce(max(call), 0) - count(*) FROM answers"):
            raise sqlite3.DatabaseError

    def _lost(self) -> int:
        """How many answers are missing that were here; StateError where begun calls are."""
        expected = self._high_water.read()  # before the journal, which another process may be writing
        if expected is None:
            return 0
        count = self._count()
        if count.intents < expected.intents:
            raise _lost_intents(self._path, count, expected)
        return max(0, expected.answers - count.answers)

    def accept_loss(self) -> None:
        """Goes on with what is left, as after a power cut: what was answered and is lost goes out again."""
        self.lost = 0
        self._high_water.write(self._count())

    def _count(self) -> Count:
        with journal_errors(self._path):
            answers = self._scalar("SELECT coalesce(max(call), 0) FROM answers")
            return Count(answers, self._scalar("SELECT coalesce(max(intents), 0) FROM begun"))

    def _scalar(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])

    # ---------------------------------------------------------------- writing

    def append(self, entry: Entry) -> None:
        """Takes one answer; durable after the next `flush`."""
        with self._lock:
            self._waiting.append(entry)
            if self._intended and entry.state != "unconfirmed":
                self._fulfilled += [(number,) for number in self._answered(entry)]

    def _answered(self, entry: Entry) -> list[int]:
        """The intents that a later answer for any of their attributes shows to be answered; dropped here.

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
        with journal_errors(self._path), self._transaction(on_disk=True):
            for entry in entries:
                number = self._scalar("SELECT coalesce(max(call), 0) + 1 FROM intents")
                replaced = [(n,) for n in self._answered(entry)]
                self._db.executemany("DELETE FROM intents WHERE call = ?", replaced)
                self._insert("intents", [(number, entry)])
                intended = self._intended.setdefault((entry.person, entry.operation), {})
                intended[number] = frozenset(entry.attributes)
            more = "ON CONFLICT (id) DO UPDATE SET intents = intents + excluded.intents"
            self._db.execute(f"INSERT INTO begun VALUES (1, ?) {more}", (len(entries),))  # noqa: S608 - constant
        self._raise_high_water()

    def keep(self, chunk: int, calls: Sequence[Call]) -> None:
        """Records calls that carry on what the destination has accepted; on disk when this returns."""
        kept_at = {"kept_at": time.time()}
        text = json.dumps([dump_call(call) | kept_at for call in calls])
        with journal_errors(self._path), self._transaction(on_disk=True):
            query = "INSERT INTO pending (chunk, calls, seal) VALUES (?, ?, ?)"
            self._db.execute(query, (chunk, text, checksum(text)))

    def _insert(self, table: str, numbered: Iterable[tuple[int, Entry]]) -> None:
        rows = [row_of(call, self._attribute_set(entry.attributes), entry) for call, entry in numbered]
        self._db.executemany(f"INSERT INTO {table} ({COLUMNS}) VALUES ({PLACES})", rows)  # noqa: S608

    def _attribute_set(self, keys: tuple[str, ...]) -> int:
        number = self._sets.get(keys)
        if number is None:
            text = json.dumps(keys)
            self._db.execute("INSERT OR IGNORE INTO attribute_sets (keys) VALUES (?)", (text,))
            found = self._db.execute("SELECT id FROM attribute_sets WHERE keys = ?", (text,)).fetchone()
            number = self._sets[keys] = int(found[0])
        return number

    def flush(self) -> None:
        """Commits everything appended so far, also where another thread has begun to."""
        with self._lock:  # which a commit under way holds to its end
            has_more = bool(self._waiting or self._fulfilled)
        if has_more:
            with journal_errors(self._path), self._transaction():
                self._write_waiting()
            self._raise_high_water()

    def close_chunk(self, chunk: int, tally: dict[str, object]) -> None:
        """Records, in one commit with all its answers, that a chunk is finished and how it ended."""
        with journal_errors(self._path), self._transaction():
            self._write_waiting()
            text = json.dumps(tally)
            self._db.execute("INSERT OR REPLACE INTO chunks VALUES (?, ?, ?)", (chunk, text, checksum(text)))
        self._raise_high_water()

    def _raise_high_water(self) -> None:
        """After a commit, never before: the count must not say more than is recorded."""
        with self._lock:
            self._high_water.write(self._count())

    def _write_waiting(self) -> None:
        first = self._scalar("SELECT coalesce(max(call), 0) + 1 FROM answers")
        self._insert("answers", enumerate(self._waiting, first))
        refused = [(call, *r) for call, entry in enumerate(self._waiting, first) for r in entry.refusals]
        self._db.executemany("INSERT INTO refusals VALUES (?,?,?,?,?)", refused)
        self._db.executemany("DELETE FROM intents WHERE call = ?", self._fulfilled)
        self._waiting, self._fulfilled = [], []

    @contextmanager
    def _transaction(self, *, on_disk: bool = False) -> Iterator[None]:
        """One commit, which waits for the disk where it has to be `on_disk`.

        After one that failed (a full disk) none is tried again: it would leave a gap.
        """
        with self._lock:
            if self._failed:
                raise sqlite3.OperationalError("full")
            try:
                # Only here, with the lock: SQLite refuses it inside of a transaction, another thread's too.
                self._db.execute(f"PRAGMA synchronous = {'FULL' if on_disk else 'NORMAL'}")
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
        with journal_errors(self._path), self._transaction():
            text = json.dumps(value)
            self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", (name, text, checksum(text)))

    # ---------------------------------------------------------------- reading

    def fact(self, name: str) -> object:
        """A fact kept by `remember`, None where there is none."""
        with self._committed() as db:
            row = db.execute("SELECT value, seal FROM facts WHERE name = ?", (name,)).fetchone()
            return json.loads(checked(*row)) if row else None

    def closed_chunks(self) -> dict[int, dict[str, object]]:
        """The finished chunks and their tallies."""
        with self._committed() as db:
            rows = db.execute("SELECT chunk, tally, seal FROM chunks")
            return {int(chunk): json.loads(checked(tally, seal)) for chunk, tally, seal in rows}

    def pending_chunks(self) -> set[int]:
        """The numbers of the chunks that are not finished and have kept calls."""
        query = "SELECT DISTINCT chunk FROM pending WHERE chunk NOT IN (SELECT chunk FROM chunks)"
        with self._committed() as db:
            return {int(number) for (number,) in db.execute(query)}

    def pending(
        self, chunk: int | None = None, answers: Iterable[Entry] | None = None
    ) -> dict[int, list[Call]]:
        """The kept calls of chunks that are not finished, by chunk, as far as nothing was answered since.

        A target of which everything was answered, or is carried on by a later call, has no keys left. `chunk`
        is the one to look at, None = all; `answers` are those that count, None = all.
        """
        one = "" if chunk is None else f" AND chunk = {chunk:d}"
        where = f"WHERE chunk NOT IN (SELECT chunk FROM chunks){one} ORDER BY id DESC"  # noqa: S608 - a number
        with self._committed() as db:
            rows = db.execute(f"SELECT chunk, calls, seal FROM pending {where}")  # noqa: S608
            texts = [(int(number), checked(text, seal)) for number, text, seal in rows]
        answered = _answered_keys(self.open_answers(chunk) if answers is None else answers) if texts else {}
        found: dict[int, list[Call]] = {}
        for number, text in texts:
            for data in reversed(json.loads(text)):
                call = without_answered(load_call(data), answered)
                if any(target.keys for target in call.targets):
                    found.setdefault(number, []).insert(0, call)
        return found

    def attempts(self, *, several: bool = False) -> tuple[int, int]:
        """Requests that were answered in the end, and how many of them repeated another.

        `several`: a call may be about several people, each of whom has an entry; those were answered at the
        same moment. A call whose job is still open counts too.
        """
        one = "SELECT max(attempts) AS attempts FROM answers GROUP BY at"
        calls = f"({one})" if several else "answers"
        repeats = "coalesce(sum(max(attempts - 1, 0)), 0)"
        query = f"""
            SELECT coalesce(sum(attempts), 0) + (SELECT count(*) FROM pending), {repeats} FROM {calls}
        """  # noqa: S608 - constants
        with self._committed() as db:
            sent, repeated = db.execute(query).fetchone()
            return int(sent), int(repeated)

    def open_answers(self, chunk: int | None = None) -> Iterator[Entry]:
        """What was answered of chunks that are not finished, in the order of the answers.

        `chunk` is the one to look at, None = all. It is found by an index, made when it is first asked for.

        Then the calls that must not be sent again and have no usable answer, unconfirmed as NOT_REPEATABLE.
        """
        if chunk is None:
            where = _OPEN
        else:
            self._make_index("answers_by_chunk", "answers (chunk)")
            where = f"WHERE a.chunk = {chunk:d} AND {_OPEN.removeprefix('WHERE ')}"
        with self._committed() as db:
            yield from _entries(db, where)
            yield from _entries(db, where, "intents")

    def written_people(self) -> Iterator[str]:
        """Everybody of whom this run has written something, once each."""
        query = "SELECT DISTINCT person FROM answers WHERE state = 'applied' AND attempts > 0"
        with self._committed() as db:
            yield from (person for (person,) in db.execute(query))

    def answers_of(self, person: str) -> list[Entry]:
        """Everything that was answered of one person, in the order of the answers."""
        return list(self._entries_of([person]))

    def known_values(self, people: Iterable[str]) -> dict[str, dict[str, KnownValue]]:
        """What this run has written of each of these people, by attribute; the last answer counts.

        A call that must not be sent again and has no usable answer comes after all of them, as unconfirmed.
        Looked up by an index, which is made when it is first asked for: a run that only sends needs none.
        """
        self._make_index("answers_of", "answers (person)")
        self._make_index("refusals_of", "refusals (call)")
        found: dict[str, dict[str, KnownValue]] = {}
        for entry in self._entries_of(people):
            known = found.setdefault(entry.person, {})
            refused = {attribute for attribute, reason, *_ in entry.refusals if reason != NORMALIZED}
            origins = entry.origin if len(entry.origin) > 1 else entry.origin * len(entry.attributes)
            for attribute, origin in zip(entry.attributes, origins, strict=True):
                known[attribute] = KnownValue(origin, "rejected" if attribute in refused else entry.state)
        return found

    def _entries_of(self, people: Iterable[str]) -> Iterator[Entry]:
        """What was answered of these people, and then their calls without an answer."""
        with self._committed() as db:
            _want(db, people)
            yield from _entries(db, _WANTED)
            yield from _entries(db, _WANTED, "intents")

    @contextmanager
    def _committed(self) -> Iterator[sqlite3.Connection]:
        """The journal as one commit left it, for as long as the block lasts."""
        with journal_errors(self._path), closing(sqlite_errors.connect_again(self._path)) as db:
            db.execute("BEGIN")
            yield db

    def _make_index(self, name: str, columns: str) -> None:
        with journal_errors(self._path), self._lock:
            self._db.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {columns}")

    # ---------------------------------------------------------------- erasing, closing

    def erase(self, person: str) -> bool:
        """Takes a person's id, and what the destination said of them, out of every record.

        The records stay, as those of nobody. Returns whether the person stood in any. What is deleted is
        overwritten in the file.
        """
        with journal_errors(self._path):
            _want(self._db, [person])
            self._db.execute("PRAGMA secure_delete = ON")
            found = sum(self._erase_from(table) for table in ("answers", "intents"))
            with self._transaction():
                quoted = json.dumps(person)[1:-1]
                found += self._db.execute("DELETE FROM pending WHERE instr(calls, ?)", (quoted,)).rowcount
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return found > 0

    def _erase_from(self, table: str) -> int:
        query = f"SELECT call FROM {table} a {_WANTED}"  # noqa: S608 - constants of this module
        calls = [call for (call,) in self._db.execute(query)]
        changes = []
        for call, entry in zip(calls, list(_entries(self._db, _WANTED, table)), strict=True):
            refusals = [refusal._replace(message="") for refusal in entry.refusals]
            nobody = entry._replace(person="", message="", refusals=refusals)
            changes.append((checksum_of(call, nobody), call))
        with self._transaction():
            update = f"UPDATE {table} SET person = '', message = '', seal = ? WHERE call = ?"  # noqa: S608
            self._db.executemany(update, changes)
            if table == "answers":
                clear = "UPDATE refusals SET message = '' WHERE call = ?"
                self._db.executemany(clear, [(call,) for _, call in changes])
        return len(changes)

    def close(self) -> None:
        """Commits what waits and folds the log into the file."""
        try:
            self.flush()
        finally:
            with journal_errors(self._path):
                self._db.close()


def _want(db: sqlite3.Connection, people: Iterable[str]) -> None:
    """Fills the table of people that the next queries of this connection are about."""
    db.execute("CREATE TEMP TABLE IF NOT EXISTS wanted (person TEXT PRIMARY KEY)")
    db.execute("DELETE FROM wanted")
    db.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", ((p,) for p in people))


def _entries(db: sqlite3.Connection, where: str, table: str = "answers") -> Iterator[Entry]:
    query = f"""
        SELECT a.call, a.chunk, a.person, a.operation, s.keys, a.origin, a.state, a.reason, a.status,
               a.attempts, a.at, a.seal, a.message
        FROM {table} a LEFT JOIN attribute_sets s ON s.id = a.attributes {where}
    """  # noqa: S608 - both are constants of this module
    rows = db.execute(
        "SELECT r.call, r.attribute, r.reason, r.message, r.status FROM answers a "  # noqa: S608
        f"JOIN refusals r ON r.call = a.call {where}, r.rowid"
    )
    refusals = Refusals(rows if table == "answers" else ())
    for call, *fields in db.execute(query):
        yield entry_of(call, fields, refusals.of(call))


def _answered_keys(answers: Iterable[Entry]) -> dict[tuple[str, str], set[str]]:
    answered: dict[tuple[str, str], set[str]] = {}
    for entry in answers:
        answered.setdefault((entry.person, entry.operation), set()).update(entry.attributes)
    return answered


def _lost_intents(path: Path, count: Count, expected: Count) -> StateError:
    run_id, state_dir = path.parent.name, path.parent.parent.parent
    return StateError(
        f"{path}: has {count.intents:,} of the {expected.intents:,} calls of this run that must not be sent "
        f"twice, and {count.answers:,} of {expected.answers:,} answers; the others are lost, so nothing more "
        "is sent. Where there is a copy of the journal, put it back, then: "
        f"{command('resume', run_id, state_dir=state_dir)}. Else compare with the destination what was "
        "counted, and give this run up with: importer run CONFIG --allow-duplicates"
    )


def count_pending(path: Path) -> int:
    """How many kept calls of a run still carry on what the destination has accepted."""
    with journal_errors(path), closing(sqlite3.connect(path)) as db:
        known = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'pending'").fetchone()
        if not known or not db.execute("SELECT 1 FROM pending LIMIT 1").fetchone():
            return 0
    with closing(Journal(path)) as journal:
        return sum(map(len, journal.pending().values()))


def last_kept(path: Path) -> float | None:
    """When the latest such call was kept, in Unix seconds; None where an earlier version kept it."""
    query = (
        "SELECT max(json_extract(calls, '$[0].kept_at')) FROM pending "
        "WHERE chunk NOT IN (SELECT chunk FROM chunks)"
    )
    with journal_errors(path), closing(sqlite3.connect(path)) as db:
        found = db.execute(query).fetchone()
    return None if found[0] is None else float(found[0])
