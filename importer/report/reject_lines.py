"""Reads `rejects.csv` back, whatever the size of a value in it.

Python's `csv` module stops at values over 131,072 characters, and its limit is one for the whole process.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^,]*))(,|$)')
"""A quoted cell or a plain one, and what ends it."""

_BLOCK_BYTES = 4 << 20


class Record(NamedTuple):
    """One line of the file: its bytes as they stand there, and the text of its cells."""

    raw: bytes
    cells: Sequence[str]


def records(lines: Iterable[bytes]) -> Iterator[Record]:
    """The records of a file that is open for reading bytes, its header first.

    A line break inside quotes is part of its cell. Bytes that are not UTF-8 are replaced in the cells.
    """
    parts: list[bytes] = []
    is_quoted = False
    for line in lines:
        parts.append(line)
        is_quoted ^= line.count(b'"') % 2 == 1
        if not is_quoted:
            yield _record(b"".join(parts))
            parts = []
    if parts:
        yield _record(b"".join(parts))


def _record(raw: bytes) -> Record:
    text = raw.decode("utf-8", "replace").removesuffix("\n")
    if '"' not in text:
        return Record(raw, text.split(","))
    return Record(raw, list(_cells(text)))


def _cells(text: str) -> Iterator[str]:
    at, has_more = 0, True
    while has_more and (found := _CELL.match(text, at)):
        quoted, plain, comma = found.groups()
        yield plain if quoted is None else quoted.replace('""', '"')
        at, has_more = found.end(), comma == ","


def blocks(rejects: Path) -> Iterator[bytes]:
    """The lines of the file in pieces with the header each: polars alone reads ahead without bound."""
    with rejects.open("rb") as file:
        header, rest = file.readline(), b""
        while piece := file.read(_BLOCK_BYTES):
            data = rest + piece
            end = _end_of_last_line(data)
            if end:
                yield header + data[:end]
            rest = data[end:]
        if rest:
            yield header + rest


def _end_of_last_line(data: bytes) -> int:
    """Where the last whole line ends, 0 where none does; a line break inside of quotes ends no line."""
    odd, end = data.count(b'"') % 2, len(data)
    while (at := data.rfind(b"\n", 0, end)) >= 0:
        odd ^= data.count(b'"', at, end) % 2
        if not odd:
            return at + 1
        end = at
    return 0
