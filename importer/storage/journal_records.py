"""The records of the journal: their shape in SQLite, and the checksum that each carries."""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from importer.core.models import Call, Target

NOT_REPEATABLE = "not_repeatable"
"""The reason of an unconfirmed entry whose call must not be sent again."""

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
    seal INTEGER NOT NULL,
    message TEXT NOT NULL DEFAULT ''
)"""

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL, seal INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attribute_sets (id INTEGER PRIMARY KEY, keys TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS answers {_RECORD};
CREATE TABLE IF NOT EXISTS intents {_RECORD};
CREATE TABLE IF NOT EXISTS refusals (
    call INTEGER NOT NULL, attribute TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
    status INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS pending (
    id INTEGER PRIMARY KEY, chunk INTEGER NOT NULL, calls TEXT NOT NULL, seal INTEGER
);
CREATE TABLE IF NOT EXISTS chunks (chunk INTEGER PRIMARY KEY, tally TEXT NOT NULL, seal INTEGER);
CREATE TABLE IF NOT EXISTS begun (id INTEGER PRIMARY KEY CHECK (id = 1), intents INTEGER NOT NULL);
"""


class RefusedValue(NamedTuple):
    """What an answer says of one attribute; "" = of the person. `status` is 0 where it has none of its own.

    With the reason NORMALIZED the value is stored all the same.
    """

    attribute: str
    reason: str
    message: str
    status: int = 0


class Entry(NamedTuple):
    """One answered call as it concerns one person.

    `state` is `applied` (but for its refusals), `rejected` or `unconfirmed`. `origin` is the source order of
    the row each value came from: one number where all came from one row, else one per attribute.
    `message` is what a report says of all of these values.
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
    refusals: Sequence[RefusedValue] = ()
    message: str = ""

    @property
    def may_be_sent_again(self) -> bool:
        """Whether a later attempt sends these values once more."""
        return self.state == "unconfirmed" and self.reason != NOT_REPEATABLE


@dataclass(frozen=True, slots=True)
class KnownValue:
    """What a run knows of one attribute of one person: where its value came from and how it ended."""

    origin: int
    state: str


COLUMNS = (
    "call, chunk, person, operation, attributes, origin, state, reason, status, attempts, at, seal, message"
)
"""Of the tables `answers` and `intents`, in the order of `row_of`."""

PLACES = ",".join("?" for _ in COLUMNS.split(","))


class Refusals:
    """The refusals of one call after another: they were written in the order of the calls."""

    def __init__(self, rows: Iterable[tuple[int, str, str, str, int]]) -> None:
        self._by_call = groupby(rows, itemgetter(0))
        self._next = next(self._by_call, None)

    def of(self, call: int) -> Sequence[RefusedValue]:
        """Those of this call; asked for in rising order."""
        while self._next and self._next[0] < call:
            self._next = next(self._by_call, None)
        if not self._next or self._next[0] != call:
            return ()
        return [RefusedValue(*row[1:]) for row in self._next[1]]


def row_of(call: int, attribute_set: int, entry: Entry) -> tuple[object, ...]:
    """An entry as a row of `answers` or `intents`; `attribute_set` is the number of its attributes."""
    chunk, person, operation, _, origin, state, reason, status, attempts, at, _, message = entry
    places = str(origin[0]) if len(origin) == 1 else json.dumps(origin)
    what = (call, chunk, person, operation, attribute_set, places)
    return (*what, state, reason, status, attempts, at, checksum_of(call, entry), message)


def entry_of(call: int, fields: Sequence[Any], refusals: Sequence[RefusedValue]) -> Entry:
    """An entry from the columns of its row, but for `call`, with the attributes as JSON text.

    DatabaseError where it is not what was written.
    """
    *fields, checksum, message = fields
    chunk, person, operation, keys, origin, *outcome = fields
    try:
        places = json.loads(origin)
        origins = (places,) if isinstance(places, int) else tuple(places)
        what = (chunk, person, operation, tuple(json.loads(keys or "[]")), origins)
        entry = Entry(*what, *outcome, refusals, message)  # type: ignore[call-arg]
        is_whole = checksum_of(call, entry) == checksum
    except (ValueError, TypeError, RecursionError):
        is_whole = False  # a damaged row can have any type in any column
    if not is_whole:
        raise sqlite3.DatabaseError
    return entry


def checksum_of(call: int, entry: Entry) -> int:
    """A checksum of everything that an entry says."""
    chunk, person, operation, attributes, origin, state, reason, status, attempts, at, refusals, own = entry
    what = f"{call},{chunk},{operation},{_checksum_of_keys(attributes)},{origin},{state},{status},{attempts}"
    details = [tuple(r) if r.status else tuple(r)[:3] for r in refusals] if refusals else ""
    message = f"\0{own}" if own else ""  # version 0.1.0 wrote neither a status of its own nor a message
    return checksum(f"{what},{float(at)!r}\0{person}\0{reason}\0{details}{message}")


@lru_cache(maxsize=1024)
def _checksum_of_keys(keys: tuple[str, ...]) -> int:
    return checksum(repr(keys))


def checksum(text: str) -> int:
    """The checksum of a text that stands in a row by itself."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def checked(text: str, expected: int) -> str:
    """The text; DatabaseError where it has another checksum."""
    if type(text) is not str or checksum(text) != expected:  # a damaged row can have any type
        raise sqlite3.DatabaseError
    return text


def dump_call(call: Call) -> dict[str, Any]:
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


def load_call(data: Mapping[str, Any]) -> Call:
    """A call from what `dump_call` gave. People are named by their distinct id alone: `person` is -1."""
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


def without_answered(call: Call, answered: dict[tuple[str, str], set[str]]) -> Call:
    """The call with only those keys of its targets that are not in `answered`, to which they are added.

    `answered` is by person and operation.
    """
    targets = []
    for target in call.targets:
        known = answered.setdefault((target.distinct_id, target.operation), set())
        left = tuple(key for key in target.keys if key not in known)
        known.update(left)
        targets.append(replace(target, keys=left))
    return replace(call, targets=tuple(targets))
