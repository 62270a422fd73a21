"""Blocks of text into batches of rows."""

import pytest

from importer.core.errors import SourceError
from importer.source.batch import HEADER_REPEATED, ROW_MALFORMED
from importer.source.csv_grammar import Dialect, Layout
from importer.source.csv_set_aside import AGAIN, EXTRA
from importer.source.csv_splitter import Splitter

LAYOUT = Layout(Dialect(), ("a", "b"))


def test_text_waits_until_its_line_is_complete() -> None:
    splitter = Splitter(LAYOUT)
    assert splitter.feed(b"1,", final=False) is None
    assert splitter.pending == 2
    batch = splitter.feed(b"2\n", final=True)
    assert batch is not None
    assert batch.cells.rows() == [("1", "2")]
    assert batch.row.to_list() == [1]
    assert splitter.pending == splitter.pending_lines == 0


def test_nothing_is_no_batch() -> None:
    assert Splitter(LAYOUT).feed(b"", final=True) is None


def test_rows_and_lines_are_counted_over_batches_and_rows_set_aside() -> None:
    splitter = Splitter(LAYOUT, line=2)
    found = [splitter.feed(b"%d,x\n" % i * 20, final=False) for i in (1, 2)]
    last = splitter.feed(b'3,"x\ny"\nonly one\n4,x\n', final=True)
    assert last is not None
    rows = [row for batch in [*found, last] if batch is not None for row in batch.row]
    assert rows == [*range(1, 42), 43]
    assert last.line.to_list()[-2:] == [42, 45]
    assert last.set_aside.select("row", "line", "raw", "reason", "message").rows() == [
        (42, 44, b"only one", ROW_MALFORMED, "expected 2 fields, found 1")
    ]
    assert last.records is not None
    assert last.records.to_list()[-2:] == ['3,"x\ny"', "4,x"]


def test_a_repeated_header_is_set_aside() -> None:
    splitter = Splitter(LAYOUT, header="a,b")
    batch = splitter.feed(b"1,2\na,b\n3,4\n", final=True)
    assert batch is not None
    assert batch.cells.rows() == [("1", "2"), ("3", "4")]
    assert batch.set_aside.select("row", "reason", "message").rows() == [(2, HEADER_REPEATED, AGAIN)]


def test_text_behind_the_last_named_column_is_set_aside() -> None:
    splitter = Splitter(Layout(Dialect(), ("a", "")))
    batch = splitter.feed(b"1,\n2, \n3,x\n", final=True)
    assert batch is not None
    assert batch.cells.to_dict(as_series=False) == {"a": ["1", "2"]}
    assert batch.set_aside.select("row", "message").rows() == [(3, EXTRA)]


def test_a_line_without_an_end_is_taken_for_a_wrong_declaration() -> None:
    splitter = Splitter(LAYOUT, line=7, max_line=1 << 20)
    assert splitter.feed(b"x" * (1 << 20), final=False) is None
    with pytest.raises(SourceError) as caught:
        splitter.feed(b"x", final=False)
    assert str(caught.value) == (
        "line 7 is longer than 1 MiB: declare the delimiter, quote and encoding the file is written in"
    )
