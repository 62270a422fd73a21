"""The last value of a person wins, bad or good, in whatever pieces the rows come."""

from collections.abc import Iterator

import polars as pl
import pytest

from importer.chunk.fields import Field
from importer.chunk.winners import choose_winners
from importer.core.row_order import TIME

FIELDS = [Field(0, "plan", "set"), Field(1, "age", "set")]


def _rows(*rows: tuple[int, str, str | None, str | None, bool]) -> pl.DataFrame:
    """Order, id, the values of both attributes, and whether the second one is bad."""
    frame = pl.DataFrame(rows, schema=["order", "id", "v0", "v1", "b1"], orient="row")
    frame = frame.with_columns(pl.col("v0", "v1").cast(pl.String))
    values = pl.sum_horizontal(pl.col("v0", "v1").is_not_null(), pl.col("b1")).cast(pl.UInt32)
    return frame.with_columns(values=values, bads=pl.col("b1").cast(pl.UInt32))


LIST = [
    (1, "a", '"x"', "1", False),
    (2, "b", '"y"', None, True),
    (3, "a", '"z"', None, False),
    (4, "a", None, None, True),
    (5, "c", None, None, False),
]


def _pieces(size: int) -> Iterator[pl.DataFrame]:
    yield from _rows(*LIST).iter_slices(size)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_last_value_wins_and_a_bad_one_brings_no_older_one_back(size: int) -> None:
    winners = choose_winners(_pieces(size), FIELDS)
    assert winners.rows.select("id", "v0", "v1").rows() == [("b", '"y"', None), ("a", '"z"', None)]
    assert winners.people == 3
    assert winners.tally.values == {"superseded": 2, "rejected": 2}
    assert winners.tally.rows == {"merged": 1, "rejected": 1, "empty": 1}


def test_repeated_ids_are_noted_where_they_are_asked_for() -> None:
    assert choose_winners(_pieces(2), FIELDS, note_repeated=True).repeated.to_list() == ["a"]
    assert choose_winners(_pieces(2), FIELDS).repeated.to_list() == []


def test_the_newest_wins_where_rows_have_a_time() -> None:
    rows = _rows((1, "a", '"new"', None, False), (2, "a", '"old"', None, False))
    rows = rows.with_columns(pl.Series(TIME, [2.0, 1.0]))
    assert choose_winners(iter([rows]), FIELDS).rows["v0"].to_list() == ['"new"']


def test_no_value_of_a_sum_is_replaced() -> None:
    summed = [Field(0, "plan", "increase"), FIELDS[1]]
    rows = _rows((1, "a", "1", None, False), (2, "a", "2", None, False))
    winners = choose_winners(iter([rows]), summed)
    assert (winners.rows["v0"].to_list(), winners.all_different) == (["1", "2"], False)
