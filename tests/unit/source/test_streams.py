"""The bytes of a source, opened and decompressed."""

import gzip
import os
from pathlib import Path

import pytest

from importer.core.errors import SourceError
from importer.source.streams import open_stream, refuse_folder, zstd_module

TEXT = b"id,n\n1,a\n"


def content(path: Path) -> bytes:
    with open_stream(str(path)) as stream:
        return stream.read()


def test_a_plain_file_is_given_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(TEXT)
    assert content(path) == TEXT
    path.write_bytes(b"")
    assert content(path) == b""


@pytest.mark.parametrize("name", ["list.csv.gz", "LIST.CSV.GZ", "list.csv", "list"])
def test_gzip_is_known_by_its_name_or_its_first_bytes(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(TEXT))
    assert content(path) == TEXT


def test_members_of_gzip_that_follow_each_other_are_one_stream(tmp_path: Path) -> None:
    path = tmp_path / "list.csv.gz"
    path.write_bytes(gzip.compress(TEXT) + gzip.compress(b"2,b\n"))
    assert content(path) == TEXT + b"2,b\n"


def test_frames_of_zstd_that_follow_each_other_are_one_stream(tmp_path: Path) -> None:
    zstd = zstd_module()
    path = tmp_path / "list.csv.ZST"
    path.write_bytes(zstd.compress(TEXT) + zstd.compress(b"2,b\n"))
    assert content(path) == TEXT + b"2,b\n"


def test_a_file_that_was_unpacked_on_the_way_and_kept_its_name_is_named_so(tmp_path: Path) -> None:
    path = tmp_path / "list.csv.gz"
    path.write_bytes(TEXT)
    with pytest.raises(SourceError, match=r"its name ends with \.gz, but it is not packed"):
        content(path)


@pytest.mark.parametrize("place", [0, 1])
def test_a_damaged_gzip_is_no_text(place: int, tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(TEXT))
    packed[place] ^= 0x40
    path = tmp_path / "list.csv.gz"
    path.write_bytes(packed)
    with pytest.raises(gzip.BadGzipFile):
        content(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    for opened in (lambda: content(tmp_path), lambda: refuse_folder(str(tmp_path))):
        with pytest.raises(SourceError) as caught:
            opened()
        assert str(caught.value) == f"{tmp_path}: is a folder where a file was expected."


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(SourceError) as caught:
        content(path)
    assert str(caught.value) == (
        f"{path}: is a pipe or a device, which can be read only once; save it to a file."
    )
