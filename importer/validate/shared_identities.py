"""Who has an identity text that another distinct id has too, told by hashes before any row is left out.

Such people are rejected together, so none of them is unchanged, though their rows may be. Two texts of one
hash would only have two people checked who need not be.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import polars_hash as plh

from importer.destinations.base import IdentityField
from importer.storage.hash_segments import HashSegments
from importer.storage.snapshot import GROUP_PEOPLE
from importer.storage.snapshot_frames import hashed
from importer.validate import identities


class SharedIdentities:
    """Takes the rows of a list (`add`); once all are there (`find`), knows the `people` who share a text."""

    def __init__(self, folder: Path, fields: Sequence[IdentityField]) -> None:
        self._fields = fields
        self._holders = HashSegments(folder, "holders", {"hash": pl.UInt64, "person": pl.UInt64})
        self._people = HashSegments(folder, "sharing", {"hash": pl.UInt64})

    def add(self, rows: pl.DataFrame) -> None:
        """Rows with their `id` and identity texts. StateError where the disk refuses."""
        for index, field in enumerate(self._fields):
            key = identities.key(field, pl.col(identities.user(index)))
            named = rows.select(hashed().alias("person"), text=pl.concat_str(pl.lit(f"{index}:"), key))
            named = named.filter(pl.col("text").is_not_null())
            self._holders.add(named.select(plh.col("text").nchash.xxhash64().alias("hash"), "person"))

    def find(self) -> None:
        """Once, when all rows are there."""
        self._holders.flush()
        for _, _, holders in self._holders.groups(GROUP_PEOPLE):
            low, high = pl.col("person").min().over("hash"), pl.col("person").max().over("hash")
            sharing = holders.filter(low != high)
            self._people.add(sharing.select(pl.col("person").unique().alias("hash")))
        self._people.flush()

    def people(self, first: int, end: int) -> pl.DataFrame:
        """`hash` of those who share a text, of the partitions [first, end) of people."""
        return self._people.read(first, end)
