"""One column after its check: what is present, bad, blank or cleared."""

import polars as pl

from importer.config.attribute import Attribute
from importer.core.rejects import BLANK, INVALID, PATTERN
from importer.values.typed_column import (
    TypedColumn,
    checked,
    choose,
    reasons_where,
    replace_where,
    sent_type,
)


def booleans(*values: bool | None) -> pl.Series:
    return pl.Series("c", values, dtype=pl.Boolean)


def test_a_cell_with_text_and_no_value_is_bad() -> None:
    typed = checked(pl.Series("c", ["1", "x", None]), pl.Series("c", [1, None, None]))
    assert typed.present.to_list() == [True, True, False]
    assert typed.reason is not None
    assert typed.reason.to_list() == [None, INVALID, None]
    assert typed.blank_count() == 1


def test_a_column_without_a_bad_cell_has_no_reasons() -> None:
    typed = checked(pl.Series("c", ["1", None]), pl.Series("c", [1, None]), PATTERN)
    assert typed.reason is None
    assert typed.blank_count() == 1


def test_a_blank_cell_that_is_refused_as_blank_counts_as_blank() -> None:
    values = pl.Series("c", ["a", None, None])
    typed = TypedColumn(values, booleans(True, True, True), pl.Series("c", [None, BLANK, INVALID]))
    assert typed.blank_count() == 1


def test_values_are_made_only_when_they_are_asked_for() -> None:
    asked: list[int] = []

    def values() -> pl.Series:
        asked.append(1)
        return pl.Series("c", ["a"])

    typed = TypedColumn(values, booleans(True))
    assert asked == []
    assert typed.value.to_list() == ["a"]
    assert asked == [1]


def test_a_cleared_cell_is_present_and_neither_bad_nor_blank() -> None:
    typed = checked(pl.Series("c", ["1", "x", None]), pl.Series("c", [1, None, None]))
    cleared = typed.clearing(booleans(False, False, True))
    assert cleared.present.to_list() == [True, True, True]
    assert cleared.blank_count() == 0
    assert cleared.reason is not None
    assert cleared.reason.to_list() == [None, INVALID, None]
    assert cleared.cleared is not None
    assert cleared.cleared.to_list() == [False, False, True]


def test_a_rejected_cell_keeps_the_reasons_of_the_others() -> None:
    typed = checked(pl.Series("c", ["1", "x", None]), pl.Series("c", [1, None, None]))
    rejected = typed.rejecting(booleans(False, False, True), PATTERN)
    assert rejected.present.to_list() == [True, True, True]
    assert rejected.reason is not None
    assert rejected.reason.to_list() == [None, INVALID, PATTERN]
    clean = checked(pl.Series("c", ["1", None]), pl.Series("c", [1, None]))
    reason = clean.rejecting(booleans(False, True), PATTERN).reason
    assert reason is not None
    assert reason.to_list() == [None, PATTERN]


def test_a_text_that_goes_out_as_a_number_is_checked_as_one() -> None:
    assert sent_type(Attribute(type="free_text", send_as="number")) == "number"
    assert sent_type(Attribute(type="free_text")) == "free_text"


def test_a_choice_is_null_where_its_mask_is_null() -> None:
    chosen = choose(booleans(True, False, None), pl.lit("yes"), pl.lit("no"))
    assert chosen.to_list() == ["yes", "no", None]
    assert chosen.name == "c"


def test_reasons_stand_where_a_cell_is_bad() -> None:
    reasons = reasons_where(booleans(True, False), INVALID)
    assert reasons is not None
    assert reasons.to_list() == [INVALID, None]
    assert reasons_where(booleans(False, False), INVALID) is None


def test_replacing_leaves_the_given_column_as_it_was() -> None:
    column = pl.Series("c", ["a", "b", "c"])
    mask = booleans(True, False, True)
    assert replace_where(column, mask, pl.Series(["x", None])).to_list() == ["x", "b", None]
    assert column.to_list() == ["a", "b", "c"]
