"""Whatever is said of values, in any order, they end as a plain dictionary of the last words has it."""

import random
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.chunk.chunk import Chunk
from importer.core.models import ALL_APPLIED, Call, Classification, Outcome, Refusal, Settled, Target, Verdict
from importer.destinations.base import NORMALIZED
from importer.reconcile.outcomes import (
    ACCEPTED,
    CODE,
    MAY_BE_COUNTED,
    OUTCOMES,
    OutcomeDetail,
    Outcomes,
)
from importer.reconcile.reconciler import Answers, OpenChunk
from importer.storage.journal import Journal
from importer.storage.journal_records import NOT_REPEATABLE, Entry, RefusedValue
from tests.support.chunks import CONFIG, Row, chunks, parse, rows

PARTS: dict[str, Sequence[tuple[str, ...]]] = {
    "set": (("a", "b", "c"), ("a",), ("b", "c")),
    "clear": ((), ("b", "c"), ("a",)),
}
"""What goes out of each of three people."""

KEYS = ("a", "b", "c")
ANSWER = (200, 1, 2.0)
APPLIED = OutcomeDetail(Outcome.APPLIED, "", "", *ANSWER)
REJECTED = OutcomeDetail(Outcome.REJECTED, "bad", "is bad", 400, 2, 1.5)
WITH_PERSON = OutcomeDetail(Outcome.REJECTED)
DETAILS = (
    APPLIED,
    OutcomeDetail(Outcome.APPLIED, NORMALIZED, "stored otherwise", 200, 1, 2.5),
    REJECTED,
    OutcomeDetail(Outcome.UNCONFIRMED, "unconfirmed", "no answer", 0, 8, 3.5),
    OutcomeDetail(Outcome.UNCHANGED),
    OutcomeDetail(Outcome.SUPERSEDED),
)
_A, _B = ("a", "bad", "is bad", 422), ("b", NORMALIZED, "stored otherwise", 0)
REFUSALS = ((), (_A,), (_A, _B), (("", "gone", "no such person", 404),))
STATES = ("applied", "applied", "rejected", "unconfirmed", "unchanged")

Part = tuple[int, str, tuple[str, ...]]  # person, operation, some of the keys, or all


def parts() -> st.SearchStrategy[Part]:
    """A part of a person, as a whole or in parts."""
    every = [(person, op, keys) for op, people in PARTS.items() for person, keys in enumerate(people) if keys]
    some = st.sampled_from(every).flatmap(
        lambda part: st.tuples(
            st.just(part[0]),
            st.just(part[1]),
            st.lists(st.sampled_from(part[2]), min_size=1, unique=True).map(tuple),
        )
    )
    return st.sampled_from(every) | some


def entry(
    part: Part, state: str, reason: str, refusals: Sequence[tuple[str, str, str, int]], message: str
) -> Entry:
    """What a journal holds of a call; only of its own keys does it speak."""
    person, operation, keys = part
    own = (
        [RefusedValue(*refusal) for refusal in refusals if refusal[0] in ("", *keys)]
        if state == "applied"
        else []
    )
    state = "rejected" if own and not own[0][0] else state
    attempts = int(state != "unchanged")
    return Entry(0, f"p{person}", operation, keys, (0,), state, reason, 200, attempts, 4.5, own, message)


MESSAGES = st.sampled_from(("", "no such plan"))
REASONS = st.sampled_from(("", NOT_REPEATABLE))
ENTRIES = st.builds(entry, parts(), st.sampled_from(STATES), REASONS, st.sampled_from(REFUSALS), MESSAGES)
SAID = st.sampled_from(("applied", "taken", "refused", "ended", "called"))
WORDS = st.lists(
    st.tuples(SAID, parts(), st.sampled_from(DETAILS)) | st.tuples(st.just("taken up"), ENTRIES, st.none()),
    max_size=8,
)


class Model:
    """The same as a plain dictionary: (person, attribute) → the last that was said."""

    def __init__(self) -> None:
        self.values: dict[tuple[int, str], OutcomeDetail] = {}
        self.people: dict[int, OutcomeDetail] = {}
        self.called: set[int] = set()

    def say(self, person: int, keys: Sequence[str], detail: OutcomeDetail) -> None:
        self.values |= {(person, key): detail for key in keys}

    def hear(self, word: str, said: Part | Entry, detail: OutcomeDetail | None) -> None:
        if isinstance(said, Entry):
            self.restore(said)
            return
        person, _, keys = said
        self.called |= {person} if word in ("taken", "called") else set()
        if word == "refused":
            self.people[person] = REJECTED
        alike = {"applied": APPLIED, "taken": ACCEPTED, "refused": WITH_PERSON}
        if word != "called":
            self.say(person, keys, alike.get(word, detail or APPLIED))

    def restore(self, said: Entry) -> None:
        person, keys, answered = int(said.person[1:]), said.attributes, (said.status, said.attempts, said.at)
        self.called |= {person} if said.attempts else set()
        if said.refusals and not said.refusals[0][0]:
            refused = said.refusals[0]
            detail = OutcomeDetail(Outcome.REJECTED, said.reason, refused.message, *answered)
            self.people[person] = detail._replace(status=refused.status or said.status)
            self.say(person, keys, WITH_PERSON)
            return
        if said.state == "applied":
            self.say(person, keys, OutcomeDetail(Outcome.APPLIED, "", "", *answered))
        elif said.state == "unconfirmed":
            message = MAY_BE_COUNTED if said.reason else said.message or "sent, and no usable answer came"
            self.say(person, keys, OutcomeDetail(Outcome.UNCONFIRMED, "unconfirmed", message, *answered))
        else:
            self.say(person, keys, OutcomeDetail(Outcome(said.state), said.reason, said.message, *answered))
        for key, reason, message, status in said.refusals:
            outcome = Outcome.APPLIED if reason == NORMALIZED else Outcome.REJECTED
            detail = OutcomeDetail(outcome, reason, message, *answered)
            self.say(person, (key,), detail._replace(status=status or said.status))


