"""A zip archive with one list in it, read as a stream."""

import struct
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import PurePosixPath
from typing import IO

from importer.core.errors import SourceError
from importer.source.folders import is_side_file

_ENCRYPTED = 1
"""The bit in the flags of a member that says so (APPNOTE.TXT 4.4.4)."""

_KINDS = "CSV, TSV or JSON Lines"


@contextmanager
def archive_errors() -> Iterator[None]:
    """BadZipFile in place of what zipfile raises where the index of an archive is damaged."""
    try:
        yield
    except (ValueError, IndexError, KeyError, OverflowError, RuntimeError, struct.error) as error:
        if isinstance(error, NotImplementedError):  # it is the word for a method of packing that is unknown
            raise
        raise zipfile.BadZipFile from error


@contextmanager
def open_member(file: IO[bytes], path: str) -> Iterator[IO[bytes]]:
    """The bytes of the one list of an archive; its end is checked against the checksum of the archive."""
    with ExitStack() as stack:
        with archive_errors():
            archive = stack.enter_context(zipfile.ZipFile(file))
            member = stack.enter_context(archive.open(_the_list(archive, path)))
        yield member


def member_name(path: str) -> str:
    """The name of the one list in an archive on this disk; SourceError where there is not exactly one."""
    with archive_errors(), zipfile.ZipFile(path) as archive:
        return _the_list(archive, path).filename


def _the_list(archive: zipfile.ZipFile, path: str) -> zipfile.ZipInfo:
    found = [one for one in archive.infolist() if not one.is_dir() and not _is_side(one.filename)]
    if len(found) != 1:
        raise SourceError(
            f"{path}: the archive holds {len(found):,} files where one list was expected; unpack it and name "
            "the list."
        )
    if found[0].flag_bits & _ENCRYPTED:
        raise SourceError(f"{path}: the archive is encrypted; unpack it, or pack it without a password.")
    if PurePosixPath(found[0].filename).suffix.lower() in (".parquet", ".pq", ".xlsx", ".zip"):
        raise SourceError(
            f"{path}: holds a file that cannot be read as a stream ({_KINDS} can); unpack the archive."
        )
    return found[0]


def _is_side(name: str) -> bool:
    """Side files as folders have them; macOS adds a folder of them, `__MACOSX`."""
    return any(is_side_file(part) for part in PurePosixPath(name).parts)
