"""How each value of a chunk's people ended: said here and nowhere else, and asked here.

What is said last of a value is how it ended; what is not said of it stands. Nearly all calls are applied as a
whole, so what is said alike of all that goes out of a person under one operation (their part) is one byte.
Every other value has an ending of its own, which goes before that of its part, and is let go when something
is said of the part as a whole.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import polars as pl

from importer.core.models import Outcome
from importer.destinations.base import NORMALIZED
from importer.storage.journal import NOT_REPEATABLE, Entry

OUTCOMES = (
    None,
    Outcome.APPLIED,
    Outcome.REJECTED,
    Outcome.UNCONFIRMED,
    Outcome.NOT_ATTEMPTED,
    Outcome.UNCHANGED,
    Outcome.SUPERSEDED,
)
"""What a code in a column means; 0 = there is no value."""

CODE = {outcome: code for code, outcome in enumerate(OUTCOMES) if outcome}

_APPLIED = CODE[Outcome.APPLIED]
_REJECTED = CODE[Outcome.REJECTED]
_UNCONFIRMED = CODE[Outcome.UNCONFIRMED]

WITHHELD = (
    "sent before, and no usable answer came; it may have been counted, so it is never sent twice: look it up "
    "at the destination, and mend it there where it is missing"
)
"""Of a value whose call is not repeatable, in any later life or run."""

_NO_ANSWER = "sent, and no usable answer came"


class OutcomeDetail(NamedTuple):
    """How a value ended and what a report says of it; `at` is Unix time in seconds, 0 = nobody answered."""

    outcome: Outcome
    reason: str = ""
    message: str = ""
    status: int = 0
    attempts: int = 0
    at: float = 0.0


APPLIED = OutcomeDetail(Outcome.APPLIED)

TAKEN = OutcomeDetail(
    Outcome.UNCONFIRMED,
    "unconfirmed",
    "the destination has taken it and has not said yet what became of it",
    attempts=1,
)
"""Of a value that is carried on: a call that is kept asks what becomes of it, so it is never sent again."""

_WITH_PERSON = OutcomeDetail(Outcome.REJECTED)  # the person's ending tells why

_TOLD = {
    "reason": pl.String,
    "message": pl.String,
    "status": pl.Int32,
    "attempts": pl.Int32,
    "at": pl.Float64,
}


class Outcomes:
    """The endings of one chunk.

    People are numbered from 0, as in the chunk. `parts` says of each operation how many values go out of each
    person under it; a value goes out under one operation only. `keys` are the attributes. At first every
    value is open, but those of the `excluded`: nothing of them can be sent, and they are rejected.
    """

    def __init__(
        self, parts: Mapping[str, Sequence[int]], keys: Iterable[str], excluded: Iterable[int] = ()
    ) -> None:
        people = max(map(len, parts.values()), default=0)
        self._sizes = parts
        self._parts = {operation: bytearray(people) for operation in parts}
        self._own: dict[str, dict[int, OutcomeDetail]] = {key: {} for key in keys}
        self._has_own = bytearray(people)
        self._people: dict[int, OutcomeDetail] = {}
        self._called = bytearray(people)
        for person in excluded:
            for part in self._parts.values():
                part[person] = _REJECTED

    # ------------------------------------------------------------ what is said

    def applied(self, person: int, operation: str, keys: Sequence[str]) -> None:
        """The destination has written these values of a person."""
        if len(keys) == self._sizes[operation][person] and not self._has_own[person]:
            self._parts[operation][person] = _APPLIED  # nearly every call
        else:
            self._alike(person, operation, keys, APPLIED, _APPLIED)

    def taken(self, person: int, operation: str, keys: Sequence[str]) -> None:
        """The destination has taken these values, and calls that are kept carry them on."""
        self._called[person] = 1
        self._alike(person, operation, keys, TAKEN, _UNCONFIRMED)

    def person_refused(self, person: int, operation: str, keys: Sequence[str], ending: OutcomeDetail) -> None:
        """The destination refuses the person, not these values: they are rejected, with one line for all."""
        self._people[person] = ending
        self._alike(person, operation, keys, _WITH_PERSON, _REJECTED)

    def ended(self, person: int, keys: Collection[str], ending: OutcomeDetail) -> None:
        """These values of a person ended so, each by itself."""
        self._has_own[person] = 1
        for key in keys:
            self._own[key][person] = ending

    def _alike(
        self, person: int, operation: str, keys: Sequence[str], ending: OutcomeDetail, code: int
    ) -> None:
        if len(keys) != self._sizes[operation][person]:
            self.ended(person, keys, ending)
            return
        self._parts[operation][person] = code
        if self._has_own[person]:
            for key in keys:
                self._own[key].pop(person, None)

    def called(self, person: int) -> bool:
        """A call was sent for the person; returns whether it is the first."""
        if self._called[person]:
            return False
        self._called[person] = 1
        return True

    def take_up(self, person: int, entry: Entry) -> None:
        """What an earlier life has set down of a person's call."""
        if entry.attempts:
            self._called[person] = 1
        keys, refusals, answered = entry.attributes, entry.refusals, (entry.status, entry.attempts, entry.at)
        said = OutcomeDetail(Outcome(entry.state), entry.reason, "", *answered)
        if any(not key for key, _, _ in refusals):
            said = said._replace(message=refusals[0][2])
            self.person_refused(person, entry.operation, keys, said)
            return
        if said.outcome is Outcome.APPLIED:
            self.applied(person, entry.operation, keys)
        else:
            self.ended(person, keys, _unconfirmed(said) if said.outcome is Outcome.UNCONFIRMED else said)
        for key, reason, message in refusals:
            outcome = Outcome.APPLIED if reason == NORMALIZED else Outcome.REJECTED
            self.ended(person, (key,), OutcomeDetail(outcome, reason, message, *answered))

    # ------------------------------------------------------------ what is asked

    def some_ended(self) -> bool:
        """Whether anything was said of any value."""
        return any(map(any, self._parts.values())) or any(self._has_own)

    def left(self, person: int, operation: str, keys: Sequence[str]) -> list[str]:
        """Those of these values that are still open: nothing is said of them, and nothing carries them on."""
        if self._parts[operation][person]:
            return []
        return [key for key in keys if person not in self._own[key]]

    def left_out(self, key: str) -> list[int]:
        """The people whose value of this attribute ended without a call, as unchanged or superseded."""
        without = (Outcome.UNCHANGED, Outcome.SUPERSEDED)
        return [person for person, ending in self._own[key].items() if ending.outcome in without]

    def codes(self, key: str, people: pl.Series, operation: str, cleared: pl.Series) -> pl.Series:
        """Per row, by its person, how their value of this attribute ended; UInt8, see OUTCOMES.

        `cleared`: where the value went out under `clear`; null, as false, under `operation`.
        """
        ended = self._of_parts(operation, people)
        if "clear" in self._parts:
            ended = ended.set(cleared, None).fill_null(self._of_parts("clear", people))
        if own := self._own[key]:
            codes = [CODE[ending.outcome] for ending in own.values()]
            alone = pl.zeros(len(self._called), pl.UInt8, eager=True).scatter(list(own), codes).gather(people)
            ended = alone.zip_with(alone > 0, ended)
        return ended.set(ended == 0, CODE[Outcome.NOT_ATTEMPTED])

    def _of_parts(self, operation: str, people: pl.Series) -> pl.Series:
        return pl.Series(self._parts[operation], dtype=pl.UInt8).gather(people)

    def told(self, key: str) -> pl.DataFrame:
        """The values of this attribute of which more is to be told than how they ended.

        Columns `person`, `reason`, `message`, `status`, `attempts`, `at`. Those of a part that is carried on
        as a whole are not in it; TAKEN tells of them.
        """
        own = self._own[key].items()
        return _frame({p: e for p, e in own if e is not APPLIED and e is not _WITH_PERSON})

    def refused_people(self) -> pl.DataFrame:
        """The people whom the destination refused, and why; columns as those of `told`."""
        return _frame(self._people)

    def were_called(self, people: pl.Series) -> pl.Series:
        """Per row, by its person, whether a call was sent for them."""
        return pl.Series(self._called, dtype=pl.UInt8).cast(pl.Boolean).gather(people)


