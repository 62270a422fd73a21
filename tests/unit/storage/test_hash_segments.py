"""Rows by a hash come back by partitions, from memory and from any number of files."""

from pathlib import Path

import polars as pl
import pytest

from importer.core.errors import StateError
from importer.storage import hash_segments
from importer.storage.hash_segments import HashSegments
from importer.storage.partitions import PARTITIONS

SCHEMA = {"hash": pl.UInt64, "n": pl.Int64}


def rows(*hashes: int) -> pl.DataFrame:
    return pl.DataFrame({"hash": hashes, "n": range(len(hashes))}, schema=SCHEMA)


def pair(number: int) -> pl.DataFrame:
    """Two rows of one partition."""
    return rows(number * 100, number * 100 + PARTITIONS)


@pytest.mark.parametrize(("bytes_", "count"), [(1 << 20, 1), (64, 8), (8, 64), (0, PARTITIONS)])
def test_each_group_has_the_rows_of_its_partitions(
    bytes_: int, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hash_segments, "SEGMENT_ROWS", 3)
    monkeypatch.setattr(hash_segments, "GROUP_BYTES", bytes_)
    segments = HashSegments(tmp_path, "some", SCHEMA)
    for number in range(10):
        segments.add(pair(number))
    segments.flush()
    groups = list(segments.groups())
    assert (groups[0][0], groups[-1][1], len(groups)) == (0, PARTITIONS, count)
    found = [segments.read(first, end) for first, end in groups]
    assert sorted(pl.concat(found).rows()) == sorted(row for n in range(10) for row in pair(n).rows())
    assert segments.rows == 20
    for (first, end), group in zip(groups, found, strict=True):
        assert group["hash"].is_empty() or (group["hash"] % PARTITIONS).is_between(first, end - 1).all()


def test_without_rows_there_is_one_group_and_no_file(tmp_path: Path) -> None:
    segments = HashSegments(tmp_path / "missing", "some", SCHEMA)
    segments.flush()
    assert list(segments.groups()) == [(0, PARTITIONS)]
    assert segments.read(0, PARTITIONS).schema == SCHEMA


def test_a_folder_that_is_not_there_is_an_error_of_the_state(tmp_path: Path) -> None:
    segments = HashSegments(tmp_path / "missing", "some", SCHEMA)
    segments.add(rows(1))
    with pytest.raises(StateError):
        segments.flush()
