"""Rows that are blank in every column are counted, and are nobody."""

import polars as pl

from importer.source.batch import SET_ASIDE, Batch
from importer.validate.empty_rows import empty_rows, split_counted


def test_a_row_is_empty_where_every_cell_is_blank() -> None:
    cells = pl.DataFrame(
        {"id": ["", None, " ", "1", ""], "n": [None, None, None, None, 1], "t": ["", " ", None, "", ""]}
    )
    found = empty_rows(cells, "id")
    assert found is not None
    assert found.to_list() == [True, True, True, False, False]
    assert empty_rows(cells.tail(2), "id") is None
    assert empty_rows(cells.slice(3, 1), "id") is None


def test_the_mark_at_the_end_of_a_file_and_its_footer_are_no_damaged_rows() -> None:
    rows = [
        (1, 2, b"x", "row_malformed", "m"),
        (2, 3, b"\x1a", "row_empty", "n"),
        (3, None, None, "row_of_footer", None),
        (4, None, None, "row_of_footer", None),
    ]
    nothing = pl.Series([], dtype=pl.Int64)
    batch = Batch(pl.DataFrame(), nothing, nothing, None, pl.DataFrame(rows, schema=SET_ASIDE, orient="row"))
    real, marks, footer = split_counted(batch)
    assert (real["row"].to_list(), marks, footer) == ([1], 1, 2)
