"""Cells of a sheet with the error of a formula, such as #N/A.

python-calamine gives them as blank. But a blank cell is a gap, or asks for a value to be removed, and an
error is a bad value.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from html import unescape
from posixpath import join, normpath

_WORKBOOK, _RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_ERROR = re.compile(
    rb'<c\b(?=[^>]*\br="([A-Z]{1,3})([0-9]{1,7})")(?=[^>]*\bt="e")[^>]*(?<!/)>(?:(?!</c>).)*?<v>([^<]*)</v>',
    re.DOTALL,
)
_SHEET = re.compile(r"<(?:\w+:)?sheet\b[^>]*>")
_RELATION = re.compile(r"<(?:\w+:)?Relationship\b[^>]*>")


def error_cells(data: bytes, sheet: str) -> Iterator[tuple[int, int, str]]:
    """Row and column of each, from 0, and its text; none where the parts of the workbook have other names."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        part = _part_of(archive, sheet)
        text = archive.read(part) if part else b""
    if b't="e"' not in text:
        return
    for letters, row, error in _ERROR.findall(text):
        yield int(row) - 1, _place(letters), unescape(error.decode(errors="replace"))


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str:
    """The part that holds a sheet: the workbook names a relation for it, and the relation the part."""
    names = archive.namelist()
    if not {_WORKBOOK, _RELATIONS} <= set(names):
        return ""
    sheets = _SHEET.findall(archive.read(_WORKBOOK).decode(errors="replace"))
    ids = [_value(tag, r"\w+:id") for tag in sheets if _value(tag, "name") == sheet]
    relations = _RELATION.findall(archive.read(_RELATIONS).decode(errors="replace"))
    targets = [_value(tag, "Target") for tag in relations if _value(tag, "Id") in ids]
    parts = [normpath(join("xl", target)).removeprefix("/") for target in targets]
    return next((part for part in parts if part in names), "")


def _value(tag: str, name: str) -> str:
    found = re.search(rf'\s{name}="([^"]*)"', tag)
    return unescape(found[1]) if found else ""


def _place(letters: bytes) -> int:
    """A is 0, Z 25, AA 26."""
    place = 0
    for letter in letters:
        place = place * 26 + letter - ord("A") + 1
    return place - 1
