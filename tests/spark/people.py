"""A list as a table of Spark, and what two runs of the same rows have in common."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

import importer
from importer.core.models import RunSummary
from importer.sandbox.server import SandboxServer

KEY = "sk_test_spark"
PEOPLE = 3_000
MILLION = 1_000_000


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


def grouped(people: int) -> dict[str, Any]:
    """The same attributes for a declared API, of which some hundred calls take so many people."""
    declared = {
        "type": "http",
        "base_url": "http://127.0.0.1:9",
        "path": "/people",
        "people_per_call": people // 600,
        "body": {"people": "{people}"},
        "person": {"id": "{distinct_id}", "values": "{attributes}"},
        "clear_as": "null",
        "answers": [{"status": ["200"], "means": "done"}],
        "max_in_flight": 4,
    }
    return {**mapping(), "destination": {**mapping()["destination"], **declared}}


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


def differing(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The first differences; pytest itself would compare a million people line by line to show them."""
    return list(_differing(found, expected, ""))[:10]


def _differing(found: Any, expected: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    if found == expected:
        return
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        for name in sorted({*found, *expected}):
            yield from _differing(found.get(name), expected.get(name), f"{place}/{name}")
    elif isinstance(found, list) and isinstance(expected, list):
        missing, more = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
        yield place, list(more)[:3], list(missing)[:3]
    else:
        yield place, found, expected


def named(server: SandboxServer) -> Counter[str]:
    """In how many stored calls each person was; the sandbox has to remember them all."""
    return Counter(person for call in server.log if call.status == 200 for person in call.distinct_ids)


def outcomes(summary: RunSummary) -> list[tuple[Any, ...]]:
    """The table of outcomes without places and times."""
    table = summary.outcomes().drop("run_id", "source", "row", "line", "at", "status", "attempts").collect()
    return table.sort(pl.all()).rows()


def left(*folders: Path) -> list[Path]:
    """Files in folders that shall be empty."""
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]
