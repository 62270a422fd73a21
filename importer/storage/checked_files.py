"""Files of the state folder that carry a checksum of what was written.

Damage is recognised by the checksum alone. What has the right one, and still cannot be used, is a fault
of ours. Files of version 0.1.0 have no checksum; they are read as they are.

    JSON    the members "state_version" and "checksum" beside the others
    tables  an Arrow IPC or a Parquet file, then 24 bytes: its rows, its bytes in memory, its CRC-32, and
            "CRC1"
"""

import json
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import polars as pl

from importer.core.text import json_text
from importer.storage import atomic_files

VERSION = 1
"""Of the files' format; a higher one was written by a later version of the importer."""

LONG_CELL = 1 << 16
"""Bytes of a row, in the mean, from which on its statistics, which copy cells, cost more than they save."""

_TRAILER = struct.Struct("<QQI4s")
_MAGIC = b"CRC1"
_ARROW = b"ARROW1"
_PARQUET = b"PAR1"
"""The first and the last bytes of an Arrow IPC file, and of a Parquet file."""


class DamagedError(Exception):
    """A file is not what was written. Its text says what is wrong, without a value."""


def write_json(path: Path, value: Mapping[str, Any], *, durable: bool = False) -> None:
    """Puts a JSON object into a file; StateError where the disk does not take it."""
    atomic_files.write_bytes(path, json_bytes(value), durable=durable)


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """A JSON object with its checksum, as a file holds it."""
    text = _canonical({**value, "state_version": VERSION})
    return f'{text[:-1]},"checksum":"{_checksum(text)}"}}\n'.encode()


def write_readable_json(path: Path, value: Mapping[str, Any]) -> None:
    """As `write_json`, in lines, for people and other programs to read, too."""
    plain = {**json.loads(json_text(value)), "state_version": VERSION}
    sealed = {**plain, "checksum": _checksum(_canonical(plain))}
    text = json_text(sealed, indent=2) + "\n"
    atomic_files.write_bytes(path, text.encode("utf-8", "surrogatepass"))


def read_json(path: Path) -> dict[str, Any]:
    """What either has written; DamagedError where it is not, OSError where there is no file to read."""
    return parse_json(path.read_bytes())


def parse_json(data: bytes) -> dict[str, Any]:
    """What `json_bytes` has made; DamagedError where it is not."""
    try:
        found = json.loads(data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise DamagedError("not JSON") from None
    if not isinstance(found, dict):
        raise DamagedError("not a JSON object")
    checksum = found.pop("checksum", None)
    if checksum is not None and checksum != _checksum(_canonical(found)):
        raise DamagedError("the checksum is another")
    if found.pop("state_version", 0) != (0 if checksum is None else VERSION):
        raise DamagedError("written by another version of the importer")
    return found


def _canonical(value: Mapping[str, Any]) -> str:
    """The text of a value; the order of members stays, for that of attributes means something."""
    return json.dumps(value, separators=(",", ":"))


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def write_frame(path: Path, frame: pl.DataFrame, *, durable: bool = False) -> None:
    """Puts a table into a file; StateError where the disk does not take it."""
    with atomic_files.replacing(path, durable=durable) as file:
        frame.write_ipc(file, compression="lz4")
        _add_trailer(file, frame)


def write_parquet(path: Path, frame: pl.DataFrame, *, durable: bool = False) -> None:
    """Puts a table into a smaller file, which is read faster; errors as `write_frame`."""
    with atomic_files.replacing(path, durable=durable) as file:
        has_long_cells = frame.estimated_size() > frame.height * LONG_CELL
        frame.write_parquet(file, compression="lz4", statistics=not has_long_cells)
        _add_trailer(file, frame)


def read_frame(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """What `write_frame` or `write_parquet` has written, or these columns of it.

    DamagedError where the file is not what was written, OSError where there is none to read.
    """
    data, checked = _read(path)
    if not checked:
        return _read_unchecked(data, columns)
    read = pl.read_parquet if data.startswith(_PARQUET) else pl.read_ipc
    return read(data, columns=None if columns is None else list(columns))


def scan_parquet(path: Path) -> pl.LazyFrame:
    """What `write_parquet` has written; the bytes are read and checked now, the rows later.

    Errors as `read_frame`.
    """
    data, checked = _read(path)
    return pl.scan_parquet(data) if checked else _read_unchecked_parquet(data).lazy()


def size_of(path: Path) -> tuple[int, int]:
    """The rows of a table of either kind, and its bytes in memory.

    They are taken from the trailer, without a look at the rest. Errors as `read_frame`.
    """
    with path.open("rb") as file:
        if trailer := _trailer(file):
            return trailer.rows, trailer.size
        is_parquet = file.read(len(_PARQUET)) == _PARQUET
    frame = scan_parquet(path).collect() if is_parquet else read_frame(path)
    return frame.height, int(frame.estimated_size())


def _add_trailer(file: IO[bytes], frame: pl.DataFrame) -> None:
    file.seek(0)
    crc = 0
    while data := file.read(1 << 20):
        crc = zlib.crc32(data, crc)
    file.write(_TRAILER.pack(frame.height, int(frame.estimated_size()), crc, _MAGIC))


def _read(path: Path) -> tuple[bytes, bool]:
    """The bytes of a table, and whether they have a checksum, which is right then."""
    with path.open("rb") as file:
        trailer = _trailer(file)
        data = file.read(-1 if trailer is None else trailer.begin)
    if trailer is not None and zlib.crc32(data) != trailer.crc:
        raise DamagedError("the checksum is another")
    return data, trailer is not None


@dataclass(frozen=True, slots=True)
class _Trailer:
    """The end of a file, which stands from byte `begin` on."""

    begin: int
    rows: int
    size: int
    crc: int


def _trailer(file: IO[bytes]) -> _Trailer | None:
    """None where there is none; the file is at its first byte again."""
    begin = file.seek(0, os.SEEK_END) - _TRAILER.size
    file.seek(max(0, begin))
    data = file.read()
    file.seek(0)
    if begin < 0 or not data.endswith(_MAGIC):
        return None
    rows, size, crc, _ = _TRAILER.unpack(data)
    return _Trailer(begin, rows, size, crc)


def _read_unchecked(data: bytes, columns: Sequence[str] | None) -> pl.DataFrame:
    """A table of version 0.1.0, which has no checksum."""
    if not (data.startswith(_ARROW) and data.endswith(_ARROW)):
        raise DamagedError("no whole Arrow file")
    try:
        return pl.read_ipc(data, columns=None if columns is None else list(columns))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        raise DamagedError("no Arrow file") from None


def _read_unchecked_parquet(data: bytes) -> pl.DataFrame:
    """As above; polars also panics where it meets a page that is none."""
    if not (data.startswith(_PARQUET) and data.endswith(_PARQUET)):
        raise DamagedError("no whole Parquet file")
    try:
        return pl.read_parquet(data)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        raise DamagedError("no Parquet file") from None
