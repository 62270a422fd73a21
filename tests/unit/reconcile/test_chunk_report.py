"""How the rows, values and people of a finished chunk are counted, and which lines the report has of them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from importer.chunk.fields import Field
from importer.core.models import Call, Classification, Refusal, Settled, Target, Update, Verdict
from importer.destinations.base import NORMALIZED
from importer.reconcile.chunk_report import ChunkReport, adjusted_message, report_chunk
from importer.reconcile.reconciler import Answers, OpenChunk
from importer.storage.journal import Journal
from tests.support.chunks import CONFIG, chunks, parse

TABLE = [("p1", "a", "1", "x"), ("p2", "b", "2", "y"), ("p1", "", "3", "z"), ("p3", "off", "4", "w")]
"""p1 has two rows, of which the first keeps its plan alone; p3 has a plan that the check has refused."""

DONE = Classification(Verdict.DONE)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[OpenChunk]:
    [chunk] = chunks(tmp_path, TABLE, 9)[1]
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        yield OpenChunk(chunk, journal, Answers(), {}, frozenset())


def updates(opened: OpenChunk) -> dict[str, Update]:
    return {update.distinct_id: update for update in opened.jobs()}


def answer(opened: OpenChunk, update: Update, classification: Classification) -> None:
    """The call that sets everything of one person ends so."""
    target = Target(update.person, update.distinct_id, "set", update.parts[0].keys)
    opened.settle(Settled(Call("POST", "/", b"", (target,)), classification, 422, 2, 5.0))


def report(opened: OpenChunk, **more: Any) -> ChunkReport:
    return report_chunk(opened.chunk, opened.outcomes, CONFIG, parse, **more)


def lines(found: ChunkReport) -> list[tuple[Any, ...]]:
    return found.rejects.select("order", "distinct_id", "attribute", "value", "stage", "reason").rows()


def test_where_all_was_applied_there_is_nothing_to_report(opened: OpenChunk) -> None:
    for update in updates(opened).values():
        answer(opened, update, DONE)
    found = report(opened)
    assert (found.rejects.height, found.kept.height) == (0, 0)
    assert found.tally.rows == Counter(applied=3, partly_applied=1)
    assert found.tally.people == Counter(called=3)
    assert found.tally.values == Counter(applied=8, superseded=2, rejected=1)
    assert found.codes is not None
    assert found.codes.sort("id", "c1").rows() == [
        ("p1", "applied", None, None),
        ("p1", None, "applied", "applied"),
        ("p2", "applied", "applied", "applied"),
        ("p3", None, "applied", "applied"),
    ]


def test_a_refused_value_has_its_cell_its_answer_and_its_row(opened: OpenChunk) -> None:
    every = updates(opened)
    refusal = Refusal(0, "age", "attribute_value_invalid", "too old")
    answer(opened, every["p1"], Classification(Verdict.DONE, (refusal,)))
    found = report(opened)
    [line] = found.rejects.rows(named=True)
    assert (line["order"], line["position"], line["line"], line["value"]) == (3, 1, 3, "3")
    assert (line["stage"], line["reason"], line["message"]) == ("send", "attribute_value_invalid", "too old")
    assert (line["status"], line["attempts"]) == (422, 2)
    assert line["at"].startswith("1970-01-01T00:00:05")
    assert found.kept.select("order", "id", "original").rows() == [(3, "p1", '["p1", "", "3", "z"]')]
    assert found.tally.reasons == Counter({("send", "attribute_value_invalid", "age"): 1})


def test_a_row_ends_as_the_first_state_that_fits(opened: OpenChunk) -> None:
    every = updates(opened)
    answer(opened, every["p1"], Classification(Verdict.RETRY, reason="no_answer"))
    answer(opened, every["p2"], Classification(Verdict.REFUSED, reason="bad"))
    found = report(opened)
    assert found.tally.rows == Counter(unconfirmed=2, rejected=1, not_attempted=1)
    assert found.tally.people == Counter(called=2, not_attempted=1)
    assert found.tally.values["not_attempted"] == 2
    assert [line[:3] for line in lines(found)] == [
        (1, "p1", "plan"),
        (2, "p2", "plan"),
        (2, "p2", "age"),
        (2, "p2", "note"),
        (3, "p1", "age"),
        (3, "p1", "note"),
    ]
    assert {line[4:] for line in lines(found)} == {("send", "unconfirmed"), ("send", "bad")}
    assert found.kept["order"].to_list() == [1, 2, 3]


def test_a_person_who_is_refused_as_a_whole_has_one_line_and_every_row_is_kept(opened: OpenChunk) -> None:
    refusal = Refusal(0, "", "unknown_person", "no such person")
    answer(opened, updates(opened)["p1"], Classification(Verdict.DONE, (refusal,)))
    found = report(opened)
    assert lines(found) == [(1, "p1", "", None, "send", "unknown_person")]
    assert found.kept["order"].to_list() == [1, 3]
    assert found.tally.values_by[0, "age", "rejected"] == 1


def test_a_value_that_is_stored_differently_is_reported_and_not_kept(opened: OpenChunk) -> None:
    normalized = (Refusal(0, "note", NORMALIZED, "stored without blanks"),)
    answer(opened, updates(opened)["p2"], Classification(Verdict.DONE, normalized=normalized))
    found = report(opened)
    assert lines(found) == [(2, "p2", "note", "y", "adjust", NORMALIZED)]
    assert (found.kept.height, found.tally.adjusted) == (0, 1)
    assert found.tally.rows["applied"] == 1


def test_a_check_counts_everything_as_not_attempted(opened: OpenChunk) -> None:
    found = report(opened, check=True)
    assert found.tally.people == Counter(not_attempted=3)
    assert found.tally.rows == Counter(not_attempted=4)
    assert found.tally.values == Counter(not_attempted=8, superseded=2, rejected=1)
    assert found.rejects.height == 0


def test_a_trimmed_value_names_what_was_left_out() -> None:
    frame = pl.DataFrame({"d2": ["x, y"]})
    [message] = frame.select(adjusted_message(Field(2, "tags", "set"))).to_series()
    assert message == "sent without the options that are not declared: x, y"
