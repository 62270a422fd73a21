"""The format of a source: from its name, and from its first bytes."""

import re
from pathlib import Path

from importer.core.errors import SourceError
from importer.source.decode import TextEncoding, TextStream
from importer.source.encodings import UTF_16_MARKS
from importer.source.streams import refuse_archive
from importer.source.zip_archive import member_name

_FORMATS = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "xlsx",
}
_MAGICS = (
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd: name it .csv.zst"),
    (b"PK\x03\x04", "is a zip archive or an Excel workbook: name it .zip or .xlsx"),
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook of the old kind: save it as .xlsx, or export it as CSV"),
    (b"PAR1", 'is a Parquet file: declare format = "parquet"'),
    (b"%PDF-", "is a PDF document: export the list as CSV"),
    (b"SQLite format 3\0", "is an SQLite database: export the list as CSV"),
    (b"Obj\x01", "is an Avro file: export the list as CSV or Parquet"),
    (b"ARROW1", "is an Arrow file: export the list as CSV or Parquet"),
    (b"BZh91AY", "is compressed with bzip2: compress it with gzip or zstd instead"),
    (b"\xfd7zXZ\0", "is compressed with xz: compress it with gzip or zstd instead"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive: unpack it"),
    (b"Rar!\x1a\x07", "is a RAR archive: unpack it"),
    (b"\x89PNG\r\n", "is an image: name the list instead"),
    (b"\xff\xd8\xff", "is an image: name the list instead"),
    (b"\0" * 64, "begins with nothing but NUL, as a copy that was cut off: fetch it again"),
)
_TAR = (257, b"ustar")
"""Where the word stands that tells a tar archive."""

_DOCUMENTS = (
    (
        rb"<(?:!doctype\s+html|html|head|body)\b",
        "is a web page, perhaps a sign-in page: fetch the list again",
    ),
    (
        rb"<\?xml[^>]*>\s*<Error>|<Error>\s*<Code>",
        "is the error message of an object store: check the URL and the credentials it was fetched with",
    ),
    (rb"<\?xml\b|<(?:Workbook|rss|feed|soap:Envelope)\b", "is an XML document: export the list as CSV"),
    (
        rb"\{\s*\"[^\n]*\}\s*\n\s*\{\s*\"",
        'is JSON Lines: name it .jsonl, or declare format = "jsonl"',
    ),
    (
        rb"[\[{]\s*(?:[\[{]|\"[^\"\n]*\"\s*:|\Z)|\[\s*\]|\{\s*\}",
        "is a JSON document: export the list as CSV, or as JSON Lines (.jsonl)",
    ),
    (rb"\{\\rtf1", "is a document of a word processor: export the list as CSV"),
    (rb"version https://git-lfs", "is a pointer of Git LFS: fetch the file itself (git lfs pull)"),
)
"""How documents begin that are no lists, behind blanks and a byte-order mark."""


def format_of(path: str) -> str:
    """The format by the extension, of an archive by that of the list in it; SourceError for any other."""
    full = path.lower()
    if full.endswith(".zip"):
        refuse_archive(path)
        full = member_name(path).lower()
    name = full.removesuffix(".gz").removesuffix(".zst")
    found = _FORMATS.get(Path(name).suffix)
    if found is None and full == path.lower() and (kind := _kind_on_disk(path)):
        raise SourceError(f"{path}: {kind}.")
    if found is None or (found in ("parquet", "xlsx") and name != full):
        raise SourceError(
            f"{path}: the extension does not tell what it is; declare format = "
            '"csv", "tsv", "jsonl", "parquet" or "xlsx".'
        )
    return found


def _kind_on_disk(path: str) -> str | None:
    """What a file on this disk is by its first bytes; None where it may be a list, or cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return _other_kind(file.read(4096))
    except (OSError, ValueError):
        return None


def _other_kind(head: bytes) -> str | None:
    for magic, advice in _MAGICS:
        if head.startswith(magic):
            return advice
    place, word = _TAR
    if head[place:].startswith(word):
        return "is a tar archive: unpack it"
    documents = (advice for pattern, advice in _DOCUMENTS if re.match(pattern, head.lstrip(), re.IGNORECASE))
    return next(documents, None)


def refuse_other_kind(path: str, text: TextStream, encoding: TextEncoding) -> None:
    """SourceError where the first bytes are those of another kind of file."""
    if kind := _other_kind(text.head):
        raise SourceError(f"{path}: {kind}.")
    if text.head.startswith(UTF_16_MARKS) and not text.bom and encoding.plain:
        raise SourceError(f'{path}: begins with the mark of UTF-16; declare encoding = "utf-16".')
