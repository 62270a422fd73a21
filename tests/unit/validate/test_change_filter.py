"""Rows that the snapshot knows are left out before their values are typed; all others go on in order."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest

from importer.core.row_order import ORDER_SHIFT
from importer.storage import hash_segments
from importer.storage.partitions import PARTITIONS
from importer.storage.snapshot import Snapshot
from importer.validate import change_filter
from importer.validate.change_filter import ChangeFilter
from tests.support.mappings import config_of

PRINTS = {"a": 11, "b": 12, "c": 13, "d": 14}
"""The row hash of each known person; each row has two values."""


def snapshot_of(folder: Path, plans: Mapping[str, str]) -> Snapshot:
    """What is known of people: their plan, "" where it was cleared."""
    snapshot = Snapshot(folder, config_of(), lambda _: [])
    snapshot.begin("before")
    sent = pl.DataFrame(
        [(person, PRINTS[person], 2, plan) for person, plan in plans.items()],
        {"id": pl.String, "print": pl.UInt64, "values": pl.UInt32, "v:plan": pl.String},
        orient="row",
    )
    snapshot.record(0, 0, PARTITIONS, sent)
    snapshot.settle(0, pl.DataFrame(schema={"id": pl.String, "key": pl.String}))
    snapshot.finish(full_at=None)
    return Snapshot(folder, config_of(), lambda _: [])


@pytest.fixture
def known(tmp_path: Path) -> ChangeFilter:
    """A filter before a snapshot of four people, one of them with nothing left at the destination."""
    plans = {"a": '"x"', "b": '"y"', "c": '"z"', "d": ""}
    return ChangeFilter(snapshot_of(tmp_path, plans), tmp_path / "work" / "filter")


def add(to: ChangeFilter, rows: Sequence[tuple[str, int]], first: int = 1, layout: int = 0) -> None:
    """One batch of rows, each an id and a hash; `first` is the number of the first row."""
    frame = pl.DataFrame(
        {
            "order": pl.Series(range(first, first + len(rows)), dtype=pl.Int64),
            "id": [person for person, _ in rows],
            "raw": [f"{person},row" for person, _ in rows],
        }
    )
    prints = pl.Series("print", [n for _, n in rows], dtype=pl.UInt64)
    to.add(frame, prints, layout)


def due(of: ChangeFilter) -> list[tuple[int, list[str]]]:
    return [(layout, rows["id"].to_list()) for layout, rows in of.changed()]


def test_a_row_that_is_as_before_is_counted_and_left_out(known: ChangeFilter) -> None:
    add(known, [("a", 11), ("b", 99), ("new", 12), ("c", 13)])
    [(layout, rows)] = list(known.changed())
    assert (layout, rows.columns) == (0, ["order", "id", "raw"])
    assert rows.select("order", "id", "raw").rows() == [(2, "b", "b,row"), (3, "new", "new,row")]
    assert (known.rows, known.values, known.people) == (2, 4, 4)


def test_a_person_with_several_rows_is_looked_at_again(known: ChangeFilter) -> None:
    add(known, [("a", 11), ("b", 12)])
    add(known, [("a", 11)], first=3)
    assert due(known) == [(0, ["a", "a"])]
    assert known.rows == 1


def test_a_row_without_a_hash_is_due(known: ChangeFilter) -> None:
    frame = pl.DataFrame({"order": [1], "id": ["a"]})
    known.add(frame, pl.Series("print", [None], dtype=pl.UInt64), 0)
    assert due(known) == [(0, ["a"])]


def test_batches_come_back_in_the_order_of_the_sources(known: ChangeFilter) -> None:
    second = 1 << ORDER_SHIFT
    add(known, [("z", 1), ("y", 1), ("a", 11)])
    add(known, [("b", 12)], first=4)
    add(known, [("c", 13), ("x", 1), ("w", 1)], first=second + 1, layout=1)
    assert due(known) == [(0, ["z", "y"]), (1, ["x", "w"])]
    rows = {0: 2, 1: 1}
    assert known.by_source == Counter(
        {(source, "unchanged_rows"): n for source, n in rows.items()}
        | {(source, "unchanged_values"): 2 * n for source, n in rows.items()}
    )


def test_rows_of_several_batches_go_on_together(known: ChangeFilter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_filter, "_JOINED_BYTES", 40)
    for number in range(5):
        add(known, [(f"new-{number}", 1)], first=number + 1)
    add(known, [("new-5", 1)], first=6, layout=1)
    known.add(pl.DataFrame({"order": [7], "id": ["new-6"]}), pl.Series("print", [1], dtype=pl.UInt64), 1)
    assert due(known) == [
        (0, ["new-0", "new-1"]),
        (0, ["new-2", "new-3"]),
        (0, ["new-4"]),
        (1, ["new-5"]),
        (1, ["new-6"]),
    ], "new-6 has other columns"


def test_the_people_who_have_no_row_are_gone(known: ChangeFilter) -> None:
    add(known, [("a", 11), ("b", 99)])
    due(known)
    gone = pl.concat(known.gone)
    assert gone.select("id", "v:plan").rows() == [("c", '"z"')], "d has nothing to clear"


@pytest.mark.parametrize("most", [1, 1000])
def test_many_rows_are_compared_group_by_group(
    most: int, known: ChangeFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hash_segments, "READ_BYTES", 1200)
    monkeypatch.setattr(hash_segments, "SEGMENT_ROWS", 70)
    monkeypatch.setattr(change_filter, "GROUP_PEOPLE", most)
    everybody = [(f"new-{n}", n) for n in range(200)]
    for start in range(0, 200, 50):
        add(known, everybody[start : start + 50], first=start + 1)
    add(known, [("a", 11), ("b", 12)], first=201)
    assert [person for _, ids in due(known) for person in ids] == [person for person, _ in everybody]
    assert (known.rows, known.people) == (2, 4)
    assert pl.concat(known.gone)["id"].to_list() == ["c"]


def test_the_folder_is_gone_when_all_rows_are_taken(known: ChangeFilter) -> None:
    add(known, [("a", 99)])
    assert known.folder.is_dir()
    due(known)
    assert not known.folder.exists()


def test_everybody_is_gone_from_a_list_without_rows(known: ChangeFilter) -> None:
    assert due(known) == []
    assert (known.rows, known.people) == (0, 4)
    assert sorted(pl.concat(known.gone)["id"]) == ["a", "b", "c"]
