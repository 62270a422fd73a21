"""The type number: one canonical text for one number, from text and from Parquet."""

from typing import Any

import polars as pl
import pytest

from importer.config.attribute import Attribute
from importer.core.errors import SourceError
from importer.core.rejects import INVALID
from importer.values.numbers import are_positive, type_number


def results(column: pl.Series, **declared: Any) -> list[str | None]:
    """The number text of each cell, or its reason where it is bad."""
    typed = type_number(Attribute.model_validate({"type": "number", **declared}), column)
    reasons = [None] * len(column) if typed.reason is None else typed.reason.to_list()
    return [reason or text for text, reason in zip(typed.value.to_list(), reasons, strict=True)]


@pytest.mark.parametrize("text", ["0", "-0", "+0", "00", "0.0", "-0.0", "-00.000", "-0e5", "0e-9"])
def test_zero_has_one_text_however_it_is_written(text: str) -> None:
    assert results(pl.Series("c", [text, "1"])) == ["0", "1"]


def test_zero_of_parquet_has_no_sign_either() -> None:
    for kind in (pl.Float64, pl.Float32):
        assert results(pl.Series("c", [-0.0, 0.0, None], dtype=kind)) == ["0", "0", None]


def test_a_number_of_parquet_that_is_not_finite_is_bad() -> None:
    column = pl.Series("c", [float("inf"), float("-inf"), float("nan"), 0.1, None])
    assert results(column) == [INVALID, INVALID, INVALID, "0.1", None]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("c", ["-1", "0", "1.5", "10", "10.01", None]),
        pl.Series("c", [-1.0, 0.0, 1.5, 10.0, 10.01, None]),
        pl.Series("c", ["-1", "0", "1.5", "10", "10.01", None]).cast(pl.Decimal(10, 2)),
    ],
)
def test_the_declared_range_includes_its_ends(column: pl.Series) -> None:
    assert results(column, min=0, max=10) == [INVALID, "0", "1.5", "10", INVALID, None]
    assert results(column, min=0)[4] == "10.01"
    assert results(column, max=10)[0] == "-1"


def test_the_widest_integers_of_parquet_keep_their_last_digit() -> None:
    column = pl.Series("c", [2**64 - 1, 2**53 + 1], dtype=pl.UInt64)
    assert results(column) == ["18446744073709551615", "9007199254740993"]
    assert results(column, min=0) == ["18446744073709551615", "9007199254740993"]


@pytest.mark.parametrize("column", [pl.Series("c", [True]), pl.Series("c", [0]).cast(pl.Date)])
def test_a_column_that_counts_nothing_is_refused(column: pl.Series) -> None:
    with pytest.raises(SourceError) as caught:
        type_number(Attribute(type="number"), column)
    assert str(caught.value) == (
        f'Column "c": the Parquet type {column.dtype} cannot become the declared type; '
        "declare another type or convert the column where the file is made."
    )


@pytest.mark.parametrize(
    ("texts", "positive"),
    [
        (["1", "9223372036854775807", None], True),
        ([None], True),
        (["0"], False),
        (["-1"], False),
        (["+1"], False),
        (["01"], False),
        (["1.0"], False),
        (["9223372036854775808"], False),
        (["x"], False),
    ],
)
def test_positive_integers_are_told_from_all_others(texts: list[str | None], positive: bool) -> None:
    assert are_positive(pl.Series("c", texts, dtype=pl.String)) == positive


@pytest.mark.parametrize(
    "declared", [{}, {"min": 0}, {"min": -1.5, "max": 10}, {"decimal": ","}, {"thousands": ","}]
)
def test_a_column_of_ordinary_numbers_reads_as_it_does_beside_other_texts(declared: dict[str, Any]) -> None:
    texts = (
        "0 -0 +0 00 007 5 +5 -5 10 10.0 10.00 10.01 0.10 -0.0 +1.50 -1.5 -1.51 1234.5 1,5 1,234 1,234.50 "
        ".5 5. - + . 123456789012345678 -123456789012345678 999999999999999999.999999 9223372036854775807 "
        "9223372036854775808 18446744073709551616 1e5 1.e5 1e400 inf nan 1_0 0x10 \uff11 1\u00a0 \u06610 1\0"
    ).split(" ")
    for text in texts:
        for other in ("7", "7.5", None):
            alone = results(pl.Series("c", [text, other]), **declared)
            assert alone == results(pl.Series("c", [text, other, "1e1"]), **declared)[:2], text
            assert alone[0] is not None, text
