"""A line that a stray carriage return cut is set aside whole, unless every part is a row."""

import polars as pl

from importer.source.csv_blocks import Block
from importer.source.csv_damage import Unit
from importer.source.csv_found import Records
from importer.source.csv_grammar import Dialect, Layout
from importer.source.csv_stray_returns import STRAY_RETURN, rejoin

LAYOUT = Layout(Dialect(), ("a", "b"))
FEW = "expected 2 fields, found 1"


def found(block: Block, good: list[int], *units: Unit, cut: int | None = None) -> Records:
    """Records on the lines `good`, as a reader finds them before lines are joined again."""
    raw = block.lines.gather(good)
    cells = pl.DataFrame([text.split(",") for text in raw], schema=["a", "b"], orient="row")
    return Records(
        block.height if cut is None else cut, raw, cells, pl.Series(good, dtype=pl.Int64), [*units]
    )


def test_a_block_without_a_stray_return_stays_as_it_is_found() -> None:
    for data in (b"1,2\n3\n", b"1,2\r\n3\r\n", b"1,2\r3\r"):
        block = Block(LAYOUT, data)
        records = found(block, [0], Unit(1, 2, FEW))
        assert rejoin(block, records) is records


def test_all_parts_of_a_cut_line_are_set_aside_as_one() -> None:
    block = Block(LAYOUT, b"1,2\n3,4\r5\n6,7\n")
    joined = rejoin(block, found(block, [0, 1, 3], Unit(2, 3, FEW)))
    assert joined.units == [Unit(1, 3, STRAY_RETURN)]
    assert joined.at.to_list() == [0, 3]
    assert joined.records(block).to_list() == ["1,2", "6,7"]
    assert joined.cells.rows() == [("1", "2"), ("6", "7")]


def test_parts_that_are_all_rows_stay_rows() -> None:
    block = Block(LAYOUT, b"1,2\n3,4\r5,6\n7,8\n")
    joined = rejoin(block, found(block, [0, 1, 2, 3]))
    assert joined.units == []
    assert joined.at.to_list() == [0, 1, 2, 3]


def test_a_fault_beside_no_return_keeps_its_own_message() -> None:
    block = Block(LAYOUT, b"1\n3,4\r5,6\n7,8\n")
    assert rejoin(block, found(block, [1, 2, 3], Unit(0, 1, FEW))).units == [Unit(0, 1, FEW)]


def test_a_cut_line_at_the_end_waits_for_its_rest() -> None:
    block = Block(LAYOUT, b"1,2\n3,4\r5,6\n7,8\n")
    joined = rejoin(block, found(block, [0, 1], cut=2))
    assert joined.cut == 1
    assert joined.at.to_list() == [0]
