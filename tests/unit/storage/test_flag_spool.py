"""Rows that are their person's only ones are told from the others, by hashes alone."""

from pathlib import Path

import polars as pl
import pytest

from importer.core.errors import StateError
from importer.storage import flag_spool, spool
from importer.storage.flag_spool import FlagSpool
from importer.storage.spool import SpoolWriter


def flags(first: int, *ids: str, **more: pl.Expr) -> pl.DataFrame:
    return pl.DataFrame({"order": range(first, first + len(ids)), "id": ids}).with_columns(**more)


def told_apart(spooled: FlagSpool) -> tuple[list[pl.DataFrame], list[tuple[int, str]]]:
    """The pieces of single rows, and `order` and `id` of the others."""
    others = SpoolWriter(spooled.folder)
    pieces = list(spooled.single(others))
    rest = others.finish()
    rows = [frame.select("order", "id") for plan in rest.plan() for _, frame in rest.read(plan)]
    return pieces, sorted(row for frame in rows for row in frame.rows())


@pytest.mark.parametrize(("many", "share", "single"), [(1, 2 / 5, [1, 3]), (0, 1, []), (1, 1 / 5, [])])
def test_people_with_several_rows_are_put_aside(
    many: int, share: float, single: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flag_spool, "MANY_REPEATED", many)
    monkeypatch.setattr(flag_spool, "MOST_EXTRA", share)
    spooled = FlagSpool(tmp_path, 1)
    spooled.add(flags(1, "a", "b"))
    spooled.add(flags(3, "c", "b", "b"))
    pieces, others = told_apart(spooled)
    assert [n for piece in pieces for n in piece["order"]] == single
    expected = [(1, "a"), (2, "b"), (3, "c"), (4, "b"), (5, "b")]
    assert others == [row for row in expected if row[0] not in single]


def test_the_hash_alone_does_not_make_one_person_of_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = pl.col("id").str.len_bytes().cast(pl.UInt64).alias("hash")
    monkeypatch.setattr(flag_spool, "hashed", lambda: same)
    monkeypatch.setattr(flag_spool, "MOST_EXTRA", 1)
    spooled = FlagSpool(tmp_path, 1)
    spooled.add(flags(1, "b", "a", "cc"))
    pieces, others = told_apart(spooled)
    assert [n for piece in pieces for n in piece["order"]] == [3]
    assert others == [(1, "b"), (2, "a")], "ids go with the rows that are compared"


@pytest.mark.parametrize(
    ("ids", "is_needed"),
    [
        (["8", "9", "10", "11"], False),
        (["c08", "c09", "c10", "d00"], False),
        (["yy", "zz", "é", "ê"], False),
        (["8", "9", "9", "10"], True),
        (["8", "10", "9", "11"], True),
        (["8", "9", "8", "9"], True),
        (["8", "9", "1", "2"], True),
        (["", "1", "2", "3"], True),
    ],
)
def test_ids_that_increase_need_no_hashes(ids: list[str], is_needed: bool, tmp_path: Path) -> None:
    spooled = FlagSpool(tmp_path, 1)
    spooled.add(flags(1, *ids[:2]))
    spooled.add(flags(3, *ids[2:]))
    pieces, others = told_apart(spooled)
    assert bool(list(tmp_path.glob("hashes-*"))) == is_needed
    single = [row for row in enumerate(ids, 1) if ids.count(row[1]) == 1]
    assert [n for piece in pieces for n in piece["order"]] == [n for n, _ in single]
    assert others == [row for row in enumerate(ids, 1) if row not in single]


def test_a_column_of_some_rows_is_null_in_the_others(tmp_path: Path) -> None:
    spooled = FlagSpool(tmp_path, 1)
    spooled.add(flags(1, "a"))
    spooled.add(flags(2, "b", no0=pl.lit(value=True)))
    [piece], _ = told_apart(spooled)
    assert piece.rows(named=True) == [{"order": 1, "no0": None}, {"order": 2, "no0": True}]


def test_rows_that_a_report_may_show_have_their_ids(tmp_path: Path) -> None:
    spooled = FlagSpool(tmp_path, 1)
    spooled.add(flags(1, "a", line=pl.lit(7)))
    spooled.add(flags(2, "b"))
    [piece], _ = told_apart(spooled)
    assert piece.select("order", "id", "line").rows() == [(1, "a", 7), (2, "b", None)]


def test_rows_weigh_as_if_they_had_all_their_flags(tmp_path: Path) -> None:
    sizes = []
    for width in (0, 4000):
        (tmp_path / str(width)).mkdir()
        spooled = FlagSpool(tmp_path / str(width), width)
        for number in range(20):
            spooled.add(flags(number * 1000, *map(str, range(number * 1000, number * 1000 + 1000))))
        sizes.append(len(told_apart(spooled)[0]))
    assert sizes == [1, 3], "a thousand bytes a row, 8 MiB a piece"


def test_a_full_disk_is_noticed_before_it_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "_SPARE_BYTES", 1 << 60)
    with pytest.raises(StateError, match="free some space"):
        FlagSpool(tmp_path, 1).add(flags(1, "a"))
    assert not list(tmp_path.iterdir())
