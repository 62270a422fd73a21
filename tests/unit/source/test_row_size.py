"""Rows that are too long are set aside, and change nothing of the rows around them."""

from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.errors import SourceError
from importer.source import csv_records, row_size, table_rows
from importer.source.batch import ROW_MALFORMED, Batch
from importer.source.csv_grammar import Dialect, Layout
from importer.source.csv_splitter import Splitter
from importer.source.options import SourceOptions
from importer.source.reader import open_source
from importer.source.row_size import too_long, without_long_lines
from importer.source.table_rows import table_source

LIMIT = 20
LONG = b"2," + b"x" * LIMIT
LAYOUT = Layout(Dialect(), ("a", "b"))


@pytest.fixture(autouse=True)
def _short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (row_size, csv_records, table_rows):
        monkeypatch.setattr(module, "MAX_ROW", LIMIT)


def split(data: bytes, cuts: tuple[int, ...] = ()) -> list[Batch]:
    splitter, places = Splitter(LAYOUT), [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(places)]
    fed = [splitter.feed(piece, final=i == len(pieces) - 1) for i, piece in enumerate(pieces)]
    return [batch for batch in fed if batch is not None]


def read(batches: list[Batch]) -> list[tuple[int, int, str, str]]:
    """Row, line and cells of each row that is read."""
    return [
        (*place, *cells)
        for batch in batches
        for place, cells in zip(zip(batch.row, batch.line, strict=True), batch.cells.iter_rows(), strict=True)
    ]


@pytest.mark.parametrize(
    ("line", "short"),
    [
        (b"y" * 21, b"\0x"),
        (b'1,"' + b"y" * 20, b'\0x,"x'),
        (b'1,"' + "ä".encode() * 20 + b'"', b'\0x,"x"'),
        (b"," * 20 + b"y", b"\0"),
        (b'"' * 22, b"\0"),
        (b'1,"\\"' + b"y" * 20 + b",", b'\0x,"\\"x,'),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_long_line_keeps_its_delimiters_and_quotes(line: bytes, short: bytes, end: bytes) -> None:
    dialect = Dialect(escape="\\") if b"\\" in line else Dialect()
    data = end.join([b"a", line, b"", b"b", line])
    text, sizes = without_long_lines(data, dialect)
    assert text == end.join([b"a", short, b"", b"b", short])
    assert sizes == {1: len(line), 4: len(line)}


def test_a_line_of_several_pieces_keeps_its_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_size, "_PIECE", 7)
    text, _ = without_long_lines(b'1,"' + b"y" * 20 + b'"",,\n', Dialect())
    assert text.replace(b"x", b"") == b'\0,""",,\n'


def test_a_line_of_too_many_signs_may_leave_no_quote_open() -> None:
    with pytest.raises(SourceError, match="a quote that is not closed"):
        without_long_lines(b'"' * (LIMIT + 1), Dialect())


def test_a_text_without_long_lines_stays_the_same_object() -> None:
    data = (b"x" * LIMIT + b"\n") * 5
    assert without_long_lines(data, Dialect()) == (data, {})
    assert without_long_lines(data, Dialect())[0] is data


@pytest.mark.parametrize("cuts", [(), (9,), (5, 30), tuple(range(60))])
def test_a_long_line_is_one_row_and_its_text_is_not_kept(cuts: tuple[int, ...]) -> None:
    found = split(b"1,a\n" + LONG + b"\n3,c\nonly one\n" + LONG, cuts)
    assert read(found) == [(1, 1, "1", "a"), (3, 3, "3", "c")]
    aside = pl.concat(batch.set_aside for batch in found)
    assert aside["reason"].unique().to_list() == [ROW_MALFORMED]
    assert aside.select("row", "line", "raw").rows() == [(2, 2, None), (4, 4, b"only one"), (5, 5, None)]
    assert aside["message"][0] == too_long(len(LONG))
    assert aside["message"][1] == "expected 2 fields, found 1"


def test_a_record_of_several_lines_counts_with_all_of_them() -> None:
    found = split(b'1,a\n2,"xxxxxxxx\nxxxxxxxx\nxxx"\n3,c\n')
    assert read(found) == [(1, 1, "1", "a"), (3, 5, "3", "c")]
    assert found[0].set_aside.select("row", "raw", "message").rows() == [(2, None, too_long(25))]


def test_what_a_long_line_leaves_in_quotes_is_no_row() -> None:
    found = split(b'1,a\n2,"' + b"x" * LIMIT + b'\n7,no row\n"\n3,c\n4,d\n')
    assert not any(id_ == "7" for *_, id_, _ in read(found))
    assert (1, 1, "1", "a") in read(found)
    assert read(found)[-1][2:] == ("4", "d")


RECORD = st.tuples(
    st.sampled_from(["x", "1", "long" * 8]),
    st.sampled_from(["y", '"q"', '"a\nb"', '"a\n1,2\n"', '"' + "long\n" * 8 + '"', '"a""b"', "z" * 30]),
).map(",".join)


@settings(max_examples=200, deadline=None)
@given(st.lists(RECORD, min_size=1, max_size=12), st.lists(st.integers(0, 500), max_size=5))
def test_no_row_is_read_that_is_not_in_the_list(records: list[str], cuts: list[int]) -> None:
    data = "".join(record + "\n" for record in records).encode()
    whole = {text for text in records if len(text.encode()) <= LIMIT}
    found = split(data, tuple(cuts))
    texts = [text for batch in found if batch.records is not None for text in batch.records]
    assert whole.issuperset(texts)
    if not any("\n" in text for text in records):
        assert texts == [text for text in records if text in whole], "and each of the others is read"


def test_rows_of_a_table_are_counted_by_their_text() -> None:
    frame = pl.DataFrame({"id": ["1", "2", "3"], "n": ["a", "x" * LIMIT, None], "m": [1, 2, 3]})
    (batch,) = table_source("list", frame.schema, lambda: [frame]).batches()
    assert batch.cells.rows() == [("1", "a", 1), ("3", None, 3)]
    assert batch.row.to_list() == [1, 3]
    assert batch.set_aside.rows() == [(2, None, None, ROW_MALFORMED, too_long(LIMIT + 1))]


def test_a_table_of_long_rows_comes_in_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_rows, "TABLE_BYTES", 30)
    frame = pl.DataFrame({"id": [f"{n:010}" for n in range(10)]})
    batches = list(table_source("list", frame.schema, lambda: [frame]).batches())
    assert [batch.row.to_list() for batch in batches] == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10]]


def test_a_long_line_of_another_encoding_is_set_aside_too(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(("a,b\n1,ä\n" + LONG.decode() + "\n3,ö\n").encode("utf-16"))
    source = open_source(str(path), SourceOptions(encoding="utf-16"))
    assert [row[2:] for row in read(list(source.batches()))] == [("1", "ä"), ("3", "ö")]
