"""From a path to batches of rows: finding sources, opening them, decoding, the header.

The grammar of a record is in `records`, the recovery from damage in `recovery`. All trouble with a file is
one SourceError with one or two sentences; none of them quotes a cell.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from importer.core.errors import SourceError
from importer.source.csv_grammar import Dialect, Layout, grammar_of
from importer.source.csv_splitter import SET_ASIDE, Batch, Splitter
from importer.source.decode import TextEncoding, TextStream
from importer.source.locate import (
    BLOCK_BYTES,
    URL,
    SourceVersion,
    expand,
    open_stream,
    refuse_folder,
    trouble,
    version_of,
)

__all__ = ["Batch", "Dialect", "Layout", "Source", "SourceOptions", "check_columns", "expand", "open_source"]

MAX_HEADER = 4 << 20
PARQUET_ROWS = 50_000
"""Rows of a Parquet file delivered at a time."""
MAX_DIGITS = 38
"""Of a decimal in a Parquet file."""
PARQUET_FIRST = 1_000
PARQUET_BYTES = 32 << 20
"""Rows read first, while their width is not known, and bytes of cells read at a time behind them."""

_FORMATS = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_MAGICS = (
    (b"\x1f\x8b", "is compressed with gzip: name it .csv.gz"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd: name it .csv.zst"),
    (b"PK\x03\x04", "is a zip archive or an Excel workbook: export the list as CSV"),
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook: export the list as CSV"),
    (b"PAR1", 'is a Parquet file: declare format = "parquet"'),
)


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How a source is declared; `[source]` of the configuration.

    format      "csv", "tsv" or "parquet"; None: by the extension of the file
    delimiter   one or several characters; None: "," for csv, tab for tsv
    skip_lines  physical lines before the header
    columns     names in file order, where `header` is false
    trailing_delimiter   each row ends with a delimiter that the header (or `columns`) does not have
    """

    format: str | None = None
    delimiter: str | None = None
    quote: str = '"'
    escape: str = '"'
    encoding: str = "utf-8"
    skip_lines: int = 0
    header: bool = True
    columns: tuple[str, ...] | None = None
    bare_quotes: str = "reject"
    trailing_delimiter: bool = False


# --------------------------------------------------------------------------------------- the opened source


