"""Applied, rejected, unconfirmed: how every value of a chunk that is being sent ends.

Each answer goes into the journal and into the chunk's outcomes. Values without an outcome are sent; after the
last call the chunk is reported from its outcomes.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from importer.chunk.chunk import Chunk
from importer.chunk.chunker import Parse
from importer.config.schema import Config
from importer.core.models import ALL_APPLIED, Call, Outcome, Part, Refusal, Settled, Target, Update, Verdict
from importer.destinations.base import NORMALIZED
from importer.reconcile import chunk_report, outcome_rows
from importer.reconcile.chunk_report import ChunkReport
from importer.reconcile.doubtful_attributes import DoubtfulAttributes
from importer.reconcile.outcomes import OutcomeDetail, Outcomes
from importer.storage.journal import Journal
from importer.storage.journal_records import NOT_REPEATABLE, Entry, RefusedValue


@dataclass(slots=True)
class Answers:
    """How many values were answered in this attempt, and how many of them were not applied as sent."""

    values: int = 0
    rejected: int = 0
    unconfirmed: int = 0
    adjusted: int = 0

    @property
    def bad(self) -> int:
        """What the reject limit counts."""
        return self.rejected + self.unconfirmed + self.adjusted


@dataclass
class OpenChunk:
    """One chunk between its first call and its last.

    `dead` maps an attribute to the destination's reason for refusing it always; all chunks share it and
    `doubtful`. `carried` are calls of an earlier attempt that go on before anything else. `outcomes` is the
    one record of what has ended, and how.
    """

    chunk: Chunk
    journal: Journal
    answers: Answers
    dead: dict[str, str]
    dead_reasons: frozenset[str]
    doubtful: DoubtfulAttributes | None = None
    carried: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        people, operations = self.chunk.people, self.chunk.operations
        lengths = {op: people[f"keys_{op}"].str.len_chars().fill_null(0).to_list() for op in operations}
        keys = [f.key for f in self.chunk.fields]
        self.outcomes = Outcomes(lengths, keys, excluded=self.chunk.problems["person"])
        self._orders: list[int] = people["order"].to_list()
        self._adjusted: list[int] = people["adjusted"].to_list()
        self._origins = _origins(self.chunk)

    def jobs(self) -> Iterator[Update]:
        """The updates still to be sent: without the values that have ended or that are always refused.

        An answer that comes meanwhile is about an update that was yielded before; the next iteration leaves
        it out.
        """
        any_recorded = self.outcomes.any_recorded()
        for update in self.chunk.updates():
            left = self._reduced(update) if self.dead or any_recorded else update
            if left.parts:
                doubtful = self.doubtful.now if self.doubtful else ()
                yield replace(left, doubtful=doubtful) if doubtful else left

    def _reduced(self, update: Update) -> Update:
        parts = (part.only(keys) for part in update.parts if (keys := self._left(update, part)))
        return replace(update, parts=tuple(parts))

    def _left(self, update: Update, part: Part) -> list[str]:
        left = self.outcomes.left(update.person, part.operation, part.keys)
        for key in [key for key in left if key in self.dead]:
            left.remove(key)
            self._refuse_dead(update, part.operation, key)
        return left

    def _refuse_dead(self, update: Update, operation: str, key: str) -> None:
        reason, person = self.dead[key], update.person
        self.answers.rejected += 1
        self.answers.values += 1
        message = "not sent again: the destination refused this attribute before in this run"
        at = time.time()
        self.outcomes.record(person, (key,), OutcomeDetail(Outcome.REJECTED, reason, message, at=at))
        entry = self._entry(Target(person, update.distinct_id, operation, (key,)), "rejected", reason)
        self.journal.append(entry._replace(message=message, at=at))

    def origin(self, person: int, key: str) -> int:
        """The source order of the row from which a person's value of this attribute came."""
        several = self._origins.get(person)
        return several[key] if several else self._orders[person]

    def leave_out(self, update: Update, operation: str, key: str, outcome: Outcome) -> None:
        """Ends a value without a call: `unchanged`, or `superseded` by what the destination has."""
        self.outcomes.record(update.person, (key,), OutcomeDetail(outcome))
        target = Target(update.person, update.distinct_id, operation, (key,))
        self.journal.append(self._entry(target, outcome))

    def settle(self, settled: Settled) -> None:
        """Records how one call ended, for its values and in the journal."""
        classification = settled.classification
        for index, target in enumerate(settled.call.targets):
            if not target.keys or index in classification.carried:
                continue  # answered in an earlier attempt, or not yet
            if settled.attempts and self.outcomes.called(target.person):
                self.answers.adjusted += self._adjusted[target.person]
            if classification is ALL_APPLIED:
                self._applied(settled, target)
            else:
                self._settle_by_verdict(settled, index, target)

    def _settle_by_verdict(self, settled: Settled, index: int, target: Target) -> None:
        verdict = settled.classification.verdict
        if settled.unconfirmed or index in settled.classification.unreported:
            self._settle_all(settled, target, Outcome.UNCONFIRMED)
        elif verdict is Verdict.DONE:
            self._settle_each(settled, index, target)
        elif verdict is Verdict.REFUSED:
            self._settle_all(settled, target, Outcome.REJECTED)
        elif verdict is Verdict.STOP:
            self.journal.release(self._intent(target))

    def _applied(self, settled: Settled, target: Target, lines: Sequence[RefusedValue] = ()) -> None:
        """Every value of the target is applied, except those named in `lines`."""
        person, operation, keys = target.person, target.operation, target.keys
        if self.doubtful:
            self.doubtful.note(keys, [line.attribute for line in lines if line.reason != NORMALIZED])
        self.outcomes.applied(person, operation, keys, settled.status, settled.attempts, settled.at)
        self.answers.values += len(keys)
        self.journal.append(self._entry(target, "applied", "", settled, lines))

    def _settle_each(self, settled: Settled, index: int, target: Target) -> None:
        refused = [r for r in settled.classification.refused if r.target == index]
        if any(not r.key for r in refused):
            self._refuse_person(settled, target, refused[0])
            return
        normalized = [r for r in settled.classification.normalized if r.target == index]
        lines = [RefusedValue(r.key, r.reason, r.message or _REFUSED_VALUE, r.status) for r in refused]
        lines += [RefusedValue(r.key, r.reason, r.message) for r in normalized]
        self._applied(settled, target, lines)
        for refusal in refused:
            self._refuse(settled, target, refusal)
        for change in normalized:
            detail = _detail_of(settled, Outcome.APPLIED, change.reason, change.message)
            self.outcomes.record(target.person, (change.key,), detail)
        self.answers.adjusted += len(normalized)

    def _refuse(self, settled: Settled, target: Target, refusal: Refusal) -> None:
        message = refusal.message or _REFUSED_VALUE
        detail = _detail_of(settled, Outcome.REJECTED, refusal.reason, message, refusal.status)
        self.outcomes.record(target.person, (refusal.key,), detail)
        self.answers.rejected += 1
        if refusal.reason in self.dead_reasons and refusal.key not in self.dead:
            self.dead[refusal.key] = refusal.reason
            self.journal.remember("dead", self.dead)

    def _refuse_person(self, settled: Settled, target: Target, refusal: Refusal) -> None:
        """The destination refuses the person, not a value: every value is rejected, with one line."""
        message = refusal.message or "the destination refused this person"
        detail = _detail_of(settled, Outcome.REJECTED, refusal.reason, message, refusal.status)
        self.outcomes.person_refused(target.person, target.operation, target.keys, detail)
        self.answers.rejected += len(target.keys)
        self.answers.values += len(target.keys)
        lines = [RefusedValue("", refusal.reason, message, refusal.status)]
        self.journal.append(self._entry(target, "rejected", refusal.reason, settled, lines))

    def _settle_all(self, settled: Settled, target: Target, outcome: Outcome) -> None:
        classification = settled.classification
        reason = "unconfirmed" if outcome is Outcome.UNCONFIRMED else classification.reason
        message = classification.message or "the answer does not say what became of it"
        self.outcomes.record(target.person, target.keys, _detail_of(settled, outcome, reason, message))
        if outcome is Outcome.UNCONFIRMED:
            self.answers.unconfirmed += len(target.keys)
        else:
            self.answers.rejected += len(target.keys)
        self.answers.values += len(target.keys)
        self.journal.append(self._entry(target, outcome, reason, settled)._replace(message=message))

    def _entry(
        self,
        target: Target,
        state: str,
        reason: str = "",
        settled: Settled | None = None,
        refusals: Sequence[RefusedValue] = (),
    ) -> Entry:
        """The journal entry of a target's values; `settled` where a call decided them."""
        chunk, person = self.chunk.plan.number, target.distinct_id
        operation, keys = target.operation, target.keys
        origin: tuple[int, ...] = (self._orders[target.person],)
        if several := self._origins.get(target.person):
            origins = tuple([several[key] for key in keys])
            origin = origins[:1] if len(set(origins)) == 1 else origins
        if settled is None:
            return Entry(chunk, person, operation, keys, origin, state, reason, 0, 0, 0.0, refusals)
        status, attempts, at = settled.status, settled.attempts, settled.at
        return Entry(chunk, person, operation, keys, origin, state, reason, status, attempts, at, refusals)

    def intend(self, call: Call) -> None:
        """Writes to disk, before the call goes out, that it is sent and must not be sent again."""
        self.journal.intend([self._intent(target) for target in call.targets])

    def release(self, call: Call) -> None:
        """Removes what `intend` wrote: the call did not go out, or the destination did not process it."""
        for target in () if call.repeatable else call.targets:
            self.journal.release(self._intent(target))

    def _intent(self, target: Target) -> Entry:
        entry = self._entry(target, Outcome.UNCONFIRMED, NOT_REPEATABLE)
        return entry._replace(attempts=1, at=time.time())

    def keep(self, settled: Settled) -> None:
        """Writes to disk, before they go out, the calls that ask for the result of what was accepted."""
        self.journal.keep(self.chunk.plan.number, settled.classification.follow_up)
        for call in settled.classification.follow_up:
            self._carry(call)

    def _carry(self, call: Call) -> None:
        for target in call.targets:
            if target.keys:
                self.outcomes.accepted(target.person, target.operation, target.keys)

    def restore(self, entries: Iterable[Entry], carried: Iterable[Call] = (), *, final: bool = False) -> None:
        """Takes over what was answered in an earlier attempt; what was left unconfirmed may be sent again.

        `final`: nothing more is sent, so unconfirmed values stay unconfirmed. `carried` are the calls that
        ask for the result of what the destination accepted; they go out before anything else.
        """
        entries, carried = list(entries), list(carried)
        ids = self.chunk.people["id"].to_list() if entries or carried else []
        place = {id_: person for person, id_ in enumerate(ids)}
        for call in carried:
            targets = tuple(replace(t, person=place[t.distinct_id]) for t in call.targets)
            self.carried.append(replace(call, targets=targets))
            self._carry(self.carried[-1])
        for entry in entries:
            person = place.get(entry.person)
            if person is not None and (final or not entry.may_be_sent_again):
                self.outcomes.restore(person, entry)

    def close(self, config: Config, parse: Parse, *, check: bool = False) -> ChunkReport:
        """How every row and value of the chunk ended. `check`: nothing was meant to be sent."""
        return chunk_report.report_chunk(self.chunk, self.outcomes, config, parse, check=check)

    def outcome_rows(self, report: ChunkReport) -> pl.DataFrame:
        """One row for each value of the chunk that `close` decided (see reconcile.outcome_rows)."""
        assert report.codes is not None
        return outcome_rows.of_chunk(self.chunk, self.outcomes, report.codes, report.rejects)


_REFUSED_VALUE = "the destination refused this value"


def _detail_of(
    settled: Settled, outcome: Outcome, reason: str, message: str, status: int = 0
) -> OutcomeDetail:
    """What an answer says about a value of its call; `status` where the value has one of its own."""
    return OutcomeDetail(outcome, reason, message, status or settled.status, settled.attempts, settled.at)


def _origins(chunk: Chunk) -> dict[int, dict[str, int]]:
    """Person → attribute → source order of its value, for the people whose values come from several rows."""
    several = chunk.rows.filter(pl.col("person").is_duplicated())
    found: dict[int, dict[str, int]] = {}
    for f in chunk.fields:
        winners = several.filter(pl.col(f.value).is_not_null()).select("person", "order")
        for person, order in winners.iter_rows():
            found.setdefault(person, {})[f.key] = order
    return found
