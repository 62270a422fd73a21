"""Sums are exact, unions keep the order in which options appear."""

import polars as pl
import pytest

from importer.chunk import aggregation


def _fold(operation: str, *values: str) -> list[str]:
    rows = pl.DataFrame({"id": ["a"] * len(values), "value": values})
    return aggregation.fold(operation, rows)["value"].to_list()


@pytest.mark.parametrize(
    ("values", "total"),
    [
        (("1", "2"), "3"),
        (("9007199254740993", "1"), "9007199254740994"),
        (("0.1", "0.2"), "0.3"),
        (("1.5", "-0.5"), "1"),
        (("1e3", "1"), "1001"),
        (("1" + "0" * 60, "1"), "1" + "0" * 59 + "1"),
    ],
)
def test_sums_pass_through_no_float(values: tuple[str, ...], total: str) -> None:
    assert _fold("increase", *values) == [total]


def test_a_union_has_each_option_once() -> None:
    assert _fold("add", '["b","a"]', '["a","c"]') == ['["b","a","c"]']
