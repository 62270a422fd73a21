"""Signs of spreadsheet damage: each is seen where it is, and not where it is not."""

from typing import Any

import polars as pl
import pytest

from importer.config import loader as configuration
from importer.core.models import RunWarning
from importer.validate.data_quality import DataQuality, swap_day_and_month
from importer.values.column_types import typed_columns
from importer.values.distinct_ids import IdReader


def watch(columns: dict[str, list[Any]], **attributes: dict[str, Any]) -> dict[tuple[str, str], RunWarning]:
    """What is seen in a list given by columns, the id's first, in two batches."""
    declared = attributes or {"name": {"type": "free_text"}}
    config = configuration.parse(
        {
            "name": "w",
            "source": {"path": "x.csv", "ignore": []},
            "identity": {"column": "id"},
            "destination": {"type": "vevee", "api_key": "env:NONE"},
            "attributes": declared,
        }
    )
    cells = pl.DataFrame(columns)
    seen, half = DataQuality(config), cells.height // 2
    for start, part in ((0, cells[:half]), (half, cells[half:])):
        numbers = pl.Series(range(start + 1, start + part.height + 1), dtype=pl.Int64)
        ids = IdReader(config, 100).read(part["id"])
        seen.look(part, numbers, ids.text, {}, ids)
    return {(w.code, w.column): w for w in seen.warnings(cells.columns)}


@pytest.mark.parametrize(
    ("bad", "code"),
    [("7E10", "distinct_id_scientific"), ("a@example.com", "distinct_id_looks_like_email")],
)
def test_ids_that_cannot_be_meant(bad: str, code: str) -> None:
    found = watch({"id": ["a1", "a2", bad, "a4"], "name": ["x"] * 4})
    assert found == {(code, "id"): RunWarning(code, "id", 1, (3,))}


def test_lost_zeros_show_in_the_lengths_of_ids() -> None:
    ids = [str(n) for n in range(10_000_000, 99_000_000, 900_000)] + ["123456", "7654321"]
    assert ("distinct_id_lost_zeros", "id") in watch({"id": ids, "name": ["x"] * len(ids)})
    kept = [n.zfill(8) for n in ids]
    assert watch({"id": kept, "name": ["x"] * len(ids)}) == {}
    counted = [str(n) for n in range(1, 20_000)]
    assert watch({"id": counted, "name": ["x"] * len(counted)}) == {}


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!"])
def test_spreadsheet_errors(error: str) -> None:
    found = watch({"id": list("abcd"), "name": ["x", error, error, "n/a"]})
    assert found == {("spreadsheet_error", "name"): RunWarning("spreadsheet_error", "name", 2, (2, 3))}


def test_dates_turned_into_serial_numbers() -> None:
    found = watch(
        {"id": list("abcd"), "born": ["2024-01-13", "45291", None, "45292.0"]},
        born={"type": "date"},
    )
    assert found[("date_serial_number", "born")] == RunWarning("date_serial_number", "born", 2, (2, 4))
    assert watch({"id": ["a"], "n": ["45291"]}, n={"type": "number"}) == {}


@pytest.mark.parametrize("text", ["MÃ¼ller", "donâ€™t", "20Â°"])
def test_mojibake(text: str) -> None:
    assert ("mojibake", "name") in watch({"id": list("ab"), "name": ["x", text]})


@pytest.mark.parametrize("text", ["Müller", "SÃO PAULO", "Ângela", "don’t", "Привет"])
def test_healthy_text_is_not_mojibake(text: str) -> None:
    assert watch({"id": list("ab"), "name": ["x", text]}) == {}


def test_trailing_empty_columns() -> None:
    found = watch({"id": list("ab"), "gap": ["", ""], "name": ["x", "y"], "u": ["", ""], "v": [None, None]})
    assert set(found) == {("trailing_column_empty", "u"), ("trailing_column_empty", "v")}


def test_days_that_could_be_months() -> None:
    declared = {"type": "date", "format": "%d/%m/%Y"}
    fits_both = watch({"id": list("abc"), "born": ["01/02/2024", "03/04/2024", ""]}, born=declared)
    assert ("day_and_month_ambiguous", "born") in fits_both
    assert watch({"id": list("abc"), "born": ["01/02/2024", "13/04/2024", ""]}, born=declared) == {}
    assert watch({"id": list("ab"), "born": ["01/01/2024", "02/02/2024"]}, born=declared) == {}


def test_swapping_day_and_month() -> None:
    assert swap_day_and_month("%d/%m/%Y") == "%m/%d/%Y"
    assert swap_day_and_month("%Y-%m-%d %H:%M") == "%Y-%d-%m %H:%M"
    assert swap_day_and_month("%d %b %Y") is None


def test_ids_with_surrounding_blanks() -> None:
    found = watch({"id": ["a", " a", "b "], "name": ["x"] * 3})
    assert found[("distinct_id_has_surrounding_blanks", "id")].rows == (2, 3)


@pytest.mark.parametrize(
    ("vendor", "operation", "found"), [("engagelab", "increase", (2, 4)), ("engagelab", "set", None)]
)
def test_decimals_are_noted_where_the_destination_adds_whole_numbers_only(
    vendor: str, operation: str, found: tuple[int, ...] | None
) -> None:
    config = configuration.parse(
        {
            "name": "w",
            "source": {"path": "x.csv"},
            "identity": {"column": "id"},
            "destination": {"type": vendor, "api_key": "env:NONE"},
            "attributes": {"points": {"type": "number", "operation": operation}},
        }
    )
    cells = pl.DataFrame({"id": list("abcde"), "points": ["1", "0.5", "2.0", "-3.25", ""]})
    seen = DataQuality(config)
    typed = ((column, found_) for _, column, found_ in typed_columns(config, cells))
    seen.look_at_typed(typed, pl.Series(range(1, 6), dtype=pl.Int64))
    warned = {w.code: w.rows for w in seen.warnings(["id", "points"])}
    assert warned.get("increase_not_whole") == found
