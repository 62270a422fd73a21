"""The careful walk: what to make of lines that are no healthy record by themselves.

Only a block that holds such a line is walked, and the walk stops at the suspicious lines alone. An open quote
is followed under two hypotheses: a quoted line break, or a stray quote. What no evidence decides is set aside
as one piece, up to the next line that is certain.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from importer.lines import HOLD, Block
from importer.records import Grammar, Scan

MAX_RECORD = 16 << 20
"""Bytes after which an open quote is taken for a stray one."""
FEW = 8
"""Healthy-looking lines inside a broken quoted field that are given up with it."""

BLANK, HEALTHY, SPOILT, OPEN, BROKEN = range(5)
"""A spoilt line would be healthy without its NULs and undecodable bytes: one row, but no good one."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Lines [start, end) that are one row; set aside with `message`, or healthy when that is None."""

    start: int
    end: int
    message: str | None = None


@dataclass(slots=True)
class Habits:
    """What the source has shown so far about quoted line breaks; carried from block to block."""

    longest: int = 1
    """Lines of its longest healthy record."""

    @property
    def multiline(self) -> bool:
        """Whether any healthy record had a quoted line break."""
        return self.longest > 1


@dataclass(slots=True)
class Walk:
    """Decides on the lines of a block that are not healthy by themselves, from one to the next.

    Every decision needs only what comes before the next opening quote, so the walk is linear: from inside a
    quoted field, a line that opens one (an odd number of quotes) always ends outside or refutes the field.
    """

    block: Block
    codes: list[int]
    habits: Habits
    final: bool
    units: list[Unit] = field(default_factory=list)
    undecided: int | None = None
    _texts: dict[int, str] = field(default_factory=dict)
    _quoted: list[int] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _next: int = 0
    _grammar: Grammar = field(init=False)
    _n: int = field(init=False)

    def __post_init__(self) -> None:
        self._grammar = self.block.grammar
        self._n = self._grammar.fields

    def run(self) -> None:
        """Fill `units`, and `undecided` with the first line that needs the next block."""
        self._prepare()
        for at, code in enumerate(self.codes):
            if code < SPOILT or at < self._next:
                continue
            decided = self._judge(at, code)
            if not decided:
                self.undecided = at
                return

    def _judge(self, at: int, code: int) -> bool:
        if code == SPOILT:
            return self._add(at, at + 1, NUL)
        return self._open(at) if code == OPEN else self._broken(at)

    def _prepare(self) -> None:
        lines, quote = self.block.structure, self._grammar.signs.quote
        codes = pl.Series(self.codes, dtype=pl.UInt8)
        quoted = (
            lines.str.contains(quote, literal=True) if quote else pl.repeat(False, lines.len(), eager=True)
        )
        wanted = quoted | (codes >= SPOILT)
        self._texts = dict(zip(wanted.arg_true().to_list(), lines.filter(wanted).to_list(), strict=True))
        self._quoted = quoted.arg_true().to_list()
        self._starts = [0, *(lines.str.len_bytes().cast(pl.Int64) + 1).cum_sum().to_list()]

    def _size(self, start: int, end: int) -> int:
        return self._starts[end] - self._starts[start]

    def _add(self, start: int, end: int, message: str | None) -> bool:
        self.units.append(Unit(start, end, message))
        self._next = end
        return True

    # -- a line that ends inside an open quoted field

    def _open(self, at: int) -> bool:
        """Two readings: still inside the quote on the next lines, or a stray quote and rows go on."""
        end, more = self._follow(at)
        if end is None:
            return False
        if more < 0 and not self.habits.multiline and self._as_text(at) >= self._n:
            return self._add(at, at + 1, self._unpaired)  # the common case, without a look at the fields
        begun = self._grammar.scan(self._texts[at])
        as_text = self._as_text(at)
        if self.habits.multiline:  # any quote may be the stray one in a list without quoted line breaks
            as_text = begun.fields + begun.rest.count(self._grammar.signs.delimiter)
        if more < 0:
            return self._unclosed(at, end, as_text)
        return self._closed(at, end, begun.fields + more, as_text)

    def _follow(self, at: int) -> tuple[int | None, int]:
        """The line on which the record that opens at `at` ends, and the fields begun behind the open one.

        -1 fields where it cannot end there; no line when only the next block can tell.
        """
        more = 0
        scan, texts = self._grammar.scan, self._texts
        for i in range(bisect_right(self._quoted, at), len(self._quoted)):
            line = self._quoted[i]
            if self._size(at, line + 1) > MAX_RECORD:
                return line, -1
            found = scan(texts[line], inside=True)
            more += found.fields
            if found.state == "done":
                return line, more
            if found.state == "stray":
                return line, -1
        if self.final or self._size(at, len(self.codes)) > MAX_RECORD:
            return len(self.codes) - 1, -1
        return None, -1

    def _closed(self, at: int, end: int, total: int, as_text: int) -> bool:
        if total == self._n:
            self.habits.longest = max(self.habits.longest, end + 1 - at)
            return self._add(at, end + 1, self._nul(at, end + 1))
        rows = self.codes[at + 1 : end + 1].count(HEALTHY)
        if not rows or (rows <= FEW and (self.habits.multiline or as_text < self._n)):
            return self._give_up(at, end + 1, self._count(total))
        return self._unclosed(at, end, as_text)

    def _nul(self, start: int, end: int) -> str | None:
        if not self.block.has("\0") or "\0" not in self.block.text(start, end):
            return None
        return NUL

    def _unclosed(self, at: int, end: int, as_text: int) -> bool:
        """The quote at `at` is stray, or its partner is lost; the row ends on line `end` at the latest."""
        if as_text >= self._n and not self.habits.multiline:
            return self._add(at, at + 1, self._unpaired)
        return self._give_up(at, self._spilled(at, end, as_text))

    def _give_up(self, at: int, end: int, message: str | None = None) -> bool:
        """Set lines [at, end) aside, and those before that are in doubt with them.

        Where a damaged line with a quote stands before, the quote at `at` closes what was lost there, and
        rows begin again on the next line.
        """
        head = self._head(at)
        damaged = any(unit.start == head and unit.message for unit in self.units[-HOLD:])
        if head < at and self._is_stray(head):
            return self._replace(head, at + 1)
        unclear = message is None and (self.habits.multiline or self._starts_quoted(at))
        if head < at and (unclear or (damaged and self.habits.multiline)):
            return self._replace(head, end)
        return self._add(at, end, message or self._doubt(at, end))

    def _spilled(self, at: int, end: int, total: int) -> int:
        """The line behind a row whose closing quote is lost: it may go on, up to the next certain line.

        A line that starts with a quote cannot stand inside a quoted field, so it is certain; so is one after
        the row has all its fields, in a list that has shown no quoted line break besides; and every line
        behind the first one with a quote in it, where the row must have come out of its quoted field.
        """
        last = at + 1
        reach = max(3, self.habits.longest) if total >= self._n else MAX_RECORD
        for line in range(at + 1, min(end + 1, len(self.codes))):
            if self.codes[line] == BLANK:
                continue
            if self._is_certain(line, total) or (line - at >= reach and total >= self._n):
                break
            last = self._end_of(line)
            total += self._as_text(line) - 1
            if line in self._texts and self._has_quote(line):
                break
        return last

    def _is_certain(self, line: int, total: int) -> bool:
        if self.codes[line] != BROKEN and self._starts_quoted(line):
            return total >= self._n or not self.habits.multiline
        return total >= self._n and not self.habits.multiline

    def _end_of(self, line: int) -> int:
        if self.codes[line] != OPEN:
            return line + 1
        end, more = self._follow(line)
        return line + 1 if end is None or more < 0 else end + 1

    def _starts_quoted(self, line: int) -> bool:
        return self._has_quote(line) and self._texts[line].startswith(self._grammar.signs.quote)

    def _may_open(self, line: int) -> bool:
        """A quote that is more than an escaped one inside a quoted field."""
        return self._has_quote(line) and self._grammar.scan(self._texts[line], inside=True) != Scan("open", 0)

    def _is_stray(self, line: int) -> bool:
        return self.codes[line] == BROKEN and self._has_quote(line)

    def _has_quote(self, line: int) -> bool:
        quote = self._grammar.signs.quote
        return bool(quote) and quote in self._texts.get(line, "")

    def _as_text(self, line: int) -> int:
        if self.codes[line] in (HEALTHY, SPOILT):
            return self._n
        return self._texts[line].count(self._grammar.signs.delimiter) + 1

    # -- a line that no continuation can mend

    def _broken(self, at: int) -> bool:
        start = self._head(at)
        return self._replace(start, at + 1) if start < at else self._add(at, at + 1, self._why(at))

    def _replace(self, start: int, end: int) -> bool:
        """Set lines [start, end) aside as one, whatever was decided on them before."""
        while self.units and self.units[-1].start >= start:
            self.units.pop()
        return self._add(start, end, self._doubt(start, end))

    def _head(self, at: int) -> int:
        """The first line in doubt because `at` reads well as the tail of a quoted field.

        Then the opening quote may have been lost some lines before, in a row that looked healthy.
        """
        if not self._has_quote(at):
            return at
        tail = self._grammar.scan(self._texts[at], inside=True)
        short = self._as_text(at) < self._n
        reads = tail.state == "done" or (tail.state == "open" and tail.fields > 0)
        head = at
        if reads and tail.fields < self._n and (short or self.habits.multiline):
            head = self._look_back(at, tail.fields, short)
        return self._linked(at) if head == at and self.habits.multiline else head

    def _linked(self, at: int) -> int:
        """The damaged line with a quote before `at` where no quote between them makes a row certain."""
        for unit in self._units_before(at):
            if at - unit.start > max(HOLD, 2 * self.habits.longest):
                break
            if unit.message is None and self._grammar.signs.quote in self.block.text(unit.start, unit.end):
                break
            if unit.message is not None and any(self._has_quote(i) for i in range(unit.start, unit.end)):
                return unit.start
        return at

    def _look_back(self, at: int, after: int, short: bool) -> int:
        """Back over lines that could stand inside that field, to the line that may have opened it.

        That is a damaged line with a quote, within reach, or else the healthy row just before; more rows
        than that one only in a list known to have quoted line breaks. after: fields behind it on line `at`.
        """
        head, rows, total = at, 0, self._as_text(at)
        for unit in self._units_before(at):
            if unit.message is not None:
                total += sum(self._as_text(i) - 1 for i in range(unit.start, unit.end) if i in self._texts)
                if any(self._may_open(i) for i in range(unit.start, unit.end)):
                    return unit.start
                head = unit.start if not rows or self.habits.multiline else head
                continue
            enough = total >= self._n and not self.habits.multiline
            if enough or rows == HOLD or not self._in_doubt(unit, after, short and not rows):
                break
            if rows and (unit.end - unit.start > 1 or at - unit.start >= 2 * self.habits.longest):
                break
            rows += 1
            head = unit.start if rows == 1 or self.habits.multiline else head
        return head

    def _units_before(self, at: int) -> Iterator[Unit]:
        i = len(self.units)
        while at > 0:
            if i and self.units[i - 1].end == at:
                i -= 1
                yield self.units[i]
                at = self.units[i].start
                continue
            at -= 1
            if self.codes[at] == HEALTHY:
                yield Unit(at, at + 1)

    def _in_doubt(self, unit: Unit, after: int, short: bool) -> bool:
        """Whether this row may have lost the opening quote of the field `after` fields before its end.

        Or was closed too early by a stray quote, where `short` shows that the tail is no row of its own.
        """
        quote, delimiter = self._grammar.signs.quote, self._grammar.signs.delimiter
        text = self.block.text(unit.start, unit.end)
        if quote not in text:
            return True
        if short and not after and text.endswith(quote):
            return True
        if unit.end - unit.start > 1 and text.endswith(quote):  # did it end with the quote of the next row?
            return text[-2] in (delimiter, "\n", "\r")
        before, _, behind = text.rpartition(quote)
        ends = behind.count(delimiter)  # fields that begin behind the last quoted one
        empty = before.endswith(delimiter + quote) or before == quote
        return ends > after or (ends == after and empty)

    # -- messages: what was expected and found, never a cell

    def _why(self, at: int) -> str:
        text = self._texts[at]
        if self._nul(at, at + 1):
            return NUL
        if not self._has_quote(at) and not self._grammar.signs.escape:
            return self._count(text.count(self._grammar.signs.delimiter) + 1)
        found = self._grammar.scan(text)
        return self._count(found.fields) if found.state == "done" else self._stray(at, found.fields)

    @property
    def _unpaired(self) -> str:
        return f"expected {fields_text(self._n)}, found a quote that opens a field and is not closed"

    def _count(self, found: int) -> str:
        return f"expected {fields_text(self._n)}, found {found}"

    def _stray(self, at: int, found: int = 0) -> str:
        found = found or self._grammar.scan(self._texts[at]).fields
        return f"expected {fields_text(self._n)}, found a quote out of place in field {found}"

    def _doubt(self, start: int, end: int) -> str:
        if end - start == 1:
            return self._unpaired if self.codes[start] == OPEN else self._stray(start)
        return (
            f"expected {fields_text(self._n)} to a row, found a quote missing or out of place "
            f"that leaves these {end - start} lines undecidable"
        )


NUL = "found a NUL"


def fields_text(count: int) -> str:
    """So many fields, in words."""
    return "1 field" if count == 1 else f"{count} fields"
