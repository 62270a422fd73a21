"""The text of a delimited file up to its first data row."""

import re
from dataclasses import dataclass

from importer.core.errors import SourceError
from importer.source.csv_grammar import Dialect, Grammar, Layout, grammar_of
from importer.source.decode import TextStream
from importer.source.options import SourceOptions

MAX_HEADER = 4 << 20
"""Bytes that are read at most in search of the end of a line."""

_LINE_END = re.compile(rb"\r\n|\r(?!\Z)|\n")


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
        self._layout = Layout(dialect, ("",))
        self._options = options
        self._stream = text
        self.text = b""
        """What is read so far, in UTF-8; it may go beyond the header."""
        self._final = False
        self._at = 0
        self._line = 1

    def read(self) -> tuple[RowStart, tuple[str, ...]]:
        """Where the rows begin, and the columns in file order; SourceError where there is no header."""
        for _ in range(self._options.skip_lines):
            self._next()
        header, columns = self._header() if self._options.header else self._declared()
        return RowStart(self._at, self._line, header), columns

    def text_before_rows(self) -> bytes:
        """The text up to the first data row, once it is read."""
        return self.text[: self._at]

    def _header(self) -> tuple[str, tuple[str, ...]]:
        record = self._decoded(self._first_line())
        grammar = grammar_of(self._layout, record.encode())
        found = grammar.scan(_in_signs(grammar, _without_end(record)))
        while found.state == "open" and len(record) < MAX_HEADER and (more := self._next()):
            record += more.decode("utf-8", "replace")
            grammar = grammar_of(self._layout, record.encode())
            found = grammar.scan(_in_signs(grammar, _without_end(record)))
        if found.state != "done" or "\0" in record:
            raise SourceError(
                f"{self._path}: the header on line {self._line - 1} has a quote or NUL out of place."
            )
        record = _without_end(record)
        cells = grammar.cells(_in_signs(grammar, record))
        return record, tuple(_out_of_signs(grammar, cell) for cell in cells)

    def _decoded(self, line: bytes) -> str:
        try:
            return line.decode()
        except UnicodeDecodeError:
            raise SourceError(
                f'{self._path}: the header is not written in "{self._options.encoding}"; '
                "declare the encoding the file has."
            ) from None

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
            end = _LINE_END.search(self.text, self._at)
            if end is None and not self._final and len(self.text) - self._at < MAX_HEADER:
                more, self._final = self._stream.read(1 << 16)
                self.text += more
                continue
            stop = end.end() if end else len(self.text)
            line, self._at = self.text[self._at : stop], stop
            self._line += bool(line)
            return line


def _in_signs(grammar: Grammar, text: str) -> str:
    return grammar.signs.put(text.encode()).decode()


def _out_of_signs(grammar: Grammar, text: str) -> str:
    for sign, stand_in in grammar.signs.instead:
        text = text.replace(stand_in, sign)
    return text


def _without_end(text: str) -> str:
    return re.sub(r"(?:\r\n|\r|\n)\Z", "", text)
