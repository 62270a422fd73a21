"""Frames of people on disk, of which any run of neighbouring partitions is read back by itself.

People are spread over partitions by xxh64 of their id, whose values are fixed by its specification; polars'
own hash is not stable between versions. A file is sorted by partition and written in pieces, each an Arrow
stream of its own: what is read is found by its offset, nothing is mapped into memory, and a long list costs
no more a row than a short one, though each of its chunks is a slice of more files.
"""

import io
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import polars as pl

from importer.core.errors import StateError
from importer.storage import atomic_files

PARTITIONS = 1024
HASH = "xxh64/1024"
"""Names the spread of people over partitions; stored, and checked when a file is opened again."""

_PIECE_BYTES = 64 << 10
"""A piece ends with the partition that passes this. At most one piece more than was asked for is read."""


@dataclass(frozen=True, slots=True)
class PartitionFile:
    """A file of a folder: `starts[b]` is the first row of partition b.

    Piece n holds the partitions from `firsts[n]` on; its bytes are [offsets[n], offsets[n + 1]) and have the
    CRC-32 `checksums[n]`; files of version 0.1.0 have none.
    """

    file: str
    starts: Sequence[int]
    firsts: Sequence[int]
    offsets: Sequence[int]
    checksums: Sequence[int] = ()

    def as_mapping(self) -> dict[str, object]:
        """Its fields by name, for a manifest."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def write(cls, folder: Path, file: str, frame: pl.DataFrame, *, packed: bool) -> "PartitionFile":
        """Writes rows that are sorted by their `partition` (UInt16), a column that is not kept."""
        partition, frame = frame["partition"], frame.drop("partition")
        starts = partition.search_sorted(pl.int_range(PARTITIONS + 1, dtype=pl.UInt16, eager=True)).to_list()
        firsts = _firsts(starts, int(_PIECE_BYTES * frame.height / (frame.estimated_size() + 1)))
        offsets, checksums = [0], []
        with atomic_files.make_empty(folder / file).open("wb") as out:
            for first, end in pairwise([*firsts, PARTITIONS]):
                piece = io.BytesIO()
                frame[starts[first] : starts[end]].write_ipc_stream(
                    piece, compression="lz4" if packed else "uncompressed"
                )
                out.write(piece.getbuffer())
                offsets.append(out.tell())
                checksums.append(zlib.crc32(piece.getbuffer()))
        return cls(file, starts, firsts, offsets, checksums)

    def height(self, first: int, end: int) -> int:
        """How many rows the partitions [first, end) have."""
        return self.starts[end] - self.starts[first]

    def read(self, folder: Path, first: int, end: int, columns: Sequence[str] = ()) -> pl.DataFrame:
        """The rows of the partitions [first, end), or these `columns` of them.

        StateError where the file is damaged or gone.
        """
        one = bisect_right(self.firsts, first) - 1
        behind = bisect_right(self.firsts, end - 1)
        skipped = self.starts[first] - self.starts[self.firsts[one]]
        pieces = [
            pl.read_ipc_stream(io.BytesIO(piece), columns=list(columns) or None)
            for piece in self._pieces(folder, one, behind)
        ]
        return pl.concat(pieces)[skipped:][: self.height(first, end)]

    def _pieces(self, folder: Path, one: int, behind: int) -> Iterator[bytes]:
        """The bytes of the pieces [one, behind); StateError where they are not what was written."""
        try:
            with (folder / self.file).open("rb") as data:
                data.seek(self.offsets[one])
                for number in range(one, behind):
                    piece = data.read(self.offsets[number + 1] - self.offsets[number])
                    if self.checksums and zlib.crc32(piece) != self.checksums[number]:
                        raise _damaged(folder / self.file)
                    yield piece
        except OSError:
            raise _damaged(folder / self.file) from None


def _damaged(path: Path) -> StateError:
    return StateError(f"{path}: damaged or gone; start a new run.")


def _firsts(starts: Sequence[int], rows: int) -> list[int]:
    """The first partition of each piece of about so many rows."""
    firsts = [0]
    for partition in range(1, PARTITIONS):
        if starts[partition] - starts[firsts[-1]] >= max(1, rows) and starts[partition] < starts[PARTITIONS]:
            firsts.append(partition)
    return firsts


def detached(frame: pl.DataFrame) -> pl.DataFrame:
    """The same rows with texts of their own: a few rows chosen from a file keep all of its text in memory."""
    columns = [_copied(pl.col(name), kind).alias(name) for name, kind in frame.schema.items()]
    return frame.select(columns)


def _copied(column: pl.Expr, kind: object) -> pl.Expr:
    if kind == pl.String:
        return pl.concat_str(column, pl.lit(""))
    if isinstance(kind, pl.Struct):
        return pl.struct(_copied(column.struct.field(f.name), f.dtype).alias(f.name) for f in kind.fields)
    return column
