"""The first characters of damaged rows, for the examples alone, from no more parts than needed."""

from pathlib import Path

import polars as pl
import pytest

from importer.core.row_order import ORDER_SHIFT
from importer.report.damaged_texts import add_texts
from importer.report.reject_groups import LONGEST, RejectGroup
from importer.storage import checked_files

SECOND = 1 << ORDER_SHIFT


def group(*places: tuple[str, int], reason: str = "row_malformed") -> RejectGroup:
    rows = [{"file": file, "row": str(row), "value": ""} for file, row in places]
    return RejectGroup("", "read", reason, examples=rows)


def put(kept: Path, number: int, rows: dict[int, bytes]) -> Path:
    kept.mkdir(exist_ok=True)
    path = kept / f"batch-{number:06d}.parquet"
    checked_files.write_parquet(path, pl.DataFrame({"order": list(rows), "bytes": list(rows.values())}))
    return path


def texts(found: RejectGroup) -> list[str]:
    return [row["value"] for row in found.examples]


def test_each_example_gets_the_text_of_its_row_in_its_source(tmp_path: Path) -> None:
    put(tmp_path / "kept", 0, {7: b'u1,"a', 8: b"other"})
    put(tmp_path / "kept", 1, {SECOND + 7: "Zoë;".encode("cp1252")})
    found = group(("a.csv", 7), ("b.csv", 7), ("b.csv", 9), ("not a source", 7))
    add_texts([found], tmp_path / "kept", ["a.csv", "b.csv"], "cp1252")
    assert texts(found) == ['u1,"a', "Zoë;", "", ""]


def test_other_reasons_and_values_of_their_own_stay(tmp_path: Path) -> None:
    put(tmp_path / "kept", 0, {7: b"u1,x"})
    blank, own = group(("a.csv", 7), reason="distinct_id_missing"), group(("a.csv", 7))
    own.examples[0]["value"] = "own"
    add_texts([blank, own], tmp_path / "kept", ["a.csv"], "utf-8")
    assert texts(blank) + texts(own) == ["", "own"]


def test_of_a_long_row_the_beginning_is_read(tmp_path: Path) -> None:
    put(tmp_path / "kept", 0, {7: b"x" * 3_000_000})
    found = group(("a.csv", 7))
    add_texts([found], tmp_path / "kept", ["a.csv"], "utf-8")
    assert LONGEST < len(found.examples[0]["value"]) < 10 * LONGEST


def test_parts_behind_the_last_example_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "kept", 0, {7: b"u1,x"})
    put(tmp_path / "kept", 1, {9: b"u2,x"})
    read: list[str] = []
    scan = checked_files.scan_parquet

    def noted(path: Path) -> pl.LazyFrame:
        read.append(path.name)
        return scan(path)

    monkeypatch.setattr(checked_files, "scan_parquet", noted)
    add_texts([group(("a.csv", 7))], tmp_path / "kept", ["a.csv"], "utf-8")
    assert read == ["batch-000000.parquet"]


def test_a_damaged_part_and_one_of_healthy_rows_have_no_text(tmp_path: Path) -> None:
    put(tmp_path / "kept", 0, {7: b"u1,x"}).write_bytes(b"half a file")
    healthy = pl.DataFrame({"order": [8], "original": ["u2,x"]})
    checked_files.write_parquet(tmp_path / "kept" / "batch-000001.parquet", healthy)
    found = group(("a.csv", 7), ("a.csv", 8))
    add_texts([found], tmp_path / "kept", ["a.csv"], "utf-8")
    add_texts([found], tmp_path / "not there", ["a.csv"], "utf-8")
    assert texts(found) == ["", ""]
