"""Parquet files as sources."""

import datetime as dt
from pathlib import Path

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from importer.core.errors import SourceError
from importer.source.parquet import PARQUET_FIRST, open_parquet
from importer.source.table_rows import TABLE_ROWS


def said(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        open_parquet(str(path))
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_file_is_read_with_its_types_and_numbered_rows(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    height = PARQUET_FIRST + TABLE_ROWS + 1
    pl.DataFrame({"id": pl.int_range(height, eager=True)}).write_parquet(path)
    source = open_parquet(str(path))
    assert source.columns == ("id",)
    assert source.types == {"id": pl.Int64()}
    batches = list(source.batches())
    assert max(batch.row.len() for batch in batches) <= TABLE_ROWS
    rows = pl.concat([batch.row for batch in batches])
    assert rows.equals(pl.int_range(1, height + 1, eager=True, dtype=pl.Int64).alias("row"))
    assert all(batch.line.null_count() == batch.line.len() for batch in batches)
    assert all(batch.records is None and batch.set_aside.is_empty() for batch in batches)


def test_a_file_without_rows_has_no_batches(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    pl.DataFrame(schema={"id": pl.String}).write_parquet(path)
    assert list(open_parquet(str(path)).batches()) == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "the file is empty; a Parquet file was expected."),
        (b"id,n\n1,2\n", "not a Parquet file; declare its format, or export it again."),
        (b"PAR1 and then nothing", "the Parquet file is truncated; fetch or export it again."),
        (b"PARE....PARE", "the Parquet file is encrypted; export it without encryption."),
        (b"PAR1....PARE", "the Parquet file is encrypted; export it without encryption."),
    ],
)
def test_what_is_no_whole_parquet_file_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    path.write_bytes(content)
    assert said(path) == sentence


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert said(tmp_path) == "is a folder where a file was expected."


OLD_MOMENTS = [
    dt.datetime.fromisoformat("0001-01-01T00:00:00"),
    dt.datetime.fromisoformat("2024-02-29T23:59:59.999999"),
    None,
    dt.datetime.fromisoformat("9999-12-31T23:59:59.999999"),
]


def test_moments_in_int96_are_exact_in_every_year(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    table = pa.table({"id": ["1", "2", "3", "4"], "seen": pa.array(OLD_MOMENTS, pa.timestamp("us"))})
    pq.write_table(table, path, use_deprecated_int96_timestamps=True, store_schema=False)
    source = open_parquet(str(path))
    assert source.types == {"id": pl.String(), "seen": pl.Datetime("us")}
    assert [batch.cells["seen"].to_list() for batch in source.batches()] == [OLD_MOMENTS]


def test_moments_in_nanoseconds_keep_them(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    pq.write_table(pa.table({"seen": pa.array([1_234_567_891], pa.timestamp("ns"))}), path)
    source = open_parquet(str(path))
    assert source.types == {"seen": pl.Datetime("ns")}
    assert [b.cells["seen"].to_physical().to_list() for b in source.batches()] == [[1_234_567_891]]


def test_bytes_stay_bytes(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    pl.DataFrame({"id": [b"a", b"\xff"]}).write_parquet(path)
    (batch,) = open_parquet(str(path)).batches()
    assert batch.cells["id"].to_list() == [b"a", b"\xff"]
