"""Applied, rejected, unconfirmed: what became of every value of a chunk, into the journal and the books.

While a chunk is open only the exceptions are held one by one; that a person's call was applied as a whole is
one bit. When its last call is settled, `close` looks at every row once more and says how it ended.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl

from importer import attributes, identities
from importer.chunker import CLEAR, Chunk, Field, Parse, Tally
from importer.config import Config
from importer.destinations.base import NORMALIZED
from importer.intake import REJECTS, rejects_frame
from importer.journal import NOT_REPEATABLE, Entry, Journal
from importer.models import ALL_APPLIED, Call, Decision, Outcome, Part, Refusal, Settled, Target, Update

_CODES = (
    None,
    Outcome.APPLIED,
    Outcome.REJECTED,
    Outcome.UNCONFIRMED,
    Outcome.NOT_ATTEMPTED,
    Outcome.UNCHANGED,
    Outcome.SUPERSEDED,
)
_CODE = {outcome: code for code, outcome in enumerate(_CODES) if outcome}
_APPLIED = _CODE[Outcome.APPLIED]

WITHHELD = (
    "sent before, and no usable answer came; it may have been counted, so it is never sent twice: look it up "
    "at the destination, and mend it there where it is missing"
)
"""Of a value whose call is not repeatable, in any later life or run."""

_WORDS = {code: str(outcome) for outcome, code in _CODE.items()}

_NO_ANSWER = "sent, and no usable answer came"


class Verdict(NamedTuple):
    """How one value ended that did not simply share its call's success."""

    person: int
    code: int
    reason: str
    message: str
    status: int
    attempts: int
    at: str


@dataclass(frozen=True, slots=True)
class Closed:
    """What a finished chunk leaves: its counts, its lines for rejects.csv, its rows to keep.

    `codes` says of each row how its winners ended (`id`, and `c0`, `c1`, ... as words of Outcome).
    """

    tally: Tally
    rejects: pl.DataFrame
    kept: pl.DataFrame
    codes: pl.DataFrame | None = None


@dataclass(slots=True)
class Answers:
    """Values answered in this life of the run: how many, and how many of them not well."""

    values: int = 0
    rejected: int = 0
    unconfirmed: int = 0
    trimmed: int = 0

    @property
    def bad(self) -> int:
        """What the reject limit counts."""
        return self.rejected + self.unconfirmed + self.trimmed


@dataclass(slots=True)
class Doubts:
    """Attributes at fault again and again, where the destination's refusals do not name the value.

    Counts, from an attribute's first fault on, the people it was sent for and those with whom it was at
    fault; both are halved now and then, so that what was long ago weighs little.
    """

    _sent: dict[str, int] = field(default_factory=dict)
    _faults: dict[str, int] = field(default_factory=dict)
    doubtful: tuple[str, ...] = ()

    def note(self, keys: Sequence[str], refused: Sequence[str]) -> None:
        """One person's values were answered, and those of `refused` were at fault."""
        if not refused and not self._sent:
            return
        for key in refused:
            self._faults[key] = self._faults.get(key, 0) + 1
            self._sent.setdefault(key, 0)
        for key in self._sent.keys() & set(keys):
            self._sent[key] += 1
            if self._sent[key] >= _DOUBT_MEMORY:
                self._sent[key] //= 2
                self._faults[key] //= 2
        worst = sorted(self._faults, key=lambda key: -self._faults[key])
        self.doubtful = tuple(key for key in worst if self._is_doubtful(key))

    def _is_doubtful(self, key: str) -> bool:
        faults = self._faults[key]
        return faults >= _DOUBT_FROM and faults >= _DOUBT_SHARE * self._sent[key]


_DOUBT_FROM = 3
_DOUBT_SHARE = 0.25  # sent apart costs one call a person, found by splitting about four
_DOUBT_MEMORY = 64


