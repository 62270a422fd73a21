"""Cells that a spreadsheet marked as text."""

import polars as pl
import pytest

from importer.values.spreadsheet_text import LOOKS_LIKE, MARKED, may_be_marked, unwrap


@pytest.mark.parametrize(
    ("cell", "inside"),
    [
        ('="00123"', "00123"),
        ('=""', ""),
        ('="say ""hi"""', 'say "hi"'),
        ('="ä\n🙂"', "ä\n🙂"),
        ("'00123", "00123"),
        ("'+1 (202) 555-0143", "+1 (202) 555-0143"),
        ("'=SUM(A1)", "=SUM(A1)"),
        ("'@name", "@name"),
    ],
)
def test_a_marked_cell_loses_its_mark(cell: str, inside: str) -> None:
    found = unwrap(pl.Series("c", [cell, None, "other"]))
    assert found.to_list() == [inside, None, "other"]
    assert found.name == "c"
    assert pl.Series([cell]).str.contains(f"(?s){MARKED}").to_list() == [True]


@pytest.mark.parametrize("cell", ["'s-Hertogenbosch", "'", "=1+1", '="a"b"', '="', "O'Keeffe", "'7a", '"x"'])
def test_any_other_cell_stays(cell: str) -> None:
    assert unwrap(pl.Series("c", [cell, "'7"])).to_list() == [cell, "7"]


def test_a_column_without_a_mark_is_the_same_series() -> None:
    for column in (pl.Series("c", ["a", None, "(b"]), pl.Series("c", [1, 2])):
        assert unwrap(column) is column


def test_only_the_first_character_says_whether_a_cell_may_be_marked() -> None:
    assert may_be_marked(pl.Series(["a", "'"]))
    assert may_be_marked(pl.Series([None, "=x"]))
    assert not may_be_marked(pl.Series(["a'", "&", "(", "<", ">", "", None]))


def test_a_formula_looks_like_a_spreadsheet_cell_and_an_apostrophe_before_a_word_does_not() -> None:
    cells = pl.Series(["=1+1", "'7", "'=x\ny", "=", "'t Hooft", "a=b"])
    assert cells.str.contains(LOOKS_LIKE).to_list() == [True, True, True, False, False, False]
