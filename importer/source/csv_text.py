"""Delimited text as a source: its header, and its rows block by block."""

import re
from collections.abc import Iterator
from functools import partial

from importer.core.errors import SourceError
from importer.source.batch import Batch
from importer.source.batch_pieces import pieces_of
from importer.source.csv_blocks import is_dense, line_count
from importer.source.csv_damage import MAX_RECORD_LINES
from importer.source.csv_grammar import Dialect, Layout
from importer.source.csv_header import HeaderReader, RowStart
from importer.source.csv_splitter import Splitter
from importer.source.decode import TextEncoding, TextStream
from importer.source.errors import read_errors
from importer.source.formats import refuse_other_kind
from importer.source.names import unique_names
from importer.source.options import SourceOptions
from importer.source.source import Source
from importer.source.streams import open_stream

_LINE_END = re.compile(rb"[\r\n]")

BLOCK_LINES = 200_000
"""Lines that are read at a time, about; a list of healthy rows has fewer in a block."""

_DELIMITERS = {"csv": ",", "tsv": "\t"}


def open_text(path: str, kind: str, options: SourceOptions) -> Source:
    """A file of delimited text; SourceError where it has no header that can be read."""
    dialect = _dialect(path, kind, options)
    encoding = TextEncoding(options.encoding)
    with open_stream(path) as stream:
        text = TextStream(stream, encoding)
        refuse_other_kind(path, text, encoding)
        header = HeaderReader(path, dialect, options, text)
        start, texts = header.read()
        columns = unique_names(texts)
        if options.trailing_delimiter and columns[-1]:
            columns = (*columns, "")
        before = header.text_before_rows()
        newline = re.search(rb"\r\n|\r|\n", header.text)
        layout = Layout(header.dialect, columns)
        return Source(
            path=path,
            format=kind,
            columns=layout.named,
            read=partial(_batches, path, layout, start, options),
            layout=layout,
            header_raw=text.bom + encoding.restore(before),
            newline=encoding.restore(newline.group() if newline else b"\n"),
            faults=() if any(columns) else ("the header names no column",),
        )


def _dialect(path: str, kind: str, options: SourceOptions) -> Dialect:
    if kind not in _DELIMITERS:
        raise SourceError(f'{path}: format must be "csv", "tsv", "jsonl", "parquet" or "xlsx".')
    delimiter = _DELIMITERS[kind] if options.delimiter is None else options.delimiter
    dialect = Dialect(delimiter, options.quote, options.escape, options.encoding, options.bare_quotes)
    if faults := dialect.faults():
        raise SourceError(f"{path}: {'; '.join(faults)}.")
    return dialect


def _batches(
    path: str, layout: Layout, start: RowStart, options: SourceOptions, block_bytes: int
) -> Iterator[Batch]:
    encoding = TextEncoding(layout.dialect.encoding)
    with read_errors(path), open_stream(path) as stream:
        text = TextStream(stream, encoding)
        splitter = Splitter(
            layout,
            header=start.header,
            line=start.line,
            restore=bytes if encoding.plain else encoding.restore,
            max_line=options.max_line,
        )
        data, final = text.read_from(start.skip, block_bytes)
        while True:
            yield from _split(splitter, data, final=final, end=text.offset)
            if final or 0 < options.max_open < splitter.pending_lines:
                return
            data, final = text.read(max(block_bytes, splitter.pending))


def _split(splitter: Splitter, data: bytes, *, final: bool, end: int) -> Iterator[Batch]:
    """The batches of one block; one of very short lines becomes several, so that rows stay bounded too."""
    lines = line_count(data) if is_dense(data, BLOCK_LINES) else 0
    waiting = splitter.pending_lines if lines > BLOCK_LINES else 0
    most = max(BLOCK_LINES, min(waiting, MAX_RECORD_LINES - waiting)) if lines > BLOCK_LINES else lines
    size = len(data) if lines <= most else len(data) * most // lines
    at = 0
    while True:
        stop = _line_start(data, at + size)
        last = stop == len(data)
        offset = end if last else end - len(splitter.restore(data[stop:]))
        line = splitter.line
        batch = splitter.feed(data[at:stop], final=final and last, end=offset)
        if batch is not None and (batch.cells.height or batch.set_aside.height):
            yield from pieces_of(batch, line, BLOCK_LINES)
        if last:
            return
        at = stop


def _line_start(data: bytes, at: int) -> int:
    """Where the first line behind `at` starts; the end where none does."""
    if at >= len(data):
        return len(data)
    found = _LINE_END.search(data, at)
    return found.end() if found else len(data)
