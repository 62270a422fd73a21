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
from itertools import pairwise
from pathlib import Path

import polars as pl

from importer.core.row_order import ORDER_SHIFT
from importer.storage import atomic_files
from importer.storage.frame_file import FrameFile
from importer.storage.hash_segments import HashSegments
from importer.storage.partitions import PARTITIONS, detached
from importer.storage.snapshot import GROUP_PEOPLE, Snapshot
from importer.storage.snapshot_frames import CLEARED, column, hashed
from importer.validate.shared_identities import SharedIdentities

_KEYS = {"hash": pl.UInt64, "print": pl.UInt64, "row": pl.UInt32}
"""What is compared of a row: the hashes of its person and of the row, and its number on disk, from 0."""

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
    _firsts: list[int] = field(default_factory=list)
    _height: int = 0
    _keys: HashSegments = field(init=False)
    _rows: FrameFile = field(init=False)

    def __post_init__(self) -> None:
        self._keys = HashSegments(self.folder, "keys", _KEYS)
        self._rows = FrameFile(self.folder / "rows")

    def add(self, rows: pl.DataFrame, prints: pl.Series, layout: int) -> None:
        """Writes the rows of one batch to disk, with their hashes; StateError where the disk refuses."""
        atomic_files.make_folder(self.folder)
        self._layouts.append(layout)
        self._sources.append(int(rows["order"][0]) >> ORDER_SHIFT)
        self._firsts.append(self._height)
        self._rows.append(rows)
        row = pl.int_range(self._height, self._height + rows.height, dtype=pl.UInt32)
        self._height += rows.height
        self._keys.add(rows.select(hashed(), print=prints, row=row))
        if self.shared:
            self.shared.add(rows)

    def changed(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """(layout, rows) of all rows that may have changed, in source order; then deletes the folder."""
        self._keys.flush()
        if self.shared:
            self.shared.find()
        rows = pl.concat([pl.Series("row", [], dtype=pl.UInt32), *self._changed()]).sort()
        if self.on_unchanged:
            self._hand_out_unchanged(rows, self.on_unchanged)
        yield from _joined(self._read(rows))
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, wanted: pl.Series) -> Iterator[tuple[int, pl.DataFrame]]:
        """(layout, rows) of these rows of each batch that has any; `wanted` are their numbers, sorted."""
        for number, (layout, at) in enumerate(zip(self._layouts, self._of_batches(wanted), strict=True)):
            if len(at):
                [rows] = self._rows.read(number, number + 1)
                yield layout, detached(rows[at])

    def _of_batches(self, wanted: pl.Series) -> Iterator[pl.Series]:
        """For each batch, the places in it of the wanted rows."""
        cuts = wanted.search_sorted(pl.Series([*self._firsts, self._height])).to_list()
        for first, (start, end) in zip(self._firsts, pairwise(cuts), strict=True):
            yield wanted[start:end] - first

    def _hand_out_unchanged(self, changed: pl.Series, take: Callable[[int, int, pl.DataFrame], None]) -> None:
        for number, (layout, at) in enumerate(zip(self._layouts, self._of_batches(changed), strict=True)):
            [rows] = self._rows.read(number, number + 1)
            is_changed = pl.repeat(False, rows.height, eager=True).scatter(at, True)
            if len(at) < rows.height:
                take(number, layout, rows.filter(~is_changed))

    def _changed(self) -> Iterator[pl.Series]:
        """The numbers of the rows that may have changed, one group of people after another."""
        read, gone, begin = self.snapshot.prints(), list[pl.Series](), 0
        for first, end, keys in self._keys.groups(GROUP_PEOPLE):
            known = read(first, end).rename({"print": "known"}).with_row_index("of")
            both = keys.join(known, on="hash", how="left")
            found = both["of"].drop_nulls()
            is_gone = pl.repeat(True, known.height, eager=True).scatter(found, False)
            self.people += known.height
            gone.append(known["hash"].filter(is_gone))
            if sum(map(len, gone)) >= GROUP_PEOPLE or end == PARTITIONS:
                self._note_gone(begin, end, pl.concat(gone))
                gone, begin = [], end
            are_unique = len(found) == known.height - int(is_gone.sum())
            yield self._without_unchanged(first, end, both, are_unique=are_unique)

    def _without_unchanged(self, first: int, end: int, keys: pl.DataFrame, *, are_unique: bool) -> pl.Series:
        """The numbers of the rows that may have changed; counts the others. `keys` have what is known.

        `are_unique`: each person who is known has one row.
        """
        same = pl.col("print") == pl.col("known")
        if not are_unique:
            same &= pl.col("hash").is_unique()
        if self.shared:
            same &= ~pl.col("hash").is_in(self.shared.people(first, end)["hash"].implode())
        keys = keys.select("row", "values", same=same.fill_null(value=False))
        self._count(keys.filter("same"))
        return keys["row"].filter(~keys["same"])

    def _count(self, unchanged: pl.DataFrame) -> None:
        if not unchanged.height:
            return
        self.rows += unchanged.height
        self.values += int(unchanged["values"].sum())
        for source, rows, values in self._by_source(unchanged).iter_rows():
            self.by_source[source, "unchanged_rows"] += rows
            self.by_source[source, "unchanged_values"] += values

    def _by_source(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`source`, how many of the rows it has, and the sum of their values."""
        counts = pl.len().alias("rows"), pl.sum("values")
        if len(set(self._sources)) == 1:
            return rows.select(pl.lit(self._sources[0]).alias("source"), *counts)
        batch = pl.Series(self._firsts).search_sorted(rows["row"], side="right") - 1
        source = pl.Series("source", self._sources).gather(batch)
        return rows.group_by(source).agg(counts)

    def _note_gone(self, first: int, end: int, hashes: pl.Series) -> None:
        """Keeps what is known of the people of these hashes."""
        if len(hashes):
            people = self.snapshot.read(first, end, hashes.to_frame())
            stored = [
                pl.col(column(k)).is_not_null() & (pl.col(column(k)) != CLEARED) for k in self.snapshot.keys
            ]
            self.gone.append(people.filter(pl.any_horizontal(pl.lit(value=False), *stored)))


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
