"""Each value of a chunk has one row, with what its line or the line of its person says."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from importer.chunk.chunker import Chunker
from importer.core.models import (
    ALL_APPLIED,
    Call,
    Classification,
    Encoding,
    Refusal,
    Settled,
    Target,
    Update,
    Verdict,
)
from importer.destinations.base import NORMALIZED
from importer.reconcile.reconciler import Answers, OpenChunk
from importer.storage.journal import Journal
from importer.storage.spool import Spool, SpoolWriter
from importer.validate.validator import Validator
from tests.support.chunks import CONFIG, batches, parse

TABLE = [("p1", "a", "1", "x"), ("p2", "b", "2", "y"), ("p1", "", "3", ""), ("p3", "off", "4", "w")]
"""p1 has two rows: the second one replaces the age and clears the note. The plan of p3 is refused."""


class Superseded:
    """Collects what later values replace."""

    def __init__(self) -> None:
        self.values: list[tuple[int, str]] = []

    def of(self, _: object) -> "Superseded":
        return self

    def __call__(self, values: pl.DataFrame) -> None:
        self.values += values.select("order", "attribute").rows()


@pytest.fixture
def superseded() -> Superseded:
    return Superseded()


@pytest.fixture
def opened(tmp_path: Path, superseded: Superseded) -> Iterator[OpenChunk]:
    validator, writer = Validator(CONFIG, 200), SpoolWriter(tmp_path)
    for batch in batches(TABLE, 9):
        writer.add(validator.validate(batch, 0).rows, 0)
    writer.finish()
    spool = Spool.open(tmp_path)
    [plan] = spool.plan()
    prints = pl.Series("print", [11, 12, 13, 14], dtype=pl.UInt64)
    chunker = Chunker(
        CONFIG,
        Encoding(),
        parse,
        prints=lambda _, rows, __: prints.gather(rows["order"] - 1),
        superseded=superseded.of,
    )
    chunk = chunker.build(plan, spool.read(plan))
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        yield OpenChunk(chunk, journal, Answers(), {}, frozenset())


def answer(opened: OpenChunk, update: Update, classification: Classification, at: float = 5.25) -> None:
    """All calls of one person end so."""
    for part in update.parts:
        target = Target(update.person, update.distinct_id, part.operation, part.keys)
        opened.settle(Settled(Call("POST", "/", b"", (target,)), classification, 202, 2, at))


def rows(opened: OpenChunk) -> dict[tuple[str, str], dict[str, object]]:
    found = opened.outcome_rows(opened.close(CONFIG, parse))
    return {(row["distinct_id"], row["attribute"]): row for row in found.iter_rows(named=True)}


def test_an_applied_value_has_its_answer_and_its_row(opened: OpenChunk, superseded: Superseded) -> None:
    for update in opened.jobs():
        answer(opened, update, ALL_APPLIED)
    found = rows(opened)
    assert {key: row["outcome"] for key, row in found.items()} == dict.fromkeys(
        [(p, k) for p in ("p1", "p2") for k in ("plan", "age", "note")] + [("p3", "age"), ("p3", "note")],
        "applied",
    )
    one = found["p1", "note"]  # it went out as a call of its own, which clears
    assert (one["order"], one["fingerprint"], one["status"], one["attempts"]) == (3, 13, 202, 2)
    assert str(one["at"]) == "1970-01-01 00:00:05.250000+00:00"
    assert (one["stage"], one["reason"]) == (None, None)
    assert superseded.values == [(1, "age"), (1, "note")]


def test_what_was_never_sent_has_no_answer(opened: OpenChunk) -> None:
    one = rows(opened)["p2", "plan"]
    assert (one["outcome"], one["status"], one["attempts"], one["at"]) == ("not_attempted", None, None, None)


def test_a_refused_value_has_what_its_line_says_and_the_others_their_answer(opened: OpenChunk) -> None:
    every = {update.distinct_id: update for update in opened.jobs()}
    refused = (Refusal(0, "age", "attribute_value_invalid", "too old", 422),)
    changed = (Refusal(0, "plan", NORMALIZED, "stored as A"),)
    answer(opened, every["p2"], Classification(Verdict.DONE, refused, normalized=changed))
    found = rows(opened)
    told = {
        key: (r["outcome"], r["stage"], r["reason"], r["status"])
        for key, r in found.items()
        if key[0] == "p2"
    }
    assert told == {
        ("p2", "plan"): ("applied", "adjust", NORMALIZED, 202),
        ("p2", "age"): ("rejected", "send", "attribute_value_invalid", 422),
        ("p2", "note"): ("applied", None, None, 202),
    }


def test_each_value_of_a_refused_person_has_the_reason(opened: OpenChunk) -> None:
    every = {update.distinct_id: update for update in opened.jobs()}
    answer(
        opened, every["p2"], Classification(Verdict.DONE, (Refusal(0, "", "user_unknown", "no such user"),))
    )
    found = [row for (person, _), row in rows(opened).items() if person == "p2"]
    assert [(r["outcome"], r["reason"], r["message"], r["attempts"]) for r in found] == [
        ("rejected", "user_unknown", "no such user", 2)
    ] * 3
