"""Refused rows: their lines for the report, and the rows as they stood in the source."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl
import pytest

from importer.core.rejects import REJECTS
from importer.core.row_order import ORDER_SHIFT
from importer.source.batch import SET_ASIDE, Batch
from importer.validate.refused_rows import (
    RefusedRows,
    damaged_rows,
    in_order,
    nothing_refused,
    rows_to_keep,
    untyped_apart,
    with_original,
)

CELLS = pl.DataFrame({"id": ["1", "2", "3"], "plan": ["a", "b", "c"]})
RECORDS = ["1,a", "2,b", "3,c"]


def batch(
    *, records: Sequence[str] | None = RECORDS, aside: Sequence[tuple[int, int, bytes, str, str]] = ()
) -> Batch:
    numbers = pl.Series([1, 2, 3], dtype=pl.Int64)
    raw = None if records is None else pl.Series(records)
    return Batch(CELLS, numbers, numbers + 1, raw, pl.DataFrame(aside, SET_ASIDE, orient="row"))


def rows(**more: Sequence[int]) -> pl.DataFrame:
    return pl.DataFrame({"order": [1, 2, 3], "id": ["1", "2", "3"], **more})


def test_a_row_of_text_is_kept_as_its_text() -> None:
    assert with_original(rows(), batch())["raw"].to_list() == RECORDS


def test_a_row_of_a_table_is_kept_as_its_columns() -> None:
    found = with_original(rows(), batch(records=None))
    assert found["cells"].struct.unnest().equals(CELLS)


def test_some_rows_are_found_by_their_place_in_the_batch() -> None:
    some = rows(at=[0, 1, 2]).filter(pl.col("id") != "2")
    assert with_original(some, batch())["raw"].to_list() == ["1,a", "3,c"]
    cells = with_original(some, batch(records=None))["cells"].struct.unnest()
    assert cells.equals(CELLS.filter(pl.col("id") != "2"))


def test_rows_to_keep_have_their_place_their_id_and_what_they_were() -> None:
    kept = rows_to_keep(rows(at=[0, 1, 2]), batch())
    assert kept.columns == ["order", "id", "original"]
    assert kept.row(1) == (2, "2", "2,b")
    table = rows_to_keep(with_original(rows(), batch(records=None)), batch(records=None))
    assert table.columns == ["order", "id", "original_cells"]
    assert rows_to_keep(rows().clear(), batch()).schema == {"order": pl.Int64, "id": pl.String}


@pytest.mark.parametrize("source", [0, 2])
def test_the_bytes_of_damaged_rows_are_kept(source: int) -> None:
    aside = [(4, 6, b'4,"x', "row_malformed", "expected 2 fields, found 1")]
    found = damaged_rows(batch(aside=aside), source)
    order = (source << ORDER_SHIFT) + 4
    [line] = found.rejects.rows(named=True)
    assert line == dict.fromkeys(REJECTS) | {
        "order": order,
        "position": -1,
        "line": 6,
        "stage": "read",
        "reason": "row_malformed",
        "message": "expected 2 fields, found 1",
    }
    assert found.rows.rows() == [(order, b'4,"x')]
    assert rows_to_keep(found.rows, batch()).equals(found.rows)


def test_where_nothing_is_refused_the_frames_are_empty() -> None:
    for found in (nothing_refused(rows()), damaged_rows(batch(), 0)):
        assert (found.rejects.height, found.rows.height) == (0, 0)
        assert found.rejects.schema == dict(REJECTS)
    assert nothing_refused(rows()).rows.columns == ["order", "id"]


def test_damaged_and_healthy_rows_stand_in_the_order_of_the_source() -> None:
    healthy, damaged = rows().select("order", "id"), pl.DataFrame({"order": [0, 2], "bytes": [b"x", b"y"]})
    found = in_order([healthy.filter(pl.col("order") != 2), damaged])
    assert found.rows() == [(0, None, b"x"), (1, "1", None), (2, None, b"y"), (3, "3", None)]
    nothing = in_order([healthy.clear(), damaged.clear()])
    assert (nothing.height, nothing.columns) == (0, ["order", "id"])


def test_a_line_is_kept_where_its_id_was_no_text() -> None:
    refused = RefusedRows(pl.DataFrame({"order": [1, 3]}), rows(at=[0, 1, 2]).filter(pl.col("id") != "2"))
    lines = replace(batch(records=None), line_of=lambda row: b"line %d" % row)
    cells, apart = untyped_apart(refused, lines, [3])
    assert cells.rejects is refused.rejects
    assert cells.rows["order"].to_list() == [1]
    assert (apart.rejects.height, apart.rows.rows()) == (0, [(3, "3", b"line 3")])
    assert untyped_apart(refused, lines, []) == (refused,)
    assert untyped_apart(refused, batch(records=None), [3]) == (refused,), "a sheet has no lines"
