"""Where the bytes come from: files, globs, folders and object stores, and what is unpacked on the way.

All trouble with a source is one SourceError of one or two sentences; none of them quotes a cell.
"""

import glob
import gzip
import io
import os
import re
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any

import polars as pl

from importer.core.errors import SourceError

BLOCK_BYTES = 4 << 20
"""Bytes of text read at a time; what the reader holds in memory is a small multiple of it."""

URL = re.compile(r"^(?:s3|s3a|gs|az|azure|abfss?|adl)://", re.IGNORECASE)


def expand(paths: Sequence[str], *, base: Path) -> list[str]:
    """The files and URLs that `paths` name: files, globs, folders (not recursive, no dot files), URLs.

    Relative paths start at `base`. What one path names comes in byte order of its full path; several paths
    keep the order given. Raises SourceError where a path names nothing, or two of them the same file.
    """
    found = [source for path in paths for source in _expand_one(path, base)]
    if not found:
        raise SourceError("no source is named: give [source] path in the configuration, or a file.")
    _refuse_twice(found)
    return found


def _expand_one(path: str, base: Path) -> list[str]:
    if URL.match(path):
        return _expand_url(path)
    full = str(base / Path(path).expanduser())
    try:
        found = _files_of(full)
    except (OSError, ValueError):
        raise SourceError(f"{path}: cannot be looked at; check its permissions.") from None
    if not found:
        raise SourceError(f"{path}: {_nothing_there(full)}")
    return sorted(found, key=os.fsencode)


def _files_of(full: str) -> list[str]:
    path = Path(full)
    if path.is_dir():
        return [str(one) for one in path.iterdir() if not one.name.startswith(".") and one.is_file()]
    if path.exists():  # a name may itself hold * or [
        return [full]
    return [one for one in glob.glob(full) if Path(one).is_file()]  # noqa: PTH207 - the pattern may be absolute


def _nothing_there(full: str) -> str:
    if Path(full).is_dir():
        return "the folder holds no file (folders inside it and names with a leading dot do not count)."
    if glob.has_magic(full):
        return "no file matches this pattern; check the pattern and the folder it starts from."
    return "no such file; check [source] path, or name the file on the command line."


def _refuse_twice(found: list[str]) -> None:
    seen: dict[object, str] = {}
    for path in found:
        key: object = path
        if not URL.match(path):
            state = Path(path).stat()
            key = (state.st_dev, state.st_ino)
        if key in seen:
            raise SourceError(f"{path}: the same file as {seen[key]}; name each source once.")
        seen[key] = path


@dataclass(frozen=True, slots=True)
class SourceVersion:
    """What a source was at one moment; it has changed where its mark has.

    `size` in bytes; `version` an inode and its time of change, or what an object store calls this version;
    `modified` Unix time in seconds.
    """

    size: int
    version: str
    modified: float


def version_of(path: str) -> SourceVersion | None:
    """The mark of a file or object as it is now; None where it is gone, or its store does not tell."""
    try:
        if not URL.match(path):
            state = Path(path).stat()
            version = f"{state.st_dev}:{state.st_ino}:{state.st_mtime_ns}"
            return SourceVersion(state.st_size, version, state.st_mtime_ns / 1e9)
        store, key = _store(path)
        found = _obstore().head(store, key)
        modified = found["last_modified"].timestamp()
        return SourceVersion(found["size"], found["e_tag"] or str(modified), modified)
    except Exception:  # noqa: BLE001 - a store's own errors; without a mark, guards say that they cannot judge
        return None


@contextmanager
def trouble(path: str) -> Iterator[None]:
    """What the libraries below raise, as SourceError; their own texts can quote cells."""
    try:
        yield
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file; check [source] path.") from None
    except PermissionError:
        raise SourceError(f"{path}: not allowed to read it; check its permissions.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise SourceError(f"{path}: the compressed stream is truncated or damaged; fetch it again.") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SourceError(
            f"{path}: cannot be read ({type(error).__name__}); fetch or export it again."
        ) from None
    except (MemoryError, SourceError):
        raise
    except Exception as error:
        if type(error).__module__.startswith(("backports.zstd", "compression.zstd", "obstore", "_zstd")):
            raise SourceError(_library_trouble(path, type(error))) from None
        raise


def _library_trouble(path: str, kind: type[Exception]) -> str:
    if kind.__name__ == "ZstdError":
        return f"{path}: the compressed stream is truncated or damaged; fetch it again."
    return f"{path}: the object store answered {kind.__name__}; check the URL and the credentials."


@contextmanager
def open_stream(path: str) -> Iterator[IO[bytes]]:
    """The bytes of a file or URL, decompressed. Members and frames that follow each other are one stream."""
    if URL.match(path):
        with io.BufferedReader(_Download(path), BLOCK_BYTES) as raw, _unpacked(raw, path) as stream:
            yield stream
        return
    refuse_folder(path)
    with Path(path).open("rb") as file, _unpacked(file, path) as stream:
        yield stream


def refuse_folder(path: str) -> None:
    """SourceError where the path is a folder, or a pipe: a source is opened more than once."""
    mode = Path(path).stat().st_mode
    if stat.S_ISDIR(mode):
        raise SourceError(f"{path}: is a folder where a file was expected.")
    if not stat.S_ISREG(mode):
        raise SourceError(f"{path}: is a pipe or a device, which can be read only once; save it to a file.")


@contextmanager
def _unpacked(file: IO[bytes], path: str) -> Iterator[IO[bytes]]:
    name = path.lower()
    if name.endswith(".gz"):
        with gzip.GzipFile(fileobj=file) as stream:
            yield stream  # type: ignore[misc]
    elif name.endswith(".zst"):
        with zstd_module().ZstdFile(file) as stream:
            yield stream
    else:
        yield file


def zstd_module() -> Any:
    """The standard library's zstd, or its backport before Python 3.14."""
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        from backports import zstd
    return zstd


class _Download(io.RawIOBase):
    """An object of a store as a raw stream, fetched piece by piece."""

    def __init__(self, url: str) -> None:
        store, key = _store(url)
        self._pieces = iter(_obstore().get(store, key).stream(min_chunk_size=BLOCK_BYTES))
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = memoryview(bytes(next(self._pieces, b"")))
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def _obstore() -> Any:
    import obstore

    return obstore


def _store(url: str) -> tuple[Any, str]:
    """The bucket of a URL and the key inside it."""
    from obstore.store import from_url

    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    return from_url(f"{scheme}://{bucket}"), key


def _expand_url(url: str) -> list[str]:
    """An object; with * or ? in its last part, or a / at its end, the objects of that folder."""
    folder, _, last = url.rpartition("/")
    if last and not glob.has_magic(last):
        return [url]
    with trouble(url):
        store, prefix = _store(folder + "/")
        listed = _obstore().list_with_delimiter(store, prefix or None)
    root = url[: len(url) - len(url.partition("://")[2].partition("/")[2])]
    keys = [str(one["path"]) for one in listed["objects"]]
    names = [key for key in keys if _wanted(key.rpartition("/")[2], last)]
    if not names:
        raise SourceError(f"{url}: no object is found there; check the URL.")
    return sorted((root + name for name in names), key=os.fsencode)


def _wanted(name: str, pattern: str) -> bool:
    return bool(name) and not name.startswith(".") and (not pattern or fnmatchcase(name, pattern))
