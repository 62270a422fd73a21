"""The counts of chunks add up, and are the same after a way through the journal."""

import json
from typing import Any

import polars as pl

from importer.chunk.tally import Tally
from importer.core.row_order import ORDER_SHIFT


def _tally() -> Tally:
    tally = Tally()
    rows = pl.DataFrame({"order": [1, 2, (1 << ORDER_SHIFT) + 1]})
    tally.count_rows(rows, pl.Series(["applied", "rejected", "applied"]))
    tally.count_values(iter([(0, {"plan": 2, "age": 0}), (1, {"plan": 1})]), "applied")
    tally.reasons["check", "invalid", "plan"] += 1
    tally.people["called"] += 2
    tally.diff["new"] += 2
    return tally


def test_rows_and_values_are_counted_by_source() -> None:
    tally = _tally()
    assert tally.rows == {"applied": 2, "rejected": 1}
    assert tally.rows_by == {(0, "applied"): 1, (0, "rejected"): 1, (1, "applied"): 1}
    assert tally.values_by == {(0, "plan", "applied"): 2, (1, "plan", "applied"): 1}


def test_what_is_dumped_is_loaded() -> None:
    assert Tally.load(json.loads(json.dumps(_tally().dump()))) == _tally()


def test_a_tally_of_an_earlier_version_is_loaded() -> None:
    dumped: dict[str, Any] = json.loads(json.dumps(_tally().dump()))
    del dumped["adjusted"]
    earlier = dumped | {"trimmed": 3, "reasons": [["trim", "normalized", "plan", 3]]}
    loaded = Tally.load(earlier)
    assert (loaded.adjusted, loaded.reasons) == (3, {("adjust", "normalized", "plan"): 3})


def test_tallies_add_up() -> None:
    both = _tally()
    both.add(_tally())
    assert (both.rows["applied"], both.values["applied"], both.people["called"]) == (4, 6, 4)
    assert both.reasons == {("check", "invalid", "plan"): 2}
