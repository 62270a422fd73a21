"""The text before the first data row: what it may be, and where it ends."""

import io
from collections.abc import Sequence

import pytest

from importer.core.errors import SourceError
from importer.source.csv_grammar import Dialect
from importer.source.csv_header import MAX_COLUMNS, MAX_HEADER, HeaderReader, RowStart
from importer.source.decode import TextEncoding, TextStream
from importer.source.options import SourceOptions


def header(data: bytes, options: SourceOptions | None = None) -> tuple[RowStart, Sequence[str]]:
    stream = TextStream(io.BytesIO(data), TextEncoding("utf-8"))
    return HeaderReader("list.csv", Dialect(), options or SourceOptions(), stream).read()


def test_a_header_over_several_lines_is_one_record() -> None:
    start, columns = header(b'\n"a\nb",c\r\n1,2\n')
    assert start == RowStart(10, 4, '"a\nb",c')
    assert columns == ("a\nb", "c")


def test_a_list_without_header_starts_at_its_first_byte() -> None:
    options = SourceOptions(header=False, columns=("a", "b"))
    assert header(b"\n\n1,2\n", options) == (RowStart(0, 1, None), ("a", "b"))
    with pytest.raises(SourceError, match="the file is empty; rows were expected"):
        header(b"\n\r\n", options)


def test_a_header_at_the_limits_is_read() -> None:
    columns = [f"c{i}" for i in range(MAX_COLUMNS)]
    line = ",".join(columns)
    assert header(line.encode()) == (RowStart(len(line), 2, line), tuple(columns))
    long = b"x" * (MAX_HEADER - 1) + b"\n"
    assert header(long + b"1\n")[0].skip == MAX_HEADER


@pytest.mark.parametrize(
    "data",
    [
        b"x" * (MAX_HEADER + 1),
        b"\n" * (MAX_HEADER + 1) + b"a,b\n",
        b'"' + b"\n" * (MAX_HEADER + 1),
        b"a," * (MAX_HEADER // 2) + b"a\n",
    ],
    ids=["one line", "blank lines", "an open quote", "commas"],
)
def test_a_header_over_one_mebibyte_is_refused(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"no header ends within the first 1 MiB; check the delimiter"):
        header(data)


def test_more_columns_than_can_be_read_are_refused() -> None:
    with pytest.raises(SourceError, match=r"the header has 10,001 columns, and at most 10,000 can be read"):
        header(b",".join([b"c"] * (MAX_COLUMNS + 1)) + b"\n")
