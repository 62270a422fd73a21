"""The type free_text."""

import polars as pl

from importer.config.attribute import Attribute
from importer.core.rejects import TOO_LONG
from importer.values.text import type_text


def test_any_text_is_good_without_a_limit() -> None:
    column = pl.Series("c", ["a", "", "🙂" * 1000, None])
    typed = type_text(Attribute(type="free_text"), column)
    assert typed.value.to_list() == column.to_list()
    assert typed.present.to_list() == [True, True, True, False]
    assert typed.reason is None


def test_a_text_is_too_long_by_its_characters_and_not_by_its_bytes() -> None:
    typed = type_text(Attribute(type="free_text", max_length=3), pl.Series("c", ["äöü", "🙂🙂🙂", None]))
    assert typed.value.to_list() == ["äöü", "🙂🙂🙂", None]
    assert typed.reason is None


def test_a_text_that_is_too_long_costs_only_itself() -> None:
    typed = type_text(Attribute(type="free_text", max_length=3), pl.Series("c", ["abc", "abcd", None]))
    assert typed.value.to_list() == ["abc", None, None]
    assert typed.present.to_list() == [True, True, False]
    assert typed.reason is not None
    assert typed.reason.to_list() == [None, TOO_LONG, None]


def test_a_column_of_parquet_is_text_as_a_person_reads_it() -> None:
    attribute = Attribute(type="free_text", max_length=4)
    assert type_text(attribute, pl.Series("c", [True, None])).value.to_list() == ["true", None]
    assert type_text(attribute, pl.Series("c", [1.50, 12345.0])).value.to_list() == ["1.5", None]