def still_open(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the columns of `Endings.told` for TAKEN."""
    return rows.join(_frame({0: TAKEN}).drop("person"), how="cross")


def _unconfirmed(said: OutcomeDetail) -> OutcomeDetail:
    message = WITHHELD if said.reason == NOT_REPEATABLE else _NO_ANSWER
    return said._replace(reason="unconfirmed", message=message)


def _frame(outcomes: Mapping[int, OutcomeDetail]) -> pl.DataFrame:
    """The endings as columns, `at` as ISO 8601 in UTC, "" where nobody answered."""
    columns = dict(zip(OutcomeDetail._fields, zip(*outcomes.values(), strict=True), strict=False))
    told = {name: pl.Series(columns.get(name, ()), dtype=kind) for name, kind in _TOLD.items()}
    seconds = pl.col("at").floor()  # apart, or the last digit of a product would decide about a millisecond
    micros = seconds.cast(pl.Int64) * 1_000_000 + ((pl.col("at") - seconds) * 1e6).round().cast(pl.Int64)
    moment = micros.cast(pl.Datetime("us")).dt.to_string("%Y-%m-%dT%H:%M:%S%.3f+00:00")
    frame = pl.DataFrame({"person": pl.Series(list(outcomes), dtype=pl.UInt32), **told})
    return frame.with_columns(at=pl.when(pl.col("at") > 0).then(moment).otherwise(pl.lit("")))
