"""The rows of a run, by partition, on disk until the run is finished.

The spool holds rows as they stood in the source; types, winners and JSON are derived from them chunk by
chunk, the same way in a first run, a resumed one and a retry. It is written as segments: each takes the rows
as they come until it holds `SEGMENT_BYTES`, is sorted by partition and written once. A chunk is a run of
neighbouring partitions: a slice of every segment.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import polars_hash as plh

from importer.core.errors import StateError
from importer.storage import checked_files
from importer.storage.checked_files import DamagedError
from importer.storage.disk_errors import state_errors
from importer.storage.partitions import HASH, PARTITIONS, PartitionFile

FORMAT = "segments/3"
"""Names how segments are written; stored, and checked when a spool is opened again."""

SEGMENT_BYTES = 16 << 20
CHUNK_BYTES = 8 << 20
ROW_OVERHEAD = 128
"""What a row costs beyond its text: its id, its numbers and the objects that will carry its update."""

LONG_ROW = 1 << 14
LONG_ROW_COPIES = 4
"""A row longer than LONG_ROW weighs as much as its copies on the way: cells, JSON text, Python text, body."""

FLAGS_IN_BYTE = 4
"""A flag is a bit, and another one says whether it is null."""

_SPARE_BYTES = 256 << 20
"""Free disk that is left alone: the journal and the reports still have to be written."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the spool: `weights[b]` is the bytes that its rows of partition b hold.

    All rows of a segment share one layout, the index of the source layout by which they are read.
    """

    layout: int
    weights: Sequence[int]
    rows: PartitionFile

    def as_mapping(self) -> dict[str, object]:
        """What the manifest holds of it; `asdict` would copy each of thousands of numbers."""
        return {"layout": self.layout, "weights": self.weights, "rows": self.rows.as_mapping()}


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """A run of partitions [first, end) that fits `chunk_bytes` of its spool, or one that does not."""

    number: int
    first: int
    end: int
    rows: int


class SpoolWriter:
    """Takes the rows of a run in source order; `finish` makes them readable and durable under a name.

    A row without text gets `flags` columns of flags when it is read back and counted: it weighs as if it had
    them.
    """

    def __init__(self, folder: Path, flags: int = 0) -> None:
        self.folder = folder
        self._flags = flags
        self._segments: list[Segment] = []
        self._waiting: list[pl.DataFrame] = []
        self._weight = 0
        self._layout = 0

    def add(self, frame: pl.DataFrame, layout: int) -> None:
        """Adds rows: `id` and `order`, and their text, `raw` (String) or `cells` (Struct).

        Rows without text carry only what tells them apart. StateError when the disk is too full to hold them.
        """
        if layout != self._layout:
            self._flush()
            self._layout = layout
        weighed = frame.with_columns(
            partition=(plh.col("id").nchash.xxhash64() % PARTITIONS).cast(pl.UInt16),
            weight=_weight(frame, self._flags),
        )
        self._waiting.append(weighed)
        self._weight += int(weighed["weight"].sum())
        if self._weight >= SEGMENT_BYTES:
            self._flush()

    def take(self, folder: Path) -> None:
        """Moves the segments of a finished spool to the end of this one; `folder` holds nothing then.

        StateError where it was never finished or is damaged.
        """
        self._flush()
        for segment in Spool.open(folder).segments:
            file = f"segment-{len(self._segments):05d}"
            with state_errors(self.folder):
                (folder / segment.rows.file).replace(self.folder / file)
            self._segments.append(replace(segment, rows=replace(segment.rows, file=file)))

    def finish(self) -> "Spool":
        """Writes what is waiting and the manifest; the spool can be opened again from here on."""
        self._flush()
        segments = [segment.as_mapping() for segment in self._segments]
        manifest = {"hash": HASH, "format": FORMAT, "chunk_bytes": CHUNK_BYTES, "segments": segments}
        checked_files.write_json(self.folder / "manifest.json", manifest)
        return Spool(self.folder, self._segments, CHUNK_BYTES)

    def _flush(self) -> None:
        if not self._waiting:
            return
        frame = pl.concat(self._waiting, how="diagonal").sort("partition", maintain_order=True)
        self._waiting, weight, self._weight = [], self._weight, 0
        require_space(self.folder, weight)
        file, rows = f"segment-{len(self._segments):05d}", frame.drop("weight")
        written = PartitionFile.write(self.folder, file, rows, packed=_has_text(frame))
        self._segments.append(Segment(self._layout, _weights(frame["weight"], written.starts), written))


def _weight(frame: pl.DataFrame, flags: int) -> pl.Expr | pl.Series:
    if "raw" in frame.columns:
        size = pl.col("raw").str.len_bytes().cast(pl.Int64)
        return pl.when(size > LONG_ROW).then(size * LONG_ROW_COPIES).otherwise(size) + ROW_OVERHEAD
    mean = frame.estimated_size() // max(1, frame.height)
    mean += ROW_OVERHEAD if _has_text(frame) else flags // FLAGS_IN_BYTE
    return pl.repeat(mean, frame.height, dtype=pl.Int64, eager=True)


def _has_text(frame: pl.DataFrame) -> bool:
    """Rows as they stood, and not only what tells them apart, which carries no update."""
    return "raw" in frame.columns or "cells" in frame.columns


def _weights(weight: pl.Series, starts: Sequence[int]) -> list[int]:
    """What each partition of a sorted frame weighs."""
    below = pl.concat([pl.Series([0], dtype=pl.Int64), weight.cum_sum()]).gather(list(starts))
    return below.diff().drop_nulls().to_list()


def require_space(folder: Path, needed: int) -> None:
    """StateError where the disk has no room for so many bytes and those that are left alone."""
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        raise StateError(
            f"{folder}: {free >> 20} MiB free, {(needed + _SPARE_BYTES) >> 20} MiB needed to go on reading; "
            "free some space or choose another --state-dir, then run again. Nothing was sent."
        )


class Spool:
    """A finished spool: plans its chunks, and reads them back in pieces that fit in memory.

    `chunk_bytes` is CHUNK_BYTES as it was when the spool was written. The journal names chunks by number, so
    each attempt must have the same ones, also that of a later version with other constants.
    """

    def __init__(self, folder: Path, segments: Sequence[Segment], chunk_bytes: int) -> None:
        self._folder = folder
        self.segments = segments
        self._chunk_bytes = chunk_bytes
        self._people: dict[int, int] = {}

    @classmethod
    def open(cls, folder: Path) -> "Spool":
        """The spool of an earlier attempt; StateError where it was never finished or is damaged."""
        try:
            manifest = checked_files.read_json(folder / "manifest.json")
        except (OSError, DamagedError):
            raise StateError(f"{folder}: the rows of this run are not there; start a new run.") from None
        if (manifest.get("hash"), manifest.get("format")) != (HASH, FORMAT):
            raise StateError(f"{folder}: written by another version of the importer; start a new run.")
        segments = [Segment(**{**s, "rows": PartitionFile(**s["rows"])}) for s in manifest["segments"]]
        return cls(folder, segments, manifest.get("chunk_bytes", CHUNK_BYTES))  # version 0.1.0 did not say

    def plan(self) -> list[ChunkPlan]:
        """The chunks, in order of partition; the same for the same spool, so their numbers are durable."""
        plans: list[ChunkPlan] = []
        first, weight, rows = 0, 0, 0
        for partition in range(PARTITIONS):
            more = sum(s.weights[partition] for s in self.segments)
            if weight and weight + more > self._chunk_bytes:
                plans.append(ChunkPlan(len(plans), first, partition, rows))
                first, weight, rows = partition, 0, 0
            weight += more
            rows += sum(s.rows.height(partition, partition + 1) for s in self.segments)
        if rows:
            plans.append(ChunkPlan(len(plans), first, PARTITIONS, rows))
        return plans

    def columns(self, plan: ChunkPlan, names: Sequence[str]) -> pl.DataFrame:
        """These columns of all rows of the chunk; one of them is `id`, by which people are counted, too."""
        files = [s.rows for s in self.segments if s.rows.height(plan.first, plan.end)]
        found = pl.concat(rows.read(self._folder, plan.first, plan.end, names) for rows in files)
        self._people[plan.number] = found["id"].n_unique()
        return found

    def people(self, plans: Iterable[ChunkPlan]) -> int:
        """How many different ids these chunks hold; each chunk is read for it once."""
        for plan in (plans := list(plans)):
            if plan.number not in self._people:
                self.columns(plan, ["id"])
        return sum(self._people[plan.number] for plan in plans)

    def read(self, plan: ChunkPlan, columns: Sequence[str] = ()) -> Iterator[tuple[int, pl.DataFrame]]:
        """The chunk's rows as (layout, frame) pieces in source order, each of about `chunk_bytes` at most.

        `columns` names those that are wanted; all by default. One that only some of the rows were added with
        is null in the others.
        """
        pieces: list[pl.DataFrame] = []
        weight, layout = 0, 0
        for segment in self.segments:
            more = sum(segment.weights[plan.first : plan.end])
            if pieces and (segment.layout != layout or weight + more > self._chunk_bytes):
                yield layout, pl.concat(pieces, how="diagonal")
                pieces, weight = [], 0
            if segment.rows.height(plan.first, plan.end):
                layout = segment.layout
                pieces.append(segment.rows.read(self._folder, plan.first, plan.end, columns))
                weight += more
        if pieces:
            yield layout, pl.concat(pieces, how="diagonal")
