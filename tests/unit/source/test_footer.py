"""Lines around the rows: `sep=`, records behind the header, rows at the end."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from importer.source.batch import ROW_OF_FOOTER, SET_ASIDE, Batch
from importer.source.footer import rows_up_to, without_last
from importer.source.options import SourceOptions
from importer.source.reader import open_source


def read(path: Path, options: SourceOptions, block: int = 1 << 20) -> list[tuple[int, int, str | None]]:
    """Row, line and first cell; of a row set aside, its text."""
    found: list[tuple[int, int, str | None]] = []
    for batch in open_source(str(path), options).batches(block):
        found += list(zip(batch.row, batch.line, batch.cells.to_series(0), strict=True))
        found += [(row, line, raw and raw.decode()) for row, line, raw, *_ in batch.set_aside.rows()]
    return sorted(found)


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"'])
@pytest.mark.parametrize(
    "options", [SourceOptions(), SourceOptions(delimiter=";"), SourceOptions(skip_lines=1)]
)
def test_a_separator_line_says_the_delimiter(first: str, options: SourceOptions, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"\ufeff{first}\r\nid;n\r\n1;a\r\n", "utf-8")
    source = open_source(str(path), options)
    assert source.columns == ("id", "n")
    assert source.header_raw == f"\ufeff{first}\r\nid;n\r\n".encode()
    assert read(path, options) == [(1, 3, "1")]


def test_a_declared_delimiter_holds_against_a_separator_line(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("sep=;\nid,n\n1,a;b\n", "utf-8")
    assert open_source(str(path), SourceOptions(delimiter=",")).columns == ("id", "n")
    path.write_text("sep=abc\n1\n", "utf-8")
    assert open_source(str(path), SourceOptions()).columns == ("sep=abc",)


def test_records_behind_the_header_are_skipped_and_kept_with_it(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text('id,q\nResponse ID,"How\nlikely?"\n"{""a"":1}",x\n1,2\n', "utf-8")
    options = SourceOptions(skip_after_header=2)
    assert read(path, options) == [(1, 5, "1")]
    assert open_source(str(path), options).header_raw == path.read_bytes()[:-4]
    assert read(path, SourceOptions(skip_after_header=9)) == []


@pytest.mark.parametrize("block", [5, 30, 1 << 20])
@pytest.mark.parametrize("count", [1, 2, 3, 200])
def test_rows_at_the_end_are_skipped_whatever_they_are(count: int, block: int, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    rows = [f"{i},x" for i in range(100)]
    path.write_text("\n".join(["id,n", *rows, "", "Grand Total", "", "Page,1"]) + "\n\n", "utf-8")
    everything = read(path, SourceOptions(), block)
    assert len(everything) == 102
    found = read(path, SourceOptions(skip_footer=count), block)
    assert [row for row in found if row[2] is not None] == everything[: max(0, 102 - count)]
    assert [row[0] for row in found] == [row[0] for row in everything], "each row is there, or set aside"


def batch(*rows: int, aside: tuple[int, ...] = ()) -> Batch:
    """Healthy rows and rows set aside, by their numbers."""
    row = pl.Series("row", rows, dtype=pl.Int64)
    reasons = [(number, number + 1, b"x", "row_malformed", "why") for number in aside]
    return Batch(
        pl.DataFrame({"id": row.cast(pl.String)}),
        row,
        (row + 1).alias("line"),
        lambda: row.cast(pl.String),
        pl.DataFrame(reasons, schema=SET_ASIDE, orient="row"),
    )


def numbers(batch: Batch) -> tuple[list[int], list[int]]:
    return batch.row.to_list(), batch.set_aside["row"].to_list()


def test_rows_up_to_a_number_are_kept_with_all_that_belongs_to_them() -> None:
    kept = rows_up_to(batch(1, 2, 4, aside=(3, 5)), 3)
    assert numbers(kept) == ([1, 2], [3])
    assert kept.cells["id"].to_list() == ["1", "2"]
    assert kept.line.to_list() == [2, 3]
    assert kept.records is not None
    assert kept.records.to_list() == ["1", "2"]


def test_a_batch_is_given_out_as_soon_as_enough_rows_follow_it() -> None:
    asked: list[int] = []

    def batches(block_bytes: int) -> Iterator[Batch]:
        for at, one in enumerate([batch(1, 2), batch(3), batch(4, aside=(5,)), batch(6)]):
            asked.append(at)
            assert block_bytes == 77
            yield one

    kept = without_last(batches, 2, 77)
    assert numbers(next(kept)) == ([1, 2], [])
    assert asked == [0, 1, 2]
    rest = list(kept)
    assert [numbers(one) for one in rest] == [([3], []), ([4], [5]), ([], [6])]
    assert [one.set_aside["reason"].to_list() for one in rest] == [[], [ROW_OF_FOOTER], [ROW_OF_FOOTER]]
    assert all(one.set_aside.schema == SET_ASIDE for one in rest)
