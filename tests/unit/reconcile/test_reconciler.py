"""How the values of a chunk that is being sent end."""

from pathlib import Path

import polars as pl
import pytest

from importer.config.options import RejectLimit
from importer.core.models import ALL_APPLIED, Call, Classification, Outcome, Refusal, Settled, Target, Verdict
from importer.destinations.base import NORMALIZED
from importer.pipeline.guards import limit_passed
from importer.reconcile.reconciler import Answers, OpenChunk
from importer.storage.journal import Journal
from tests.support.chunks import CONFIG, chunks, parse

TABLE = [("p1", "a", "1", "hello"), ("p2", "b", "2", "x"), ("p1", "", "3", "")]


@pytest.fixture
def opened(tmp_path: Path) -> OpenChunk:
    [chunk] = chunks(tmp_path, TABLE, 5)[1]
    journal = Journal(tmp_path / "journal.sqlite")
    return OpenChunk(chunk, journal, Answers(), {}, frozenset({"attribute_archived"}))


def _settled(opened: OpenChunk, classification: Classification) -> None:
    """Answers the sets of the first person so."""
    update = next(opened.jobs())
    part = update.parts[0]
    target = Target(update.person, update.distinct_id, part.operation, part.keys)
    opened.settle(Settled(Call("POST", "/", b"", (target,)), classification, 200, 1, 5.0))


def _ends(opened: OpenChunk) -> pl.DataFrame:
    closed = opened.close(CONFIG, parse)
    assert closed.codes is not None
    return closed.codes


def test_every_value_of_an_applied_call_is_applied(opened: OpenChunk) -> None:
    _settled(opened, ALL_APPLIED)
    assert opened.answers == Answers(values=2)
    assert _ends(opened)["c1"].to_list() == ["not_attempted", None, "applied"]
    left = [update.distinct_id for update in opened.jobs()]
    assert left == ["p1", "p2"], "what is cleared of the first person, and the second person"


def test_a_refused_value_costs_only_itself(opened: OpenChunk) -> None:
    _settled(opened, Classification(Verdict.DONE, (Refusal(0, "age", "attribute_value_invalid", "no"),)))
    assert opened.answers == Answers(values=2, rejected=1)
    report = opened.close(CONFIG, parse).rejects
    assert report.select("distinct_id", "attribute", "value", "reason").rows() == [
        ("p1", "age", "3", "attribute_value_invalid")
    ]


def test_an_attribute_that_is_always_refused_is_not_sent_again(opened: OpenChunk) -> None:
    _settled(opened, Classification(Verdict.DONE, (Refusal(0, "plan", "attribute_archived"),)))
    assert opened.dead == {"plan": "attribute_archived"}
    keys = [key for update in opened.jobs() for part in update.parts for key in part.keys]
    assert "plan" not in keys
    assert opened.answers.rejected == 2


@pytest.mark.parametrize(
    ("classification", "outcome"),
    [
        (Classification(Verdict.RETRY, reason="no_answer"), Outcome.UNCONFIRMED),
        (Classification(Verdict.REFUSED, reason="bad"), Outcome.REJECTED),
        (Classification(Verdict.DONE, unreported=(0,)), Outcome.UNCONFIRMED),
    ],
)
def test_a_call_as_a_whole(opened: OpenChunk, classification: Classification, outcome: Outcome) -> None:
    _settled(opened, classification)
    assert _ends(opened)["c1"].to_list() == ["not_attempted", None, str(outcome)]


def test_values_that_a_call_of_several_people_stores_otherwise_count_towards_the_reject_limit(
    opened: OpenChunk,
) -> None:
    updates = list(opened.jobs())
    parts = [(update, part) for update in updates for part in update.parts if part.operation == "set"]
    targets = tuple(Target(u.person, u.distinct_id, part.operation, part.keys) for u, part in parts)
    assert len({target.distinct_id for target in targets}) == 2
    changed = tuple(Refusal(n, "age", NORMALIZED, "stored otherwise") for n in range(len(targets)))
    call = Call("POST", "/", b"", targets)
    opened.settle(Settled(call, Classification(Verdict.DONE, normalized=changed), 200, 1, 5.0))
    assert (opened.answers.adjusted, opened.answers.rejected, opened.answers.bad) == (2, 0, 2)
    assert limit_passed(RejectLimit(count=1), 0, opened.answers) is not None
    assert limit_passed(RejectLimit(count=2), 0, opened.answers) is None


def test_a_value_knows_its_row(opened: OpenChunk) -> None:
    assert [opened.origin(0, key) for key in ("plan", "age", "note")] == [1, 3, 3]
    assert opened.origin(1, "plan") == 2
