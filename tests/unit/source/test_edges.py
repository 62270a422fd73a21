"""The edges of delimited text: escapes, empty fields too many, what stands behind the last row."""

from pathlib import Path

import pytest

from importer.source.batch import ROW_EMPTY, ROW_MALFORMED
from importer.source.options import SourceOptions
from importer.source.reader import open_source

BACKSLASH = SourceOptions(escape="\\")


def read(
    path: Path, text: str, options: SourceOptions | None = None
) -> tuple[list[object], list[tuple[object, ...]]]:
    path.write_bytes(text.encode())
    batches = list(open_source(str(path), options or SourceOptions()).batches())
    rows: list[object] = [row for batch in batches for row in batch.cells.rows()]
    aside = [
        row for batch in batches for row in batch.set_aside.select("line", "raw", "reason", "message").rows()
    ]
    return rows, aside


def test_a_null_mark_under_a_backslash_is_blank_and_an_escaped_sign_is_itself(tmp_path: Path) -> None:
    text = (
        '"id","note","vip"\n"1","said \\"hi\\", left",\\N\n"2","C:\\\\temp","1"\n\\N,\\N,\\N\n3,a\\,b,\\\\N\n'
    )
    rows, aside = read(tmp_path / "list.csv", text, BACKSLASH)
    assert rows == [("1", 'said "hi", left', ""), ("2", "C:\\temp", "1"), ("", "", ""), ("3", "a,b", "\\N")]
    assert aside == []


@pytest.mark.parametrize("cell", ["\\0", "\\q", '"\\N"', '"C:\\temp"', "a\\N", "\\NULL"])
def test_an_escape_that_stands_for_nothing_costs_its_row_alone(cell: str, tmp_path: Path) -> None:
    rows, aside = read(tmp_path / "list.csv", f'id,n\n1,"a"\n2,{cell}\n3,\\N\n', BACKSLASH)
    assert rows == [("1", "a"), ("3", "")]
    [(line, raw, reason, message)] = aside
    assert (line, raw, reason) == (3, f"2,{cell}".encode(), ROW_MALFORMED)
    assert message == (
        "expected the escape before a quote, a delimiter or an escape, found it before another character"
    )


@pytest.mark.parametrize("quoted", [False, True])
def test_empty_fields_too_many_leave_a_row_whole(quoted: bool, tmp_path: Path) -> None:
    mark = '"q"' if quoted else "q"
    text = f"id,n\n1,a,,\n2,{mark},,,\n3\n4,b, ,\n5,c,x,\n6,d\n,,,\n"
    rows, aside = read(tmp_path / "list.csv", text)
    assert rows == [("1", "a"), ("2", "q"), ("6", "d"), ("", "")]
    assert [(line, raw) for line, raw, *_ in aside] == [(4, b"3"), (5, b"4,b, ,"), (6, b"5,c,x,")]


@pytest.mark.parametrize(
    ("rows", "damaged"),
    [
        (["1,a,b,", "2,a,b", "3,a,b,"], []),
        (["1,a,b", "2,a,b", "3,a,b", "4,a,b,"], []),
        (["1,a,b", "2,a,", "3,a,b", "4,a,b,"], [4]),
        (["1,a,b", "2,a,b", "3,a,b,"], [3]),
    ],
    ids=["several rows have one", "no row ends blank", "a row ends blank", "too few rows"],
)
def test_one_empty_field_too_many_may_be_a_delimiter_too_many_before_a_blank(
    rows: list[str], damaged: list[int], tmp_path: Path
) -> None:
    """`4,a,b,` may be the row `4,a b,`, whose last cell is blank, with a delimiter too many."""
    found, aside = read(tmp_path / "list.csv", "\n".join(["id,n,m", *rows, ""]))
    assert [line for line, *_ in aside] == [row + 1 for row in damaged], "behind the header"
    whole = [row for at, row in enumerate(rows, 1) if at not in damaged]
    assert found == [tuple(row.split(",")[:3]) for row in whole]


@pytest.mark.parametrize("end", ["", "\r\n"])
def test_ctrl_z_behind_the_last_row_is_an_empty_row(end: str, tmp_path: Path) -> None:
    rows, aside = read(tmp_path / "list.csv", f"id,n\r\n1,a\r\n\x1a{end}")
    assert rows == [("1", "a")]
    assert aside == [(3, b"\x1a", ROW_EMPTY, "the file ends with Ctrl-Z")]


def test_a_file_cut_off_in_a_row_says_so(tmp_path: Path) -> None:
    _, [(line, raw, _, message)] = read(tmp_path / "list.csv", "id,n,m\n1,a,b\n2,b")
    assert (line, raw) == (3, b"2,b")
    assert message == (
        "expected 3 fields, found 2; the file ends in the middle of this row and may be incomplete: "
        "fetch or export it again"
    )
    _, [(*_, whole)] = read(tmp_path / "list.csv", "id,n,m\n1,a,b\n2,b\n")
    assert "incomplete" not in str(whole)
