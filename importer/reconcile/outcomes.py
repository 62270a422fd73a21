"""How each value of a chunk's people ended: recorded here and nowhere else, and looked up here.

The last record of a value is its outcome. Nearly all calls are applied as a whole, so an outcome that all
values of a person under one operation (their part) share is one byte. Every other value has a record of its
own, which counts before that of its part and is removed when the part is recorded as a whole.
"""

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import polars as pl

from importer.core.models import Outcome
from importer.destinations.base import NORMALIZED
from importer.storage.journal_records import NOT_REPEATABLE, Entry

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

MAY_BE_COUNTED = (
    "sent before, and no usable answer came; it may have been counted, so it is never sent twice: look it up "
    "at the destination, and correct it there where it is missing"
)
"""Of a value whose call is not repeatable, in any later attempt or run."""

_NO_ANSWER = "sent, and no usable answer came"


class OutcomeDetail(NamedTuple):
    """How a value ended and what a report says of it; `at` is Unix time in seconds, 0 = no answer came."""

    outcome: Outcome
    reason: str = ""
    message: str = ""
    status: int = 0
    attempts: int = 0
    at: float = 0.0


ACCEPTED = OutcomeDetail(
    Outcome.UNCONFIRMED,
    "unconfirmed",
    "the destination has accepted it and has not reported the result yet",
    attempts=1,
)
"""Of a value whose result a stored call still asks for, so it is never sent again."""

_WITH_PERSON = OutcomeDetail(Outcome.REJECTED)  # the person's own detail tells why

_DETAIL_COLUMNS = {
    "reason": pl.String,
    "message": pl.String,
    "status": pl.Int32,
    "attempts": pl.Int32,
    "at": pl.Float64,
}


class Outcomes:
    """The outcomes of one chunk.

    People are numbered from 0, as in the chunk. `parts` maps each operation to the number of values that each
    person has under it; a value has one operation only. `keys` are the attributes. At first every value is
    open, except those of the `excluded` people, which cannot be sent and are rejected.
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
        self._answered = {operation: _Answered.of(people) for operation in parts}
        for person in excluded:
            for part in self._parts.values():
                part[person] = _REJECTED

    # ------------------------------------------------------------ recording

    def applied(
        self, person: int, operation: str, keys: Sequence[str], status: int, attempts: int, at: float
    ) -> None:
        """The destination has written these values of a person; the rest as in `OutcomeDetail`."""
        if len(keys) == self._sizes[operation][person]:
            self._answered[operation].record(person, status, attempts, at)
            if not self._has_own[person]:
                self._parts[operation][person] = _APPLIED  # nearly every call
                return
        detail = OutcomeDetail(Outcome.APPLIED, status=status, attempts=attempts, at=at)
        self._record_all(person, operation, keys, detail, _APPLIED)

    def accepted(self, person: int, operation: str, keys: Sequence[str]) -> None:
        """The destination has accepted these values; stored calls ask for their result."""
        self._called[person] = 1
        self._record_all(person, operation, keys, ACCEPTED, _UNCONFIRMED)

    def person_refused(self, person: int, operation: str, keys: Sequence[str], detail: OutcomeDetail) -> None:
        """The destination refuses the person, not these values: all are rejected, with one line for all."""
        self._people[person] = detail
        self._record_all(person, operation, keys, _WITH_PERSON, _REJECTED)

    def record(self, person: int, keys: Collection[str], detail: OutcomeDetail) -> None:
        """These values of a person ended so, each by itself."""
        self._has_own[person] = 1
        for key in keys:
            self._own[key][person] = detail

    def _record_all(
        self, person: int, operation: str, keys: Sequence[str], detail: OutcomeDetail, code: int
    ) -> None:
        if len(keys) != self._sizes[operation][person]:
            self.record(person, keys, detail)
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

    def restore(self, person: int, entry: Entry) -> None:
        """Records what an earlier attempt wrote to the journal about a person's call."""
        if entry.attempts:
            self._called[person] = 1
        keys, refusals, answered = entry.attributes, entry.refusals, (entry.status, entry.attempts, entry.at)
        detail = OutcomeDetail(Outcome(entry.state), entry.reason, entry.message, *answered)
        if any(not refusal.attribute for refusal in refusals):
            detail = detail._replace(message=refusals[0].message, status=refusals[0].status or entry.status)
            self.person_refused(person, entry.operation, keys, detail)
            return
        if detail.outcome is Outcome.APPLIED:
            self.applied(person, entry.operation, keys, *answered)
        else:
            self.record(
                person, keys, _unconfirmed(detail) if detail.outcome is Outcome.UNCONFIRMED else detail
            )
        for key, reason, message, status in refusals:
            outcome = Outcome.APPLIED if reason == NORMALIZED else Outcome.REJECTED
            detail = OutcomeDetail(outcome, reason, message, *answered)
            self.record(person, (key,), detail._replace(status=status or entry.status))

    # ------------------------------------------------------------ looking up

    def any_recorded(self) -> bool:
        """Whether any value has a record."""
        return any(map(any, self._parts.values())) or any(self._has_own)

    def left(self, person: int, operation: str, keys: Sequence[str]) -> list[str]:
        """Those of these values that are still open: they have no record, so they are still to be sent."""
        if self._parts[operation][person]:
            return []
        return [key for key in keys if person not in self._own[key]]

    def without_call(self, key: str) -> list[int]:
        """The people whose value of this attribute ended without a call, as unchanged or superseded."""
        without = (Outcome.UNCHANGED, Outcome.SUPERSEDED)
        return [person for person, detail in self._own[key].items() if detail.outcome in without]

    def codes(self, key: str, people: pl.Series, operation: str, cleared: pl.Series) -> pl.Series:
        """Per row, by its person, the outcome of their value of this attribute; UInt8, see OUTCOMES.

        `cleared`: where the value went out under `clear`; null, as false, under `operation`.
        """
        record = self._of_parts(operation, people)
        if "clear" in self._parts:
            record = record.set(cleared, None).fill_null(self._of_parts("clear", people))
        if own := self._own[key]:
            codes = [CODE[detail.outcome] for detail in own.values()]
            alone = pl.zeros(len(self._called), pl.UInt8, eager=True).scatter(list(own), codes).gather(people)
            record = alone.zip_with(alone > 0, record)
        return record.set(record == 0, CODE[Outcome.NOT_ATTEMPTED])

    def _of_parts(self, operation: str, people: pl.Series) -> pl.Series:
        return pl.Series(self._parts[operation], dtype=pl.UInt8).gather(people)

    def details(self, key: str) -> pl.DataFrame:
        """The values of this attribute about which a report says more than their outcome.

        Columns `person`, `reason`, `message`, `status`, `attempts`, `at`. Without the values of a part that
        was accepted as a whole; their detail is ACCEPTED.
        """
        own = self._own[key].items()
        return _frame({p: e for p, e in own if _is_told(e)})

    def answered(self, operation: str, people: pl.Series) -> pl.DataFrame:
        """Per row, by its person, the last answer to all of their values under this operation.

        Columns `status`, `attempts` and `at` (Unix time in seconds), 0 where no answer came.
        """
        return self._answered[operation].of_people(people)

    def answers(self, key: str, people: pl.Series, answered: pl.DataFrame) -> pl.DataFrame:
        """`answered`, with the answers to those values of this attribute that have a record of their own."""
        own = self._own[key]
        if not own:
            return answered
        mine = [(d.status, d.attempts, d.at) for d in own.values()]
        found = pl.DataFrame([(0, 0, 0.0), *mine], schema=answered.schema, orient="row")
        place = pl.zeros(len(self._called), pl.UInt32, eager=True)
        place = place.scatter(list(own), range(1, len(own) + 1)).gather(people)
        found = found.select(pl.all().gather(place))
        return answered.select(found[n].zip_with(place > 0, answered[n]) for n in answered.columns)

    def refused_people(self) -> pl.DataFrame:
        """The people whom the destination refused, and why; columns as in `details`."""
        return _frame(self._people)

    def were_called(self, people: pl.Series) -> pl.Series:
        """Per row, by its person, whether a call was sent for them."""
        return pl.Series(self._called, dtype=pl.UInt8).cast(pl.Boolean).gather(people)


