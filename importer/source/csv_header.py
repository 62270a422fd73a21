"""The text of a delimited file up to its first data row."""

import re
from dataclasses import dataclass, replace

from importer.core.errors import SourceError
from importer.source.csv_grammar import Dialect, Grammar, Layout, grammar_of
from importer.source.decode import TextStream
from importer.source.encodings import plausible_encodings
from importer.source.options import SourceOptions

MAX_HEADER = 1 << 20
"""Bytes of UTF-8 up to the first data row, at most: skipped lines, blank lines and the header."""

MAX_COLUMNS = 10_000

_SEPARATOR = re.compile(rb'"?sep=([^"\r\n\0])"?(?:\r\n|\n|\r)', re.IGNORECASE)
_LINE_END = re.compile(rb"\r\n|\r(?!\Z)|\n")
_ANYTHING = re.compile(b"")
_FILLED = re.compile(rb"[^\r\n]")


@dataclass(frozen=True, slots=True)
class RowStart:
    """Where the rows begin: bytes of text to skip, the physical line, the header record.

    `header` is None where the file has no header.
    """

    skip: int
    line: int
    header: str | None


class HeaderReader:
    """Reads the text up to the first data row."""

    def __init__(self, path: str, dialect: Dialect, options: SourceOptions, text: TextStream) -> None:
        self._path = path
        self.dialect = dialect
        """As declared, with the delimiter of a first line `sep=;` where none is declared."""
        self._options = options
        self._stream = text
        self.text = b""
        """What is read so far, in UTF-8; it may go beyond the header."""
        self._final = False
        self._at = 0
        self._line = 1

    def read(self) -> tuple[RowStart, tuple[str, ...]]:
        """Where the rows begin, and the columns in file order; SourceError where there is no header."""
        for _ in range(max(0, self._options.skip_lines - self._read_separator_line())):
            self._next()
        header, columns = self._header() if self._options.header else self._declared()
        for _ in range(self._options.skip_after_header):
            if not self._ended():
                self._header_record()
        return RowStart(self._at, self._line, header), columns

    def _read_separator_line(self) -> bool:
        """Whether the first line is `sep=;`, by which a spreadsheet names the delimiter. It is skipped."""
        self._more()
        found = _SEPARATOR.match(self.text)
        if not found:
            return False
        self._at, self._line = found.end(), 2
        if self._options.delimiter is None:
            self.dialect = replace(self.dialect, delimiter=found[1].decode())
        return True

    def _ended(self) -> bool:
        while len(self.text) <= MAX_HEADER and not self.text[self._at :].strip(b"\r\n"):
            if not self._more():
                return True
        return False

    def text_before_rows(self) -> bytes:
        """The text up to the first data row, once it is read."""
        return self.text[: self._at]

    def _header(self) -> tuple[str, tuple[str, ...]]:
        record = _without_end(self._header_record())
        grammar = self._grammar(record)
        text = _in_signs(grammar, record)
        count = grammar.scan(text).fields
        if count > MAX_COLUMNS:
            raise SourceError(
                f"{self._path}: the header has {count:,} columns, and at most {MAX_COLUMNS:,} can be read; "
                "check the delimiter, or export fewer columns."
            )
        return record, tuple(_out_of_signs(grammar, cell) for cell in grammar.cells(text))

    def _header_record(self) -> str:
        """The first record that is not blank, with its line end. Each of its lines is looked at once.

        Inside a quoted field only a line with a quote is looked at: no other one can end it.
        """
        quote = re.compile(re.escape(self.dialect.quote.encode()))
        lines = [self._decoded(self._first_line())]
        state = self._state(lines[0], inside=False)
        while state == "open" and (more := self._next(quote)):
            lines.append(self._decoded(more))
            state = self._state(lines[-1], inside=True)
        if state != "done" or "\0" in "".join(lines):
            raise SourceError(
                f"{self._path}: the header on line {self._line - 1} has a quote or NUL out of place."
            )
        return "".join(lines)

    def _grammar(self, text: str) -> Grammar:
        return grammar_of(Layout(self.dialect, ("",)), text.encode())

    def _state(self, line: str, *, inside: bool) -> str:
        grammar = self._grammar(line)
        return grammar.scan(_in_signs(grammar, _without_end(line)), inside=inside).state

    def _decoded(self, line: bytes) -> str:
        try:
            return line.decode()
        except UnicodeDecodeError:
            found = plausible_encodings(self._path)[:3]
            others = f", or try encoding = {' or '.join(map(_in_quotes, found))}" if found else ""
            raise SourceError(
                f'{self._path}: the header is not written in "{self._options.encoding}"; ask who sent it '
                f"which encoding it has{others}."
            ) from None

    def _declared(self) -> tuple[None, tuple[str, ...]]:
        if not self._options.columns:
            raise SourceError(f'{self._path}: header = false needs columns = ["…"], the names in file order.')
        if self._ended():
            raise SourceError(f"{self._path}: the file is empty; rows were expected.")
        return None, self._options.columns

    def _first_line(self) -> bytes:
        """The next line with anything on it, with its end."""
        if line := self._next(_FILLED).lstrip(b"\r\n"):
            return line
        if skipped := self._options.skip_lines:
            raise SourceError(
                f"{self._path}: no line is left for the header behind the {skipped} of skip_lines."
            )
        raise SourceError(f"{self._path}: the file is empty; a header was expected; export the list again.")

    def _next(self, wanted: re.Pattern[bytes] = _ANYTHING) -> bytes:
        """The lines up to the first one with `wanted`, with their ends; b"" at the end of the text."""
        while True:
            found = wanted.search(self.text, self._at)
            end = _LINE_END.search(self.text, found.start()) if found else None
            if end is None and len(self.text) <= MAX_HEADER and self._more():
                continue
            stop = end.end() if end else len(self.text)
            if stop > MAX_HEADER:
                raise SourceError(
                    f"{self._path}: no header ends within the first {MAX_HEADER >> 20} MiB; check the "
                    "delimiter, the quotes and the encoding, or whether this is a list at all."
                )
            lines, self._at = self.text[self._at : stop], stop
            self._line += len(lines.splitlines())
            return lines

    def _more(self) -> bool:
        """Reads on; whether there was anything left."""
        if self._final:
            return False
        more, self._final = self._stream.read(1 << 16)
        self.text += more
        return True


def _in_quotes(text: str) -> str:
    return f'"{text}"'


def _in_signs(grammar: Grammar, text: str) -> str:
    return grammar.signs.put(text.encode()).decode()


def _out_of_signs(grammar: Grammar, text: str) -> str:
    for sign, stand_in in grammar.signs.instead:
        text = text.replace(stand_in, sign)
    return text


def _without_end(text: str) -> str:
    return re.sub(r"(?:\r\n|\r|\n)\Z", "", text)
