"""A file is there whole or not at all, and for its owner alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.core.errors import StateError
from importer.storage import atomic_files


@pytest.fixture
def open_umask() -> Iterator[None]:
    """The process would let everybody read and write."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.usefixtures("open_umask")
def test_files_and_folders_are_their_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    atomic_files.make_folder(tmp_path / "a" / "b")
    atomic_files.write_bytes(tmp_path / "a" / "file", b"1")
    atomic_files.make_empty(tmp_path / "a" / "empty").write_bytes(b"2")
    atomic_files.open_or_create(tmp_path / "a" / "lock").close()
    modes = {path.name: mode_of(path) for path in tmp_path.rglob("*")}
    assert modes == {"a": 0o700, "b": 0o700, "file": 0o600, "empty": 0o600, "lock": 0o600}


def test_others_may_read_what_is_meant_for_them(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        atomic_files.write_bytes(tmp_path / "importer.prom", b"1", mode=0o644)
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "importer.prom") == 0o644


def test_after_an_error_the_file_is_as_before_and_no_part_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic_files.write_bytes(path, b"old")

    def write_half() -> None:
        with atomic_files.replacing(path) as file:
            file.write(b"new")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(b"half")
    atomic_files.write_bytes(tmp_path / "file", b"whole", durable=True)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"whole")]


def test_a_symbolic_link_is_replaced_and_never_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"keep me")
    for name in ("file", "file.part", "lock"):
        (tmp_path / name).symlink_to(target)
    atomic_files.write_bytes(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    with pytest.raises(OSError, match="symbolic"):
        atomic_files.open_or_create(tmp_path / "lock")
    atomic_files.make_empty(tmp_path / "lock")
    assert target.read_bytes() == b"keep me"


def test_a_file_in_the_place_of_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(StateError, match="expected a folder"):
        atomic_files.make_folder(tmp_path / "state")
    with pytest.raises(StateError, match="state"):
        atomic_files.make_folder(tmp_path / "state" / "runs")


def test_making_what_is_missing_leaves_what_is_there_alone(tmp_path: Path) -> None:
    path = tmp_path / "there"
    atomic_files.make_if_missing(path)
    assert path.stat().st_mode & 0o777 == atomic_files.OWNER_FILE
    path.write_bytes(b"x")
    atomic_files.make_if_missing(path)
    assert path.read_bytes() == b"x"


def test_making_what_is_missing_refuses_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        atomic_files.make_if_missing(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


def test_making_what_is_missing_keeps_the_locks_of_this_process(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "there"
    with path.open("wb") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        atomic_files.make_if_missing(path)
        take = "import fcntl,sys; fcntl.lockf(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        other = subprocess.run([sys.executable, "-c", take, str(path)], check=False, capture_output=True)
        assert b"BlockingIOError" in other.stderr
