"""What was refused of one batch: all of it, in order, in pieces of a bounded number of lines."""

from collections.abc import Sequence

import polars as pl
import pytest

from importer.config.attribute import Attribute
from importer.core.rejects import INVALID, REJECTS, TOO_LONG, rejects_frame
from importer.validate import batch_refusals
from importer.validate.batch_refusals import BatchRefusals, WrongValues
from importer.validate.refused_rows import RefusedRows

PLAN = Attribute.model_validate({"type": "single_choice", "options": ("a",)})
NOTE = Attribute.model_validate({"type": "free_text", "max_length": 3})


def good_rows(*orders: int) -> pl.DataFrame:
    ids, raw = [f"p{n}" for n in orders], [f"row {n}" for n in orders]
    return pl.DataFrame({"order": orders, "line": [n + 1 for n in orders], "id": ids, "raw": raw})


def damaged(*orders: int) -> RefusedRows:
    lines = pl.DataFrame({"order": orders}).with_columns(stage=pl.lit("read"), reason=pl.lit("row_malformed"))
    return RefusedRows(rejects_frame(lines), pl.DataFrame({"order": orders, "bytes": [b"x"] * len(orders)}))


def wrong(position: int, key: str, attribute: Attribute, reasons: Sequence[str | None]) -> WrongValues:
    cells = pl.Series([f"{key} {n}" for n in range(len(reasons))])
    return WrongValues(position, key, attribute, cells, pl.Series(reasons, dtype=pl.String))


def refusals() -> BatchRefusals:
    """Ten good rows, of which the even ones have two bad values each, and two damaged ones between them."""
    bad = [INVALID if n % 2 else None for n in range(1, 11)]
    long = [TOO_LONG if n % 2 else None for n in range(1, 11)]
    rows = good_rows(1, 2, 3, 4, 5, 7, 8, 9, 10, 12)
    values = [wrong(0, "plan", PLAN, bad), wrong(3, "note", NOTE, long)]
    return BatchRefusals.of(rows, values, [damaged(6, 11)])


def test_a_line_says_what_was_refused_and_what_was_expected() -> None:
    [piece] = refusals().pieces()
    assert piece.rejects.row(1, named=True) == dict.fromkeys(REJECTS) | {
        "order": 1,
        "position": 3,
        "line": 2,
        "distinct_id": "p1",
        "attribute": "note",
        "value": "note 0",
        "stage": "check",
        "reason": TOO_LONG,
        "message": "expected at most 3 characters (max_length), found more",
    }
    assert piece.end is None
    assert piece.kept["order"].to_list() == [1, 3, 5, 6, 8, 10, 11]


@pytest.mark.parametrize("lines", [1, 2, 3, 4, 5, 7, 11, 12])
def test_the_pieces_are_the_whole_in_order(lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    [whole] = refusals().pieces()
    monkeypatch.setattr(batch_refusals, "LINES", lines)
    pieces = list(refusals().pieces())
    assert pl.concat(piece.rejects for piece in pieces).equals(whole.rejects)
    assert pl.concat(piece.kept for piece in pieces).equals(whole.kept)
    assert all(piece.rejects.height <= max(lines, 2) for piece in pieces), "a row has two at most"
    assert all(piece.rejects.height for piece in pieces)
    *ends, last = (piece.end for piece in pieces)
    assert last is None
    assert ends == [piece.rejects["order"][-1] for piece in pieces[:-1]]


def test_damaged_rows_alone_come_in_pieces_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_refusals, "LINES", 2)
    pieces = list(BatchRefusals.of(good_rows(2), [], [damaged(1, 3, 4)]).pieces())
    assert [piece.rejects["order"].to_list() for piece in pieces] == [[1, 3], [4]]
    assert [piece.kept["order"].to_list() for piece in pieces] == [[1, 3], [4]]


def test_nothing_refused_is_one_empty_piece() -> None:
    [piece] = BatchRefusals.of(good_rows(1), []).pieces()
    assert (piece.rejects.height, piece.kept.height, piece.end) == (0, 0, None)
    assert piece.rejects.schema == dict(REJECTS)
