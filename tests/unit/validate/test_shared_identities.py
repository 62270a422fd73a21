"""People who share what names them are found, in whatever batch and group of hashes they are."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from importer.destinations.base import IdentityField
from importer.storage import hash_segments
from importer.storage.partitions import PARTITIONS
from importer.storage.snapshot_frames import hashed
from importer.validate.shared_identities import SharedIdentities

FIELDS = (
    IdentityField("email", "email", ".*", 100, "an address", fold_case=True),
    IdentityField("phone", "phone", ".*", 100, "a number"),
)
Row = tuple[str, str | None, str | None]


def sharing(folder: Path, *batches: Sequence[Row]) -> set[str]:
    """Who of the people in these batches shares an address or a number."""
    shared = SharedIdentities(folder, FIELDS)
    everybody = [row for batch in batches for row in batch]
    for batch in batches:
        shared.add(pl.DataFrame(batch, {"id": pl.String, "who0": pl.String, "who1": pl.String}, orient="row"))
    shared.find()
    found = set(shared.people(0, PARTITIONS)["hash"])
    ids = pl.DataFrame({"id": [row[0] for row in everybody]}).with_columns(hashed())
    return {person for person, number in ids.select("id", "hash").iter_rows() if number in found}


@pytest.mark.parametrize(
    ("rows", "who"),
    [
        ([("a", "x", None), ("b", "y", None)], set()),
        ([("a", "x", None), ("b", "x", None), ("c", "y", None)], {"a", "b"}),
        ([("a", "x", None), ("b", "X", None)], {"a", "b"}),
        ([("a", None, "x"), ("b", None, "X")], set()),
        ([("a", "1", None), ("b", None, "1")], set()),
        ([("a", None, None), ("b", None, None)], set()),
        ([("a", "x", "1"), ("a", "x", "1")], set()),
        ([("a", "x", "1"), ("b", "x", "2"), ("c", "y", "2")], {"a", "b", "c"}),
    ],
    ids=["none", "same", "case", "case counts", "other field", "blank", "one person", "chain"],
)
def test_who_shares_a_text(rows: list[Row], who: set[str], tmp_path: Path) -> None:
    assert sharing(tmp_path, rows) == who
    assert sharing(tmp_path, *([row] for row in rows)) == who


def test_many_people_in_many_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_segments, "READ_BYTES", 320)
    monkeypatch.setattr(hash_segments, "SEGMENT_ROWS", 30)
    rows: list[Row] = [(f"p{n}", f"{n % 150}@x.org", None) for n in range(200)]
    expected = {f"p{n}" for n in range(200) if n < 50 or n >= 150}
    assert sharing(tmp_path, rows[:77], rows[77:]) == expected
