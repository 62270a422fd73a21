"""Folders as Spark, Hive and people leave them."""

from pathlib import Path

import polars as pl
import pytest

from importer.core.errors import SourceError
from importer.source.folders import is_side_file
from importer.source.locate import expand
from importer.source.options import SourceOptions
from importer.source.partitions import partition_values, with_partitions
from importer.source.reader import open_source

LISTS = ("a.csv", "part-0.parquet", "Customers 2024.csv.gz", "tmp.csv", "crc.csv")
SIDE = (
    "_SUCCESS",
    "_committed_123",
    ".part-0.parquet.crc",
    "part-0.crc",
    "a.csv.tmp",
    "a.csv.part",
    "Thumbs.db",
    "desktop.ini",
    ".DS_Store",
    "~$list.xlsx",
    "a.csv~",
)


def test_side_files_are_told_from_lists() -> None:
    assert [name for name in (*LISTS, *SIDE) if is_side_file(name)] == list(SIDE)


def hive(folder: Path) -> list[str]:
    places = [
        "dt=2024-01-01/region=01",
        "dt=2024-01-02/region=A%2FB",
        "dt=2024-01-03/region=__HIVE_DEFAULT_PARTITION__",
    ]
    for number, place in enumerate(places):
        (folder / place).mkdir(parents=True)
        pl.DataFrame({"id": [number]}).write_parquet(folder / place / "part-0.parquet")
        (folder / place / "_SUCCESS").touch()
    (folder / "other").mkdir()
    (folder / "other" / "old.parquet").touch()
    return [f"{place}/part-0.parquet" for place in places]


def test_a_folder_of_partitions_is_read_without_other_folders_and_side_files(tmp_path: Path) -> None:
    wanted = hive(tmp_path)
    assert expand(["."], base=tmp_path) == [str(tmp_path / path) for path in wanted]
    everything = [*wanted, "other/old.parquet"]
    assert expand(["**/*"], base=tmp_path) == [str(tmp_path / path) for path in everything]
    assert expand(["dt=*/**/*.parquet"], base=tmp_path) == [str(tmp_path / path) for path in wanted]


def test_columns_of_a_partition_are_text_where_they_are_wanted(tmp_path: Path) -> None:
    found = []
    for path in hive(tmp_path):
        opened = open_source(str(tmp_path / path), SourceOptions())
        assert opened.columns == ("id",)
        source = with_partitions(opened, ["id", "region"])
        assert dict(source.types or {}) == {"id": pl.Int64, "region": pl.String}
        found += [row for batch in source.batches() for row in batch.cells.rows()]
    assert found == [(0, "01"), (1, "A/B"), (2, None)]
    assert partition_values("/x/a=b=c/=x/d/e=1") == {"a": "b=c"}


def test_a_column_of_the_file_comes_before_one_of_the_partition(tmp_path: Path) -> None:
    path = tmp_path / "region=01" / "a.parquet"
    path.parent.mkdir()
    pl.DataFrame({"region": ["file"]}).write_parquet(path)
    source = with_partitions(open_source(str(path), SourceOptions()), ["region"])
    assert [batch.cells["region"].to_list() for batch in source.batches()] == [["file"]]


def test_a_folder_of_side_files_holds_no_list(tmp_path: Path) -> None:
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "sub").mkdir()
    with pytest.raises(SourceError, match="the folder holds no list; 2 others are passed over"):
        expand([str(tmp_path)], base=Path())
