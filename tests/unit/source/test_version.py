"""A source whose version differs has changed."""

import os
from pathlib import Path

from importer.source.version import version_of


def test_a_file_has_its_size_and_its_time_of_change(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"id\n1\n")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    found = version_of(str(path))
    assert found is not None
    assert found.size == 5
    assert found.modified == 1_700_000_000
    assert version_of(str(path)) == found


def test_a_changed_or_replaced_file_has_another_version(tmp_path: Path) -> None:
    path, other = tmp_path / "list.csv", tmp_path / "other.csv"
    for one in (path, other):
        one.write_bytes(b"id\n1\n")
        os.utime(one, (1_700_000_000, 1_700_000_000))
    before = version_of(str(path))
    other.replace(path)
    replaced = version_of(str(path))
    assert replaced != before
    os.utime(path, ns=(1, 1_700_000_000_000_001_000))
    assert version_of(str(path)) not in (before, replaced, None)


def test_a_file_that_is_gone_has_no_version(tmp_path: Path) -> None:
    assert version_of(str(tmp_path / "gone.csv")) is None
