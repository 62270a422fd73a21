"""Frames of one process in a file, one behind the other, until it reads them back.

Each is Arrow data of its own, found by its offset: nothing is mapped into memory. There is no checksum, as in
files that outlive the process.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import polars as pl

from importer.core.errors import StateError
from importer.storage import atomic_files
from importer.storage.disk_errors import state_errors

_STREAM_BYTES = 2 << 20
"""A longer frame becomes an Arrow file: a stream is first made in memory, whole. A file costs 0.4 ms more."""

_MAGIC = b"ARROW1"
"""The first bytes of an Arrow file; a stream has others."""


class FrameFile:
    """A file at `path`, made with the first frame. StateError where the disk refuses it or it is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offsets = [0]

    def __len__(self) -> int:
        """How many frames there are."""
        return len(self._offsets) - 1

    def append(self, frame: pl.DataFrame) -> None:
        """Writes a frame behind the others; its number is how many there were."""
        with state_errors(self._path):
            if not len(self):
                atomic_files.make_empty(self._path)
            with self._path.open("ab") as out:
                write = frame.write_ipc_stream if frame.estimated_size() < _STREAM_BYTES else frame.write_ipc
                write(out)
                self._offsets.append(out.tell())

    def read(self, first: int, end: int) -> Iterator[pl.DataFrame]:
        """The frames [first, end)."""
        if first == end:
            return
        with state_errors(self._path), self._path.open("rb") as data:
            data.seek(self._offsets[first])
            for begin, behind in pairwise(self._offsets[first : end + 1]):
                frame = data.read(behind - begin)
                if len(frame) < behind - begin:
                    raise StateError(f"{self._path}: damaged or gone; start a new run.")
                read = pl.read_ipc if frame.startswith(_MAGIC) else pl.read_ipc_stream
                yield read(frame)
