"""Rows that are set aside: their bytes, their place, and why."""

from collections.abc import Callable

import polars as pl
import pytest

from importer.source.batch import HEADER_REPEATED, ROW_EMPTY, ROW_MALFORMED, SET_ASIDE
from importer.source.csv_blocks import Block
from importer.source.csv_damage import Unit
from importer.source.csv_grammar import Dialect, Layout
from importer.source.csv_set_aside import AGAIN, CUT_OFF, SetAside


def rows(
    data: bytes,
    *units: Unit,
    header: str | None = None,
    offset: int = 0,
    final: bool = False,
    restore: Callable[[bytes], bytes] = bytes,
    delimiter: str = ",",
) -> list[tuple[int, int, bytes, str, str]]:
    """What is set aside of a block that starts on line 10, with data rows from 5."""
    block = Block(Layout(Dialect(delimiter), ("a", "b")), data)
    block.settle()
    numbers = pl.int_range(5, 5 + len(units), eager=True, dtype=pl.Int64)
    found = SetAside(header, "utf-8", restore).rows(block, list(units), numbers, 10, offset, final=final)
    assert found.schema == SET_ASIDE
    return found.rows()


def test_nothing_set_aside_is_an_empty_frame_of_the_same_schema() -> None:
    assert rows(b"1,2\n") == []


def test_a_row_keeps_its_bytes_without_the_last_line_end() -> None:
    data = b'1,2\n3\r\n"x\r\ny",5,6\r\n'
    assert rows(data, Unit(1, 2, "why"), Unit(2, 4, "why not")) == [
        (5, 11, b"3", ROW_MALFORMED, "why"),
        (6, 12, b'"x\r\ny",5,6', ROW_MALFORMED, "why not"),
    ]


def test_a_delimiter_of_several_characters_is_kept_as_the_file_has_it() -> None:
    assert rows(b"1||2||3\n", Unit(0, 1, "why"), delimiter="||")[0][2] == b"1||2||3"


def test_bytes_are_those_of_the_file_and_not_of_its_text() -> None:
    found = rows("ä\n".encode(), Unit(0, 1, "why"), restore=lambda text: text.decode().encode("cp1252"))
    assert found[0][2] == b"\xe4"


def test_a_repeated_header_has_a_reason_of_its_own() -> None:
    assert rows(b"a,b\n", Unit(0, 1, AGAIN))[0][3:] == (HEADER_REPEATED, AGAIN)
    marked = "\ufeffa,b\n".encode()
    assert rows(marked, Unit(0, 1, "a quote"), header="a,b")[0][3:] == (HEADER_REPEATED, AGAIN)
    assert rows(marked, Unit(0, 1, "a quote"), header="x,y")[0][3:] == (ROW_MALFORMED, "a quote")
    assert rows(marked, Unit(0, 1, "a quote"))[0][3:] == (ROW_MALFORMED, "a quote")


def test_the_first_byte_that_is_not_of_the_encoding_is_named_by_its_offset_in_the_file() -> None:
    found = rows(b"1,2\n3,\xff\xfe\n4\n", Unit(1, 2, "a NUL"), Unit(2, 3, "why"), offset=100)
    assert found == [
        (
            5,
            11,
            b"3,\xff\xfe",
            ROW_MALFORMED,
            "expected utf-8, found bytes that are not, the first at byte offset 106 of the file",
        ),
        (6, 12, b"4", ROW_MALFORMED, "why"),
    ]


@pytest.mark.parametrize(
    ("data", "final", "said"),
    [
        (b"1,2\n3", True, f"why; {CUT_OFF}"),
        (b"1,2\n3", False, "why"),
        (b"1,2\n3\n", True, "why"),
        (b"1,2\n3\r", True, "why"),
    ],
)
def test_a_row_that_the_file_ends_in_may_be_cut_off(data: bytes, final: bool, said: str) -> None:
    assert rows(data, Unit(1, 2, "why"), final=final)[0][3:] == (ROW_MALFORMED, said)


def test_ctrl_z_behind_the_last_row_is_an_empty_row() -> None:
    said = (ROW_EMPTY, "the file ends with Ctrl-Z")
    assert rows(b"1,2\n\x1a", Unit(1, 2, "why"), final=True)[0][3:] == said
    assert rows(b"1,2\n\x1a\r\n", Unit(1, 2, "why"), final=True)[0][3:] == said
    assert rows(b"\x1a\n1,2\n", Unit(0, 1, "why"), final=True)[0][3:] == (ROW_MALFORMED, "why")
