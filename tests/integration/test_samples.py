"""The sample list is what its generator makes and what its README says, counted again with the stdlib."""

import csv
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from importer.config import loader
from samples import make_samples

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
CONFIG = tomllib.loads((ROOT / "config" / "vevee.toml").read_text("utf-8"))
README = (SAMPLES / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (SAMPLES / "customers.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_generator_makes_the_committed_files() -> None:
    made = make_samples.make_rows()
    assert make_samples.csv_bytes(made) == (SAMPLES / "customers.csv").read_bytes()
    assert make_samples.readme(made) == README
    assert make_samples.parquet_frame(made).equals(pl.read_parquet(SAMPLES / "customers.parquet"))


def test_parquet_holds_the_same_list(rows: list[dict[str, str]]) -> None:
    frame = pl.read_parquet(SAMPLES / "customers.parquet")
    assert frame.schema == dict.fromkeys(rows[0], pl.String)
    assert [{k: v or "" for k, v in row.items()} for row in frame.to_dicts()] == rows


def test_readme_counts_what_is_in_the_list(rows: list[dict[str, str]]) -> None:
    ids = Counter(row["customer_id"] for row in rows if row["customer_id"])
    cells = [cell for row in rows for cell in row.values()]
    rest = [[cell for name, cell in row.items() if name != "customer_id"] for row in rows]
    assert _facts() == {
        "data rows": len(rows),
        "people": len(ids),
        "people on two rows": list(ids.values()).count(2),
        "people on three rows": list(ids.values()).count(3),
        "rows without an id": len(rows) - ids.total(),
        "rows with an id and nothing else": sum(not any(r) for r in rest),
        "ids with leading zeros": sum(i[0] == "0" for i in ids),
        "ids of 19 digits": sum(bool(re.fullmatch(r"\d{19}", i)) for i in ids),
        "blank cells": cells.count(""),
        "cells with a line break": sum(len(cell.splitlines()) > 1 for cell in cells),
        "cells with a comma": sum(cell.count(",") > 0 for cell in cells),
        "cells with quotes": sum(cell.count('"') > 0 for cell in cells),
        "cells with letters or signs beyond ASCII": sum(max(cell, default="") > "\x7f" for cell in cells),
        "cells with an emoji": sum(bool(re.search("[🌻🎂]", cell)) for cell in cells),
    }
    assert rows[0]["customer_id"] == rows[-1]["customer_id"] == "000123"
    assert ids["000123"] == 3
    assert ids["123"] == 1


def _facts() -> dict[str, int]:
    found = re.findall(r"^\| ([^|]+) \| ([\d,]+) \|$", README, re.MULTILINE)
    return {what: int(count.replace(",", "")) for what, count in found}


def test_readme_counts_what_is_refused(rows: list[dict[str, str]]) -> None:
    said: Counter[str] = Counter()
    for attribute, what, count in re.findall(r"^\| (\w*) ?\| ([^|]+) \| (\d+) \|$", README, re.MULTILINE):
        said[attribute or "all"] += 0 if what.startswith("adjusted") else int(count)
    wrong = Counter(key for key, _ in _refused(rows))
    legacy = sum(bool(row["legacy_score"]) for row in rows if row["customer_id"])
    assert said == wrong | {"all": wrong.total(), "legacy_score": legacy}
    adjusted = sum(_is_adjusted(row["topics"]) for row in rows if row["customer_id"])
    assert f"beside one that is | {adjusted} |" in README
    nameless = sum(not row["customer_id"] for row in rows)
    assert f"has {wrong.total() + legacy + adjusted + nameless} lines" in README


def _refused(rows: list[dict[str, str]]) -> Iterator[tuple[str, str]]:
    for row in rows:
        for key, attribute in CONFIG["attributes"].items():
            cell = row[attribute.get("column", key)]
            if row["customer_id"] and cell and not _is_good(attribute, cell):
                yield key, cell


def _is_adjusted(cell: str) -> bool:
    options = set(CONFIG["attributes"]["topics"]["options"])
    return bool(options & set(cell.split("|"))) and not options >= set(cell.split("|"))


def _is_good(attribute: dict[str, Any], cell: str) -> bool:
    options, kind = attribute.get("options", []), attribute["type"]
    if kind == "single_choice":
        return cell in options or "allow_custom" in attribute
    if kind == "multi_choice":
        return any(option in options for option in cell.split(attribute["separator"]))
    if kind == "boolean":
        return cell.lower() in attribute["true_values"] + attribute["false_values"]
    if kind == "number":
        low, high = attribute.get("min", float("-inf")), attribute.get("max", float("inf"))
        return bool(re.fullmatch(r"-?\d+(\.\d+)?", cell)) and low <= float(cell) <= high
    if kind in ("date", "datetime"):
        return _is_moment(cell, attribute.get("format", "%Y-%m-%d"))
    return not len(cell) > attribute.get("max_length", len(cell))


def _is_moment(cell: str, pattern: str) -> bool:
    try:
        return bool(datetime.strptime(cell, pattern))  # noqa: DTZ007 - a list's moments have no zone
    except ValueError:
        return False


def test_people_are_made_up(rows: list[dict[str, str]]) -> None:
    film = re.compile(r"\+1 \d{3} 555 01\d\d|\+44 7700 900\d{3}")
    assert all(re.search(r"@example\.(com|org|net)$", row["email"]) for row in rows if row["email"])
    assert all(film.fullmatch(row["phone"]) for row in rows if row["phone"])


def test_configuration_loads_and_fits_the_list(rows: list[dict[str, str]]) -> None:
    loaded = loader.load(ROOT / "config" / "vevee.toml")
    assert {a.type for a in loaded.attributes.values()} == {
        "free_text",
        "single_choice",
        "multi_choice",
        "number",
        "boolean",
        "date",
        "datetime",
    }
    assert {*loaded.declared_columns, *loaded.source.ignore} == set(rows[0])
