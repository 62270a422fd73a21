"""A file of partitions gives back any run of them, and says where it is damaged."""

from pathlib import Path

import polars as pl
import pytest

from importer.core.errors import StateError
from importer.storage.partitions import PARTITIONS, PartitionFile


def people(*partitions: int, copies: int = 1) -> pl.DataFrame:
    """A row for each partition named, `copies` times, with a text of its own."""
    frame = pl.DataFrame({"partition": sorted(partitions * copies)}, schema={"partition": pl.UInt16})
    text = pl.int_range(pl.len()).cast(pl.String) + "," + "x" * 200
    return frame.with_columns(order=pl.int_range(pl.len(), dtype=pl.Int64), raw=text)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    "rows",
    [
        people(*range(PARTITIONS), copies=20),
        people(0),
        people(PARTITIONS - 1),
        people(7, copies=5000),
        people(3, 900),
    ],
    ids=["many pieces", "first", "last", "one large", "two"],
)
def test_any_run_of_partitions_is_read_back(rows: pl.DataFrame, packed: bool, tmp_path: Path) -> None:
    written = PartitionFile.write(tmp_path, "people", rows, packed=packed)
    for first, end in (
        (0, PARTITIONS),
        (0, 1),
        (3, 4),
        (7, 8),
        (5, 700),
        (700, PARTITIONS),
        (PARTITIONS - 1, PARTITIONS),
    ):
        wanted = rows.filter(pl.col("partition").is_between(first, end - 1)).drop("partition")
        assert written.height(first, end) == wanted.height
        assert written.read(tmp_path, first, end).equals(wanted)
        assert written.read(tmp_path, first, end, ["order"]).equals(wanted.select("order"))


def test_no_more_than_a_piece_too_much_is_read(tmp_path: Path) -> None:
    rows = people(*range(PARTITIONS), copies=20)
    written = PartitionFile.write(tmp_path, "people", rows, packed=False)
    sizes = [b - a for a, b in zip(written.offsets, written.offsets[1:], strict=False)]
    assert len(sizes) > 30
    assert max(sizes) < 100_000


@pytest.mark.parametrize("left", [0, 100, 150_000, -1])
def test_a_damaged_file_is_told(left: int, tmp_path: Path) -> None:
    rows = people(*range(PARTITIONS), copies=20)
    written = PartitionFile.write(tmp_path, "people", rows, packed=False)
    data = (tmp_path / "people").read_bytes()
    (tmp_path / "people").write_bytes(data[:left])
    with pytest.raises(StateError, match="damaged or gone; start a new run"):
        written.read(tmp_path, 0, PARTITIONS)


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    written = PartitionFile.write(tmp_path, "people", people(1, 2), packed=True)
    (tmp_path / "people").unlink()
    with pytest.raises(StateError, match="damaged or gone"):
        written.read(tmp_path, 0, 2)
