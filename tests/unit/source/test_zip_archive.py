"""A zip archive with one list in it."""

import gzip
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from importer.core.errors import SourceError
from importer.source.options import SourceOptions
from importer.source.reader import open_source

LIST = b"id,n\n" + b"".join(b"%d,x\n" % n for n in range(500))


def archive(tmp_path: Path, **members: bytes) -> str:
    path = tmp_path / "list.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return str(path)


def ids(path: str) -> list[str]:
    return [id_ for batch in open_source(path, SourceOptions()).batches() for id_ in batch.cells["id"]]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("in/a.csv", LIST, "csv"),
        ("a.tsv", LIST.replace(b",", b"\t"), "tsv"),
        ("a.csv.gz", gzip.compress(LIST), "csv"),
        ("a.jsonl", b"".join(b'{"id": %d}\n' % n for n in range(500)), "jsonl"),
    ],
)
def test_the_one_list_is_read(name: str, content: bytes, kind: str, tmp_path: Path) -> None:
    path = archive(tmp_path, **{name: content, "__MACOSX/._a.csv": b"x", ".DS_Store": b"x"})
    assert open_source(path, SourceOptions()).format == kind
    assert ids(path) == [str(n) for n in range(500)]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "the archive holds 0 files where one list was expected"),
        ({"a.csv": LIST, "b.csv": LIST}, "the archive holds 2 files where one list was expected"),
        ({"a.parquet": b"PAR1"}, "holds a file that cannot be read as a stream"),
        ({"a.xlsx": b"PK"}, "holds a file that cannot be read as a stream"),
        ({"a.dat": LIST}, "the extension does not tell what it is"),
    ],
)
def test_an_archive_of_anything_else_is_refused(
    members: dict[str, bytes], words: str, tmp_path: Path
) -> None:
    path = archive(tmp_path, **members)
    with pytest.raises(SourceError) as caught:
        open_source(path, SourceOptions())
    assert str(caught.value).startswith(f"{path}: {words}")


def changed(path: str, old: bytes, new: bytes) -> None:
    data = Path(path).read_bytes()
    assert old in data
    Path(path).write_bytes(data.replace(old, new))


def test_a_damaged_an_encrypted_and_a_strangely_packed_archive_are_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "list.zip")
    for damage, words in {
        "content": "the compressed stream is truncated or damaged",
        "end": "the compressed stream is truncated or damaged",
        "password": "the archive is encrypted",
        "method": "packed by an unknown method",
    }.items():
        with zipfile.ZipFile(path, "w") as out:
            out.writestr("a.csv", LIST)
        if damage == "content":
            changed(path, b"\n77,x\n", b"\n78,x\n")
        elif damage == "end":
            Path(path).write_bytes(Path(path).read_bytes()[:-30])
        elif damage == "password":
            changed(path, b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\x01\0")
        else:
            changed(path, b"PK\x01\x02\x14\x03\x14\0\0\0\0\0", b"PK\x01\x02\x14\x03\x14\0\0\0\x60\0")
        with pytest.raises(SourceError, match=words):
            ids(path)


def test_an_archive_in_an_object_store_is_refused_in_words() -> None:
    with pytest.raises(SourceError, match="a zip archive is read from a disk alone"):
        open_source("s3://lists/a.zip", SourceOptions())


def test_an_index_that_is_damaged_in_any_byte_is_refused_in_words(tmp_path: Path) -> None:
    path = Path(archive(tmp_path, **{"a.csv": b"id\n1\n"}))
    data = path.read_bytes()
    for at in range(data.index(b"PK\x01\x02"), len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        with suppress(SourceError):
            assert ids(str(path)) == ["1"], "a byte that does not matter"
