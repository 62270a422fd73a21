"""No cell of the copy for a spreadsheet is a formula, and no other cell changes."""

import csv
from pathlib import Path

import pytest

from importer.report import spreadsheet_copy
from importer.storage.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    found = RunFolder(tmp_path / "runs" / "r")
    found.path.mkdir(parents=True)
    return found


def copied(folder: RunFolder, *cells: str) -> list[str]:
    with folder.rejects.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("row", "value"), *enumerate(cells, 1)])
    path = spreadsheet_copy.write(folder)
    with path.open(newline="", encoding="utf-8-sig") as file:
        head, *rows = csv.reader(file)
    assert head == ["row", "value"]
    assert [row for row, _ in rows] == [str(n) for n in range(1, len(cells) + 1)]
    return [value for _, value in rows]


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1202", "-3", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "＋1", "－1", "＠x", '=HYPERLINK("x")'],
)
def test_a_cell_that_could_be_a_formula_is_marked(cell: str, folder: RunFolder) -> None:
    assert copied(folder, cell) == [f"'{cell}"]


@pytest.mark.parametrize("cell", ["", "a=1", "12", "'=1", "a,b", 'say "hi"', "two\nlines", "Zoë 🎂", "1-2"])
def test_any_other_cell_stays_as_it_is(cell: str, folder: RunFolder) -> None:
    assert copied(folder, cell) == [cell]


def test_the_copy_has_every_line_and_is_for_the_owner_alone(folder: RunFolder) -> None:
    assert len(copied(folder, *["x"] * 60_000)) == 60_000
    assert folder.rejects_spreadsheet.stat().st_mode & 0o077 == 0


def test_without_rejects_the_copy_is_a_header(folder: RunFolder) -> None:
    assert copied(folder) == []
    assert folder.rejects_spreadsheet.read_bytes() == b'\xef\xbb\xbf"row","value"\n'
