"""From a path to batches of rows: finding sources, opening them, decoding, the header.

The grammar of a record and the recovery from damage are in `records`. All trouble with a file is one
SourceError with one or two sentences; none of them quotes a cell.
"""

import codecs
import glob
import gzip
import io
import os
import re
import stat
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any

import polars as pl

from importer.errors import SourceError
from importer.records import Dialect, Layout, grammar_of
from importer.splitter import SET_ASIDE, Batch, Splitter

__all__ = ["Batch", "Dialect", "Layout", "Source", "SourceOptions", "check_columns", "expand", "open_source"]

BLOCK_BYTES = 4 << 20
"""Bytes of text read at a time; what the reader holds in memory is a small multiple of it."""
MAX_HEADER = 4 << 20
PARQUET_ROWS = 50_000
"""Rows of a Parquet file delivered at a time."""

_FORMATS = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_URL = re.compile(r"^(?:s3|s3a|gs|az|azure|abfss?|adl)://", re.IGNORECASE)
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


# ------------------------------------------------------------------------------------------- finding sources


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
    if _URL.match(path):
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
        if not _URL.match(path):
            state = Path(path).stat()
            key = (state.st_dev, state.st_ino)
        if key in seen:
            raise SourceError(f"{path}: the same file as {seen[key]}; name each source once.")
        seen[key] = path


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
    """

    path: str
    format: str
    columns: tuple[str, ...]
    layout: Layout | None
    header_raw: bytes = b""
    newline: bytes = b"\n"
    faults: tuple[str, ...] = ()
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
        encoding = _Encoding(self.layout.dialect.encoding)
        with _trouble(self.path), _stream(self.path) as stream:
            text = _Text(stream, encoding)
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
    with _trouble(path):
        if kind == "parquet":
            return _open_parquet(path)
        return _open_text(path, kind, options)


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


@contextmanager
def _trouble(path: str) -> Iterator[None]:
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


# ------------------------------------------------------------------------------------------- bytes


@contextmanager
def _stream(path: str) -> Iterator[IO[bytes]]:
    """The bytes of a file or URL, decompressed. Members and frames that follow each other are one stream."""
    if _URL.match(path):
        with io.BufferedReader(_Download(path), BLOCK_BYTES) as raw, _unpacked(raw, path) as stream:
            yield stream
        return
    _refuse_folder(path)
    with Path(path).open("rb") as file, _unpacked(file, path) as stream:
        yield stream


def _refuse_folder(path: str) -> None:
    if stat.S_ISDIR(Path(path).stat().st_mode):
        raise SourceError(f"{path}: is a folder where a file was expected.")


@contextmanager
def _unpacked(file: IO[bytes], path: str) -> Iterator[IO[bytes]]:
    name = path.lower()
    if name.endswith(".gz"):
        with gzip.GzipFile(fileobj=file) as stream:
            yield stream  # type: ignore[misc]
    elif name.endswith(".zst"):
        with _zstd().ZstdFile(file) as stream:
            yield stream
    else:
        yield file


def _zstd() -> Any:
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
    with _trouble(url):
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


# ------------------------------------------------------------------------------------------- text


class _Encoding:
    """A declared encoding.

    Its text is UTF-8 in which a byte b that cannot be decoded is U+DC00 + b: no UTF-8 either, so that
    `records` meets the bad bytes of all encodings in one way, and none is ever lost.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.codec = _codec(name)
        self.plain = self.codec.name in ("utf-8", "utf-8-sig")
        self.exact = self.codec

    def settle(self, head: bytes) -> bytes:
        """Fix the byte order by the mark in `head` and return the mark; b"" where there is none."""
        marks = _MARKS.get(self.codec.name, ((b"\xef\xbb\xbf", "utf-8"),) if self.plain else ())
        for mark, name in marks:
            if head.startswith(mark):
                self.exact = codecs.lookup(name)
                return mark
        if self.codec.name in _MARKS:
            self.exact = codecs.lookup(_MARKS[self.codec.name][0][1])
        return b""

    def restore(self, text: bytes) -> bytes:
        """The bytes of the file that `text` was decoded from."""
        if self.plain:
            return text
        parts = _LOST.split(text.decode("utf-8", "surrogatepass"))
        return b"".join(self._restore_part(part) for part in parts)

    def _restore_part(self, part: str) -> bytes:
        if _LOST.fullmatch(part):
            return bytes(ord(c) - 0xDC00 for c in part)
        return self.exact.encode(part)[0]


_LOST = re.compile("([\udc00-\udcff]+)")
_MARKS: dict[str, tuple[tuple[bytes, str], ...]] = {
    "utf-16": ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")),
    "utf-32": ((b"\xff\xfe\0\0", "utf-32-le"), (b"\0\0\xfe\xff", "utf-32-be")),
    "utf-16-le": ((b"\xff\xfe", "utf-16-le"),),
    "utf-16-be": ((b"\xfe\xff", "utf-16-be"),),
    "utf-32-le": ((b"\xff\xfe\0\0", "utf-32-le"),),
    "utf-32-be": ((b"\0\0\xfe\xff", "utf-32-be"),),
}


