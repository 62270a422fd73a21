"""Cells of a table that are no text."""

import polars as pl
import pytest

from importer.validate import unreadable_cells
from importer.validate.unreadable_cells import contents_of, with_text

BYTES = 'expected UTF-8 in column "c", found bytes that are not'
NUL = 'expected text in column "c", found the character NUL'


def faults(cells: pl.DataFrame, columns: list[str]) -> pl.Series | None:
    return unreadable_cells.faults(cells, columns, contents_of(cells, columns))


def test_the_contents_of_each_column_of_text_are_known() -> None:
    cells = pl.DataFrame({"a": ["#", None, "ä"], "b": ["x", "+", ""], "n": [1, 2, 3], "other": ["\0"] * 3})
    found = contents_of(cells, ["a", "b", "n"])
    assert list(found) == ["a", "b"]
    assert [(one.nul, one.hash, one.exponent, one.more_than_ascii) for one in found.values()] == [
        (False, True, False, True),
        (False, False, True, False),
    ]
    assert contents_of(cells, ["n"]) == {}


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (pl.Series("c", ["a", None, "b\0"]), [None, None, NUL]),
        (pl.Series("c", ["a", "b\0"], pl.Categorical), [None, NUL]),
        (pl.Series("c", [b"\xc3\xa4", None, b"\xff", b"\0"]), [None, None, BYTES, NUL]),
        (pl.Series("c", [["a"], [], None, ["b", "c\0"]]), [None, None, None, NUL]),
        (pl.Series("c", [[b"a"], [], None, [b"b", b"\xff"]]), [None, None, None, BYTES]),
        (pl.Series("c", [["a"], ["b", None]]), None),
        (pl.Series("c", ["a", None]), None),
        (pl.Series("c", [b"a", None]), None),
        (pl.Series("c", [0, None]), None),
    ],
)
def test_each_row_with_such_a_cell_is_found(column: pl.Series, found: list[str | None] | None) -> None:
    rows = faults(column.to_frame(), ["c"])
    assert (rows if rows is None else rows.to_list()) == found


def test_only_the_columns_that_are_read_are_looked_at_and_the_first_bad_one_is_named() -> None:
    cells = pl.DataFrame({"picture": [b"\xff", b"\xff"], "a": ["x", "y\0"], "c": ["\0", "\0"]})
    rows = faults(cells, ["c", "a"])
    assert rows is not None
    assert rows.to_list() == [NUL, NUL]
    assert faults(cells.select("picture"), []) is None


def test_bytes_that_are_read_become_text() -> None:
    cells = with_text(pl.DataFrame({"c": [b"a", b"\xff"], "picture": [b"\xff", b"\xfe"]}), ["c"])
    assert cells["c"].to_list() == ["a", None]
    assert cells["picture"].to_list() == [b"\xff", b"\xfe"]
