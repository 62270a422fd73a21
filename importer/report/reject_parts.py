"""The parts of a report in source order, in bounded memory.

Parts of batches follow one another. A part of a chunk has rows from all over the input, so it is cut where
the stretches end, and its slices wait in a file for their turn.
"""

import io
import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO

import polars as pl

from importer.storage import checked_files
from importer.storage.checked_files import DamagedError

STRETCH_BYTES = 16 << 20
"""So many bytes in memory, about, are merged at a time."""

_LEAST = 320
"""A row counts as so many bytes at least: no more than 50,000 are merged, for texts of Python are larger."""

_SAMPLE_BYTES = 64 << 10
"""Where the bytes of a part are is known as closely as this."""

_SIZES = pl.Schema({"order": pl.Int64, "size": pl.Int64})


class Parts:
    """The parts in one folder; `damaged` are those that are not what was written.

    `edges` is the last source order of each batch.
    """

    def __init__(self, folder: Path, edges: Sequence[int]) -> None:
        self._folder = folder
        self._edges = edges
        self.damaged: list[Path] = []

    def in_order(self) -> Iterator[pl.DataFrame]:
        """All rows in source order, one stretch after another.

        The damaged rows of a source have no column `original`.
        """
        chunks = sorted(self._folder.glob("chunk-*.parquet"))
        bounds = [-1, *self._bounds(chunks), 1 << 62]
        if not chunks:
            yield from (
                _merged(found) for low, high in pairwise(bounds) if (found := self._batches(low, high))
            )
            return
        with tempfile.TemporaryFile(dir=self._folder) as file:
            slices = self._spread(chunks, bounds, file)
            for low, high in pairwise(bounds):
                found = [*self._batches(low, high), *_read_slices(file, slices[low])]
                if found:
                    yield _merged(found)

    def _bounds(self, chunks: Sequence[Path]) -> list[int]:
        """The last source order of each stretch but the last."""
        batches = {"order": self._edges, "size": list(map(self._batch_size, range(len(self._edges))))}
        sizes = [pl.DataFrame(batches, _SIZES)]
        sizes += [_sizes(part) for path in chunks if (part := self._read(path)) is not None]
        every = pl.concat(sizes).sort("order")
        ends = every.group_by(pl.col("size").cum_sum() // STRETCH_BYTES).agg(pl.col("order").max())
        return ends["order"].unique().sort()[:-1].to_list()

    def _batch_size(self, number: int) -> int:
        path = self._batch(number)
        with self._damage_of(path):
            rows, size = checked_files.size_of(path)
            return max(size, rows * _LEAST)
        return 0

    def _batch(self, number: int) -> Path:
        return self._folder / f"batch-{number:06d}.parquet"

    def _batches(self, low: int, high: int) -> list[pl.DataFrame]:
        """What the batches have after the order `low`, up to and with `high`."""
        first, last = bisect_right(self._edges, low), bisect_left(self._edges, high)
        paths = [self._batch(number) for number in range(first, min(last + 1, len(self._edges)))]
        read = [frame for path in paths if (frame := self._read(path)) is not None]
        return [rows for frame in read if (rows := frame.filter(_between(low, high))).height]

    def _spread(
        self, chunks: Sequence[Path], bounds: Sequence[int], file: IO[bytes]
    ) -> dict[int, list[tuple[int, int]]]:
        """Writes the rows of the chunks, cut at the bounds; the slices (offset, bytes) after each bound."""
        slices: dict[int, list[tuple[int, int]]] = {low: [] for low in bounds}
        for path in chunks:
            if (part := self._read(path)) is None:
                continue
            part = part.sort("order")
            ends = part["order"].search_sorted(pl.Series(bounds), side="right").to_list()
            for low, (first, end) in zip(bounds, pairwise(ends), strict=False):
                if first < end:
                    slices[low].append(_write_slice(file, part[first:end]))
        return slices

    def _read(self, path: Path) -> pl.DataFrame | None:
        """A part; None where it is damaged, or not there because it had no row."""
        with self._damage_of(path):
            return checked_files.read_frame(path)
        return None

    @contextmanager
    def _damage_of(self, path: Path) -> Iterator[None]:
        """Notes a damaged part; one that is not there had nothing in it."""
        try:
            yield
        except FileNotFoundError:
            pass
        except DamagedError:
            if path not in self.damaged:
                self.damaged.append(path)


def _between(low: int, high: int) -> pl.Expr:
    return pl.col("order").is_between(low, high, closed="right")


def _merged(found: Sequence[pl.DataFrame]) -> pl.DataFrame:
    if len(found) == 1:
        return found[0]
    by = ["order", "position"] if "position" in found[0].columns else ["order"]
    return pl.concat(found, how="diagonal").sort(by)


def _sizes(part: pl.DataFrame) -> pl.DataFrame:
    """How many bytes a part has up to which source order."""
    rows = pl.DataFrame({"order": part["order"], "size": _row_bytes(part)}).sort("order")
    sample = pl.col("size").cum_sum() // _SAMPLE_BYTES
    return rows.group_by(sample=sample).agg(pl.col("order").max(), pl.col("size").sum()).select(*_SIZES)


def _row_bytes(part: pl.DataFrame) -> pl.Series:
    """About how many bytes each row takes in memory: its texts, and an equal share of the rest."""
    columns = part.get_columns()
    if "original_cells" in part.columns:
        columns += part["original_cells"].struct.unnest().get_columns()
    texts = [c.str.len_bytes() for c in columns if c.dtype == pl.String]
    texts += [c.bin.size() for c in columns if c.dtype == pl.Binary]
    size = sum(
        (t.fill_null(0).cast(pl.Int64) for t in texts), pl.repeat(0, part.height, dtype=pl.Int64, eager=True)
    )
    size += max(0, part.estimated_size() - int(size.sum())) // max(1, part.height)
    return size.clip(_LEAST)


def _write_slice(file: IO[bytes], rows: pl.DataFrame) -> tuple[int, int]:
    begin, data = file.tell(), io.BytesIO()
    rows.write_ipc_stream(data, compression="lz4")
    file.write(data.getbuffer())
    return begin, len(data.getbuffer())


def _read_slices(file: IO[bytes], slices: Sequence[tuple[int, int]]) -> Iterator[pl.DataFrame]:
    for offset, size in slices:
        file.seek(offset)
        yield pl.read_ipc_stream(io.BytesIO(file.read(size)))
