"""Rows of a corrected file are matched with those of the run, or not at all."""

from pathlib import Path

import polars as pl
import pytest

from importer.core.models import Outcome
from importer.core.row_order import ORDER_SHIFT
from importer.reconcile.retry_plan import RetryPlan, align, collect_ids, places_in
from importer.storage import checked_files
from importer.storage.journal_records import KnownValue
from importer.storage.run_folder import RunFolder
from importer.validate.batch_refusals import BatchRefusals
from importer.validate.validator import ValidatedBatch

SECOND = 1 << ORDER_SHIFT


def _rows(*rows: tuple[int, str | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"order": pl.Int64, "id": pl.String}, orient="row")


def test_rows_match_one_by_one_where_a_source_kept_as_many() -> None:
    kept = _rows((3, "a"), (SECOND + 2, "b"), (SECOND + 7, None))
    assert align(_rows((1, "b"), (2, "c")), kept) == {1: SECOND + 2, 2: SECOND + 7}


@pytest.mark.parametrize("file", [[(1, "b")], [(1, "x"), (2, "c")], [(1, "b"), (2, "c"), (3, "d")]])
def test_rows_that_are_not_certain_match_nothing(file: list[tuple[int, str | None]]) -> None:
    kept = _rows((3, "a"), (4, "z"), (SECOND + 2, "b"), (SECOND + 7, None))
    assert align(_rows(*file), kept) == {}


@pytest.mark.parametrize(
    ("state", "origin", "place", "by_time", "outcome"),
    [
        ("applied", 5, 5, False, Outcome.UNCHANGED),
        ("rejected", 5, 5, False, None),
        ("unconfirmed", 5, 5, False, None),
        ("applied", 5, 4, False, Outcome.SUPERSEDED),
        ("rejected", 5, 4, False, Outcome.SUPERSEDED),
        ("applied", 5, 6, False, None),
        ("applied", 5, 6, True, Outcome.SUPERSEDED),
        ("superseded", 5, 5, False, Outcome.SUPERSEDED),
        ("applied", 5, None, False, Outcome.UNCHANGED),
        ("rejected", 5, None, False, None),
    ],
)
def test_what_a_value_comes_to_without_a_call(
    state: str, origin: int, place: int | None, by_time: bool, outcome: Outcome | None, tmp_path: Path
) -> None:
    places = {} if place is None else {1: place}
    plan = RetryPlan(RunFolder(tmp_path), (), places, by_time)
    assert plan._outcome(KnownValue(origin, state), 1) == outcome
    assert plan._outcome(None, 1) is None


def test_the_ids_of_all_rows_are_collected() -> None:
    found: list[pl.DataFrame] = []
    kept = _rows((2, None), (3, "c")).with_columns(original=pl.lit("x"))
    rows = _rows((1, "a"), (3, "c"))
    collect_ids(found)(ValidatedBatch(rows, BatchRefusals(rows, [], [], kept), []))
    assert sorted(pl.concat(found).rows()) == [(1, "a"), (2, None), (3, "c")]


def test_a_part_without_ids_and_one_of_the_version_before_are_matched_too(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.kept.mkdir()
    checked_files.write_parquet(run.kept / "batch-000000.parquet", _rows((4, None)).drop("id"))
    _rows((6, "b")).write_parquet(run.kept / "batch-000001.parquet")
    assert places_in(run, [_rows((1, "a"), (2, "b"))]) == {1: 4, 2: 6}


def test_a_run_that_kept_no_rows_matches_nothing(tmp_path: Path) -> None:
    assert places_in(RunFolder(tmp_path), [_rows((1, "a"))]) == {}
