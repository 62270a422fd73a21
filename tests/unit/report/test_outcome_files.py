"""The parts of the table of outcomes: a file for each outcome, replaced by a later attempt."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from importer.core.outcome_table import OUTCOME_COLUMNS, scan_outcomes
from importer.errors import ConfigError
from importer.report.outcome_files import OutcomeFiles
from importer.storage.run_folder import RunFolder


@pytest.fixture
def files(tmp_path: Path) -> OutcomeFiles:
    found = OutcomeFiles(RunFolder(tmp_path / "night"))
    found.begin()
    return found


def values(*outcomes: str) -> pl.DataFrame:
    order = [(1 << 40) + n for n in range(1, len(outcomes) + 1)]
    prints = pl.Series([2**64 - n for n in range(1, len(outcomes) + 1)], dtype=pl.UInt64)
    return pl.DataFrame({"order": order, "outcome": outcomes, "fingerprint": prints, "attribute": "plan"})


def test_a_part_has_the_place_of_each_value(files: OutcomeFiles) -> None:
    files.put("chunk-000001", values("applied", "rejected"), ["a.csv", "b.csv"])
    table = scan_outcomes(files.folder).collect()
    assert table.columns == [*OUTCOME_COLUMNS, "outcome"]
    assert table.select("run_id", "source", "row", "fingerprint", "outcome").rows() == [
        ("night", "b.csv", 1, -1, "applied"),
        ("night", "b.csv", 2, -2, "rejected"),
    ]


def test_a_later_attempt_replaces_its_parts(files: OutcomeFiles) -> None:
    files.put("chunk-000001", values("not_attempted", "applied"), ["", "b.csv"])
    files.put("chunk-000002", values("applied"), ["", "b.csv"])
    files.put("chunk-000001", values("applied", "applied"), ["", "b.csv"])
    assert +files.counts() == {"applied": 3}
    assert list(files.differing({"applied": 3})) == []
    assert list(files.differing({"applied": 2, "rejected": 1})) == ["applied", "rejected"]


def test_reading_again_begins_with_nothing(files: OutcomeFiles) -> None:
    files.put("check-1", values("rejected"), ["", "b.csv"])
    files.begin()
    assert scan_outcomes(files.folder).collect().height == 0


def test_a_table_that_was_never_begun_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no table of outcomes"):
        scan_outcomes(tmp_path / "none")


def test_any_tool_reads_it_as_a_table_with_partitions(files: OutcomeFiles) -> None:
    import duckdb

    files.put("chunk-000001", values("applied", "rejected", "applied"), ["", "b.csv"])
    query = f"select outcome, count(*) from '{files.folder}/*/*.parquet' group by outcome order by 1"
    counted: Any = duckdb.sql(query)
    assert counted.fetchall() == [("applied", 2), ("rejected", 1)]
