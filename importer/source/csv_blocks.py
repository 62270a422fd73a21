"""Physical lines of a source: a block of them as bytes, and the same as the grammar sees them."""

import re
from functools import cached_property

import polars as pl

from importer.core.errors import SourceError
from importer.source.csv_grammar import Layout, grammar_of
from importer.source.row_size import without_long_lines

TAIL_ROWS = 8
"""Rows at the end of a block that wait for the next one: it may show that they were cut short."""

LONG_LINE = 1 << 20
"""Bytes of a line, in the mean of a block, from which on its lines are cut another way."""

_FEW_LINES = 1000  # each is looked up from the end; of more than these, all lines are split
_WINDOW_LINES = 5000
_LONE_CR = re.compile(rb"\r(?!\n)")


class Block:
    """Complete lines of a source, and the same as the grammar sees them."""

    def __init__(self, layout: Layout, data: bytes) -> None:
        self.data = data
        self._layout = layout
        self._there: dict[str, bool] = {}
        self.damaged = False  # holds bytes that are not UTF-8; known once `lines` were asked for
        self.has_cr = b"\r" in data
        self.has_lone_cr = self.has_cr and _LONE_CR.search(data) is not None
        self._lines: pl.Series | None = None
        self._texts, self._first_text = list[str](), 0  # some of the lines
        self._text, self._long = without_long_lines(data, layout.dialect)
        self._see(self._text)

    def _see(self, data: bytes) -> None:
        self.grammar = grammar_of(self._layout, data)
        self.mapped = self.grammar.signs.put(data)  # with the line ends as they stand
        self.view = self._with_lf(self.mapped)
        self._there.clear()

    def _with_lf(self, data: bytes) -> bytes:
        if not self.has_cr:
            return data
        if not self.has_lone_cr:  # half the time of a replacement
            return data.translate(None, b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    @property
    def lines(self) -> pl.Series:
        """The lines without their ends, in signs. `view` changes where it holds bytes that are not UTF-8."""
        if self._lines is None:
            self._lines = self._split()
        return self._lines

    def settle(self) -> None:
        """Looks at the lines now, so that `view` stays as it is from here on."""
        assert self.lines is not None

    def _split(self) -> pl.Series:
        try:
            return _long_lines(self.view) if self._has_long_lines() else _short_lines(self.view)
        except pl.exceptions.PolarsError:
            if self.damaged:
                raise SourceError("the text cannot be split into lines") from None
        self.damaged = True
        self._see(_without_damage(self._text))
        return self._split()

    def _has_long_lines(self) -> bool:
        at = 0
        for _ in range(len(self.view) // LONG_LINE):
            at = self.view.find(b"\n", at) + 1
            if not at:
                return True
        return False

    @property
    def is_shortened(self) -> bool:
        """Whether a line is over MAX_ROW, so that `lines` has it with a NUL and without its texts."""
        return bool(self._long)

    def size_if_too_long(self, start: int, end: int) -> int:
        """Bytes of those lines in [start, end) that are over MAX_ROW."""
        return sum(size for line, size in self._long.items() if start <= line < end)

    def true_widths(self, widths: pl.Series) -> pl.Series:
        """The bytes of all lines, where `widths` are those of `lines`, in which long ones are shortened."""
        return widths.scatter(list(self._long), list(self._long.values())) if self._long else widths

    @property
    def height(self) -> int:
        """How many lines."""
        return self.lines.len()

    @cached_property
    def kept(self) -> list[bytes]:
        """The lines with their ends, as bytes of the source."""
        return self.data.splitlines(keepends=True)

    @cached_property
    def mapped_lines(self) -> list[str]:
        """The lines in signs, with their own ends."""
        return [line.decode() for line in self.mapped.splitlines(keepends=True)]

    @cached_property
    def joined(self) -> list[bool] | None:
        """Whether each line ends in a carriage return alone, where most lines of the block end otherwise.

        Such a line may be a row of a mixed file, or the first part of a row with a stray return inside.
        None = there is no such line, or it is the way this file ends its lines.
        """
        alone = self.data.count(b"\r") - self.data.count(b"\r\n") if self.has_lone_cr else 0
        if not 0 < alone < self.data.count(b"\n"):
            return None
        return [line.endswith(b"\r") for line in self.kept]

    @cached_property
    def structure(self) -> pl.Series:
        """The lines without NUL: one that was put in moves no boundary of a field."""
        return self.lines.str.replace_all("\0", "", literal=True) if self.has("\0") else self.lines

    def has(self, sign: str) -> bool:
        """Does it stand anywhere in the block? Remembered, since it is asked once per damaged row."""
        if sign not in self._there:
            self._there[sign] = bool(sign) and sign.encode() in self.view
        return self._there[sign]

    @cached_property
    def quotes(self) -> pl.Series:
        """How many quotes each of the lines has."""
        return self.lines.str.count_matches(self.grammar.signs.quote, literal=True).cast(pl.Int64)

    def text(self, start: int, end: int) -> str:
        """The record of lines [start, end) in signs, inner line ends as they stand."""
        if self.has_cr:
            return _cut_end("".join(self.mapped_lines[start:end]))
        first = self._first_text
        if start < first or end > first + len(self._texts):  # most often the next lines
            first = self._first_text = max(0, start - _WINDOW_LINES)
            self._texts = self.lines[first : end + _WINDOW_LINES].to_list()
        return "\n".join(self._texts[start - first : end - first])

    def size_of_last(self, count: int) -> int:
        """Bytes of the last `count` lines."""
        return _size_of_last(self.data, count)

    def mapped_before(self, line: int) -> bytes:
        """The lines before this one in signs, with the line ends as they stand."""
        return self.mapped[: len(self.mapped) - _size_of_last(self.mapped, self.height - line)]


def _size_of_last(data: bytes, count: int) -> int:
    if count > _FEW_LINES:
        return sum(map(len, data.splitlines(keepends=True)[-count:]))
    at = len(data)
    for _ in range(count):
        content = at - len(_line_end(data[max(0, at - 2) : at]))
        before = data.rfind(b"\n", 0, content)
        at = max(before, data.rfind(b"\r", before + 1, content)) + 1
    return len(data) - at


def _short_lines(view: bytes) -> pl.Series:
    return pl.read_lines(view, name="raw", glob=False)["raw"]


def _long_lines(view: bytes) -> pl.Series:
    """The same in a third of the memory, which matters for lines of megabytes."""
    lines = view.split(b"\n")
    return pl.Series("raw", lines if lines[-1] else lines[:-1], pl.Binary).cast(pl.String)


def _without_damage(data: bytes) -> bytes:
    """The same with NUL in the place of each byte that is not UTF-8: no offset moves."""
    return re.sub("[\udc80-\udcff]", "\0", data.decode("utf-8", "surrogateescape")).encode()


def _line_end(data: bytes) -> bytes:
    return next((end for end in (b"\r\n", b"\n", b"\r") if data.endswith(end)), b"")


def _cut_end(text: str) -> str:
    return text[: len(text) - len(_line_end(text[-2:].encode("utf-8", "replace")))]


def cut_end_bytes(data: bytes) -> bytes:
    """The line without its end."""
    return data[: len(data) - len(_line_end(data[-2:]))]


def lines_of(record: str) -> int:
    """How many lines a record has."""
    return 1 + len(re.findall("\r\n|\r|\n", record))


def line_count(data: bytes) -> int:
    """How many lines end in the text; a CRLF counts twice, which matters to no limit."""
    return data.count(b"\n") + data.count(b"\r")


_WINDOW = 1 << 10
_WINDOWS = 64


def is_dense(data: bytes, most: int) -> bool:
    """Whether the text may hold more than `most` lines, going by its densest window: a count costs more."""
    step = max(_WINDOW, len(data) // _WINDOWS)
    densest = max((line_count(data[at : at + _WINDOW]) for at in range(0, len(data), step)), default=0)
    return densest * len(data) > most * _WINDOW


def last_line_end(data: bytes) -> int:
    """Where the last line that is certainly complete ends; 0 when none is.

    A CR in the last place does not count: it may be the first half of CRLF.
    """
    lf = data.rfind(b"\n")
    return max(lf, data.rfind(b"\r", lf + 1, max(0, len(data) - 1))) + 1
