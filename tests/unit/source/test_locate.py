"""What paths name: files, patterns and folders, each source once."""

import os
from pathlib import Path

import pytest

from importer.core.errors import SourceError
from importer.source.locate import expand, passed_over


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.csv", "a.csv", "[1].csv", ".hidden.csv", "_SUCCESS"):
        (tmp_path / name).write_text("id\n1\n")
    partition = tmp_path / "parts" / "country=DE"
    partition.mkdir(parents=True)
    (partition / "x.csv").write_text("id\n1\n")
    return tmp_path


def names(folder: Path, *paths: str) -> list[str]:
    return [Path(path).relative_to(folder).as_posix() for path in expand(paths, base=folder)]


def said(folder: Path, *paths: str) -> str:
    with pytest.raises(SourceError) as caught:
        expand(paths, base=folder)
    return str(caught.value)


def test_paths_start_at_the_base_and_keep_their_order(folder: Path) -> None:
    assert names(folder, "b.csv", "a.csv") == ["b.csv", "a.csv"]
    assert names(folder, str(folder / "a.csv")) == ["a.csv"]


def test_a_pattern_names_lists_in_order_and_no_side_files(folder: Path) -> None:
    assert names(folder, "*.csv") == ["[1].csv", "a.csv", "b.csv"]
    assert names(folder, "**/*.csv")[-1] == "parts/country=DE/x.csv"


def test_a_name_that_looks_like_a_pattern_may_be_a_file(folder: Path) -> None:
    assert names(folder, "[1].csv") == ["[1].csv"]


def test_a_folder_names_its_lists_and_those_of_its_partitions(folder: Path) -> None:
    assert names(folder, "parts") == ["parts/country=DE/x.csv"]


def test_a_path_that_names_nothing_is_refused_with_the_next_step(folder: Path) -> None:
    assert said(folder) == "no source is named: give [source] path in the configuration, or a file."
    assert said(folder, "*.parquet") == (
        "*.parquet: no file matches this pattern; check the pattern and the folder it starts from."
    )
    missing = said(folder, "aa.csv")
    assert missing.startswith(
        "aa.csv: no such file; check [source] path, or name the file on the command line."
    )
    assert 'Did you mean "a.csv"?' in missing


def test_a_link_that_leads_to_no_file_is_named_as_one(folder: Path) -> None:
    (folder / "today.csv").symlink_to("moved.csv")
    assert said(folder, "today.csv") == (
        "today.csv: a link to moved.csv, which leads to no file; correct the link."
    )


def test_a_folder_without_a_list_says_what_was_passed_over(folder: Path) -> None:
    empty = folder / "empty"
    empty.mkdir()
    (empty / "_SUCCESS").write_text("")
    assert said(folder, "empty").startswith("empty: the folder holds no list; 1 others are passed over (")


def test_a_file_that_is_named_twice_is_refused(folder: Path) -> None:
    first = folder / "a.csv"
    assert said(folder, "a.csv", "a.csv") == f"{first}: the same file as {first}; name each source once."
    os.link(first, folder / "link.csv")
    assert said(folder, "a.csv", "link.csv") == (
        f"{folder / 'link.csv'}: the same file as {first}; name each source once."
    )


def test_what_is_passed_over_is_counted(folder: Path) -> None:
    (folder / "parts" / "country=DE" / "_SUCCESS").touch()
    (folder / "parts" / "other").mkdir()
    assert passed_over(".", base=folder) == 3, "two side files and a folder that is no partition"
    assert passed_over("parts", base=folder) == 2
    assert passed_over("*", base=folder) == 1
    assert passed_over("**/_*", base=folder) == 2
    assert [passed_over(path, base=folder) for path in ("a.csv", "[1].csv", "none", "s3://lists/")] == [0] * 4
