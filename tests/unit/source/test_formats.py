"""What a file is: by its name, and by how it begins."""

import gzip
from pathlib import Path

import pytest

from importer.core.errors import SourceError
from importer.source.formats import format_of
from importer.source.options import SourceOptions
from importer.source.reader import open_source


def test_the_extension_tells_the_format() -> None:
    names = ("a.csv", "A.TXT.GZ", "b.tsv.zst", "c.tab", "d.parquet", "e.PQ")
    assert [format_of(name) for name in names] == ["csv", "csv", "tsv", "tsv", "parquet", "parquet"]
    for name in ("a.xyz", "a", "a.parquet.gz"):
        with pytest.raises(SourceError, match="the extension does not tell what it is"):
            format_of(name)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\n <!DOCTYPE html><html><title>Sign in</title>", "is a web page, perhaps a sign-in page"),
        (b"<html>", "is a web page"),
        (
            b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>',
            "error message of an object",
        ),
        (b"<Error><Code>NoSuchKey</Code>", "error message of an object store"),
        (b'<?xml version="1.0"?><rows/>', "is an XML document"),
        (b'[\n  {"id": 1}]', "is a JSON document"),
        (b'{"id": 1}\n{"id": 2}\n', "is JSON Lines: name it .jsonl"),
        (b"\xef\xbb\xbf{\n}", "is a JSON document"),
        (b"[]", "is a JSON document"),
        (b"%PDF-1.7\n", "is a PDF document"),
        (b"PAR1\x15", 'is a Parquet file: declare format = "parquet"'),
        (b"SQLite format 3\0", "is an SQLite database"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "is a pointer of Git LFS"),
        (b"PK\x03\x04", "zip archive or an Excel workbook"),
        (b"list.csv".ljust(257, b"\0") + b"ustar", "is a tar archive"),
        (b"Rar!\x1a\x07\x01", "is a RAR archive"),
        (b"\x89PNG\r\n\x1a\n", "is an image"),
        (bytes(4096), "begins with nothing but NUL"),
    ],
)
def test_what_is_no_list_is_named(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=message):
        open_source(str(path), SourceOptions())


def test_an_extension_of_another_kind_is_named_by_the_content(tmp_path: Path) -> None:
    path = tmp_path / "list.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    with pytest.raises(SourceError, match="is an Excel workbook of the old kind"):
        format_of(str(path))


@pytest.mark.parametrize("header", ["{id},n", "[id],[n]", "<id>,n", "ORDER,n", "id,{n:1}", '"{""a"":1}",n'])
def test_a_header_with_odd_names_is_a_header(header: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"{header}\n1,2\n", "utf-8")
    assert len(open_source(str(path), SourceOptions()).columns) == 2


def test_gzip_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(gzip.compress(b"id,n\n1,2\n"))
    [batch] = open_source(str(path), SourceOptions()).batches()
    assert batch.cells.rows() == [("1", "2")]
