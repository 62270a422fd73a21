"""Counts of what was read: what they add up to."""

from collections import Counter
from typing import Any

import polars as pl
import pytest

from importer.config.attribute import Attribute
from importer.validate.read_counts import ReadCounts, count_undeclared
from importer.values.typed_column import TypedColumn


def attribute(kind: str = "free_text", **more: Any) -> Attribute:
    return Attribute.model_validate({"type": kind, **more})


def column(
    value: list[Any], reason: list[str | None] | None = None, dropped: list[str | None] | None = None
) -> TypedColumn:
    """A typed column in which every cell has text."""
    return TypedColumn(
        pl.Series(value),
        pl.repeat(True, len(value), eager=True),
        None if reason is None else pl.Series(reason, dtype=pl.String),
        None if dropped is None else pl.Series(dropped, dtype=pl.String),
    )


def test_rows_are_those_that_are_chosen_and_have_an_id() -> None:
    counts = ReadCounts(rows_read=100, filtered=20, empty_rows=3, set_aside=7)
    assert counts.rows == 70


def test_our_own_rows_are_none_of_the_list() -> None:
    assert ReadCounts(rows_read=100, set_aside=7, gone_rows=40).rows_of_list == 53


def test_the_reject_limit_does_not_count_repeated_headers() -> None:
    counts = ReadCounts(set_aside=7, set_aside_free=2, values_rejected=10, people_rejected=1)
    assert counts.rejected == 16


def test_nothing_is_counted_at_first() -> None:
    counts = ReadCounts()
    assert (counts.rows, counts.rejected, counts.values_of("plan", attribute())) == (0, 0, 0)


@pytest.mark.parametrize(("blank", "values"), [("skip", 96), ("clear", 102), ("reject", 102)])
def test_a_blank_cell_is_a_value_where_it_is_not_skipped(blank: str, values: int) -> None:
    counts = ReadCounts(rows_read=105, gone_rows=5, blanks=Counter(plan=6), gone_values=Counter(plan=2))
    assert counts.values_of("plan", attribute(blank=blank)) == values


def test_a_custom_choice_that_is_not_declared_is_counted() -> None:
    choice = attribute("single_choice", options=("a", "b"), allow_custom=True)
    assert count_undeclared(choice, column(["a", "x", None, "x", "b"])) == 2


def test_a_choice_that_is_refused_is_counted_by_its_reason() -> None:
    single = attribute("single_choice", options=("a",))
    refused = column([None, None, "a"], ["attribute_value_invalid", "attribute_value_blank", None])
    assert count_undeclared(single, refused) == 1
    multi = attribute("multi_choice", options=("a",))
    refused = column([["a"], None, None], [None, "option_not_declared", "list_empty"])
    assert count_undeclared(multi, refused) == 1
    assert count_undeclared(multi, column([["a"]])) == 0


def test_a_list_that_loses_some_options_is_counted_once() -> None:
    multi = attribute("multi_choice", options=("a",))
    adjusted = column([["a"], ["a"], None], [None, None, "option_not_declared"], ["x, y", None, None])
    assert count_undeclared(multi, adjusted) == 2