@dataclass
class OpenChunk:
    """One chunk between its first call and its last.

    `dead` maps an attribute to the destination's reason for never taking it; it and `doubts` are shared by
    all chunks. `carried` are calls of an earlier life that go on before anything else.
    """

    chunk: Chunk
    journal: Journal
    answers: Answers
    dead: dict[str, str]
    dead_reasons: frozenset[str]
    doubts: Doubts | None = None
    carried: list[Call] = field(default_factory=list)
    _ends: dict[str, bytearray] = field(default_factory=dict)
    _sizes: dict[str, list[int]] = field(default_factory=dict)
    _called: bytearray = field(default_factory=bytearray)
    _verdicts: dict[str, dict[int, Verdict]] = field(default_factory=dict)
    _people: dict[int, Verdict] = field(default_factory=dict)
    _carried: dict[tuple[int, str], tuple[str, ...]] = field(default_factory=dict)
    _some_settled: bool = False

    def __post_init__(self) -> None:
        people = self.chunk.people
        for operation in self.chunk.operations:
            self._ends[operation] = bytearray(
                people.height
            )  # a part that ended as a whole: index into _CODES
            lengths = people[f"keys_{operation}"].str.len_chars().fill_null(0)
            self._sizes[operation] = lengths.to_list()
        self._called = bytearray(people.height)
        self._verdicts = {f.key: {} for f in self.chunk.fields}
        self._orders: list[int] = people["order"].to_list()
        self._trims: list[int] = people["trims"].to_list()
        self._origins = _origins(self.chunk)
        for person in self.chunk.problems["person"]:
            self._some_settled = True
            for ends in self._ends.values():
                ends[person] = _CODE[Outcome.REJECTED]

    def jobs(self, *, again: bool = False) -> Iterator[Update]:
        """The updates still to be sent: without what is answered already or can never be taken.

        `again`: some of them were sent before in this life of the run.
        """
        self._some_settled = self._some_settled or again
        for update in self.chunk.updates():
            left = self._reduced(update) if self.dead or self._some_settled else update
            if left.parts:
                doubtful = self.doubts.doubtful if self.doubts else ()
                yield replace(left, doubtful=doubtful) if doubtful else left

    def _reduced(self, update: Update) -> Update:
        parts = (self._reduced_part(update, part) for part in update.parts)
        return replace(update, parts=tuple(p for p in parts if p.keys))

    def _reduced_part(self, update: Update, part: Part) -> Part:
        person = update.person
        if self._ends[part.operation][person]:
            return Part(part.operation, (), "")
        carried = self._carried.get((person, part.operation), ())
        open_keys = [k for k in part.keys if person not in self._verdicts[k] and k not in carried]
        for key in [k for k in open_keys if k in self.dead]:
            open_keys.remove(key)
            self._refuse_dead(update, part.operation, key)
        return part.only(open_keys)

    def _refuse_dead(self, update: Update, operation: str, key: str) -> None:
        reason, person = self.dead[key], update.person
        self.answers.rejected += 1
        self.answers.values += 1
        message = "not sent again: the destination refused this attribute before in this run"
        self._verdict(key, Verdict(person, _CODE[Outcome.REJECTED], reason, message, 0, 0, _now()))
        target = Target(person, update.distinct_id, operation, (key,))
        self._write(target, "rejected", reason, 0, 0, 0.0, ())

    def origin(self, person: int, key: str) -> int:
        """The source order of the row that a person's value of this attribute came from."""
        several = self._origins.get(person)
        return several[key] if several else self._orders[person]

    def leave_out(self, update: Update, operation: str, key: str, outcome: Outcome) -> None:
        """Settles a value without a call: `unchanged`, or `superseded` by what the destination has."""
        self._some_settled = True
        self._verdict(key, Verdict(update.person, _CODE[outcome], "", "", 0, 0, ""))
        target = Target(update.person, update.distinct_id, operation, (key,))
        self._write(target, outcome, "", 0, 0, 0.0, ())

    def left_out(self, key: str) -> list[int]:
        """The people whose value of this attribute is settled without a call."""
        codes = (_CODE[Outcome.UNCHANGED], _CODE[Outcome.SUPERSEDED])
        return [v.person for v in self._verdicts[key].values() if v.code in codes]

    def settle(self, settled: Settled) -> None:
        """Takes the end of one call: marks its values and appends it to the journal."""
        for index, target in enumerate(settled.call.targets):
            if not target.keys or index in settled.judgement.carried:
                continue  # answered in an earlier life of the run, or not yet
            if settled.attempts:
                self._note_called(target.person)
            if settled.judgement is ALL_APPLIED:
                self._applied(settled, target)
            else:
                self._judged(settled, index, target)

    def _judged(self, settled: Settled, index: int, target: Target) -> None:
        decision = settled.judgement.decision
        if settled.unconfirmed or index in settled.judgement.unsaid:
            self._whole(settled, target, Outcome.UNCONFIRMED)
        elif decision is Decision.DONE:
            self._done(settled, index, target)
        elif decision is Decision.REFUSED:
            self._whole(settled, target, Outcome.REJECTED)
        elif decision is Decision.STOP:
            self.journal.release(self._intent(target))

    def _note_called(self, person: int) -> None:
        if not self._called[person]:
            self._called[person] = 1
            self.answers.trimmed += self._trims[person]

    def _applied(self, settled: Settled, target: Target, lines: Sequence[tuple[str, str, str]] = ()) -> None:
        """Every value of the target is applied, but for those that `lines` speak of."""
        person, operation, keys = target.person, target.operation, target.keys
        if self.doubts:
            self.doubts.note(keys, [key for key, reason, _ in lines if reason != NORMALIZED])
        if len(keys) == self._sizes[operation][person]:
            self._ends[operation][person] = _APPLIED
        else:
            taken = Verdict(person, _APPLIED, "", "", 0, 0, "")
            for key in keys:
                self._verdict(key, taken)
        self.answers.values += len(keys)
        self._write(target, "applied", "", settled.status, settled.attempts, settled.at, lines)

    def _done(self, settled: Settled, index: int, target: Target) -> None:
        refused = [r for r in settled.judgement.refused if r.target == index]
        if any(not r.key for r in refused):
            self._refuse_person(settled, target, refused[0])
            return
        normalized = [r for r in settled.judgement.normalized if r.target == index]
        self._applied(settled, target, [(r.key, r.reason, r.message) for r in (*refused, *normalized)])
        for refusal in refused:
            self._refused(settled, target, refusal)
        for change in normalized:
            self._verdict(change.key, _said(settled, target, Outcome.APPLIED, change.reason, change.message))
        self.answers.trimmed += len(normalized)

    def _refused(self, settled: Settled, target: Target, refusal: Refusal) -> None:
        message = refusal.message or "the destination refused this value"
        said = _said(settled, target, Outcome.REJECTED, refusal.reason, message, refusal.status)
        self._verdict(refusal.key, said)
        self.answers.rejected += 1
        if refusal.reason in self.dead_reasons and refusal.key not in self.dead:
            self.dead[refusal.key] = refusal.reason
            self.journal.remember("dead", self.dead)

    def _refuse_person(self, settled: Settled, target: Target, refusal: Refusal) -> None:
        """The destination refuses the person, not a value: every value is rejected, with one line."""
        message = refusal.message or "the destination refused this person"
        self._ends[target.operation][target.person] = _CODE[Outcome.REJECTED]
        said = _said(settled, target, Outcome.REJECTED, refusal.reason, message, refusal.status)
        self._people[target.person] = said
        self.answers.rejected += len(target.keys)
        self.answers.values += len(target.keys)
        lines = [("", refusal.reason, message)]
        self._write(target, "rejected", refusal.reason, settled.status, settled.attempts, settled.at, lines)

    def _whole(self, settled: Settled, target: Target, outcome: Outcome) -> None:
        judgement = settled.judgement
        reason = "unconfirmed" if outcome is Outcome.UNCONFIRMED else judgement.reason
        message = judgement.message or "the answer does not say what became of it"
        verdict = _said(settled, target, outcome, reason, message)
        for key in target.keys:
            self._verdict(key, verdict)
        if outcome is Outcome.UNCONFIRMED:
            self.answers.unconfirmed += len(target.keys)
        else:
            self.answers.rejected += len(target.keys)
        self.answers.values += len(target.keys)
        self._write(target, outcome, reason, settled.status, settled.attempts, settled.at, ())

    def _verdict(self, key: str, verdict: Verdict) -> None:
        self._verdicts[key][verdict.person] = verdict

    def _write(
        self,
        target: Target,
        state: str,
        reason: str,
        status: int,
        attempts: int,
        at: float,
        refusals: Sequence[tuple[str, str, str]],
    ) -> None:
        chunk, origin = self.chunk.plan.number, self._origin_of(target)
        person, operation, keys = target.distinct_id, target.operation, target.keys
        self.journal.append(
            Entry(chunk, person, operation, keys, origin, state, reason, status, attempts, at, refusals)
        )

    def _origin_of(self, target: Target) -> tuple[int, ...]:
        if target.person not in self._origins:
            return (self._orders[target.person],)
        origins = tuple(self.origin(target.person, key) for key in target.keys)
        return origins[:1] if len(set(origins)) == 1 else origins

    def intend(self, call: Call) -> None:
        """Has on disk, before it goes out, that a call is sent which must not be sent again."""
        self.journal.intend([self._intent(target) for target in call.targets])

    def release(self, call: Call) -> None:
        """Takes back what `intend` has written: the call did not go out, or was turned away."""
        for target in () if call.repeatable else call.targets:
            self.journal.release(self._intent(target))

    def _intent(self, target: Target) -> Entry:
        chunk, origin, state = self.chunk.plan.number, self._origin_of(target), Outcome.UNCONFIRMED
        person, operation, keys = target.distinct_id, target.operation, target.keys
        return Entry(chunk, person, operation, keys, origin, state, NOT_REPEATABLE, 0, 1, time.time())

    def keep(self, settled: Settled) -> None:
        """Has on disk, before they go out, the calls that carry on what the destination has taken."""
        self.journal.keep(self.chunk.plan.number, settled.judgement.follow_up)
        for call in settled.judgement.follow_up:
            self._carry(call)

    def _carry(self, call: Call) -> None:
        for target in call.targets:
            if target.keys:
                self._called[target.person] = 1
                known = self._carried.get((target.person, target.operation), ())
                keys = tuple(dict.fromkeys((*known, *target.keys))) if known else target.keys
                self._carried[target.person, target.operation] = keys

    def restore(self, entries: Iterable[Entry], carried: Iterable[Call] = (), *, final: bool = False) -> None:
        """Takes over what an earlier life had answered; what it left unconfirmed may be sent again.

        `final`: it may not, for nothing more is sent; it stays as it is until something later is said of it.
        `carried` are calls that carry on what the destination has taken; they go out before anything else.
        """
        place = {id_: person for person, id_ in enumerate(self.chunk.people["id"].to_list())}
        for call in carried:
            targets = tuple(replace(t, person=place[t.distinct_id]) for t in call.targets)
            self.carried.append(replace(call, targets=targets))
            self._carry(self.carried[-1])
            self._some_settled = True
        for entry in entries:
            person = place.get(entry.person)
            if person is None:
                continue
            if final or entry.state != Outcome.UNCONFIRMED or entry.reason == NOT_REPEATABLE:
                self._restore(person, entry)

    def _restore(self, person: int, entry: Entry) -> None:
        self._some_settled = True
        self._called[person] = self._called[person] or entry.attempts > 0
        outcome = Outcome(entry.state)
        if any(not key for key, _, _ in entry.refusals):
            message = entry.refusals[0][2]
            self._ends[entry.operation][person] = _CODE[Outcome.REJECTED]
            self._people[person] = _restored(person, outcome, entry.reason, message, entry)
            return
        if outcome is Outcome.APPLIED and len(entry.attributes) == self._sizes[entry.operation][person]:
            self._ends[entry.operation][person] = _CODE[Outcome.APPLIED]
            for key in entry.attributes:
                self._verdicts[key].pop(person, None)
        else:
            reason, message = entry.reason, ""
            if outcome is Outcome.UNCONFIRMED:
                message = WITHHELD if reason == NOT_REPEATABLE else _NO_ANSWER
                reason = "unconfirmed"
            for key in entry.attributes:
                self._verdict(key, _restored(person, outcome, reason, message, entry))
        for key, reason, message in entry.refusals:
            ending = Outcome.APPLIED if reason == NORMALIZED else Outcome.REJECTED
            self._verdict(key, _restored(person, ending, reason, message, entry))

    def close(self, config: Config, parse: Parse, *, check: bool = False) -> Closed:
        """How every row and value of the chunk ended. `check`: nothing was meant to be sent."""
        chunk, rows = self.chunk, self.chunk.rows
        self._end_carried()
        codes = rows.select("person").with_columns(
            self._codes(rows, f).alias(f"c{f.index}") for f in chunk.fields
        )
        names = [f"c{f.index}" for f in chunk.fields]
        tally = chunk.tally
        _count_values(codes, names, tally)
        _count_rows(rows, codes, names, tally)
        self._count_people(codes, names, tally)
        rejects, kept = self._report(rows, codes, config, parse, check=check)
        tally.trimmed += rejects.filter(pl.col("stage") == "trim").height
        for stage, reason, key, count in rejects.group_by("stage", "reason", "attribute").len().iter_rows():
            tally.reasons[stage, reason, key] += count
        ends = [pl.col(n).replace_strict(_WORDS, default=None, return_dtype=pl.String) for n in names]
        return Closed(tally, rejects, kept, codes.select(rows["id"], *ends))

    def _end_carried(self) -> None:
        """What the destination has taken, and has said no more of, is unconfirmed."""
        for (person, operation), keys in self._carried.items():
            if self._ends[operation][person]:
                continue
            left = [key for key in keys if person not in self._verdicts[key]]
            if len(left) == self._sizes[operation][person]:
                self._ends[operation][person] = _CODE[Outcome.UNCONFIRMED]
            else:
                for key in left:
                    self._verdict(key, _still_open(person))

    def _codes(self, rows: pl.DataFrame, field_: Field) -> pl.Series:
        """Per row how this attribute's value ended, as an index into _CODES; 0 = no winning value here."""
        value = rows[field_.value]
        ended = self._ended(field_.operation, rows)
        if "clear" in self._ends:
            ended = ended.set(value == CLEAR, None).fill_null(self._ended("clear", rows))
        frame = pl.DataFrame({"held": value.is_not_null(), "ended": ended, "person": rows["person"]})
        code = pl.when(pl.col("ended") > 0).then("ended").otherwise(_CODE[Outcome.NOT_ATTEMPTED])
        verdicts = self._verdicts[field_.key]
        if verdicts:
            special = pl.DataFrame(
                {"person": list(verdicts), "special": [v.code for v in verdicts.values()]},
                schema={"person": frame.schema["person"], "special": pl.Int32},
            )
            frame = frame.join(special, on="person", how="left", maintain_order="left")
            code = pl.coalesce("special", code)
        code = pl.when("held").then(code).otherwise(0)
        if field_.unchanged in rows.columns:
            frame = frame.with_columns(same=rows[field_.unchanged])
            code = pl.when("same").then(_CODE[Outcome.UNCHANGED]).otherwise(code)
        if field_.withheld in rows.columns:
            frame = frame.with_columns(
                withheld=rows[field_.withheld].replace_strict(_CODE, return_dtype=pl.Int32)
            )
            code = pl.coalesce("withheld", code)
        return frame.select(code.cast(pl.UInt8)).to_series()

    def _ended(self, operation: str, rows: pl.DataFrame) -> pl.Series:
        return pl.Series(self._ends[operation], dtype=pl.UInt8).gather(rows["person"])

    def _count_people(self, codes: pl.DataFrame, names: Sequence[str], tally: Tally) -> None:
        waiting = pl.any_horizontal(pl.col(names) == _CODE[Outcome.NOT_ATTEMPTED]).any()
        unchanged = pl.any_horizontal(pl.col(names) == _CODE[Outcome.UNCHANGED]).any()
        people = codes.group_by("person").agg(waiting=waiting, unchanged=unchanged)
        called = pl.Series(self._called, dtype=pl.UInt8).cast(pl.Boolean)
        people = people.with_columns(called=called.gather(people["person"]))
        state = (
            pl.when("called")
            .then(pl.lit("called"))
            .when("waiting")
            .then(pl.lit("not_attempted"))
            .when("unchanged")
            .then(pl.lit("unchanged"))
            .otherwise(pl.lit("nothing_to_send"))
        )
        _add(tally.people, people.select(state.alias("s")))

    def _report(
        self, rows: pl.DataFrame, codes: pl.DataFrame, config: Config, parse: Parse, *, check: bool
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The lines for rejects.csv and the rows to keep of this chunk."""
        sent = _CODE[Outcome.NOT_ATTEMPTED if check else Outcome.APPLIED]
        masks: list[tuple[Field, pl.Series, pl.Series, pl.Series]] = []
        nothing = pl.repeat(False, rows.height, eager=True)
        keep, show = nothing, nothing
        for f in self.chunk.fields:
            code = codes[f"c{f.index}"]
            bad = code.is_in([_CODE[Outcome.REJECTED], _CODE[Outcome.UNCONFIRMED]])
            trimmed = (code == sent) & rows[f.dropped].is_not_null() if f.dropped in rows.columns else nothing
            normalized = (code == sent) & rows["person"].is_in(self._normalized(f.key))
            if bad.any() or trimmed.any() or normalized.any():
                masks.append((f, bad, trimmed, normalized))
                keep, show = keep | bad, show | bad | trimmed | normalized
        if not masks:
            return pl.DataFrame(schema=dict(REJECTS)), pl.DataFrame()
        texts = _texts(rows.filter(show), config, parse)
        lines = [
            line
            for f, bad, trimmed, normalized in masks
            for mine, withheld in [_parted(rows.with_columns(codes), bad, f)]
            for line in (
                self._verdict_lines(mine, f, texts, "send"),
                self._open_lines(mine.filter(pl.col(f"c{f.index}") == _CODE[Outcome.UNCONFIRMED]), f, texts),
                _withheld_lines(withheld, f, texts),
                self._verdict_lines(rows.filter(normalized), f, texts, "trim"),
                _trim_lines(rows.filter(trimmed), f, texts),
            )
        ]
        original = "raw" if "raw" in rows.columns else "cells"
        kept = rows.filter(keep).select("order", "id", pl.col(original).alias("original"))
        lines += [self._person_lines(rows), self._problem_lines(config)]
        kept = pl.concat([kept, self.chunk.named, self._naming(rows.filter(keep))], how="diagonal")
        kept = kept.unique("order", keep="first")
        return pl.concat(lines).sort("order", "position"), kept.sort("order")

    def _naming(self, kept: pl.DataFrame) -> pl.DataFrame:
        """The rows that name a person of whom no kept row does: a retry of the kept ones needs them."""
        names = identities.columns(kept)
        shown = kept.group_by("id").agg(pl.col(name).count().alias(f"n_{name}") for name in names)
        both = self.chunk.people.select("id", *names).join(shown, on="id")
        lacking = (pl.col(name).is_not_null() & (pl.col(f"n_{name}") == 0) for name in names)
        nameless = both.filter(pl.any_horizontal(lacking)) if names else both.clear()
        return self.chunk.naming.join(nameless, on="id", how="semi")

    def _normalized(self, key: str) -> list[int]:
        """The people whose value of this attribute is stored, but not as it was sent."""
        return [v.person for v in self._verdicts[key].values() if v.reason == NORMALIZED]

    def _verdict_lines(
        self, rows: pl.DataFrame, field_: Field, texts: pl.DataFrame, stage: str
    ) -> pl.DataFrame:
        verdicts = _verdict_frame(self._verdicts[field_.key].values(), rows)
        found = rows.select("order", "line", "person", distinct_id="id").join(verdicts, on="person")
        return _lines(found, field_, texts, stage)

    def _open_lines(self, rows: pl.DataFrame, field_: Field, texts: pl.DataFrame) -> pl.DataFrame:
        """Values without a verdict of their own that the destination has taken and said no more of."""
        own = pl.col("person").is_in(list(self._verdicts[field_.key]))
        found = rows.filter(~own).select("order", "line", "person", distinct_id="id")
        still_open = _verdict_frame([_still_open(0)], rows).drop("person")
        return _lines(found.join(still_open, how="cross"), field_, texts, "send")

    def _person_lines(self, rows: pl.DataFrame) -> pl.DataFrame:
        """One line for each person whom the destination refused as a whole, at the first of their rows."""
        verdicts = _verdict_frame(self._people.values(), rows)
        found = rows.select("order", "line", "person", distinct_id="id").join(verdicts, on="person")
        first = found.sort("order").unique("person", keep="first", maintain_order=True)
        return rejects_frame(first.with_columns(stage=pl.lit("send"), attribute=pl.lit("")))

    def _problem_lines(self, config: Config) -> pl.DataFrame:
        """One line for each person whom the destination could not tell, at the row that shows it."""
        problems, fields = self.chunk.problems, config.identity_fields
        texts = [
            identities.message(fields[field] if field >= 0 else None, reason, shared=shared)
            for field, reason, shared in problems.select("field", "reason", "shared").iter_rows()
        ]
        names = [fields[field].name if field >= 0 else "" for field in problems["field"]]
        lines = problems.with_columns(
            distinct_id="id",
            stage=pl.lit("check"),
            attribute=pl.Series(names, dtype=pl.String),
            message=pl.Series(texts, dtype=pl.String),
        )
        return rejects_frame(lines)


def _verdict_frame(verdicts: Iterable[Verdict], rows: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(
        list(verdicts),
        schema={
            "person": rows.schema["person"],
            "code": pl.UInt8,
            "reason": pl.String,
            "message": pl.String,
            "status": pl.Int32,
            "attempts": pl.Int32,
            "at": pl.String,
        },
        orient="row",
    )


def _still_open(person: int) -> Verdict:
    message = "the destination has taken it and has not said yet what became of it"
    return Verdict(person, _CODE[Outcome.UNCONFIRMED], "unconfirmed", message, 0, 1, "")


def _said(
    settled: Settled, target: Target, outcome: Outcome, reason: str, message: str, status: int = 0
) -> Verdict:
    """What an answer says of one value of its call."""
    ending = (status or settled.status, settled.attempts, _iso(settled.at))
    return Verdict(target.person, _CODE[outcome], reason, message, *ending)


def _restored(person: int, outcome: Outcome, reason: str, message: str, entry: Entry) -> Verdict:
    return Verdict(
        person,
        _CODE[outcome],
        reason,
        message,
        entry.status,
        entry.attempts,
        _iso(entry.at) if entry.at else "",
    )


def _origins(chunk: Chunk) -> dict[int, dict[str, int]]:
    """Person → attribute → source order of its value, for the people whose values come from several rows."""
    several = chunk.rows.filter(pl.col("person").is_duplicated())
    found: dict[int, dict[str, int]] = {}
    for f in chunk.fields:
        winners = several.filter(pl.col(f.value).is_not_null()).select("person", "order")
        for person, order in winners.iter_rows():
            found.setdefault(person, {})[f.key] = order
    return found


def _texts(rows: pl.DataFrame, config: Config, parse: Parse) -> pl.DataFrame:
    """`order` and, per attribute key, the cell as it stood in the source."""
    found = [pl.DataFrame(schema={"order": pl.Int64, **dict.fromkeys(config.attributes, pl.String)})]
    for layout, part in rows.group_by("layout"):
        cells = parse(int(str(layout[0])), part)
        columns = {k: attributes.display(cells[c]) for k, c in config.columns.items()}
        found.append(part.select("order").with_columns(**columns))
    return pl.concat(found)


def _parted(rows: pl.DataFrame, mask: pl.Series, field_: Field) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows whose value this run was to send, and those whose value it withheld."""
    chosen = rows.filter(mask)
    if field_.withheld not in rows.columns:
        return chosen, chosen.clear()
    mine = pl.col(field_.withheld).is_null()
    return chosen.filter(mine), chosen.filter(~mine)


def _withheld_lines(rows: pl.DataFrame, field_: Field, texts: pl.DataFrame) -> pl.DataFrame:
    found = rows.select(
        "order", "line", distinct_id="id", reason=pl.lit("unconfirmed"), message=pl.lit(WITHHELD)
    )
    return _lines(found, field_, texts, "send")


def _trim_lines(rows: pl.DataFrame, field_: Field, texts: pl.DataFrame) -> pl.DataFrame:
    found = rows.select(
        "order",
        "line",
        distinct_id="id",
        reason=pl.lit(attributes.NOT_DECLARED),
        message=trim_message(field_) if field_.dropped in rows.columns else pl.lit(""),
    )
    return _lines(found, field_, texts, "trim")


def trim_message(field_: Field) -> pl.Expr:
    """What the report says of a trimmed value."""
    return pl.lit("sent without the options that are not declared: ") + pl.col(field_.dropped)


def _lines(found: pl.DataFrame, field_: Field, texts: pl.DataFrame, stage: str) -> pl.DataFrame:
    values = texts.select("order", value=field_.key)
    named = found.join(values, on="order", how="left").with_columns(
        position=pl.lit(field_.index), attribute=pl.lit(field_.key), stage=pl.lit(stage)
    )
    return rejects_frame(named)


def _count_values(codes: pl.DataFrame, names: Sequence[str], tally: Tally) -> None:
    for name in names:
        for code, count in codes[name].value_counts().iter_rows():
            outcome = _CODES[code]
            if outcome:
                tally.values[outcome] += count


def _count_rows(rows: pl.DataFrame, codes: pl.DataFrame, names: Sequence[str], tally: Tally) -> None:
    """A row's state is the first of DESIGN.md's list that fits."""

    def any_of(*outcomes: Outcome) -> pl.Expr:
        return pl.any_horizontal(pl.col(names).is_in([_CODE[o] for o in outcomes]))

    rejected = any_of(Outcome.REJECTED) | (pl.col("bads") > 0)
    state = (
        pl.when(any_of(Outcome.UNCONFIRMED))
        .then(pl.lit("unconfirmed"))
        .when(any_of(Outcome.NOT_ATTEMPTED))
        .then(pl.lit("not_attempted"))
        .when(rejected & any_of(Outcome.APPLIED, Outcome.UNCHANGED))
        .then(pl.lit("partly_applied"))
        .when(rejected)
        .then(pl.lit("rejected"))
        .when(any_of(Outcome.APPLIED))
        .then(pl.lit("applied"))
        .when(any_of(Outcome.UNCHANGED))
        .then(pl.lit("unchanged"))
        .otherwise(pl.lit("merged"))
    )
    _add(tally.rows, codes.with_columns(rows["bads"]).select(state.alias("s")))


def _add(counter: "dict[str, int]", states: pl.DataFrame) -> None:
    for name, count in states["s"].value_counts().iter_rows():
        counter[name] = counter.get(name, 0) + count


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