def _codec(name: str) -> codecs.CodecInfo:
    try:
        found = codecs.lookup(name)
        "".encode(name)
    except (LookupError, ValueError, UnicodeError):
        found = None
    if found is None or found.incrementaldecoder is None:
        raise SourceError(f'"{name}" is no text encoding; declare one such as "utf-8", "cp1252" or "utf-16".')
    return found


def _keep_lost(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: bytes that cannot be decoded as lone surrogates."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + b) for b in error.object[error.start : error.end]), error.end


codecs.register_error("importer.keep_lost", _keep_lost)


class _Text:
    """A stream as text in UTF-8, block by block. The byte-order mark is taken off."""

    def __init__(self, stream: IO[bytes], encoding: _Encoding) -> None:
        self._stream = stream
        self._encoding = encoding
        self._ahead = self._take(4096)
        self.mark = encoding.settle(self._ahead)
        self._ahead = self._ahead[len(self.mark) :]
        self._read_bytes = len(self.mark)
        self._decoder: codecs.IncrementalDecoder | None = None
        if not encoding.plain:
            assert encoding.exact.incrementaldecoder is not None
            self._decoder = encoding.exact.incrementaldecoder("importer.keep_lost")
        self.offset = self._read_bytes
        """Bytes of the file behind which the text given out so far ends."""

    @property
    def head(self) -> bytes:
        """The first bytes behind the mark, before anything is read."""
        return self._ahead

    def read_from(self, skip: int, size: int) -> tuple[bytes, bool]:
        """The first block, without the `skip` bytes of text before it."""
        data, final = self.read(size)
        while len(data) < skip and not final:
            more, final = self.read(size)
            data += more
        return data[skip:], final

    def read(self, size: int) -> tuple[bytes, bool]:
        """The text of about `size` bytes of the stream, and whether it is the last one."""
        data = self._ahead
        if len(data) < size:  # only the first time, or where the caller asks for more than before
            data += self._take(size - len(data))
        self._ahead = self._take(size)
        final = not self._ahead
        self._read_bytes += len(data)
        if self._decoder is None:
            self.offset = self._read_bytes
            return data, final
        text = self._decode(data, final)
        self.offset = self._read_bytes - len(self._decoder.getstate()[0])
        return text.encode("utf-8", "surrogatepass"), final

    def _decode(self, data: bytes, final: bool) -> str:
        assert self._decoder is not None
        try:
            return self._decoder.decode(data, final)
        except (UnicodeError, ValueError):
            raise SourceError(
                f'the file cannot be read as "{self._encoding.name}"; declare the encoding it is written in.'
            ) from None

    def _take(self, size: int) -> bytes:
        """Up to `size` bytes; fewer only at the end."""
        pieces = []
        while size > 0 and (piece := self._stream.read(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)


# ------------------------------------------------------------------------------------------- the header


def _open_text(path: str, kind: str, options: SourceOptions) -> Source:
    dialect = _dialect(path, kind, options)
    encoding = _Encoding(options.encoding)
    with _stream(path) as stream:
        text = _Text(stream, encoding)
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


def _refuse_magic(path: str, text: _Text, encoding: _Encoding) -> None:
    for magic, told in _MAGICS:
        if text.head.startswith(magic):
            raise SourceError(f"{path}: {told}.")
    if text.head.startswith((b"\xff\xfe", b"\xfe\xff")) and not text.mark and encoding.plain:
        raise SourceError(f'{path}: begins with the mark of UTF-16; declare encoding = "utf-16".')


class _Head:
    """Reads the text up to the first data row."""

    def __init__(
        self, path: str, dialect: Dialect, options: SourceOptions, text: _Text, encoding: _Encoding
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
    if not _URL.match(path):
        _refuse_no_parquet(path)
    schema = _scan(path).collect_schema()
    if not schema:
        raise SourceError(f"{path}: the file has no columns.")
    columns = tuple(schema.names())
    return Source(path, "parquet", columns, None, faults=tuple(_header_faults(columns)))


def _refuse_no_parquet(path: str) -> None:
    _refuse_folder(path)
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
    with _trouble(path):
        for cells in (
            _scan(path).select(columns).collect_batches(chunk_size=PARQUET_ROWS, maintain_order=True)
        ):
            if not cells.height:
                continue
            row = pl.int_range(first, first + cells.height, eager=True, dtype=pl.Int64).alias("row")
            line = pl.Series("line", [None], dtype=pl.Int64).new_from_index(0, cells.height)
            yield Batch(cells, row, line, None, pl.DataFrame(schema=SET_ASIDE))
            first += cells.height
