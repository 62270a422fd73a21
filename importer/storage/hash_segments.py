"""Rows by a hash, on disk until all are there, then read back by groups of hashes."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from importer.storage import disk_errors
from importer.storage.partitions import PARTITIONS, PartitionFile
from importer.storage.snapshot import GROUP_PEOPLE

SEGMENT_ROWS = 1 << 20
"""So many rows are sorted and written together."""


class HashSegments:
    """Frames with a column `hash` (UInt64), in files `<name>-N` of a folder, which is there already.

    StateError where the disk refuses a file.
    """

    def __init__(self, folder: Path, name: str, schema: Mapping[str, type[pl.DataType]]) -> None:
        self._folder = folder
        self._name = name
        self._schema = schema
        self._pending: list[pl.DataFrame] = []
        self._pending_rows = 0
        self._segments: list[PartitionFile] = []
        self.rows = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Adds rows; `frame` has the columns of the schema."""
        self._pending.append(frame)
        self._pending_rows += frame.height
        self.rows += frame.height
        if self._pending_rows >= SEGMENT_ROWS:
            self.flush()

    def flush(self) -> None:
        """Writes what is still in memory; before `read`."""
        if self._pending:
            partition = (pl.col("hash") % PARTITIONS).cast(pl.UInt16)
            frame = pl.concat(self._pending).with_columns(partition=partition).sort("partition")
            file = f"{self._name}-{len(self._segments):06d}"
            with disk_errors.state_errors(self._folder):
                self._segments.append(PartitionFile.write(self._folder, file, frame, packed=False))
            self._pending, self._pending_rows = [], 0

    def groups(self) -> Iterator[tuple[int, int]]:
        """The partitions [first, end) of groups of about GROUP_PEOPLE rows."""
        width = PARTITIONS
        while width > 1 and self.rows * width / PARTITIONS > GROUP_PEOPLE:
            width //= 2
        return ((first, first + width) for first in range(0, PARTITIONS, width))

    def read(self, first: int, end: int) -> pl.DataFrame:
        """The rows of the partitions [first, end)."""
        segments = [segment.read(self._folder, first, end) for segment in self._segments]
        return pl.concat([pl.DataFrame(schema=self._schema), *segments])