def say(outcomes: Outcomes, word: str, said: Part | Entry, detail: OutcomeDetail | None) -> None:
    if isinstance(said, Entry):
        outcomes.restore(int(said.person[1:]), said)
        return
    person, operation, keys = said
    if word == "called":
        outcomes.called(person)
    elif word == "refused":
        outcomes.person_refused(person, operation, keys, REJECTED)
    elif word == "ended":
        outcomes.record(person, keys, detail or APPLIED)
    elif word == "applied":
        outcomes.applied(person, operation, keys, *ANSWER)
    else:
        outcomes.accepted(person, operation, keys)


def fresh(excluded: Sequence[int] = ()) -> Outcomes:
    sizes = {op: [len(keys) for keys in people] for op, people in PARTS.items()}
    return Outcomes(sizes, KEYS, excluded)


def codes(outcomes: Outcomes, key: str) -> dict[int, Outcome | None]:
    """How this attribute ended, asked for two rows of each person who has it."""
    who = [person for person in range(3) if key in (*PARTS["set"][person], *PARTS["clear"][person])] * 2
    cleared = pl.Series([key in PARTS["clear"][person] or None for person in who], dtype=pl.Boolean)
    found = outcomes.codes(key, pl.Series(who, dtype=pl.UInt32), "set", cleared).to_list()
    assert found[: len(found) // 2] == found[len(found) // 2 :]
    return {person: OUTCOMES[code] for person, code in zip(who, found, strict=True)}


def answers(outcomes: Outcomes, key: str) -> dict[int, tuple[int, int, float]]:
    """Person → status, attempts and time of the answer to this attribute."""
    who = pl.Series(range(3), dtype=pl.UInt32)
    found = {op: outcomes.answers(key, who, outcomes.answered(op, who)).rows() for op in PARTS}
    return {p: found["clear" if key in PARTS["clear"][p] else "set"][p] for p in who}


def details(frame: pl.DataFrame) -> dict[int, tuple[str, str, int, int]]:
    """Person → reason, message, status, attempts."""
    return {row[0]: row[1:] for row in frame.drop("at").iter_rows()}


def assert_alike(outcomes: Outcomes, model: Model) -> None:
    for key in KEYS:
        mine = {person: detail for (person, k), detail in model.values.items() if k == key}
        found = codes(outcomes, key)
        assert found == {p: mine[p].outcome if p in mine else Outcome.NOT_ATTEMPTED for p in found}
        without = (Outcome.UNCHANGED, Outcome.SUPERSEDED)
        assert sorted(outcomes.without_call(key)) == [p for p in sorted(mine) if mine[p].outcome in without]
        lines = details(outcomes.details(key))
        for person, detail in mine.items():
            if detail == WITH_PERSON or (detail.outcome is Outcome.APPLIED and not detail.reason):
                assert person not in lines
            elif (
                detail != ACCEPTED or person in lines
            ):  # a part that is carried on as a whole has no line here
                assert lines[person] == detail[1:5]
        answered = answers(outcomes, key)
        for person, detail in mine.items():
            if detail not in (ACCEPTED, WITH_PERSON):  # they stand in the line of the person, and in none
                assert answered[person] == detail[3:]
    for operation, people in PARTS.items():
        for person, keys in enumerate(people):
            left = [key for key in keys if (person, key) not in model.values]
            assert outcomes.left(person, operation, keys) == left
    assert details(outcomes.refused_people()) == {p: e[1:5] for p, e in model.people.items()}
    everybody = pl.Series(range(3), dtype=pl.UInt32)
    assert outcomes.were_called(everybody).to_list() == [p in model.called for p in range(3)]
    assert outcomes.any_recorded() == bool(model.values)


@settings(max_examples=100)
@given(WORDS)
def test_the_last_word_counts(words: list[tuple[str, Part | Entry, OutcomeDetail | None]]) -> None:
    outcomes, model = fresh(), Model()
    assert_alike(outcomes, model)
    for word in words:
        say(outcomes, *word)
        model.hear(*word)
    assert_alike(outcomes, model)


def test_what_is_carried_on_is_not_sent_again_and_told_as_open() -> None:
    outcomes = fresh()
    outcomes.accepted(0, "set", ("a", "b", "c"))
    outcomes.accepted(2, "set", ("b",))
    assert (outcomes.left(0, "set", ("a", "b", "c")), outcomes.left(2, "set", ("b", "c"))) == ([], ["c"])
    assert codes(outcomes, "b") == {0: Outcome.UNCONFIRMED, 1: Outcome.NOT_ATTEMPTED, 2: Outcome.UNCONFIRMED}
    assert list(details(outcomes.details("b"))) == [2]
    outcomes.applied(0, "set", ("a", "b"), *ANSWER)
    assert (codes(outcomes, "b")[0], codes(outcomes, "c")[0]) == (Outcome.APPLIED, Outcome.UNCONFIRMED)


def test_who_is_excluded_is_rejected_without_a_call_or_a_line() -> None:
    outcomes = fresh(excluded=[0])
    assert outcomes.any_recorded()
    assert outcomes.left(0, "set", ("a", "b", "c")) == []
    assert codes(outcomes, "a") == {0: Outcome.REJECTED, 1: Outcome.NOT_ATTEMPTED, 2: Outcome.NOT_ATTEMPTED}
    assert (details(outcomes.details("a")), details(outcomes.refused_people())) == ({}, {})


def test_only_the_first_call_of_a_person_is_the_first() -> None:
    outcomes = fresh()
    assert [outcomes.called(1), outcomes.called(1), outcomes.called(2)] == [True, False, True]


def test_each_outcome_has_a_code() -> None:
    assert {OUTCOMES[code] for code in CODE.values()} == set(Outcome)


# ---------------------------------------------------------------- one attempt and the next


def classified(call: Call, chance: random.Random) -> Classification:
    """Some final classification of a call of one person."""
    [target] = call.targets
    some = [key for key in target.keys if chance.random() < 0.4]
    refused = tuple(Refusal(0, key, "attribute_value_invalid", "no") for key in some)
    normalized = tuple(Refusal(0, key, NORMALIZED, "stored otherwise") for key in some)
    return chance.choice(
        (
            ALL_APPLIED,
            Classification(Verdict.DONE, refused),
            Classification(Verdict.DONE, normalized=normalized),
            Classification(Verdict.DONE, (Refusal(0, "", "person_refused", "nobody"),)),
            Classification(Verdict.DONE, unreported=(0,)),
            Classification(Verdict.REFUSED, reason="refused"),
            Classification(Verdict.RETRY, reason="no_answer"),
        )
    )


def send(opened: OpenChunk, chance: random.Random) -> None:
    """Sends some of what is left, a part in halves now and then; some of it is taken and not answered yet."""
    calls = [call for call in opened.carried if call.targets[0].keys]
    for update in opened.jobs():
        for part in update.parts:
            target = Target(update.person, update.distinct_id, part.operation, part.keys)
            half = chance.choice((0, 0, len(part.keys) // 2))
            pieces = (part.keys[:half], part.keys[half:])
            calls += [Call("POST", "/", b"", (replace(target, keys=keys),)) for keys in pieces if keys]
    for call in calls[: chance.randint(0, len(calls))]:
        accepted = Classification(Verdict.CONTINUE, follow_up=(replace(call, after=1.0),), durable=True)
        if chance.random() < 0.2:
            opened.keep(Settled(call, accepted, 202, 1, 5.0))
        else:
            opened.settle(Settled(call, classified(call, chance), 200, 1, 5.0))


def context(chunk: Chunk, journal: Journal, *, final: bool = False) -> OpenChunk:
    """The chunk opened again, with what the journal knows."""
    journal.flush()
    opened = OpenChunk(chunk, journal, Answers(), {}, frozenset())
    opened.restore(journal.open_answers(), journal.pending().get(chunk.plan.number, ()), final=final)
    return opened


@settings(max_examples=12)
@given(st.lists(rows, min_size=1, max_size=12), st.integers(0, 2**32), st.integers(1, 3))
def test_a_later_attempt_knows_what_this_one_knew(table: list[Row], seed: int, attempts: int) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        journal = Journal(Path(name) / "journal.sqlite")
        for chunk in chunks(Path(name), table, 5)[1]:
            for _ in range(attempts):
                opened = context(chunk, journal)
                send(opened, chance)
            ours = opened.close(CONFIG, parse)
            theirs = context(chunk, journal, final=True).close(CONFIG, parse)
            assert ours.codes is not None
            assert theirs.codes is not None
            for mine, other in zip(ours.codes.rows(), theirs.codes.rows(), strict=True):
                for one, same in zip(mine, other, strict=True):
                    # what an earlier attempt left unconfirmed is open in this one
                    assert one == same or (attempts > 1 and (one, same) == ("not_attempted", "unconfirmed"))
            if attempts == 1:
                line = ("order", "attribute", "value", "stage", "reason", "status", "attempts")
                assert ours.rejects.select(line).rows() == theirs.rejects.select(line).rows()
        journal.close()
