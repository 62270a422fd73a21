"""Columns that stand in the names of folders."""

from pathlib import Path

import polars as pl
import pytest

from importer.source.csv_grammar import parse
from importer.source.options import SourceOptions
from importer.source.partitions import partition_folder, partition_values, with_partitions
from importer.source.reader import open_source

FOLDER = "country=DE/day=01/region=A%2FB/x=__HIVE_DEFAULT_PARTITION__"


def write(tmp_path: Path, name: str) -> str:
    path = tmp_path / FOLDER / name
    path.parent.mkdir(parents=True)
    if path.suffix == ".parquet":
        pl.DataFrame({"id": ["1", "2"], "day": ["a", "b"]}).write_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text('{"id": 1, "day": "a"}\n{"id": 2, "day": "b"}\n')
    else:
        path.write_text("id,day\n1,a\n2,b\n")
    return str(path)


@pytest.mark.parametrize("name", ["list.csv", "list.jsonl", "list.parquet"])
def test_wanted_ones_that_are_not_in_the_file_are_there_as_text(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, name)
    source = with_partitions(open_source(path, SourceOptions()), ["id", "day", "region", "x"])
    assert source.columns == ("id", "day", "region", "x")
    (batch,) = source.batches()
    blank = "" if name.endswith("csv") else None
    assert batch.cells.rows() == [("1", "a", "A/B", blank), ("2", "b", "A/B", blank)]
    assert batch.cells.schema == dict.fromkeys(source.columns, pl.String)


def test_a_row_of_text_is_parsed_again_with_them(tmp_path: Path) -> None:
    source = with_partitions(open_source(write(tmp_path, "list.csv"), SourceOptions()), ["country"])
    (batch,) = source.batches()
    assert source.layout is not None
    assert batch.records is not None
    assert batch.records.to_list() == ["1,a", "2,b"], "the text is that of the file"
    assert parse(source.layout, batch.records).equals(batch.cells)


def test_a_source_that_wants_none_stays_as_it_is(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, "list.csv"), SourceOptions())
    assert with_partitions(source, ["id"]) is source


def test_values_and_folders_come_from_the_path_alone() -> None:
    path = f"s3://lists/=none/{FOLDER}/a=b.csv"
    assert partition_values(path) == {"country": "DE", "day": "01", "region": "A/B", "x": ""}
    assert partition_folder(path) == FOLDER
    assert partition_folder("lists/a.csv") == ""
