"""One sheet of a workbook as a source."""

import datetime as dt
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter  # type: ignore[import-untyped]

from importer.core.errors import ConfigError, SourceError
from importer.source import excel
from importer.source.batch import Batch
from importer.source.excel import open_excel
from importer.source.options import SourceOptions
from importer.source.reader import open_source

MOMENT = dt.datetime.fromisoformat("2024-02-29T01:02:03.456")
DAY = dt.date(2024, 2, 29)


def workbook(path: Path, *sheets: Sequence[Sequence[Any]], hidden: int | None = None) -> str:
    """A workbook of these rows; a text that begins with # is the error of a formula."""
    with xlsxwriter.Workbook(str(path)) as out:
        day = out.add_format({"num_format": "yyyy-mm-dd"})
        moment = out.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        for number, rows in enumerate(sheets, 1):
            sheet = out.add_worksheet(f"Sheet {number} & more")
            for at, row in enumerate(rows):
                for place, cell in enumerate(row):
                    if isinstance(cell, dt.datetime):
                        sheet.write_datetime(at, place, cell, moment)
                    elif isinstance(cell, dt.date):
                        sheet.write_datetime(at, place, cell, day)
                    elif isinstance(cell, str) and cell.startswith("#"):
                        sheet.write_formula(at, place, "=1", None, cell)
                    elif isinstance(cell, str):
                        sheet.write_string(at, place, cell)
                    else:
                        sheet.write(at, place, cell)
            if number == hidden:
                sheet.hide()
    return str(path)


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., str]:
    return lambda *sheets, **more: workbook(tmp_path / "list.xlsx", *sheets, **more)


def only(path: str, **options: Any) -> Batch:
    (batch,) = open_excel(path, SourceOptions(**options)).batches()
    return batch


def test_a_column_of_several_types_says_which_rows_are_no_text(made: Callable[..., str]) -> None:
    rows = [["id", "n"], ["a", 1.5], [7.5, 2], [1001, 3], [True, 4], [DAY, 5], [None, 6], ["7.5", 7]]
    assert only(made(rows)).untyped == {"id": {2, 4, 5}}
    assert only(made([["id"], ["a"], ["7.5"]])).untyped == {}


def test_a_column_of_one_type_keeps_it(made: Callable[..., str]) -> None:
    rows = [["id", "code", "vip", "day", "at"], [1001, "007", True, DAY, MOMENT], [7.5, "a", None, DAY, DAY]]
    batch = only(made(rows))
    assert batch.cells.schema == {
        "id": pl.Float64,
        "code": pl.String,
        "vip": pl.Boolean,
        "day": pl.Date,
        "at": pl.Datetime("us"),
    }
    assert batch.cells.rows() == [
        (1001.0, "007", True, DAY, MOMENT),
        (7.5, "a", None, DAY, dt.datetime.combine(DAY, dt.time())),
    ]
    assert (batch.row.to_list(), batch.line.to_list()) == ([1, 2], [2, 3])


def test_a_column_of_several_types_is_text(made: Callable[..., str]) -> None:
    cells = ["007", 1001, 7.5, 2**53, True, DAY, None, MOMENT]
    batch = only(made([["id"], *([cell] for cell in cells)]))
    assert batch.cells["id"].to_list() == [
        *("007", "1001", "7.5", "9.0071992547409920e+15", "true"),
        *("2024-02-29", None, "2024-02-29T01:02:03.456000"),
    ]


def test_the_error_of_a_formula_is_a_text_and_not_a_blank(made: Callable[..., str]) -> None:
    path = made([["other"], ["#REF!"]], [["id", "n"], ["1", 7], ["2", "#N/A"], ["#DIV/0!", 8]])
    assert only(path, sheet="Sheet 2 & more").cells.rows() == [("1", "7"), ("2", "#N/A"), ("#DIV/0!", "8")]


def test_the_header_is_the_first_row_with_a_cell_and_rows_keep_their_place(made: Callable[..., str]) -> None:
    path = made([[], [None, "id ", "id"], [None, "ID", "Name"], [], [None, "1", "a"]])
    batch = only(path, skip_after_header=1)
    assert batch.cells.rows(named=True) == [{"id": None, "id#2": None}, {"id": "1", "id#2": "a"}]
    assert batch.line.to_list() == [4, 5]
    assert only(path, skip_lines=2).cells.columns == ["ID", "Name"]
    declared = only(path, header=False, skip_lines=4, columns=("x", "id", "name"))
    assert declared.cells.rows() == [(None, "1", "a")]


def test_a_column_without_a_name_is_there_where_it_has_a_cell(made: Callable[..., str]) -> None:
    assert only(made([["id", None, None], ["1", None, "x"]])).cells.columns == ["id", "#3"]


def test_one_sheet_is_read_and_several_are_named(made: Callable[..., str]) -> None:
    one, two = [["id"], ["1"]], [["id"], ["2"]]
    assert only(made(one, two, hidden=2)).cells["id"].to_list() == ["1"]
    path = made(one, two)
    assert only(path, sheet="Sheet 2 & more").cells["id"].to_list() == ["2"]
    with pytest.raises(SourceError) as caught:
        open_excel(path, SourceOptions())
    assert str(caught.value) == (
        f"{path}: the workbook has several sheets; choose one under [source] with "
        'sheet = "Sheet 1 & more". There are: "Sheet 1 & more", "Sheet 2 & more".'
    )
    with pytest.raises(SourceError, match='no sheet has the name "None such"; choose one'):
        open_excel(path, SourceOptions(sheet="None such"))


def test_what_is_no_workbook_or_too_large_is_refused(
    made: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.xlsx"
    for content, words in {
        b"id,n\n": "not an Excel workbook",
        b"\xd0\xcf\x11\xe0": "not an Excel workbook",
    }.items():
        other.write_bytes(content)
        with pytest.raises(SourceError, match=words):
            open_excel(str(other), SourceOptions())
    with pytest.raises(SourceError, match="the sheet is empty; a header was expected"):
        open_excel(made([]), SourceOptions())
    path = made([["id"], ["1"]])
    for name in ("MAX_BYTES", "MAX_UNPACKED"):
        with monkeypatch.context() as patched:
            patched.setattr(excel, name, 1000)
            with pytest.raises(SourceError, match="a workbook is read as a whole; export the list as CSV"):
                open_excel(path, SourceOptions())


def test_a_part_that_does_not_fit_its_checksum_is_refused(made: Callable[..., str], tmp_path: Path) -> None:
    path = made([["id"], ["ana"]])
    with zipfile.ZipFile(path) as packed, zipfile.ZipFile(tmp_path / "plain.xlsx", "w") as plain:
        for name in packed.namelist():
            plain.writestr(name, packed.read(name))
    data = (tmp_path / "plain.xlsx").read_bytes()
    assert data.count(b">ana<") == 1
    (tmp_path / "plain.xlsx").write_bytes(data.replace(b">ana<", b">eva<"))
    with pytest.raises(SourceError, match="truncated or damaged"):
        open_source(str(tmp_path / "plain.xlsx"), SourceOptions())


def test_a_missing_library_is_said_with_its_command(
    made: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(ConfigError, match=r"pip install .*\[excel\]"):
        open_excel(made([["id"], ["1"]]), SourceOptions())
