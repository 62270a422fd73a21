"""Cells with the error of a formula."""

import io
import zipfile

import pytest

from importer.source.excel_errors import error_cells

WORKBOOK = '<workbook><sheets><sheet name="A &amp; B" sheetId="1" r:id="rId7"/></sheets></workbook>'
RELATIONS = '<Relationships><Relationship Id="rId7" Type="x" Target="{}"/></Relationships>'
SHEET = (
    '<row r="2"><c r="A2"><v>1</v></c><c r="AB2" s="3" t="e"><f>A1/0</f><v>#DIV/0!</v></c></row>'
    '<row r="30"><c t="e" r="B30"><v>#N/A</v></c><c r="C30" t="e"/><c r="D30"><v>5</v></c></row>'
)


def packed(target: str = "worksheets/sheet1.xml", part: str = "xl/worksheets/sheet1.xml") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", WORKBOOK)
        archive.writestr("xl/_rels/workbook.xml.rels", RELATIONS.format(target))
        archive.writestr(part, SHEET)
    return out.getvalue()


@pytest.mark.parametrize("target", ["worksheets/sheet1.xml", "/xl/worksheets/sheet1.xml"])
def test_each_is_found_with_its_place(target: str) -> None:
    assert list(error_cells(packed(target), "A & B")) == [(1, 27, "#DIV/0!"), (29, 1, "#N/A")]


def test_none_is_found_in_another_sheet_or_in_parts_of_other_names() -> None:
    assert list(error_cells(packed(), "B")) == []
    assert list(error_cells(packed(part="xl/other.xml"), "A & B")) == []
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("other.xml", SHEET)
    assert list(error_cells(out.getvalue(), "A & B")) == []
