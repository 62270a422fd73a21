"""What each guard finds in what was read."""

import re
from typing import Any

import polars as pl
import pytest

from importer.config import loader as configuration
from importer.config.options import Options, RejectLimit
from importer.core.models import RunWarning
from importer.pipeline import guards
from importer.reconcile.reconciler import Answers
from importer.storage.run_history import ListShape
from importer.validate.read_counts import ReadCounts
from importer.validate.read_result import ReadResult
from importer.validate.value_shapes import ValueShapes


def _found(rows: int = 100, good: ListShape | None = None, **keys: Any) -> guards.Tripped:
    config = configuration.parse(
        {
            "name": "guards",
            "source": {"path": "none.csv"},
            "identity": {"column": "id"},
            "destination": {"type": "vevee", "api_key": "env:NONE"},
            "attributes": {"plan": {"type": "free_text"}},
            "guards": keys,
        }
    )
    counts = ReadCounts(rows_read=rows)
    counts.blanks["plan"] = 10
    counts.reasons["check", "attribute_value_too_long", "plan"] = 30
    shapes = ValueShapes()
    shapes.add(pl.DataFrame({"attribute": ["plan"], "value": ["ab-1"], "stage": ["check"]}))
    return guards.find_tripped(config, ReadResult(counts=counts), shapes, good, 0.0, whole=True)


@pytest.mark.parametrize(
    ("keys", "name", "text"),
    [
        ({"min_rows": 101}, "min_rows", "100 rows where at least 101 are expected"),
        ({"max_row_change": "9%"}, "max_row_change", "100 rows where run r had 110"),
        ({"max_blank_change": "5%"}, "max_blank_change", "plan is 10.0% blank where run r had 0.0%"),
        ({"max_attribute_rejects": "33%"}, "max_attribute_rejects", '30 of 90 values of plan .* like "aa-9"'),
    ],
)
def test_a_guard_trips_past_its_limit(keys: dict[str, Any], name: str, text: str) -> None:
    found = _found(good=ListShape("r", 110, {"plan": 0.0}), **keys)
    assert list(found) == [name]
    assert re.search(text, found[name])


@pytest.mark.parametrize(
    "keys",
    [
        {"min_rows": 100},
        {"max_row_change": "10%"},
        {"max_blank_change": "10%"},
        {"max_attribute_rejects": "34%"},
    ],
)
def test_a_guard_does_not_trip_at_its_limit(keys: dict[str, Any]) -> None:
    assert _found(good=ListShape("r", 110, {"plan": 0.0}), **keys) == {}


def test_what_was_allowed_for_stops_nothing() -> None:
    error = guards.error_of({"min_rows": "few", "strict": "damage"}, ["strict"])
    assert error is not None
    assert (str(error), error.allow) == ("Guard min_rows: few. Nothing was sent.", ("min_rows",))
    assert guards.error_of({"strict": "damage"}, ["strict"]) is None


def test_before_the_first_call_the_reject_limit_and_strict_count() -> None:
    reading = ReadResult(counts=ReadCounts(values_read=10, values_rejected=3))
    reading.warnings = [RunWarning("mojibake", "name", 1)]
    limit = RejectLimit(count=2)
    found = [str(e) for e in guards.before_first_call(reading, Options(max_rejects=limit, strict=True))]
    assert [text.partition(":")[0] for text in found] == ["Guard strict", "--max-rejects 2 is passed"]
    assert list(guards.before_first_call(reading, Options(max_rejects=RejectLimit(percent=30)))) == []


def test_the_reject_limit_counts_answers() -> None:
    few, many = Answers(values=99, rejected=50), Answers(values=100, rejected=50)
    share, count = RejectLimit(percent=49), RejectLimit(count=50)
    assert [guards.limit_passed(share, 0, a) is None for a in (few, many)] == [True, False]
    assert [guards.limit_passed(count, b, few) is None for b in (0, 1)] == [True, False]


def test_a_canary_of_which_nothing_was_applied_stops_the_rest() -> None:
    assert "none of the first 4 values" in guards.canary_problem(Answers(values=4, unconfirmed=4), None)
    assert guards.canary_problem(Answers(values=4, rejected=3), None) == ""
    assert guards.canary_problem(Answers(values=4, rejected=3), RejectLimit(percent=50)) != ""
