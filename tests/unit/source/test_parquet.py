"""Parquet files as sources."""

from pathlib import Path

import polars as pl
import pytest

from importer.core.errors import SourceError
from importer.source.parquet import PARQUET_FIRST, PARQUET_ROWS, open_parquet, with_text


def said(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        open_parquet(str(path))
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_file_is_read_with_its_types_and_numbered_rows(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    height = PARQUET_FIRST + PARQUET_ROWS + 1
    pl.DataFrame({"id": pl.int_range(height, eager=True)}).write_parquet(path)
    source = open_parquet(str(path))
    assert source.columns == ("id",)
    assert source.types == {"id": pl.Int64()}
    batches = list(source.batches())
    assert max(batch.row.len() for batch in batches) <= PARQUET_ROWS
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


def test_bytes_become_text_only_where_all_of_a_column_is_utf_8() -> None:
    cells = with_text(pl.DataFrame({"text": ["ä".encode(), None], "other": [b"\xff", b"a"], "n": [1, 2]}))
    assert cells["text"].to_list() == ["ä", None]
    assert cells["other"].to_list() == [b"\xff", b"a"]
    assert cells["n"].to_list() == [1, 2]
