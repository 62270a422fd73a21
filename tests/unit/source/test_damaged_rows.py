"""Hundreds of lists with one damaged row: nothing wrong arrives, and no neighbour is lost without need.

`tests/long/damaged_lists.py` does the same with as many as you like, and prints the counts.
"""

import pytest

from importer.source.csv_grammar import Dialect, Layout
from importer.source.csv_splitter import Splitter
from tests.support.oracle.damaging import Cells, Damaged, compare, damage_one

SEEDS = range(800)
PIECES = (1 << 30, 61)


def read(case: Damaged, pieces: int = 1 << 30) -> tuple[list[Cells], int]:
    """The rows delivered, and how many are set aside; fed in pieces of so many bytes."""
    columns = tuple(f"c{i}" for i in range(case.shape.columns))
    splitter = Splitter(Layout(Dialect(), columns))
    rows: list[Cells] = []
    aside, data = 0, case.data
    for start in range(0, max(1, len(data)), pieces):
        end = start + pieces
        batch = splitter.feed(data[start:end], final=end >= len(data), end=min(end, len(data)))
        if batch is not None:
            rows += batch.cells.rows()
            aside += batch.set_aside.height
            assert sorted([*batch.row, *batch.set_aside["row"]]) == list(
                range(len(rows) + aside - batch.row.len() - batch.set_aside.height + 1, len(rows) + aside + 1)
            )
    return rows, aside


def decidable(case: Damaged) -> bool:
    """Whether the damage leaves every undamaged row certain: no quoted line breaks, or quotes in order."""
    return not case.line_breaks or case.kind.startswith(("separator", "field"))


@pytest.mark.parametrize("part", range(4))
def test_nothing_wrong_arrives(part: int) -> None:
    for seed in SEEDS[part::4]:
        case = damage_one(f"test {seed}")
        if case is None:
            continue
        pieces = PIECES[seed % 8 == 0]
        found = compare(case, read(case, pieces)[0])
        shown = case.line_breaks_elsewhere or not case.line_breaks
        assert not (shown and found.wrong), f"test {seed}"
        assert not (decidable(case) and case.kind != "cut" and found.lost), f"test {seed}"


def test_the_judge_can_say_no() -> None:
    case = next(c for i in range(99) if (c := damage_one(f"{i}")) and c.shape.height > 3)
    others = [row for i, row in enumerate(case.rows) if i != case.hurt]
    assert compare(case, others).wrong == compare(case, others).lost == 0
    assert compare(case, [*others[1:], ("shifted",) * case.shape.columns]).wrong == 1
    assert compare(case, others[1:]).lost == 1
