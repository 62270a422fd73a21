"""Proposes the line of configuration that a file plainly wants. Nothing is ever read by a guess.

Asked only when a source does not read as declared: no declared column in its header, or many rows of its
first block set aside. Each proposal is tried on the file itself, and given only where it reads without fault.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from importer import reader
from importer.errors import SourceError
from importer.reader import SourceOptions

_DELIMITERS = (",", ";", "\t", "|", ":")
_QUOTES = ('"', "'")
_ENCODINGS = ("utf-8", "utf-16", "cp1252", "latin-1")
_SKIPPED = range(1, 11)
_LOOK_BYTES = 1 << 18
_MANY = 0.1


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
    malformed, height, rows = _try(path, options, declared)
    if height and malformed < _MANY * height:
        return None
    for line, changed in changes(options):
        bad, found, _ = _try(path, changed, declared)
        if found and not bad:
            return Finding(line, malformed, rows)
    return None


def _try(path: str, options: SourceOptions, declared: Sequence[str]) -> tuple[int, int, tuple[int, ...]]:
    """Rows set aside, rows seen and the first few set aside; (0, 0, ()) where the file does not open so."""
    try:
        source = reader.open_source(path, options)
        if not set(declared) <= set(source.columns):
            return 0, 0, ()
        batch = next(islice(source.batches(_LOOK_BYTES), 1), None)
    except SourceError:
        return 0, 0, ()
    if batch is None:
        return 0, 0, ()
    aside = batch.set_aside
    return aside.height, aside.height + batch.cells.height, tuple(aside["row"].head(5).to_list())


def changes(options: SourceOptions) -> Iterator[tuple[str, SourceOptions]]:
    """One change at a time, then delimiter and encoding together, as a spreadsheet exports them."""
    for delimiter in _DELIMITERS:
        yield _line("delimiter", delimiter), replace(options, delimiter=delimiter)
    for encoding in _ENCODINGS:
        yield _line("encoding", encoding), replace(options, encoding=encoding)
    for quote in _QUOTES:
        yield _line("quote", quote), replace(options, quote=quote, escape=quote)
    yield r'escape = "\\"', replace(options, escape="\\")
    yield "trailing_delimiter = true", replace(options, trailing_delimiter=True)
    for skipped in _SKIPPED:
        yield f"skip_lines = {skipped}", replace(options, skip_lines=skipped)
    for delimiter in _DELIMITERS:
        for encoding in _ENCODINGS:
            both = f"{_line('delimiter', delimiter)} and {_line('encoding', encoding)}"
            yield both, replace(options, delimiter=delimiter, encoding=encoding)


def _line(key: str, value: str) -> str:
    shown = value.replace("\t", "\\t").replace('"', '\\"')
    return f'{key} = "{shown}"'
