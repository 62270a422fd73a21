"""`rejects.csv` and the original rows are in file order, whichever stage refused a row, and when."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from importer.core.rejects import REPORT_COLUMNS, read_reject_file, rejects_frame
from importer.core.row_order import ORDER_SHIFT
from importer.report import reject_parts
from importer.report.reject_files import RejectFiles
from importer.source.csv_grammar import Dialect, Layout
from importer.storage.run_folder import RunFolder
from importer.validate.read_result import Original

LAYOUT = Layout(Dialect(), ("id", "age"))
LIST = Original("lists/people.csv", "csv", b"id,age\r\n", b"\r\n", LAYOUT)
SECOND = 1 << ORDER_SHIFT
"""What the places of the rows of the second source begin with."""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "runs" / "r1")
    made.make_folders()
    return made


def rejects(*places: int | tuple[int, int], stage: str = "check") -> pl.DataFrame:
    """A line for each place: the order of a row, or that and the position of the attribute."""
    pairs = [(place, 0) if isinstance(place, int) else place for place in places]
    facts: dict[str, Any] = {
        "order": [order for order, _ in pairs],
        "position": [position for _, position in pairs],
        "value": [f"{stage} {position}" for _, position in pairs],
    }
    schema = {"order": pl.Int64, "position": pl.Int32, "value": pl.String}
    return rejects_frame(pl.DataFrame(facts, schema=schema).with_columns(stage=pl.lit(stage)))


def kept(*orders: int) -> pl.DataFrame:
    """The rows as text, row 5 as `u5,x5`."""
    texts = [f"u{order % SECOND},x{order % SECOND}" for order in orders]
    return pl.DataFrame(
        {"order": orders, "original": texts}, schema={"order": pl.Int64, "original": pl.String}
    )


def lines(folder: RunFolder) -> list[tuple[str, str, str]]:
    return read_reject_file(folder.rejects).select("file", "row", "value").rows()


def rows(folder: RunFolder, name: str = "01-people.csv") -> bytes:
    return (folder.rejected_rows / name).read_bytes()


def test_what_an_earlier_version_has_left_of_a_run_gets_the_stage_of_now(folder: RunFolder) -> None:
    files = RejectFiles(folder)
    files.add_batch(0, rejects(1, stage="trim"), kept())
    files.add_chunk(0, rejects(2, stage="adjust"), kept())
    files.write([9], [LIST])
    assert read_reject_file(folder.rejects)["stage"].to_list() == ["adjust", "adjust"]


def test_a_run_without_rejects_has_a_header_and_no_rows(folder: RunFolder) -> None:
    files = RejectFiles(folder)
    files.add_batch(0, rejects(), kept())
    files.write([9], [LIST])
    assert folder.rejects.read_text() == ",".join(REPORT_COLUMNS) + "\n"
    assert not folder.rejected_rows.exists()


@pytest.mark.parametrize("stretch", [reject_parts.STRETCH_BYTES, 1])
def test_what_the_destination_refused_stands_among_what_the_check_refused(
    folder: RunFolder, stretch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reject_parts, "STRETCH_BYTES", stretch)
    files = RejectFiles(folder)
    files.add_batch(0, rejects((1, 1), 4), kept(1, 4))
    files.add_batch(1, rejects(7), kept(7))
    files.add_chunk(0, rejects((1, 0), 6, stage="send"), kept(1, 6))
    files.add_chunk(1, rejects(3, stage="send"), kept(3))
    files.add_late(0, rejects(9, stage="late"), kept(9))
    files.write([5, 9], [LIST])  # the last row of each batch
    assert lines(folder) == [
        ("lists/people.csv", row, value)
        for row, value in (
            ("1", "send 0"),
            ("1", "check 1"),
            ("3", "send 0"),
            ("4", "check 0"),
            ("6", "send 0"),
            ("7", "check 0"),
            ("9", "late 0"),
        )
    ]
    assert rows(folder) == b"id,age\r\nu1,x1\r\nu3,x3\r\nu4,x4\r\nu6,x6\r\nu7,x7\r\nu9,x9\r\n"


def test_each_source_has_its_number_and_a_file_of_its_own(folder: RunFolder) -> None:
    files = RejectFiles(folder)
    files.add_batch(0, rejects(2, SECOND + 1), kept(2, SECOND + 1))
    files.write([SECOND + 1], [LIST, Original("s3://lists/people.csv", "csv", b"", b"\n", LAYOUT)])
    assert [(file, row) for file, row, _ in lines(folder)] == [
        ("lists/people.csv", "2"),
        ("s3://lists/people.csv", "1"),
    ]
    assert rows(folder) == b"id,age\r\nu2,x2\r\n"
    assert rows(folder, "02-people.csv") == b"u1,x1\n"


def test_a_damaged_row_keeps_its_bytes(folder: RunFolder) -> None:
    files = RejectFiles(folder)
    damaged = pl.DataFrame({"order": [2], "bytes": [b'u2,"\xff\x00']})
    files.add_batch(0, rejects(2), damaged)
    files.add_chunk(0, rejects(1, stage="send"), kept(1))
    files.write([5], [LIST])
    assert rows(folder) == b'id,age\r\nu1,x1\r\nu2,"\xff\x00\r\n'


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le"])
def test_a_row_is_written_in_the_encoding_of_its_source(folder: RunFolder, encoding: str) -> None:
    layout = Layout(Dialect(encoding=encoding), ("id", "age"))
    header, newline = "id,age\n".encode(encoding), "\n".encode(encoding)
    files = RejectFiles(folder)
    files.add_batch(0, rejects(1), pl.DataFrame({"order": [1], "original": ["Zoë,€"]}))
    files.write([5], [Original("people.csv", "csv", header, newline, layout)])
    assert rows(folder).decode(encoding) == "id,age\nZoë,€\n"


def test_a_compressed_source_gets_compressed_rows(folder: RunFolder) -> None:
    files = RejectFiles(folder)
    files.add_batch(0, rejects(1), kept(1))
    files.write([5], [Original("people.csv.gz", "csv", b"id,age\n", b"\n", LAYOUT)])
    assert gzip.decompress(rows(folder, "01-people.csv.gz")) == b"id,age\nu1,x1\n"


@pytest.mark.parametrize(
    ("path", "name"), [("a/b.parquet", "01-b.parquet"), ("a/table/", "01-table.parquet")]
)
def test_the_rows_of_a_table_are_a_table_with_its_columns(folder: RunFolder, path: str, name: str) -> None:
    cells: Sequence[dict[str, Any]] = [{"id": "u1", "age": 7}, {"id": "u2", "age": None}]
    files = RejectFiles(folder)
    for batch, cell in enumerate(cells):
        order = batch + 1
        files.add_batch(
            batch, rejects(order), pl.DataFrame({"order": [order], "original_cells": [cell]}, strict=False)
        )
    files.write([1, 2], [Original(path, "parquet", b"", b"", None)])
    assert pl.read_parquet(folder.rejected_rows / name).to_dicts() == cells


def test_the_rows_of_a_retry_keep_the_name_of_the_first_source(folder: RunFolder) -> None:
    files = RejectFiles(folder)
    files.add_batch(0, rejects(1), kept(1))
    files.write([5], [Original("runs/r0/rejected_rows/02-people.csv", "csv", b"id,age\n", b"\n", LAYOUT)])
    assert rows(folder) == b"id,age\nu1,x1\n"


def test_a_part_of_an_earlier_attempt_is_replaced_also_by_nothing(folder: RunFolder) -> None:
    files = RejectFiles(folder)
    for refused in ((1, 2), ()):
        files.add_batch(0, rejects(*refused), kept(*refused))
    files.add_batch(1, rejects(7), kept(7))
    files.add_batch(1, rejects(8), kept(8))
    files.write([5, 9], [LIST])
    assert [row for _, row, _ in lines(folder)] == ["8"]
    assert rows(folder) == b"id,age\r\nu8,x8\r\n"


def test_the_rows_alone_can_be_written_again_and_leave_no_work_behind(folder: RunFolder) -> None:
    files = RejectFiles(folder)
    files.add_batch(0, rejects(1), kept(1))
    files.write([5], [LIST])
    (folder.rejected_rows / "03-old.csv").touch()
    files.add_chunk(0, rejects(3, stage="send"), kept(3))
    files.write_rows([5], [LIST])
    assert [path.name for path in folder.rejected_rows.iterdir()] == ["01-people.csv"]
    assert rows(folder) == b"id,age\r\nu1,x1\r\nu3,x3\r\n"
    assert not folder.work.exists()
    assert [row for _, row, _ in lines(folder)] == ["1"], "rejects.csv stays as it was"
