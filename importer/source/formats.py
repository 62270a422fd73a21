"""The format of a source: from its name, and from its first bytes."""

from pathlib import Path

from importer.core.errors import SourceError
from importer.source.decode import TextEncoding, TextStream

_FORMATS = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_MAGICS = (
    (b"\x1f\x8b", "is compressed with gzip: name it .csv.gz"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd: name it .csv.zst"),
    (b"PK\x03\x04", "is a zip archive or an Excel workbook: export the list as CSV"),
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook: export the list as CSV"),
    (b"PAR1", 'is a Parquet file: declare format = "parquet"'),
)


def format_of(path: str) -> str:
    """The format by the extension: csv, tsv or parquet; SourceError where that does not tell."""
    name = path.lower()
    for packed in (".gz", ".zst"):
        name = name.removesuffix(packed)
    found = _FORMATS.get(Path(name).suffix)
    if found is None or (found == "parquet" and name != path.lower()):
        raise SourceError(
            f'{path}: the extension does not tell what it is; declare format = "csv", "tsv" or "parquet".'
        )
    return found


def refuse_other_kind(path: str, text: TextStream, encoding: TextEncoding) -> None:
    """SourceError where the first bytes are those of another kind of file."""
    for magic, advice in _MAGICS:
        if text.head.startswith(magic):
            raise SourceError(f"{path}: {advice}.")
    if text.head.startswith((b"\xff\xfe", b"\xfe\xff")) and not text.bom and encoding.plain:
        raise SourceError(f'{path}: begins with the mark of UTF-16; declare encoding = "utf-16".')
