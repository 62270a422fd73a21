"""Rows that are blank in every column are counted, and are nobody."""

import polars as pl

from importer.source.batch import SET_ASIDE, Batch
from importer.validate.empty_rows import empty_rows, split_end_marks


def test_a_row_is_empty_where_every_cell_is_blank() -> None:
    cells = pl.DataFrame(
        {"id": ["", None, " ", "1", ""], "n": [None, None, None, None, 1], "t": ["", " ", None, "", ""]}
    )
    found = empty_rows(cells, "id")
    assert found is not None
    assert found.to_list() == [True, True, True, False, False]
    assert empty_rows(cells.tail(2), "id") is None
    assert empty_rows(cells.slice(3, 1), "id") is None


def test_the_mark_at_the_end_of_a_file_is_no_damaged_row() -> None:
    rows = [(1, 2, b"x", "row_malformed", "m"), (2, 3, b"\x1a", "row_empty", "n")]
    nothing = pl.Series([], dtype=pl.Int64)
    batch = Batch(pl.DataFrame(), nothing, nothing, None, pl.DataFrame(rows, schema=SET_ASIDE, orient="row"))
    real, marks = split_end_marks(batch)
    assert (real["row"].to_list(), marks) == ([1], 1)
