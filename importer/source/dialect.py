"""Proposes the line of configuration that a file plainly wants. Nothing is ever read by a guess.

Asked only when a source does not read as declared: no declared column in its header, or many rows of its
first block set aside. Each proposal is tried on the file itself, and given only where it reads without fault.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import islice

import polars as pl

from importer.core.errors import SourceError
from importer.source.batch import HEADER_REPEATED, ROW_EMPTY, ROW_OF_FOOTER, Batch
from importer.source.encodings import plausible_encodings
from importer.source.errors import read_errors
from importer.source.names import with_names
from importer.source.options import SourceOptions
from importer.source.reader import open_source
from importer.source.streams import open_stream

_DELIMITERS = (",", ";", "\t", "|", ":")
_QUOTES = ('"', "'")
_UNICODE = ("utf-8", "utf-16")
_SKIPPED = range(1, 11)
_LOOK_BYTES = 1 << 18
_LOOK_LINES = 500
_LINE_END = re.compile(rb"\r\n|\r|\n")
_LOOK_LINE = 1 << 20
"""A file is not tried further than a line of so many bytes: each of forty tries would hold it in memory."""
_MANY = 0.1
_NEARLY_ALL = 0.9
_NOT_ASCII = r"[^\x00-\x7f]"


@dataclass(frozen=True, slots=True)
class Finding:
    """A proposal: `line` as it would stand under [source], and what is wrong without it."""

    line: str
    malformed: int
    rows: tuple[int, ...]


def suggest(path: str, options: SourceOptions, declared: Sequence[str]) -> Finding | None:
    """The line that makes the start of `path` read with every declared column and no row set aside.

    None where it reads well enough as declared, or where no single change helps.
    """
    if path.endswith((".parquet", ".pq")):
        return None
    options = replace(options, max_line=_LOOK_LINE, max_open=_LOOK_LINES // 2)
    seen, size = cache(partial(_try, path, options, declared, _LOOK_BYTES)), _first_look(path)
    first = _try(path, options, declared, size)
    if first and not _has_many_damaged(first) and (whole := seen()) and not _has_many_damaged(whole):
        return None
    for line, changed in changes(options, _encodings(path)):
        if not _reads(path, changed, declared, size):
            continue
        other = _reads(path, changed, declared, _LOOK_BYTES)
        if other and not _misreads(seen(), other, options, changed):
            return _finding(line, seen())
    return None


def _first_look(path: str) -> int:
    """The bytes of the first lines: where many rows are damaged, to read more in every way takes minutes."""
    try:
        with read_errors(path), open_stream(path) as stream:
            data = stream.read(_LOOK_BYTES)
    except SourceError:
        return _LOOK_BYTES
    ends = islice(_LINE_END.finditer(data), _LOOK_LINES - 1, None)
    return next((end.end() for end in ends), _LOOK_BYTES)


def _has_many_damaged(batch: Batch) -> bool:
    aside = len(_damaged(batch))
    return aside >= _MANY * (aside + batch.cells.height)


def _finding(line: str, seen: Batch | None) -> Finding | None:
    """The proposal; None where the start of the file reads well enough as declared."""
    if seen is None:
        return Finding(line, 0, ())
    aside = _damaged(seen)
    return Finding(line, len(aside), tuple(aside.head(5).to_list())) if _has_many_damaged(seen) else None


def _reads(path: str, options: SourceOptions, declared: Sequence[str], size: int) -> Batch | None:
    """The first rows of the file; None where it does not open so, has none, or where one is damaged."""
    batch = _try(path, options, declared, size)
    return None if batch is None or len(_damaged(batch)) else batch


def _damaged(batch: Batch) -> pl.Series:
    """The numbers of the rows set aside, without those that are no fault of the dialect."""
    return batch.set_aside.filter(~pl.col("reason").is_in([HEADER_REPEATED, ROW_EMPTY, ROW_OF_FOOTER]))["row"]


def _try(path: str, options: SourceOptions, declared: Sequence[str], size: int) -> Batch | None:
    """The rows in so many bytes of the file; None where it does not open so, or has none."""
    try:
        source = with_names(open_source(path, options), declared)
        if not set(declared) <= set(source.columns):
            return None
        batch = next(source.batches(size), None)
    except SourceError:
        return None
    return batch if batch and batch.cells.height + batch.set_aside.height else None


def _misreads(seen: Batch | None, other: Batch, declared: SourceOptions, changed: SourceOptions) -> bool:
    """Whether rows that read well as declared would be skipped, or get quotes or other letters."""
    text = pl.all().cast(pl.String)
    if seen is not None and changed.skip_lines > declared.skip_lines:
        return True  # the header is where it was declared: these lines are rows
    if any(_are_quoted(other.cells, quote) for quote in _QUOTES if quote != changed.quote):
        return True
    if changed.quote != declared.quote and declared.quote:
        marked = text.str.starts_with(declared.quote) | text.str.ends_with(declared.quote)
        return _any(other.cells, marked)
    return (
        seen is not None
        and changed.encoding != declared.encoding
        and _any(seen.cells, text.str.contains(_NOT_ASCII))
    )


def _are_quoted(cells: pl.DataFrame, quote: str) -> bool:
    """Whether in any column nearly all texts begin and end with a quotation mark, so that it is no text."""
    text = pl.all().cast(pl.String)
    marked = text.str.starts_with(quote) & text.str.ends_with(quote) & (text.str.len_bytes() > 1)
    return _any(cells, marked.sum() >= _NEARLY_ALL * (text != "").sum().clip(1))


def _any(cells: pl.DataFrame, sign: pl.Expr) -> bool:
    return bool(cells.select(sign.any()).select(pl.any_horizontal(pl.all())).item())


def _encodings(path: str) -> Sequence[str]:
    """Those that may be proposed: one of eight bits only where it alone makes sense of the whole file."""
    try:
        found = plausible_encodings(path)
    except SourceError:
        found = []
    return (*_UNICODE, *found) if len(found) == 1 else _UNICODE


def changes(
    options: SourceOptions, encodings: Sequence[str] = ("utf-8", "utf-16", "cp1252", "latin-1")
) -> Iterator[tuple[str, SourceOptions]]:
    """One change at a time, then the delimiter together with the encoding or the quote."""
    for delimiter in _DELIMITERS:
        yield _line("delimiter", delimiter), replace(options, delimiter=delimiter)
    for encoding in encodings:
        yield _line("encoding", encoding), replace(options, encoding=encoding)
    yield 'bare_quotes = "keep"', replace(options, bare_quotes="keep")
    for quote in _QUOTES:
        yield _line("quote", quote), replace(options, quote=quote, escape=quote)
    yield r'escape = "\\"', replace(options, escape="\\")
    yield "trailing_delimiter = true", replace(options, trailing_delimiter=True)
    for skipped in _SKIPPED:
        yield f"skip_lines = {skipped}", replace(options, skip_lines=skipped)
    for delimiter in _DELIMITERS:
        for encoding in encodings:
            both = f"{_line('delimiter', delimiter)} and {_line('encoding', encoding)}"
            yield both, replace(options, delimiter=delimiter, encoding=encoding)
        for quote in _QUOTES:
            both = f"{_line('delimiter', delimiter)} and {_line('quote', quote)}"
            yield both, replace(options, delimiter=delimiter, quote=quote, escape=quote)


def _line(key: str, value: str) -> str:
    shown = value.replace("\t", "\\t").replace('"', '\\"')
    return f'{key} = "{shown}"'
