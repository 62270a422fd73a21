"""The rows of a run come back chunk by chunk, in source order, or the spool is called damaged."""

from pathlib import Path

import polars as pl
import pytest

from importer.core.errors import StateError
from importer.storage import spool
from importer.storage.spool import Spool, SpoolWriter


def rows(first: int, count: int, text: str = "x" * 50) -> pl.DataFrame:
    numbers = range(first, first + count)
    return pl.DataFrame(
        {
            "id": [f"p{n % 97}" for n in numbers],
            "order": list(numbers),
            "raw": [f"{n},{text}" for n in numbers],
        }
    )


def written(folder: Path, *frames: pl.DataFrame) -> Spool:
    folder.mkdir(exist_ok=True)
    writer = SpoolWriter(folder)
    for layout, frame in enumerate(frames):
        writer.add(frame, layout)
    return writer.finish()


def read(it: Spool) -> pl.DataFrame:
    return pl.concat(frame for plan in it.plan() for _, frame in it.read(plan))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several segments and chunks of few rows."""
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 40_000)
    monkeypatch.setattr(spool, "CHUNK_BYTES", 20_000)


def test_a_version_with_other_constants_plans_the_same_chunks(
    tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = written(tmp_path / "spool", rows(0, 400)).plan()
    assert len(plans) > 2
    monkeypatch.setattr(spool, "CHUNK_BYTES", 1 << 20)
    assert Spool.open(tmp_path / "spool").plan() == plans, "the journal names chunks by their numbers"


@pytest.mark.usefixtures("small")
def test_every_row_is_in_one_chunk_and_a_persons_rows_are_together(tmp_path: Path) -> None:
    written(tmp_path / "spool", rows(0, 400), rows(400, 300))
    it = Spool.open(tmp_path / "spool")
    plans = it.plan()
    assert len(plans) > 3
    assert sum(plan.rows for plan in plans) == 700
    seen: dict[str, int] = {}
    for plan in plans:
        for layout, frame in it.read(plan):
            assert all((order >= 400) == (layout == 1) for order in frame["order"])
            for id_ in frame["id"]:
                assert seen.setdefault(id_, plan.number) == plan.number
    assert sorted(read(it)["order"]) == list(range(700))
    assert it.people(plans) == 97


@pytest.mark.usefixtures("small")
def test_the_plan_is_the_same_each_time_and_a_piece_is_in_source_order(tmp_path: Path) -> None:
    first = written(tmp_path / "spool", rows(0, 500))
    assert Spool.open(tmp_path / "spool").plan() == first.plan()
    for plan in first.plan():
        orders = pl.concat(frame for _, frame in first.read(plan, ["id", "order"]))
        for _, one in orders.group_by("id", maintain_order=True):
            assert one["order"].is_sorted()


def test_rows_that_get_flags_weigh_as_if_they_had_them(tmp_path: Path) -> None:
    frame = rows(0, 20_000).select("id", "order")
    plans = []
    for flags in (0, 4000):
        (tmp_path / str(flags)).mkdir()
        writer = SpoolWriter(tmp_path / str(flags), flags=flags)
        writer.add(frame, 0)
        plans.append(writer.finish().plan())
    assert [len(plan) for plan in plans] == [1, 3], "a thousand bytes a row, 8 MiB a chunk"


def test_a_column_of_some_segments_is_null_in_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 1)  # each frame is a segment
    (tmp_path / "spool").mkdir()
    writer = SpoolWriter(tmp_path / "spool")
    for number, is_bad in enumerate([None, True, None]):
        flag = {} if is_bad is None else {"is_bad": [is_bad]}
        writer.add(pl.DataFrame({"id": ["p1"], "order": [number], **flag}), 0)
    assert read(writer.finish()).rows(named=True) == [
        {"id": "p1", "order": 0, "is_bad": None},
        {"id": "p1", "order": 1, "is_bad": True},
        {"id": "p1", "order": 2, "is_bad": None},
    ]


def test_segments_are_their_owners_alone(tmp_path: Path) -> None:
    written(tmp_path / "spool", rows(0, 10))
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "spool").iterdir()} == {0o600}


def test_a_spool_that_was_never_finished_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    SpoolWriter(tmp_path / "spool").add(rows(0, 10), 0)
    with pytest.raises(StateError, match="the rows of this run are not there; start a new run"):
        Spool.open(tmp_path / "spool")


def test_a_spool_of_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "spool", rows(0, 10))
    monkeypatch.setattr(spool, "FORMAT", "segments/9")
    with pytest.raises(StateError, match="written by another version"):
        Spool.open(tmp_path / "spool")


@pytest.mark.parametrize("at", [0, 0.3, 0.6, 0.999])
def test_a_flipped_bit_of_a_segment_is_damage(at: float, tmp_path: Path) -> None:
    it = written(tmp_path / "spool", rows(0, 100))
    path = tmp_path / "spool" / "segment-00000"
    data = bytearray(path.read_bytes())
    data[int(at * len(data))] ^= 1
    path.write_bytes(data)
    with pytest.raises(StateError, match="segment-00000: damaged or gone; start a new run"):
        read(it)


def test_a_shortened_or_lost_segment_is_damage(tmp_path: Path) -> None:
    it = written(tmp_path / "spool", rows(0, 100))
    path = tmp_path / "spool" / "segment-00000"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(StateError, match="damaged or gone"):
        read(it)
    path.unlink()
    with pytest.raises(StateError, match="damaged or gone"):
        read(it)


def test_a_disk_that_is_nearly_full_stops_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "_SPARE_BYTES", 1 << 60)
    with pytest.raises(StateError, match=r"MiB free, .* MiB needed .* Nothing was sent"):
        written(tmp_path / "spool", rows(0, 10))
