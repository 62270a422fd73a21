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


@pytest.mark.parametrize(
    ("bytes_", "most", "count"),
    [(1 << 20, 100, 1), (64, 100, 8), (1 << 20, 5, 4), (64, 1, 32), (8, 100, 64), (0, 1, PARTITIONS)],
)
def test_each_group_has_the_rows_of_its_partitions(
    bytes_: int, most: int, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hash_segments, "SEGMENT_ROWS", 3)
    monkeypatch.setattr(hash_segments, "READ_BYTES", bytes_)
    segments = HashSegments(tmp_path, "some", SCHEMA)
    for number in range(10):
        segments.add(pair(number))
    segments.flush()
    groups = list(segments.groups(most))
    assert [first for first, _, _ in groups] == list(range(0, PARTITIONS, PARTITIONS // count))
    found = [row for _, _, part in groups for row in part.rows()]
    assert sorted(found) == sorted(row for number in range(10) for row in pair(number).rows())
    assert segments.rows == 20
    for first, end, part in groups:
        assert part.rows() == segments.read(first, end).rows()
        assert part["hash"].is_empty() or (part["hash"] % PARTITIONS).is_between(first, end - 1).all()


def test_without_rows_there_is_one_group_and_no_file(tmp_path: Path) -> None:
    segments = HashSegments(tmp_path / "missing", "some", SCHEMA)
    segments.flush()
    [(first, end, part)] = segments.groups(1)
    assert (first, end, part.height) == (0, PARTITIONS, 0)
    assert part.schema == SCHEMA


def test_a_folder_that_is_not_there_is_an_error_of_the_state(tmp_path: Path) -> None:
    segments = HashSegments(tmp_path / "missing", "some", SCHEMA)
    segments.add(rows(1))
    with pytest.raises(StateError):
        segments.flush()
