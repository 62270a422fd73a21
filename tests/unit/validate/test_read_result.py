"""What was read is the same in a later attempt of the run."""

import json
from collections import Counter
from typing import Any

import polars as pl
import pytest

from importer.core.models import RunWarning
from importer.source.csv_grammar import Dialect, Layout
from importer.source.version import SourceVersion
from importer.validate.read_counts import ReadCounts
from importer.validate.read_result import Original, ReadResult, ReadSource

LAYOUT = Layout(Dialect(delimiter=";"), ("id", "plan"))
TEXT = ReadSource(
    "a.csv", "csv", 3, LAYOUT, b"\xef\xbb\xbfid;plan\r\n", b"\r\n", SourceVersion(40, "1:2:3", 4.5)
)
TABLE = ReadSource("table", "parquet", 2, None, b"", b"\n")


def full() -> ReadResult:
    """A result that has something of everything."""
    counts = ReadCounts(rows_read=5, filtered=1, set_aside=1, values_read=3, unchanged_rows=1, known=9)
    counts.reasons["check", "attribute_value_invalid", "plan"] = 2
    counts.by_source[1, "filtered"] = 1
    for name in ("blanks", "undeclared", "gone_values"):
        getattr(counts, name)["plan"] = len(name)
    return ReadResult(
        sources=[TEXT, TABLE],
        edges=[3, (1 << 40) + 2],
        counts=counts,
        limited=True,
        warnings=[RunWarning("mojibake", "plan", 2, (1, 3))],
        contents={"a.csv": "digest"},
        guards={"min_rows": "few"},
        mixed=["plan"],
    )


def stored(result: ReadResult) -> dict[str, Any]:
    """As it comes back from the journal, which holds JSON."""
    loaded: dict[str, Any] = json.loads(json.dumps(result.dump()))
    return loaded


@pytest.mark.parametrize("result", [full(), ReadResult()], ids=["full", "empty"])
def test_a_later_attempt_loads_what_was_stored(result: ReadResult) -> None:
    assert ReadResult.load(stored(result)) == result


def test_counts_that_are_loaded_can_be_counted_on() -> None:
    counts = ReadResult.load(stored(full())).counts
    counts.reasons["read", "row_malformed", ""] += 1
    assert counts.reasons["check", "attribute_value_invalid", "plan"] == 2
    assert counts.blanks == Counter(plan=6)
    assert counts.blanks["unknown"] == 0


def test_the_fewer_counts_of_version_0_1_0_are_loaded_too() -> None:
    data = stored(full())
    for name in ("by_source", "undeclared", "gone_values"):
        del data["intake"][name]
    counts = ReadResult.load(data).counts
    assert (counts.by_source, counts.undeclared, counts.gone_values) == (Counter(), Counter(), Counter())
    assert counts.rows_read == 5


def test_spooled_rows_have_their_cells_by_the_layout_of_their_source() -> None:
    result = full()
    text = result.cells(0, pl.DataFrame({"raw": ["1;a", '2;"b;""c"""']}))
    assert text.to_dict(as_series=False) == {"id": ["1", "2"], "plan": ["a", 'b;"c"']}
    cells = pl.DataFrame({"id": [1, 2], "plan": ["a", None]})
    assert result.cells(1, pl.DataFrame({"cells": cells.to_struct()})).equals(cells)


def test_the_rows_of_a_source_are_written_back_as_they_stood() -> None:
    assert TEXT.original() == Original("a.csv", "csv", b"\xef\xbb\xbfid;plan\r\n", b"\r\n", LAYOUT)
    assert TABLE.original() == Original("table", "parquet", b"", b"\n", None)


def test_the_source_of_our_own_rows_is_none_of_the_list() -> None:
    result = full()
    assert result.sources_of_list == [TEXT, TABLE]
    result.counts.gone_rows = TABLE.rows
    assert result.sources_of_list == [TEXT]