@dataclass(frozen=True, slots=True)
class Source:
    r"""One opened input.

    columns     names in file order, unnamed trailing ones left out
    layout      how its records are read; None for Parquet
    header_raw  the bytes up to the first data row: byte-order mark, skipped lines, header and its line end;
                a file of these bytes and some rows is read with the same configuration
    newline     the first line end of the file, encoded; b"\n" where it has none
    faults      what is wrong with the header, in sentences that quote no name; `batches` refuses to start
    mark        what the file was before its first byte was read; None where that is not known
    """

    path: str
    format: str
    columns: tuple[str, ...]
    layout: Layout | None
    header_raw: bytes = b""
    newline: bytes = b"\n"
    faults: tuple[str, ...] = ()
    mark: SourceVersion | None = None
    _start: "_Start | None" = None

    def batches(self, block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
        """The rows in file order, from the first one each time it is called.

        Raises SourceError while reading: a file that vanished, a damaged stream, a header with faults.
        """
        if self.faults:
            raise SourceError(f"{self.path}: {'; '.join(self.faults)}.")
        if self.format == "parquet":
            return _parquet_batches(self.path, self.columns)
        return self._text_batches(block_bytes)

    def _text_batches(self, block_bytes: int) -> Iterator[Batch]:
        assert self.layout is not None
        assert self._start is not None
        start = self._start
        encoding = TextEncoding(self.layout.dialect.encoding)
        with trouble(self.path), open_stream(self.path) as stream:
            text = TextStream(stream, encoding)
            splitter = Splitter(
                self.layout,
                header=start.header,
                line=start.line,
                restore=bytes if encoding.plain else encoding.restore,
            )
            data, final = text.read_from(start.skip, block_bytes)
            while True:
                batch = splitter.feed(data, final=final, end=text.offset)
                if batch is not None and (batch.cells.height or batch.set_aside.height):
                    yield batch
                if final:
                    return
                data, final = text.read(max(block_bytes, splitter.pending))


@dataclass(frozen=True, slots=True)
class _Start:
    """Where the rows begin: bytes of text to skip, the physical line, the header record."""

    skip: int
    line: int
    header: str | None


def open_source(path: str, options: SourceOptions) -> Source:
    """Look into one file or URL: its format, its header.

    Raises SourceError for a file that is missing, empty, not of its format, or declared in a way that cannot
    work. Faults of the header's names are kept for `check_columns`, which names them with all others.
    """
    kind = options.format or _format_of(path)
    before = version_of(path)
    with trouble(path):
        opened = _open_parquet(path) if kind == "parquet" else _open_text(path, kind, options)
    return replace(opened, mark=before)


def _format_of(path: str) -> str:
    name = path.lower()
    for packed in (".gz", ".zst"):
        name = name.removesuffix(packed)
    found = _FORMATS.get(Path(name).suffix)
    if found is None or (found == "parquet" and name != path.lower()):
        raise SourceError(
            f'{path}: the extension does not tell what it is; declare format = "csv", "tsv" or "parquet".'
        )
    return found


# ------------------------------------------------------------------------------------------- the header


def _open_text(path: str, kind: str, options: SourceOptions) -> Source:
    dialect = _dialect(path, kind, options)
    encoding = TextEncoding(options.encoding)
    with open_stream(path) as stream:
        text = TextStream(stream, encoding)
        _refuse_magic(path, text, encoding)
        head = _Head(path, dialect, options, text, encoding)
        return head.source(kind)


def _dialect(path: str, kind: str, options: SourceOptions) -> Dialect:
    if kind not in _DELIMITERS:
        raise SourceError(f'{path}: format must be "csv", "tsv" or "parquet".')
    delimiter = _DELIMITERS[kind] if options.delimiter is None else options.delimiter
    dialect = Dialect(delimiter, options.quote, options.escape, options.encoding, options.bare_quotes)
    if faults := dialect.faults():
        raise SourceError(f"{path}: {'; '.join(faults)}.")
    return dialect


def _refuse_magic(path: str, text: TextStream, encoding: TextEncoding) -> None:
    for magic, told in _MAGICS:
        if text.head.startswith(magic):
            raise SourceError(f"{path}: {told}.")
    if text.head.startswith((b"\xff\xfe", b"\xfe\xff")) and not text.mark and encoding.plain:
        raise SourceError(f'{path}: begins with the mark of UTF-16; declare encoding = "utf-16".')


class _Head:
    """Reads the text up to the first data row."""

    def __init__(
        self, path: str, dialect: Dialect, options: SourceOptions, text: TextStream, encoding: TextEncoding
    ) -> None:
        self._path = path
        self._dialect = dialect
        self._options = options
        self._text = text
        self._encoding = encoding
        self._data = b""
        self._final = False
        self._at = 0
        self._line = 1

    def source(self, kind: str) -> Source:
        for _ in range(self._options.skip_lines):
            self._next()
        header, columns = self._header() if self._options.header else self._declared()
        if self._options.trailing_delimiter and columns[-1]:
            columns = (*columns, "")
        newline = re.search(rb"\r\n|\r|\n", self._data)
        return Source(
            path=self._path,
            format="csv" if kind == "tsv" else kind,
            columns=tuple(name for name in columns if name),
            layout=Layout(self._dialect, columns),
            header_raw=self._text.mark + self._encoding.restore(self._data[: self._at]),
            newline=self._encoding.restore(newline.group() if newline else b"\n"),
            faults=tuple(_header_faults(columns)),
            _start=_Start(self._at, self._line, header),
        )

    def _header(self) -> tuple[str, tuple[str, ...]]:
        line = self._first_line()
        try:
            record = line.decode()
        except UnicodeDecodeError:
            raise SourceError(
                f'{self._path}: the header is not written in "{self._options.encoding}"; '
                "declare the encoding the file has."
            ) from None
        grammar = grammar_of(Layout(self._dialect, ("",)), line)
        found = grammar.scan(_mapped(grammar, _chomp(record)))
        while found.state == "open" and len(record) < MAX_HEADER and (more := self._next()):
            record += more.decode("utf-8", "replace")
            grammar = grammar_of(Layout(self._dialect, ("",)), record.encode())
            found = grammar.scan(_mapped(grammar, _chomp(record)))
        if found.state != "done" or "\0" in record:
            raise SourceError(
                f"{self._path}: the header on line {self._line - 1} has a quote or NUL out of place."
            )
        record = _chomp(record)
        cells = grammar.cells(_mapped(grammar, record))
        return record, tuple(_unmapped(grammar, cell) for cell in cells)

    def _declared(self) -> tuple[None, tuple[str, ...]]:
        if not self._options.columns:
            raise SourceError(f'{self._path}: header = false needs columns = ["…"], the names in file order.')
        at, line = self._at, self._line
        self._first_line()
        self._at, self._line = at, line
        return None, self._options.columns

    def _first_line(self) -> bytes:
        """The next line with anything on it, with its end."""
        while line := self._next():
            if line.strip(b"\r\n"):
                return line
        raise SourceError(f"{self._path}: the file is empty; a header was expected.")

    def _next(self) -> bytes:
        """One physical line with its end; b"" at the end of the text."""
        while True:
            end = re.compile(rb"\r\n|\r(?!\Z)|\n").search(self._data, self._at)
            if end is None and not self._final and len(self._data) - self._at < MAX_HEADER:
                more, self._final = self._text.read(1 << 16)
                self._data += more
                continue
            stop = end.end() if end else len(self._data)
            line, self._at = self._data[self._at : stop], stop
            self._line += bool(line)
            return line


def _mapped(grammar: Any, text: str) -> str:
    return str(grammar.signs.put(text.encode()).decode())


def _unmapped(grammar: Any, text: str) -> str:
    for sign, stand_in in grammar.signs.instead:
        text = text.replace(stand_in, sign)
    return text


def _chomp(text: str) -> str:
    return re.sub(r"(?:\r\n|\r|\n)\Z", "", text)


def _header_faults(columns: Sequence[str]) -> Iterator[str]:
    """What is wrong with the names, by position: the first line may be a customer, so none is quoted."""
    named = len(columns)
    while named and not columns[named - 1]:
        named -= 1
    if not named:
        yield "the header names no column"
    if empty := [i for i, name in enumerate(columns[:named], 1) if not name.strip()]:
        yield f"the header has no name for {_columns(empty)}"
    if blanks := [i for i, name in enumerate(columns[:named], 1) if name.strip() and name != name.strip()]:
        yield f"the header has blanks around the name of {_columns(blanks)}: take them out of the file"
    yield from _alike(columns[:named])


def _alike(columns: Sequence[str]) -> Iterator[str]:
    places: dict[str, list[int]] = {}
    for i, name in enumerate(columns, 1):
        if name.strip():
            places.setdefault(name.strip().casefold(), []).append(i)
    for found in places.values():
        if len(found) > 1:
            exact = len({columns[i - 1] for i in found}) == 1
            yield f"the header names {_columns(found)} " + (
                "alike" if exact else "alike but for case or surrounding blanks"
            )


def _columns(places: list[int]) -> str:
    return f"column {places[0]}" if len(places) == 1 else f"columns {', '.join(map(str, places))}"


def check_columns(sources: Iterable[Source], declared: Sequence[str], ignore: Sequence[str]) -> None:
    """Compare each header with what is declared: all of that must be there, and nothing else but `ignore`.

    Raises one SourceError that names all missing, undeclared and doubled columns of all files. Where a header
    has none of the declared names, its own are not quoted: the first line may be a customer.
    """
    told = [
        f"{source.path}: {fault}" for source in sources for fault in _column_faults(source, declared, ignore)
    ]
    if told:
        raise SourceError("; ".join(told) + ".")


def _column_faults(source: Source, declared: Sequence[str], ignore: Sequence[str]) -> Iterator[str]:
    wanted, there = dict.fromkeys(declared), set(source.columns)
    if wanted and not there & wanted.keys():
        yield _no_column(source)
        return
    missing = [name for name in wanted if name not in there]
    known = {*wanted, *ignore}
    undeclared = [name for name in dict.fromkeys(source.columns) if name.strip() and name not in known]
    if missing:
        yield (
            f"column {_quoted(missing)} is missing"
            if len(missing) == 1
            else (f"columns {_quoted(missing)} are missing")
        )
    if undeclared:
        yield f"{_quoted(undeclared)}: neither declared nor in [source] ignore"
    doubled = [name for name, count in Counter(source.columns).items() if count > 1]
    yield from source.faults
    if doubled:
        yield f"{_quoted(doubled)}: more than one column of this name"


def _no_column(source: Source) -> str:
    hint = ""
    if source.layout is not None and len(source.columns) == 1:
        hint = f" (it was read as one column: is the delimiter {source.layout.dialect.delimiter!r} right?)"
    return (
        f"none of the declared columns is in the header{hint}; "
        "check the file, or declare header = false and columns"
    )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


# ------------------------------------------------------------------------------------------- Parquet


def _open_parquet(path: str) -> Source:
    if not URL.match(path):
        _refuse_no_parquet(path)
    schema = _scan(path).collect_schema()
    if not schema:
        raise SourceError(f"{path}: the file has no columns.")
    for name, kind in schema.items():
        if isinstance(kind, pl.Decimal) and kind.precision > MAX_DIGITS:
            raise SourceError(
                f'{path}: column "{name}" is a decimal of {kind.precision} digits, and {MAX_DIGITS} can be '
                "read exactly; convert it where the file is made."
            )
    columns = tuple(schema.names())
    return Source(path, "parquet", columns, None, faults=tuple(_header_faults(columns)))


def _refuse_no_parquet(path: str) -> None:
    refuse_folder(path)
    with Path(path).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        first = file.read(4)
        file.seek(max(0, size - 4))
        last = file.read(4)
    if not size:
        raise SourceError(f"{path}: the file is empty; a Parquet file was expected.")
    if b"PARE" in (first, last):
        raise SourceError(f"{path}: the Parquet file is encrypted; export it without encryption.")
    if first != b"PAR1":
        raise SourceError(f"{path}: not a Parquet file; declare its format, or export it again.")
    if last != b"PAR1":
        raise SourceError(f"{path}: the Parquet file is truncated; fetch or export it again.")


def _scan(path: str) -> pl.LazyFrame:
    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


def _parquet_batches(path: str, columns: tuple[str, ...]) -> Iterator[Batch]:
    first = 1
    with trouble(path):
        for cells in _parquet_frames(_scan(path).select(columns), sliced=not URL.match(path)):
            row = pl.int_range(first, first + cells.height, eager=True, dtype=pl.Int64).alias("row")
            line = pl.Series("line", [None], dtype=pl.Int64).new_from_index(0, cells.height)
            yield Batch(_with_text(cells), row, line, None, pl.DataFrame(schema=SET_ASIDE))
            first += cells.height


def _parquet_frames(rows: pl.LazyFrame, *, sliced: bool) -> Iterator[pl.DataFrame]:
    """The rows in pieces that are not empty.

    A plain scan holds a row group as a whole, and several of them at once. A slice holds no more than itself,
    but unpacks its row group anew: so it is as large as PARQUET_BYTES allow, and a store is not asked twice.
    """
    if not sliced:
        frames = rows.collect_batches(chunk_size=PARQUET_ROWS, maintain_order=True)
        yield from (frame for frame in frames if frame.height)
        return
    start, step = 0, PARQUET_FIRST
    while (frame := rows.slice(start, step).collect()).height:
        yield from frame.iter_slices(PARQUET_ROWS)
        if frame.height < step:
            return
        start += step
        step = max(1, min(PARQUET_BYTES * step // max(1, int(frame.estimated_size())), step * 64))


def _with_text(cells: pl.DataFrame) -> pl.DataFrame:
    """Bytes of no declared meaning (of a fixed length, or by older writers) as text, where they are UTF-8."""
    for column in cells.get_columns():
        if column.dtype == pl.Binary:
            with suppress(pl.exceptions.ComputeError):
                cells = cells.with_columns(column.cast(pl.String))
    return cells
