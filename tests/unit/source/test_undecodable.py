"""Rows with bytes that the declared encoding does not have."""

from pathlib import Path

import pytest

from importer.core.models import RunWarning
from importer.source.options import SourceOptions
from importer.source.reader import open_source
from importer.source.undecodable import UndecodableRows


def found(path: Path, encoding: str = "utf-8") -> list[RunWarning]:
    rows = UndecodableRows()
    for batch in open_source(str(path), SourceOptions(encoding=encoding)).batches(block_bytes=200):
        rows.add(str(path), batch.set_aside)
    return list(rows.warnings())


def lines(*odd: bytes) -> bytes:
    return b"id,name\n" + b"".join(b"%d,Ana\n" % n for n in range(50)) + b"".join(odd)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("\u0418\u0432\u0430\u043d \u041f\u0435\u0442\u0440\u043e\u0432", "cp1251"),
        ("\u5c71\u7530\u592a\u90ce", "cp932"),
    ],
)
def test_a_few_rows_are_counted_with_the_encoding_that_fits(name: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(lines(*(f"{n},{name}\n".encode(encoding) for n in range(7)), b"x\n"))
    (warning,) = found(path)
    assert (warning.code, warning.count, warning.rows) == ("encoding_differs", 7, (51, 52, 53, 54, 55))
    assert warning.column.startswith(f"{path}: ")
    assert f'"{encoding}"' in warning.column


def test_where_no_encoding_makes_sense_only_the_list_is_named(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(lines(b"1,\xff\x81\xfe\x90\xff\n"))
    assert found(path) == [RunWarning("encoding_differs", str(path), 1, (51,))]


def test_other_damage_and_a_list_in_its_encoding_are_no_sign(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(lines(b"x\n", b'1,"\n'))
    assert found(path) == []
    path.write_bytes(lines("1,Zoë\n".encode("cp1252")))
    assert found(path, "cp1252") == []


def test_a_list_that_has_gone_is_named_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(lines(b"1,Zo\xeb\n"))
    rows = UndecodableRows()
    for batch in open_source(str(path), SourceOptions()).batches():
        rows.add(str(path), batch.set_aside)
    path.unlink()
    assert list(rows.warnings()) == [RunWarning("encoding_differs", str(path), 1, (51,))]
