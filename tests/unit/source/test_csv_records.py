"""A block whose every line is a record is taken as a whole; records of several lines are joined."""

from hypothesis import given, settings
from hypothesis import strategies as st

from importer.source.csv_blocks import Block
from importer.source.csv_grammar import Dialect, Layout
from importer.source.csv_records import RecordFinder

FIELDS = 3
LAYOUT = Layout(Dialect(), ("a", "b", "c"))
CELL = st.sampled_from(("", "x", "long text", "ä", "🙂", " ", "#"))
GOOD = st.lists(CELL, min_size=FIELDS, max_size=FIELDS)
ANY = st.lists(CELL, min_size=0, max_size=FIELDS + 2)
LINES = st.lists(st.one_of(GOOD, GOOD, GOOD, ANY), min_size=1, max_size=12)


@settings(max_examples=100)
@given(lines=LINES, end=st.sampled_from(("\n", "\r\n")), closed=st.booleans(), spoilt=st.booleans())
def test_a_block_is_taken_as_a_whole_only_where_every_line_has_all_its_fields(
    lines: list[list[str]], end: str, closed: bool, spoilt: bool
) -> None:
    text = end.join(",".join(cells) for cells in lines) + (end if closed else "")
    data = text.encode() + (b"\xff" if spoilt else b"")
    found = RecordFinder(LAYOUT).healthy(Block(LAYOUT, data), final=True)
    records = text.removesuffix(end).split(end)
    right = all(record.count(",") == FIELDS - 1 for record in records) and not spoilt
    assert (found is not None) == right
    if found:
        assert found.cells.rows() == [tuple(record.split(",")) for record in records]
        assert found.records(Block(LAYOUT, data)).to_list() == records


SIGNS = "".join(map(chr, (*range(1, 9), *range(11, 13), *range(14, 32))))
"""Every character below a blank that ends no line: with all of them in a block, none is left to separate."""

QUOTED = st.lists(st.sampled_from(("x", "", "two\nlines", "a,b", "\n", "Zoë\r\n2")), min_size=3, max_size=3)


@settings(max_examples=100)
@given(rows=st.lists(QUOTED, min_size=1, max_size=8), end=st.sampled_from(("\n", "\r\n")), full=st.booleans())
def test_records_of_several_lines_are_joined_whatever_characters_the_block_has(
    rows: list[list[str]], end: str, full: bool
) -> None:
    rows = [[*cells[:2], cells[2] + SIGNS * full] for cells in rows]
    text = "".join(",".join(f'"{cell}"' for cell in cells) + end for cells in rows)
    found = RecordFinder(LAYOUT).find(Block(LAYOUT, text.encode()), final=True)
    assert found.cells.rows() == [tuple(cells) for cells in rows]
    assert found.units == []
