"""Frames in a file come back by their numbers, or the file is called damaged."""

from pathlib import Path

import polars as pl
import pytest

from importer.core.errors import StateError
from importer.storage.frame_file import FrameFile


@pytest.fixture
def file(tmp_path: Path) -> FrameFile:
    found = FrameFile(tmp_path / "frames")
    for number in range(3):
        found.append(pl.DataFrame({"n": [number] * number, "id": ["ä"] * number}))
    return found


def test_frames_come_back_by_number(file: FrameFile) -> None:
    assert [frame["n"].to_list() for frame in file.read(0, len(file))] == [[], [1], [2, 2]]
    assert [frame.rows() for frame in file.read(1, 2)] == [[(1, "ä")]]


def test_a_long_frame_comes_back_as_a_short_one(file: FrameFile) -> None:
    long = pl.DataFrame({"n": range(200_000), "id": "x" * 20})
    file.append(long)
    assert [frame.equals(long) for frame in file.read(3, 4)] == [True]
    assert next(file.read(2, 3)).rows() == [(2, "ä"), (2, "ä")]


def test_no_frame_is_no_file(tmp_path: Path) -> None:
    file = FrameFile(tmp_path / "frames")
    assert list(file.read(0, 0)) == []
    assert not list(tmp_path.iterdir())


def test_what_another_process_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "frames").write_bytes(b"old")
    file = FrameFile(tmp_path / "frames")
    file.append(pl.DataFrame({"n": [1]}))
    assert [frame.rows() for frame in file.read(0, 1)] == [[(1,)]]


def test_a_file_that_was_cut_or_is_gone_is_an_error_of_the_state(file: FrameFile, tmp_path: Path) -> None:
    path = tmp_path / "frames"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StateError, match="frames: damaged or gone"):
        list(file.read(0, 3))
    path.unlink()
    with pytest.raises(StateError, match="frames"):
        list(file.read(0, 3))