def _is_told(detail: OutcomeDetail) -> bool:
    """Whether a report says more of a value than its outcome."""
    return detail is not _WITH_PERSON and (detail.outcome is not Outcome.APPLIED or detail.reason != "")


class _Answered(NamedTuple):
    """The last answer to the values that each person has under one operation, when all were applied."""

    status: "array[int]"
    attempts: "array[int]"
    at: "array[float]"

    @classmethod
    def of(cls, people: int) -> "_Answered":
        nothing = array("i", [0]) * people
        return cls(nothing, nothing[:], array("d", [0]) * people)

    def record(self, person: int, status: int, attempts: int, at: float) -> None:
        self.status[person], self.attempts[person], self.at[person] = status, attempts, at

    def of_people(self, people: pl.Series) -> pl.DataFrame:
        kinds = {"status": pl.Int32, "attempts": pl.Int32, "at": pl.Float64}
        columns = {n: pl.Series(getattr(self, n), dtype=k).gather(people) for n, k in kinds.items()}
        return pl.DataFrame(columns)


def accepted_details(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the columns of `Outcomes.details` for ACCEPTED."""
    return rows.join(_frame({0: ACCEPTED}).drop("person"), how="cross")


def _unconfirmed(detail: OutcomeDetail) -> OutcomeDetail:
    message = MAY_BE_COUNTED if detail.reason == NOT_REPEATABLE else detail.message or _NO_ANSWER
    return detail._replace(reason="unconfirmed", message=message)


def _frame(outcomes: Mapping[int, OutcomeDetail]) -> pl.DataFrame:
    """The details as columns, `at` as ISO 8601 in UTC, "" where no answer came."""
    columns = dict(zip(OutcomeDetail._fields, zip(*outcomes.values(), strict=True), strict=False))
    details = {name: pl.Series(columns.get(name, ()), dtype=kind) for name, kind in _DETAIL_COLUMNS.items()}
    seconds = pl.col("at").floor()  # apart, or the last digit of a product would decide about a millisecond
    micros = seconds.cast(pl.Int64) * 1_000_000 + ((pl.col("at") - seconds) * 1e6).round().cast(pl.Int64)
    moment = micros.cast(pl.Datetime("us")).dt.to_string("%Y-%m-%dT%H:%M:%S%.3f+00:00")
    frame = pl.DataFrame({"person": pl.Series(list(outcomes), dtype=pl.UInt32), **details})
    return frame.with_columns(at=pl.when(pl.col("at") > 0).then(moment).otherwise(pl.lit("")))
