"""What a check counts of each row, on disk until the list is read, and which people may have several rows.

As long as each id is greater than the one before, no person has two rows, which costs the least to find out:
many lists come from a table in the order of its key. Else hashes of the ids say it: a row whose hash is there
once is the only row of its person. Such rows are counted as they come, neither sorted nor put together by
person. Only the others are, and then ids are compared.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from importer.storage import spool
from importer.storage.frame_file import FrameFile
from importer.storage.hash_segments import HashSegments
from importer.storage.snapshot_frames import hashed
from importer.storage.spool import FLAGS_IN_BYTE, SpoolWriter, require_space

GROUP_ROWS = 1 << 20
"""So many hashes are compared at one time."""

MANY_REPEATED = 1 << 18
"""Where more hashes are repeated, all rows are put together by person: to look up each costs more."""

MOST_EXTRA = 1 / 4
"""And where more rows of a group have a hash that another one has: to find out which saves nothing."""


class FlagSpool:
    """Takes rows in source order (`add`); once all are there, tells them apart (`single`).

    A row weighs as if it had `width` columns of flags, which it gets when it is counted. StateError where the
    disk is too full or refuses a file.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self.folder = folder
        self.width = width
        self._hashes = HashSegments(folder, "hashes", {"hash": pl.UInt64})
        self._ids = FrameFile(folder / "ids")
        self._rows = FrameFile(folder / "flags")
        self._weights: list[int] = []
        self._greatest: str | None = ""

    def add(self, frame: pl.DataFrame, layout: int = 0) -> None:
        """Adds rows: `id`, `order` and what is counted of them, which is the same in all layouts."""
        weight = int(frame.estimated_size()) + frame.height * self.width // FLAGS_IN_BYTE
        require_space(self.folder, weight)
        ids = frame["id"].to_frame()
        self._note(ids)
        self._ids.append(ids)
        self._rows.append(pl.DataFrame([column for column in frame if column.name != "id"]))
        self._weights.append(weight)

    def _note(self, ids: pl.DataFrame) -> None:
        """Hashes are needed from the first row on that does not show by its order that its person is new."""
        if self._greatest is not None and _increase(ids["id"], self._greatest):
            self._greatest = str(ids["id"][-1])
            return
        if self._greatest is not None:
            self._greatest = None
            for earlier in self._ids.read(0, len(self._ids)):
                self._hashes.add(earlier.select(hashed()))
        self._hashes.add(ids.select(hashed()))

    def single(self, others: SpoolWriter) -> Iterator[pl.DataFrame]:
        """Pieces of rows that are their person's only ones, in source order; `others` gets all other rows.

        Those that have a `line`, because a report may show them, have their `id`, too.
        """
        repeated = self._repeated()
        for first, end in self._pieces():
            rows = pl.concat(self._rows.read(first, end), how="diagonal")
            if repeated is None or len(repeated) or "line" in rows.columns:
                rows = rows.hstack(pl.concat(self._ids.read(first, end)))
            if repeated is None:
                others.add(rows, 0)
            elif repeated.is_empty():
                yield rows
            else:
                is_repeated = rows.select(hashed().is_in(repeated.implode()))["hash"]
                if is_repeated.any():
                    others.add(rows.filter(is_repeated), 0)
                yield rows.filter(~is_repeated)

    def _pieces(self) -> Iterator[tuple[int, int]]:
        """The numbers [first, end) of frames that hold about CHUNK_BYTES at most."""
        first, weight = 0, 0
        for number, more in enumerate([*self._weights, spool.CHUNK_BYTES]):
            if weight and weight + more > spool.CHUNK_BYTES:
                yield first, number
                first, weight = number, 0
            weight += more

    def _repeated(self) -> pl.Series | None:
        """The hashes that several rows have; None where they are many."""
        self._hashes.flush()
        found = pl.Series("hash", [], dtype=pl.UInt64)
        for _, _, rows in self._hashes.groups(GROUP_ROWS):
            hashes = rows["hash"]
            extra = len(hashes) - hashes.n_unique()
            if extra > len(hashes) * MOST_EXTRA:
                return None
            if extra:
                found = found.append(hashes.filter(hashes.is_duplicated()).unique())
                if len(found) > MANY_REPEATED:
                    return None
        return found


def _increase(ids: pl.Series, before: str) -> bool:
    """Whether each id is greater than the one before: longer, or as long and later in the order of bytes.

    This is also the order of whole numbers.
    """
    first = str(ids[0])
    if (len(before.encode()), before) >= (len(first.encode()), first):
        return False
    size = ids.str.len_bytes()
    longer, as_long = size[1:] > size[:-1], size[1:] == size[:-1]
    return bool((longer | (as_long & (ids[1:] > ids[:-1]))).all())
