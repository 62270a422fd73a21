"""A list as a table of Spark, and what two runs of the same rows have in common."""

from pathlib import Path
from typing import Any

import polars as pl

import importer
from importer.core.models import RunSummary

KEY = "sk_test_spark"
PEOPLE = 3_000


def mapping() -> dict[str, Any]:
    return {
        "name": "lake",
        "identity": {"column": "id"},
        "source": {"where": "plan IS NULL OR plan <> 'gone'", "ignore": ["ignored"]},
        "destination": {"type": "vevee", "api_key": "env:SPARK_TEST_KEY", "requests_per_second": 0},
        "attributes": {
            "plan": {"type": "single_choice", "options": ["pro", "basic"]},
            "age": {"type": "number"},
            "joined": {"type": "date"},
            "seen": {"type": "datetime"},
            "note": {"type": "free_text", "blank": "clear"},
        },
    }


def rows(people: int) -> pl.DataFrame:
    """Typed columns and texts; bad values, rows that are left out, without an id, and twice there."""
    n = pl.int_range(people, eager=True)
    table = pl.DataFrame(
        {
            "id": [None if i % 97 == 5 else f"u{i}" for i in n],
            "plan": [("pro", "basic", "off", "gone", None)[i % 5] for i in n],
            "age": [None if i % 3 == 0 else i % 90 for i in n],
            "note": ["" if i % 4 == 0 else f"é {i}" for i in n],
            "ignored": ["x"] * people,
        }
    )
    day = pl.date(2020, 1, 1) + pl.duration(days=pl.int_range(pl.len()) % 900)
    table = table.with_columns(
        joined=day, seen=day.cast(pl.Datetime("us", "UTC")) + pl.duration(seconds="age")
    )
    return pl.concat([table, table.filter(pl.int_range(pl.len()) % 50 == 1)])


def options(folder: Path, url: str, **more: Any) -> importer.Options:
    return importer.Options(state_dir=folder / "state", base_url=url, **more)


def facts(summary: RunSummary, stored: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Without the places of rows, which a table of Spark does not have, and without times."""
    rejects = summary.rejects().drop("file", "row", "line", "at").sort(pl.all()).rows()
    warnings = [(w.code, w.column, w.count) for w in summary.warnings]
    found = {
        name: getattr(summary, name) for name in ("exit_code", "rows", "values", "people", "reject_counts")
    }
    return {**found, "stored": stored, "warnings": warnings, "rejects": rejects}


def outcomes(summary: RunSummary) -> list[tuple[Any, ...]]:
    """The table of outcomes without places and times."""
    table = summary.outcomes().drop("run_id", "source", "row", "line", "at", "status", "attempts").collect()
    return table.sort(pl.all()).rows()


def left(*folders: Path) -> list[Path]:
    """Files in folders that shall be empty."""
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]
