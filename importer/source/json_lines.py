"""JSON Lines as a source: one object a line, its keys are the columns, and every value is text.

Numbers are the digits that stand in the file, never a float; but 1001.0 is 1001, since programs write it that
hold whole numbers in floats. Lists and objects inside an object are JSON text. A key that a line does not
have is a blank cell.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import polars as pl

from importer.core.errors import SourceError
from importer.source.batch import ROW_MALFORMED, SET_ASIDE, Batch
from importer.source.csv_header import MAX_COLUMNS
from importer.source.errors import read_errors
from importer.source.names import unique_names
from importer.source.row_size import MAX_ROW, too_long
from importer.source.source import Source
from importer.source.streams import open_stream
from importer.source.table_rows import MAX_EXACT

MAX_LINE = 64 << 20
"""Bytes of a line, at most."""

_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"

Cells = Mapping[str, str | None]


class _Line(NamedTuple):
    number: int
    data: bytes


def open_json_lines(path: str) -> Source:
    """A file of JSON objects, one a line. It is read once here for its columns, the keys of all lines.

    SourceError where it is empty, no JSON Lines, or where a line has no end within MAX_LINE.
    """
    columns = unique_names(keys := _keys(path))
    return Source(
        path=path,
        format="jsonl",
        columns=columns,
        read=partial(_batches, path, dict(zip(keys, columns, strict=True))),
        types=dict.fromkeys(columns, pl.String()),
    )


def _keys(path: str) -> list[str]:
    keys: dict[str, None] = {}
    line = None
    for line in _lines(path):
        if line.number == 1 and line.data.lstrip(_BLANK)[:1] == b"[":
            raise SourceError(
                f"{path}: is a JSON document, one list of all rows; write one object a line, as "
                "jq -c '.[]' does."
            )
        cells = _cells(line.data)
        keys.update(dict.fromkeys(cells if isinstance(cells, dict) else ()))
        if len(keys) > MAX_COLUMNS:
            raise SourceError(
                f"{path}: the objects up to line {line.number:,} have more than {MAX_COLUMNS:,} keys, which "
                "are the columns; check whether this is a list."
            )
    if line is None:
        raise SourceError(f"{path}: the file is empty; one JSON object a line was expected.")
    if not keys:
        raise SourceError(f"{path}: no line is a JSON object with a key; check the format of the file.")
    return list(keys)


def _lines(path: str) -> Iterator[_Line]:
    """The lines that are not blank, without their ends, numbered from 1."""
    with read_errors(path), open_stream(path) as stream:
        number = 0
        while data := stream.readline(MAX_LINE + 1):
            number += 1
            if len(data) > MAX_LINE:
                raise SourceError(
                    f"{path}: line {number:,} is longer than {MAX_LINE >> 20} MiB; check whether this is "
                    "JSON Lines, one object a line."
                )
            data = data.removeprefix(_BOM) if number == 1 else data
            if data.strip(_BLANK):
                yield _Line(number, data.rstrip(b"\r\n"))


def _cells(line: bytes) -> Cells | str:
    """The cells of a line, or what is wrong with it, in a clause that quotes nothing of it."""
    if len(line) > MAX_ROW:
        return too_long(len(line))
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return f"expected UTF-8, found bytes that are not, the first at byte {error.start + 1} of the line"
    try:
        found = _DECODER.decode(text)
    except (_RowError, RecursionError) as error:
        return (
            str(error)
            if isinstance(error, _RowError)
            else "expected a row, found lists inside lists without end"
        )
    except json.JSONDecodeError as error:
        return f"expected one JSON object on the line, found something else at character {error.pos + 1}"
    if not isinstance(found, dict):
        return "expected one JSON object on the line, found another JSON value"
    cells = {key: _text(value) for key, value in found.items()}
    return cells if _is_unicode(cells) else "expected text, found half of a character (a lone surrogate)"


class _RowError(ValueError):
    """What json reads and a row cannot hold."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _RowError("expected each key once, found one twice")
    return found


def _no_number(word: str) -> Any:
    raise _RowError(f"expected JSON, found {word}, which is no JSON number")


def _float_text(digits: str) -> str:
    number = float(digits)
    return str(int(number)) if number.is_integer() and abs(number) < MAX_EXACT else _NoText(digits)


class _NoText(str):
    """The text of a JSON value that is neither a text nor a whole number."""

    __slots__ = ()


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=str, parse_float=_float_text, parse_constant=_no_number
)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return _NoText("true" if value else "false")
    return _NoText(json.dumps(value, ensure_ascii=False))


def _is_unicode(cells: Cells) -> bool:
    try:
        for key, value in cells.items():
            key.encode()
            (value or "").encode()
    except UnicodeEncodeError:
        return False
    return True


def _batches(path: str, names: Mapping[str, str], block_bytes: int) -> Iterator[Batch]:
    block, size, first = list[_Line](), 0, 1
    for line in _lines(path):
        block.append(line)
        size += len(line.data)
        if size >= block_bytes:
            yield _batch(block, names, first)
            block, size, first = [], 0, first + len(block)
    if block:
        yield _batch(block, names, first)


def _batch(block: list[_Line], names: Mapping[str, str], first: int) -> Batch:
    numbers, lines, good, bad = list[int](), list[int](), list[Cells](), list[tuple[Any, ...]]()
    for row, line in enumerate(block, first):
        cells = _cells(line.data)
        if isinstance(cells, str):
            kept = line.data if len(line.data) <= MAX_ROW else None
            bad.append((row, line.number, kept, ROW_MALFORMED, cells))
        else:
            numbers.append(row)
            lines.append(line.number)
            good.append(cells)
    columns = {name: [cells.get(key) for cells in good] for key, name in names.items()}
    untyped = {name: rows for name, cells in columns.items() if (rows := _untyped(cells, numbers))}
    return Batch(
        cells=pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)),
        row=pl.Series("row", numbers, dtype=pl.Int64),
        line=pl.Series("line", lines, dtype=pl.Int64),
        raw=None,
        set_aside=pl.DataFrame(bad, schema=SET_ASIDE, orient="row"),
        untyped=untyped,
        line_of=lambda row: block[row - first].data,
    )


def _untyped(cells: list[str | None], numbers: list[int]) -> list[int]:
    if _NoText not in set(map(type, cells)):
        return []
    return [number for number, cell in zip(numbers, cells, strict=True) if type(cell) is _NoText]
