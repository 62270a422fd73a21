"""`rejects.csv` is read back as it was written, whatever a value holds."""

import csv
import io

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from importer.report.reject_lines import records

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)


@given(st.lists(st.tuples(CELLS, CELLS, st.sampled_from(["", '"', '""', ",", "\n", 'a"b'])), max_size=8))
def test_what_polars_writes_is_read_back(rows: list[tuple[str, str, str]]) -> None:
    frame = pl.DataFrame(
        rows, schema=["a", "b", "c"], orient="row", schema_overrides=dict.fromkeys("abc", pl.String)
    )
    written = io.BytesIO()
    frame.write_csv(written)
    read = list(records(io.BytesIO(written.getvalue())))
    assert b"".join(record.raw for record in read) == written.getvalue()
    assert [tuple(record.cells) for record in read] == [("a", "b", "c"), *rows]


def test_a_value_over_the_limit_of_the_csv_module_is_read() -> None:
    long = "x" * (csv.field_size_limit() + 1)
    line = f'u2,"{long}""",3\n'.encode()
    (record,) = records(io.BytesIO(line))
    assert record.cells == ["u2", f'{long}"', "3"]
    assert record.raw == line


def test_bytes_that_are_not_utf_8_and_an_open_quote_end_nothing() -> None:
    first, second = records(io.BytesIO(b'a,\xff\nb,"c\n'))
    assert first.cells == ["a", "\ufffd"]
    assert second.raw == b'b,"c\n'
