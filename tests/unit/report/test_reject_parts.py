"""The parts of a report come back in source order, in stretches of bounded size."""

import random
from pathlib import Path

import polars as pl
import pytest

from importer.report import reject_parts
from importer.report.reject_parts import Parts
from importer.storage import checked_files


def put(folder: Path, name: str, orders: list[int], text: str = "x") -> None:
    frame = pl.DataFrame(
        {"order": sorted(orders), "position": 0, "value": [f"{name} {text}" for _ in orders]},
        schema={"order": pl.Int64, "position": pl.Int32, "value": pl.String},
    )
    checked_files.write_parquet(folder / f"{name}.parquet", frame)


def orders_of(frames: list[pl.DataFrame]) -> list[int]:
    return [order for frame in frames for order in frame["order"].to_list()]


@pytest.mark.parametrize("stretch", [1, 400, 10_000, reject_parts.STRETCH_BYTES])
@pytest.mark.parametrize("seed", range(3))
def test_parts_of_batches_and_chunks_are_merged(
    seed: int, stretch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reject_parts, "STRETCH_BYTES", stretch)
    monkeypatch.setattr(reject_parts, "_SAMPLE_BYTES", 64)
    choose, edges = random.Random(seed), [10, 10, 60, 200]
    of_batches = {0: [2, 9, 10], 2: [11, 60], 3: choose.sample(range(61, 201), 50)}
    for number, orders in of_batches.items():
        put(tmp_path, f"batch-{number:06d}", orders)
    of_chunks = [choose.sample(range(300), 40) for _ in range(4)]
    for number, orders in enumerate(of_chunks):
        put(tmp_path, f"chunk-{'late-' * (number == 3)}{number:06d}", orders)
    parts = Parts(tmp_path, edges)
    expected = sorted(order for orders in (*of_batches.values(), *of_chunks) for order in orders)
    assert orders_of(list(parts.in_order())) == expected
    assert parts.damaged == []
    assert all(path.suffix == ".parquet" for path in tmp_path.iterdir()), "nothing else is left"


def test_a_stretch_has_no_more_bytes_than_it_may_however_they_are_spread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reject_parts, "STRETCH_BYTES", 200_000)
    monkeypatch.setattr(reject_parts, "_SAMPLE_BYTES", 2_000)
    for chunk in range(10):
        put(tmp_path, f"chunk-{chunk:06d}", list(range(chunk, 3_000, 10)))
    put(tmp_path, "chunk-000010", list(range(100)), "long" * 500)
    frames = list(Parts(tmp_path, [3_000]).in_order())
    assert orders_of(frames) == sorted([*range(3_000), *range(100)])
    assert max(frame.estimated_size() for frame in frames) < 250_000
    assert len(frames) < 9


def test_rows_of_a_table_are_spread_by_the_size_of_their_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reject_parts, "STRETCH_BYTES", 5_000)
    monkeypatch.setattr(reject_parts, "_SAMPLE_BYTES", 100)
    cells = [{"id": str(n), "tags": ["a", "b"], "note": None if n % 2 else "x" * 1_000} for n in range(20)]
    frame = pl.DataFrame({"order": range(20), "id": [str(n) for n in range(20)], "original_cells": cells})
    checked_files.write_parquet(tmp_path / "chunk-000000.parquet", frame)
    frames = list(Parts(tmp_path, [20]).in_order())
    assert pl.concat(frames).equals(frame)
    assert len(frames) > 2


def test_a_damaged_part_is_named_once_and_the_others_are_there(tmp_path: Path) -> None:
    for name in ("batch-000000", "chunk-000000", "chunk-000001"):
        put(tmp_path, name, [1, 2])
    for name in ("batch-000000", "chunk-000000"):
        path = tmp_path / f"{name}.parquet"
        data = bytearray(path.read_bytes())
        data[20] ^= 1
        path.write_bytes(data)
    parts = Parts(tmp_path, [2])
    assert orders_of(list(parts.in_order())) == [1, 2]
    assert sorted(path.name for path in parts.damaged) == ["batch-000000.parquet", "chunk-000000.parquet"]


def test_a_part_from_which_all_rows_were_erased_has_none(tmp_path: Path) -> None:
    put(tmp_path, "chunk-000000", [])
    put(tmp_path, "chunk-000001", [1])
    assert orders_of(list(Parts(tmp_path, [2]).in_order())) == [1]


def test_where_there_is_no_part_nothing_comes(tmp_path: Path) -> None:
    assert list(Parts(tmp_path, []).in_order()) == []
    assert list(Parts(tmp_path, [5, 9]).in_order()) == []
