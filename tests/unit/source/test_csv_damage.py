"""Lines that are no healthy record by themselves: which rows they are, and which cannot be decided."""

from collections.abc import Sequence

import pytest

from importer.source.csv_blocks import Block
from importer.source.csv_damage import (
    BROKEN,
    HEALTHY,
    MAX_RECORD,
    MAX_RECORD_LINES,
    NUL,
    OPEN,
    REACH,
    UNREADABLE,
    DamageSearch,
    LineBreaks,
    Unit,
    fields_text,
    is_endless,
)
from importer.source.csv_grammar import Dialect, Layout

LAYOUT = Layout(Dialect(), ("a", "b", "c"))
STRAY = "expected 3 fields, found a quote out of place in field 2"


def walked(
    lines: Sequence[str], codes: list[int], *, final: bool = True, line_breaks: LineBreaks | None = None
) -> DamageSearch:
    data = "".join(f"{line}\n" for line in lines).encode()
    walk = DamageSearch(Block(LAYOUT, data), codes, line_breaks or LineBreaks(), final)
    walk.run()
    return walk


def test_healthy_lines_are_no_units() -> None:
    walk = walked(["1,2,3", "4,5,6"], [HEALTHY, HEALTHY])
    assert walk.units == []
    assert walk.undecided is None


def test_a_row_with_a_quoted_line_break_is_one_healthy_unit() -> None:
    breaks = LineBreaks()
    walk = walked(['1,"x', 'y",3', "4,5,6"], [OPEN, BROKEN, HEALTHY], line_breaks=breaks)
    assert walk.units == [Unit(0, 2, None)]
    assert breaks.longest == 2
    assert breaks.multiline


def test_a_row_that_is_open_at_the_end_waits_for_the_next_block() -> None:
    lines, codes = ["1,2,3", '4,"x'], [HEALTHY, OPEN]
    waiting = walked(lines, codes, final=False)
    assert waiting.units == []
    assert waiting.undecided == 1
    last = walked(lines, codes)
    assert last.undecided is None
    assert [(unit.start, unit.end) for unit in last.units] == [(1, 2)]
    assert last.units[0].message is not None


@pytest.mark.parametrize(
    ("line", "message"),
    [("1,2", "expected 3 fields, found 2"), ("1,2,3,4", "expected 3 fields, found 4"), ('1,a"b,3', STRAY)],
)
def test_a_broken_line_alone_is_set_aside_with_what_was_expected_and_found(line: str, message: str) -> None:
    walk = walked(["1,2,3", line, "4,5,6"], [HEALTHY, BROKEN, HEALTHY])
    assert walk.units == [Unit(1, 2, message)]


def test_a_line_with_a_nul_is_set_aside_as_one() -> None:
    assert walked(["1,2\0,3", "4,5,6"], [UNREADABLE, HEALTHY]).units == [Unit(0, 1, NUL)]
    inside = walked(['1,"x\0', 'y",3'], [OPEN, BROKEN])
    assert inside.units == [Unit(0, 2, NUL)]


def test_no_message_holds_a_cell() -> None:
    lines = ['1,"ana@example.com', "4,5,6", '7,ana"@example.com,9']
    walk = walked(lines, [OPEN, HEALTHY, BROKEN])
    assert walk.units
    assert not any("ana" in (unit.message or "") for unit in walk.units)


def test_the_rows_before_a_line_come_nearest_first() -> None:
    walk = walked(["1,2", "3,4,5", "6,7,8", "9"], [BROKEN, HEALTHY, HEALTHY, BROKEN])
    assert list(walk.units_before(3)) == [
        Unit(2, 3),
        Unit(1, 2),
        Unit(0, 1, "expected 3 fields, found 2"),
    ]


def test_the_size_of_lines_is_in_bytes_with_their_ends() -> None:
    walk = walked(["1,2,3", "ä,5,6"], [HEALTHY, HEALTHY])
    assert [walk.size(0, 1), walk.size(1, 2), walk.size(0, 2), walk.size(1, 1)] == [6, 7, 13, 0]


def test_a_list_without_quoted_line_breaks_has_the_smallest_reach() -> None:
    assert LineBreaks().reach == REACH
    assert not LineBreaks().multiline
    assert LineBreaks(longest=5).reach == 20


def test_a_record_is_endless_by_its_lines_or_its_bytes() -> None:
    assert not is_endless(MAX_RECORD_LINES, MAX_RECORD)
    assert is_endless(MAX_RECORD_LINES + 1, 0)
    assert is_endless(1, MAX_RECORD + 1)


def test_one_field_is_said_in_the_singular() -> None:
    assert [fields_text(count) for count in (0, 1, 2)] == ["0 fields", "1 field", "2 fields"]
