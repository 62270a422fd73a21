"""Rows by a hash, on disk until all are there, then read back by groups of hashes.

They are not sorted: neighbouring partitions share a file, in the order in which the rows came. Files are read
together, or one is read several times where the list is so long that it would not fit, and each group is
what a filter leaves of that.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from importer.storage.frame_file import FrameFile
from importer.storage.partitions import PARTITIONS
from importer.storage.snapshot_frames import between

SEGMENT_ROWS = 1 << 20
"""So many rows are written together."""

READ_BYTES = 16 << 20
"""About so many bytes in memory are read together."""

FILES = 8
"""Eight filters of all rows take half as long as to sort them."""

_WIDTH = PARTITIONS // FILES


class HashSegments:
    """Frames with a column `hash` (UInt64), in files `<name>-N` of a folder, which is there already.

    StateError where the disk refuses a file.
    """

    def __init__(self, folder: Path, name: str, schema: Mapping[str, type[pl.DataType]]) -> None:
        self._schema = schema
        self._pending: list[pl.DataFrame] = []
        self._pending_rows = 0
        self._files = [FrameFile(folder / f"{name}-{number}") for number in range(FILES)]
        self._bytes = 0
        self.rows = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Adds rows; `frame` has the columns of the schema."""
        self._pending.append(frame)
        self._pending_rows += frame.height
        self.rows += frame.height
        self._bytes += int(frame.estimated_size())
        if self._pending_rows >= SEGMENT_ROWS:
            self.flush()

    def flush(self) -> None:
        """Writes what is still in memory; before `read`."""
        if self._pending:
            rows = pl.concat(self._pending)
            numbers = rows.select((_PARTITION // _WIDTH).cast(pl.UInt8)).to_series()
            for number, file in enumerate(self._files):
                file.append(rows.filter(numbers == number))
            self._pending, self._pending_rows = [], 0

    def groups(self, most: int) -> Iterator[tuple[int, int, pl.DataFrame]]:
        """(first, end, the rows of the partitions [first, end)); about `most` rows, or READ_BYTES of them."""
        width = self._width(self._bytes, READ_BYTES)
        narrow = min(width, self._width(self.rows, most))
        for first in range(0, PARTITIONS, width):
            rows = self.read(first, first + width)
            partitions = rows.select(_PARTITION.cast(pl.UInt16)).to_series()
            for start in range(first, first + width, narrow):
                end = start + narrow
                yield start, end, rows.filter(partitions.is_between(start, end - 1))

    def _width(self, size: int, most: int) -> int:
        """How many partitions hold at most so much of a size of all rows."""
        width = PARTITIONS
        while width > 1 and size * width > most * PARTITIONS:
            width //= 2
        return width

    def read(self, first: int, end: int) -> pl.DataFrame:
        """The rows of the partitions [first, end)."""
        found = [pl.DataFrame(schema=self._schema)]
        for file in self._files[first // _WIDTH : -(-end // _WIDTH)]:
            found += (_between(rows, first, end) for rows in file.read(0, len(file)))
        return pl.concat(found)


_PARTITION = pl.col("hash") % PARTITIONS


def _between(rows: pl.DataFrame, first: int, end: int) -> pl.DataFrame:
    """The rows of the partitions [first, end); no look at rows of whole files."""
    return between(rows, first, end) if first % _WIDTH or end % _WIDTH else rows
