"""Leaves out the rows that did not change since the last run, before their values are typed.

Every row is written to disk as it is read, with the hash of its person and the hash of the row. When all rows
are read, the hashes are compared with the snapshot, one group of people after another. A row is unchanged
where the snapshot has its hash for its person, the person has no other row, and shares nothing that names
people to the destination with another one: it is counted, and neither typed nor spooled. All other rows go on
in source order, and each of their values is compared later.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from importer.core.row_order import ORDER_SHIFT
from importer.storage import atomic_files, disk_errors
from importer.storage.hash_segments import HashSegments
from importer.storage.partitions import detached
from importer.storage.snapshot import Snapshot
from importer.storage.snapshot_frames import CLEARED, column, hashed
from importer.validate.shared_identities import SharedIdentities

_KEYS = {"hash": pl.UInt64, "print": pl.UInt64, "file": pl.UInt32, "at": pl.UInt32}
"""What is compared of a row: the hashes of its person and of the row, and where the row is on disk."""

_JOINED_BYTES = 1 << 20
"""Rows of several batches go on together until they pass this."""


@dataclass
class ChangeFilter:
    """Takes rows in source order (`add`), then returns those that may have changed (`changed`).

    When `changed` is exhausted, `rows` and `values` count what is unchanged, `people` counts the people of
    the snapshot, and `gone` are those of them who have no row (`id` and their known attributes).
    `on_unchanged` is called with (number of the batch, layout, unchanged rows) for each batch that has any.
    `shared` is there where columns name people to the destination.
    """

    snapshot: Snapshot
    folder: Path
    rows: int = 0
    values: int = 0
    people: int = 0
    gone: list[pl.DataFrame] = field(default_factory=list)
    by_source: Counter[tuple[int, str]] = field(default_factory=Counter)
    on_unchanged: Callable[[int, int, pl.DataFrame], None] | None = None
    shared: SharedIdentities | None = None
    _layouts: list[int] = field(default_factory=list)
    _sources: list[int] = field(default_factory=list)
    _keys: HashSegments = field(init=False)

    def __post_init__(self) -> None:
        self._keys = HashSegments(self.folder, "keys", _KEYS)

    def add(self, rows: pl.DataFrame, prints: pl.Series, layout: int) -> None:
        """Writes the rows of one batch to disk, with their hashes; StateError where the disk refuses."""
        atomic_files.make_folder(self.folder)
        number = len(self._layouts)
        self._layouts.append(layout)
        self._sources.append(int(rows["order"][0]) >> ORDER_SHIFT)
        with disk_errors.state_errors(self.folder):
            rows.write_ipc(atomic_files.make_empty(self._file(number)))
        keys = rows.select(
            hashed(), print=prints, file=pl.lit(number, pl.UInt32), at=pl.int_range(pl.len(), dtype=pl.UInt32)
        )
        self._keys.add(keys)
        if self.shared:
            self.shared.add(rows)

    def _file(self, number: int) -> Path:
        return self.folder / f"rows-{number:06d}.arrow"

    def changed(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """(layout, rows) of all rows that may have changed, in source order; then deletes the folder."""
        self._keys.flush()
        if self.shared:
            self.shared.find()
        found = [self._find_changed(first, end) for first, end in self._keys.groups()]
        by_file = pl.concat([pl.DataFrame(schema={"file": pl.UInt32, "at": pl.UInt32}), *found])
        if self.on_unchanged:
            self._hand_out_unchanged(by_file, self.on_unchanged)
        yield from _joined(self._rows(by_file))
        shutil.rmtree(self.folder, ignore_errors=True)

    def _rows(self, by_file: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
        """(layout, rows) of these rows of each batch that has any."""
        for (number,), part in by_file.sort("file", "at").group_by("file", maintain_order=True):
            rows = pl.read_ipc(self._file(int(str(number))))[part["at"]]
            yield self._layouts[int(str(number))], detached(rows)

    def _hand_out_unchanged(
        self, changed: pl.DataFrame, take: Callable[[int, int, pl.DataFrame], None]
    ) -> None:
        for number, layout in enumerate(self._layouts):
            at = changed.filter(pl.col("file") == number)["at"]
            rows = pl.read_ipc(self._file(number)).with_row_index("at")
            rows = rows.filter(~pl.col("at").is_in(at.implode())).drop("at")
            if rows.height:
                take(number, layout, rows)

    def _find_changed(self, first: int, end: int) -> pl.DataFrame:
        """Counts the unchanged rows of these partitions; the others as `file` and `at`."""
        keys = self._keys.read(first, end)
        known = self.snapshot.read_prints(first, end).rename({"print": "known"})
        self._note_gone(first, end, known, keys)
        keys = keys.join(known, on="hash", how="left")
        same = (pl.col("print") == pl.col("known")) & pl.col("hash").is_unique()
        if self.shared:
            same &= ~pl.col("hash").is_in(self.shared.people(first, end)["hash"].implode())
        keys = keys.with_columns(same=same.fill_null(value=False))
        unchanged = keys.filter("same")
        self.rows += unchanged.height
        self.values += int(unchanged["values"].sum())
        for file, rows, values in unchanged.group_by("file").agg(pl.len(), pl.sum("values")).iter_rows():
            self.by_source[self._sources[file], "unchanged_rows"] += rows
            self.by_source[self._sources[file], "unchanged_values"] += values
        return keys.filter(~pl.col("same")).select("file", "at")

    def _note_gone(self, first: int, end: int, known: pl.DataFrame, keys: pl.DataFrame) -> None:
        self.people += known.height
        gone = known.select("hash").join(keys, on="hash", how="anti")
        if gone.height:
            found = self.snapshot.read(first, end).join(gone, on="hash", how="semi")
            stored = [
                pl.col(column(k)).is_not_null() & (pl.col(column(k)) != CLEARED) for k in self.snapshot.keys
            ]
            self.gone.append(found.filter(pl.any_horizontal(pl.lit(value=False), *stored)))


def _joined(parts: Iterable[tuple[int, pl.DataFrame]]) -> Iterator[tuple[int, pl.DataFrame]]:
    """The same rows in fewer frames: a frame costs milliseconds, however few rows it has."""
    layout, size, waiting = 0, 0.0, list[pl.DataFrame]()
    for of, rows in parts:
        if waiting and (of != layout or rows.schema != waiting[0].schema or size > _JOINED_BYTES):
            yield layout, pl.concat(waiting)
            size, waiting = 0.0, []
        layout, size = of, size + rows.estimated_size()
        waiting.append(rows)
    if waiting:
        yield layout, pl.concat(waiting)
