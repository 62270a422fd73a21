"""The bytes of one source: opened and decompressed."""

import gzip
import io
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from importer.core.errors import SourceError
from importer.source.batch import BLOCK_BYTES
from importer.source.object_store import URL, ObjectStream
from importer.source.zip_archive import open_member


@contextmanager
def open_stream(path: str) -> Iterator[IO[bytes]]:
    """The bytes of a file or URL, decompressed. Members and frames that follow each other are one stream."""
    refuse_archive(path)
    if URL.match(path):
        with io.BufferedReader(ObjectStream(path), BLOCK_BYTES) as raw, _decompressed(raw, path) as stream:
            yield stream
        return
    refuse_folder(path)
    with Path(path).open("rb") as file, _decompressed(file, path) as stream:
        yield stream


def refuse_archive(path: str) -> None:
    """SourceError for a zip archive in an object store: its index stands at the end, so it is no stream."""
    if URL.match(path) and path.lower().endswith(".zip"):
        raise SourceError(f"{path}: a zip archive is read from a disk alone; copy it there, or unpack it.")


def refuse_folder(path: str) -> None:
    """SourceError where the path is a folder, or a pipe: a source is opened more than once."""
    mode = Path(path).stat().st_mode
    if stat.S_ISDIR(mode):
        raise SourceError(f"{path}: is a folder where a file was expected.")
    if not stat.S_ISREG(mode):
        raise SourceError(f"{path}: is a pipe or a device, which can be read only once; save it to a file.")


@contextmanager
def _decompressed(file: IO[bytes], path: str) -> Iterator[IO[bytes]]:
    name = path.lower()
    if name.endswith(".zip"):
        with open_member(file, path) as member, _decompressed(member, member.name) as stream:
            yield stream
    elif name.endswith(".gz") or _is_gzip(file):
        _refuse_text(file, path, ".gz")
        with gzip.GzipFile(fileobj=file) as stream:
            yield stream  # type: ignore[misc]
    elif name.endswith(".zst"):
        _refuse_text(file, path, ".zst")
        with zstd_module().ZstdFile(file) as stream:
            yield stream
    else:
        yield file


def _is_gzip(file: IO[bytes]) -> bool:
    """Whether it begins as gzip: stores and browsers drop the `.gz` of a name."""
    return _head(file).startswith(b"\x1f\x8b")


def _refuse_text(file: IO[bytes], path: str, suffix: str) -> None:
    """SourceError where the bytes are text: stores and browsers unpack a file and leave its name."""
    if _TEXT.fullmatch(_head(file)):
        raise SourceError(
            f"{path}: its name ends with {suffix}, but it is not packed: take {suffix} off the name."
        )


def _head(file: IO[bytes]) -> bytes:
    peek = getattr(file, "peek", None)
    return bytes(peek(_HEAD_BYTES)[:_HEAD_BYTES]) if peek else b""


_HEAD_BYTES = 64
_TEXT = re.compile(rb"[^\0-\x08\x0b\x0e-\x1f\x7f]+")
"""What gzip and zstd never begin with: no control character but tab, line end and form feed."""


def zstd_module() -> Any:
    """The standard library's zstd, or its backport before Python 3.14."""
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        from backports import zstd
    return zstd
