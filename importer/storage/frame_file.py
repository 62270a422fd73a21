"""Frames of one process in a file, one behind the other, until it reads them back.

Each is an Arrow stream of its own, found by its offset: nothing is mapped into memory. There is no checksum,
as in files that outlive the process.
"""

import io
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import polars as pl

from importer.core.errors import StateError
from importer.storage import atomic_files
from importer.storage.disk_errors import state_errors


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
                frame.write_ipc_stream(out)
                self._offsets.append(out.tell())

    def read(self, first: int, end: int, columns: Sequence[str] = ()) -> Iterator[pl.DataFrame]:
        """The frames [first, end), or these `columns` of them."""
        if first == end:
            return
        with state_errors(self._path), self._path.open("rb") as data:
            data.seek(self._offsets[first])
            for begin, behind in pairwise(self._offsets[first : end + 1]):
                stream = data.read(behind - begin)
                if len(stream) < behind - begin:
                    raise StateError(f"{self._path}: damaged or gone; start a new run.")
                yield pl.read_ipc_stream(io.BytesIO(stream), columns=list(columns) or None)
