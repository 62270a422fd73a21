"""Typed columns as a source, whatever they come from."""

import polars as pl
import pytest

from importer.core.errors import SourceError
from importer.source.batch import SET_ASIDE
from importer.source.table_rows import TABLE_ROWS, table_batch, table_source

FRAME = pl.DataFrame({"id": ["1", "2"], "": [1, 2], "n ": [3, 4]})


def test_columns_get_names_and_rows_get_numbers_across_frames() -> None:
    big = pl.DataFrame({"id": pl.repeat("x", TABLE_ROWS, eager=True), "": 0, "n ": 0}, FRAME.schema)
    source = table_source("list", FRAME.schema, lambda: [FRAME, pl.concat([big, FRAME])])
    assert source.columns == ("id", "#2", "n")
    assert source.types == {"id": pl.String(), "#2": pl.Int64(), "n": pl.Int64()}
    batches = list(source.batches())
    assert [batch.row.len() for batch in batches] == [2, TABLE_ROWS, 2]
    assert batches[2].row.to_list() == [TABLE_ROWS + 3, TABLE_ROWS + 4]
    assert [batch.row[0] for batch in source.batches()] == [1, 3, TABLE_ROWS + 3], "again from the first row"


def test_a_batch_of_a_table_has_neither_lines_nor_texts() -> None:
    batch = table_batch(FRAME, 7)
    assert batch.row.to_list() == [7, 8]
    assert batch.line.to_list() == [None, None]
    assert batch.raw is None
    assert batch.set_aside.schema == SET_ASIDE
    assert batch.set_aside.is_empty()


def test_what_cannot_be_read_exactly_is_refused_by_its_name() -> None:
    with pytest.raises(SourceError) as caught:
        table_source("list", {"sum": pl.Decimal(39, 2)}, list)
    assert str(caught.value) == (
        'list: column "sum" is a decimal of 39 digits, and 38 can be read exactly; '
        "convert it where the table is made."
    )


def test_a_table_without_columns_is_refused() -> None:
    with pytest.raises(SourceError, match=r"^list: the table has no columns\.$"):
        table_source("list", {}, list)
