"""Blanks around quoted fields."""

from pathlib import Path

import pytest

from importer.source.options import SourceOptions
from importer.source.reader import open_source

Rows = list[tuple[str, ...]]


def read(path: Path, text: str, block: int = 1 << 20, **options: str) -> tuple[Rows, list[int]]:
    path.write_text(text, "utf-8")
    cells, aside = [], []
    for batch in open_source(str(path), SourceOptions(**options)).batches(block):  # type: ignore[arg-type]
        cells += batch.cells.rows()
        aside += batch.set_aside["row"].to_list()
    return cells, aside


@pytest.mark.parametrize("block", [30, 1 << 20])
@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ('1  , "Malm, Bo"   , x', ("1  ", "Malm, Bo", " x")),
        ('"1", "say ""hi""",\t"x" ', ("1", 'say "hi"', "x")),
        (' "1","",  ""', ("1", "", "")),
    ],
)
def test_they_are_no_part_of_the_field_and_no_damage(
    row: str, cells: tuple[str, ...], block: int, tmp_path: Path
) -> None:
    rows = ['0,"a, b",c', row, *[f"{n},x,y" for n in range(10)], row]
    found, aside = read(tmp_path / "list.csv", "\n".join(["id,name,note", *rows]) + "\n", block)
    assert found == [("0", "a, b", "c"), cells, *[(str(n), "x", "y") for n in range(10)], cells]
    assert aside == []


@pytest.mark.parametrize(
    "row",
    ['1, "a" b,x', '1,x "a",y', '1, "a,x', '1, "a","b","c"', '1, "a"', '1, "a" "b",x', '1, "\0",x'],
)
def test_anything_else_stays_damage(row: str, tmp_path: Path) -> None:
    found, aside = read(tmp_path / "list.csv", f'id,name,note\n0,"a","b"\n{row}\n2,"c","d"\n')
    assert found == [("0", "a", "b"), ("2", "c", "d")]
    assert aside == [2]


def test_every_row_of_an_aligned_list_is_read_in_any_dialect(tmp_path: Path) -> None:
    lines = [f"{n:<8}|| {chr(39)}n|| {n}{chr(39)}   || z" for n in range(300)]
    text = "\n".join(["id||name||note", *lines])
    found, aside = read(tmp_path / "list.csv", text, delimiter="||", quote="'", escape="'")
    assert found == [(f"{n:<8}", f"n|| {n}", " z") for n in range(300)]
    assert aside == []
    escaped = 'id,name,note\n1, "a\\"b" ,c\n'
    assert read(tmp_path / "list.csv", escaped, escape="\\") == ([("1", 'a"b', "c")], [])
