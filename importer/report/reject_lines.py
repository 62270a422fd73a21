"""Reads `rejects.csv` back, whatever the size of a value in it.

Python's `csv` module stops at values over 131,072 characters, and its limit is one for the whole process.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^,]*))(,|$)')
"""A quoted cell or a plain one, and what ends it."""


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
