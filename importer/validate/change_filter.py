"""Who may be due: of a whole list only the rows are let through that the snapshot does not know as they are.

Every row is set down as it is read, and of each the hash of its person and its fingerprint. When all are
read, these are held against the snapshot, one group of people after another. A row whose fingerprint the
snapshot has for its person, who stands on no other row, is unchanged: it is counted, and neither typed nor
spooled. All others go the full way, in source order, where value by value decides.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from importer.storage import run_folder
from importer.storage.partitions import PARTITIONS, PartitionFile, detached
from importer.storage.snapshot import CLEARED, GROUP_PEOPLE, Snapshot, column, hashed

SEGMENT_ROWS = 1 << 20
"""Hashes and fingerprints of so many rows are sorted and written together."""


@dataclass
class ChangeFilter:
    """Takes rows in source order (`hold`), then lets through those that may be due (`due`).

    `rows` and `values` count what is unchanged, once all of `due` is taken. `gone` are then the people who
    are known and on no row (`id`, and what is known of their attributes), of `people` known ones.
    """

    snapshot: Snapshot
    folder: Path
    rows: int = 0
    values: int = 0
    people: int = 0
    gone: list[pl.DataFrame] = field(default_factory=list)
    _layouts: list[int] = field(default_factory=list)
    _waiting: list[pl.DataFrame] = field(default_factory=list)
    _waiting_rows: int = 0
    _segments: list[PartitionFile] = field(default_factory=list)
    _held: int = 0

    def hold(self, rows: pl.DataFrame, prints: pl.Series, layout: int) -> None:
        """Sets down rows of one batch with their fingerprints; StateError where the disk does not take it."""
        run_folder.make_folder(self.folder)
        number = len(self._layouts)
        self._layouts.append(layout)
        with run_folder.state_errors(self.folder):
            rows.write_ipc(self._file(number))
        keys = rows.select(
            hashed(), print=prints, file=pl.lit(number, pl.UInt32), at=pl.int_range(pl.len(), dtype=pl.UInt32)
        )
        self._waiting.append(keys)
        self._waiting_rows += keys.height
        self._held += keys.height
        if self._waiting_rows >= SEGMENT_ROWS:
            self._flush()

    def _file(self, number: int) -> Path:
        return self.folder / f"rows-{number:06d}.arrow"

    def _flush(self) -> None:
        if self._waiting:
            keys = pl.concat(self._waiting).with_columns(
                partition=(pl.col("hash") % PARTITIONS).cast(pl.UInt16)
            )
            file = f"keys-{len(self._segments):06d}"
            with run_folder.state_errors(self.folder):
                written = PartitionFile.write(self.folder, file, keys.sort("partition"), packed=False)
            self._segments.append(written)
            self._waiting, self._waiting_rows = [], 0

    def due(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """(layout, rows) of all rows that may be due, in source order; nothing of the sieve stays on disk."""
        self._flush()
        width = self._width()
        found = [self._sift(first, first + width) for first in range(0, PARTITIONS, width) if self._segments]
        by_file = pl.concat([pl.DataFrame(schema={"file": pl.UInt32, "at": pl.UInt32}), *found])
        for (number,), part in by_file.sort("file", "at").group_by("file", maintain_order=True):
            rows = pl.read_ipc(self._file(int(str(number))))[part["at"]]
            yield self._layouts[int(str(number))], detached(rows)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _width(self) -> int:
        """How many partitions make a group of people."""
        width = PARTITIONS
        while width > 1 and self._held * width / PARTITIONS > GROUP_PEOPLE:
            width //= 2
        return width

    def _sift(self, first: int, end: int) -> pl.DataFrame:
        """Counts the unchanged rows of these partitions; the others as `file` and `at`."""
        keys = pl.concat([segment.read(self.folder, first, end) for segment in self._segments])
        known = self.snapshot.prints(first, end).rename({"print": "known"})
        self._note_gone(first, end, known, keys)
        keys = keys.join(known, on="hash", how="left")
        same = (pl.col("print") == pl.col("known")) & pl.col("hash").is_unique()
        keys = keys.with_columns(same=same.fill_null(value=False))
        unchanged = keys.filter("same")
        self.rows += unchanged.height
        self.values += int(unchanged["values"].sum())
        return keys.filter(~pl.col("same")).select("file", "at")

    def _note_gone(self, first: int, end: int, known: pl.DataFrame, keys: pl.DataFrame) -> None:
        self.people += known.height
        gone = known.select("hash").join(keys, on="hash", how="anti")
        if gone.height:
            held = self.snapshot.held(first, end).join(gone, on="hash", how="semi")
            stored = [
                pl.col(column(k)).is_not_null() & (pl.col(column(k)) != CLEARED) for k in self.snapshot.keys
            ]
            self.gone.append(held.filter(pl.any_horizontal(pl.lit(value=False), *stored)))
