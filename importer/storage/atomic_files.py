"""Files that are there whole or not at all, for their owner alone.

A file is written beside its place and moved there by one rename. It gets its permissions when it is made, so
that the process keeps its umask. A symbolic link is replaced by the file and never followed. One writer at a
time: each place in the state folder is written under a lock, or by one run.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from importer.storage.disk_errors import state_errors

OWNER_FILE = 0o600
OWNER_FOLDER = 0o700


def make_folder(path: Path) -> None:
    """Makes a folder inside the state folder, with those above it; StateError where that is not possible."""
    with state_errors(path):
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(OWNER_FOLDER, exist_ok=True)
        if not path.is_dir():
            raise FileExistsError


@contextmanager
def replacing(path: Path, *, mode: int = OWNER_FILE, durable: bool = False) -> Iterator[IO[bytes]]:
    """An open file that takes the place of `path` when the block ends; after an error `path` is as before.

    `durable`: it is on the disk then, also after a power cut. StateError where the disk does not take it.
    """
    part = path.with_name(path.name + ".part")
    with state_errors(path):
        part.unlink(missing_ok=True)
        try:
            with create(part, mode) as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        if durable:
            sync_folder(path.parent)


def write_bytes(path: Path, data: bytes, *, mode: int = OWNER_FILE, durable: bool = False) -> None:
    """Puts a file with this content in the place of `path`; StateError where the disk does not take it."""
    with replacing(path, mode=mode, durable=durable) as file:
        file.write(data)


def create(path: Path, mode: int = OWNER_FILE) -> IO[bytes]:
    """A new file, open for writing and reading; FileExistsError where anything has this name."""
    file = _open(path, os.O_CREAT | os.O_EXCL, mode)
    if mode & ~OWNER_FILE:
        path.chmod(mode)  # the umask may have taken what others may read on purpose
    return file


def make_empty(path: Path) -> Path:
    """An empty file in the place of what was there, for a library that opens it by its name; its path."""
    path.unlink(missing_ok=True)
    create(path).close()
    return path


def make_if_missing(path: Path) -> None:
    """An empty file where nothing has this name; OSError where it is a symbolic link.

    A file that is there is not opened: to close it would end the locks that this process has on it (POSIX),
    SQLite's among them.
    """
    try:
        create(path).close()
    except FileExistsError:
        if path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None


def open_or_create(path: Path, mode: int = OWNER_FILE) -> IO[bytes]:
    """A file open for writing and reading, made where it is missing; OSError where it is a symbolic link."""
    return _open(path, os.O_CREAT, mode)


def _open(path: Path, flags: int, mode: int) -> IO[bytes]:
    flags |= (
        os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    )  # as far as the system has them
    return os.fdopen(os.open(path, flags, mode), "r+b")


def sync_folder(folder: Path) -> None:
    """Has the names in a folder on the disk, where the system can do that: Windows opens no folder."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
