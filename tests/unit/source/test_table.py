"""A table of the calling program as a source."""

import decimal

import pandas as pd
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from importer.core.errors import SourceError
from importer.source.batch import SET_ASIDE
from importer.source.table import ArrowTable, open_table
from importer.source.table_rows import TABLE_ROWS

FRAME = pl.DataFrame({"id": ["1", "2"], "n": [7, None]}, schema={"id": pl.String, "n": pl.Int64})


@pytest.mark.parametrize("table", [FRAME, FRAME.to_arrow(), FRAME.to_pandas()])
def test_a_table_of_any_library_is_read_with_its_types(table: ArrowTable) -> None:
    source = open_table("people", table)
    assert (source.path, source.format, source.columns) == ("people", "parquet", ("id", "n"))
    (batch,) = source.batches()
    assert batch.cells["id"].to_list() == ["1", "2"]
    assert batch.cells["n"].to_list() == [7, None]
    assert batch.row.to_list() == [1, 2]
    assert batch.line.to_list() == [None, None]
    assert batch.records is None
    assert batch.set_aside.schema == SET_ASIDE
    assert batch.set_aside.is_empty()


def test_only_what_hands_out_arrow_is_a_table() -> None:
    assert isinstance(FRAME, ArrowTable)
    assert isinstance(pd.DataFrame({"a": [1]}), ArrowTable)
    assert not isinstance([{"id": 1}], ArrowTable)


def test_rows_are_numbered_on_from_batch_to_batch() -> None:
    height = TABLE_ROWS + 1
    batches = list(open_table("many", pl.DataFrame({"id": pl.int_range(height, eager=True)})).batches())
    rows = pl.concat([batch.row for batch in batches])
    assert max(batch.row.len() for batch in batches) <= TABLE_ROWS
    assert rows.equals(pl.int_range(1, height + 1, eager=True, dtype=pl.Int64).alias("row"))


def test_two_columns_of_one_name_are_refused() -> None:
    table = pa.table([pa.array(["1"]), pa.array(["a"])], names=["id", "id"])
    with pytest.raises(SourceError) as caught:
        list(open_table("people", table).batches())
    assert str(caught.value) == "people: two columns have the same name; rename one of them."


def test_dictionaries_are_text() -> None:
    table = pl.DataFrame(
        {"c": ["a"], "e": ["k"]},
        schema={"c": pl.Categorical, "e": pl.Enum(["k"])},
    )
    source = open_table("people", table)
    assert source.types is not None
    assert source.types["c"] == source.types["e"] == pl.String
    (batch,) = source.batches()
    assert batch.cells.rows() == [("a", "k")]
    assert batch.cells.dtypes == [pl.String] * 2


def test_a_table_without_columns_is_refused() -> None:
    with pytest.raises(SourceError) as caught:
        open_table("people", pl.DataFrame())
    assert str(caught.value) == "people: the table has no columns."


def test_a_decimal_that_cannot_be_read_exactly_is_refused_by_its_name() -> None:
    wide = pa.table({"sum": pa.array([decimal.Decimal("1.5")], pa.decimal256(40, 2))})
    with pytest.raises(SourceError) as caught:
        open_table("people", wide)
    assert str(caught.value).startswith("people: ")
