"""Lines joined into records, line ends inside as they stand."""

import polars as pl
import pytest

from importer.source import csv_join
from importer.source.csv_blocks import Block
from importer.source.csv_grammar import Dialect, Layout

CONTROLS = bytes(range(1, 9)) + b"\x0b\x0c" + bytes(range(14, 32))


@pytest.mark.parametrize("few", [0, 4])
@pytest.mark.parametrize("controls", [b"", CONTROLS], ids=["", "no character is free"])
@pytest.mark.parametrize(
    ("ends", "records"),
    [
        ([b"\n"], [b'1,"a\nb"', b"2,c", b'3,"d\n\ne"', b""]),
        ([b"\r\n"], [b'1,"a\r\nb"', b"2,c", b'3,"d\n\r\ne"', b""]),
        ([b"\r\n", b"\n"], [b'1,"a\nb\r\n"', b"2,c", b'3,"d\r\n\r\ne"', b"4,d"]),
        ([b"\r"], [b'1,"a\rb"', b"2,c", b'3,"d\r\re\n"', b""]),
        ([b"\r\n"], [b'1,"a\rb"', b"2,c", b'3,"d\n\r\ne"', b"4,d"]),
    ],
)
def test_records_of_one_line_and_of_several(
    ends: list[bytes], records: list[bytes], controls: bytes, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_join, "FEW_LINES", few)
    records = [records[0] + controls, *records[1:]]
    data = b"".join(record + ends[i % len(ends)] for i, record in enumerate(records)) + b'5,"open\n'
    sizes = pl.Series([Block(Layout(Dialect(), ("a", "b")), record + b"x").height for record in records])
    starts = sizes.cum_sum() - sizes
    found = csv_join.join_lines(Block(Layout(Dialect(), ("a", "b")), data), starts, sizes)
    assert found.to_list() == [record.decode() for record in records]


def test_a_record_at_the_end_of_a_file_without_a_last_line_end() -> None:
    block = Block(Layout(Dialect(), ("a", "b")), b'1,"a\r\nb"\r\n2,"c\r\nd"')
    found = csv_join.join_lines(block, pl.Series([0, 2]), pl.Series([2, 2]))
    assert found.to_list() == ['1,"a\r\nb"', '2,"c\r\nd"']
