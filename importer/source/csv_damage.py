"""The search for damage: what to make of lines that are no healthy record by themselves.

Only a block that holds such a line is searched, and the search stops at the suspicious lines alone. Where
reading fails, one row is damaged, and often there are several candidates: a stray quote here, or a missing
one some lines away. Every candidate with one damage is looked for, and a row is certain when it is whole in
all of them. The lines on which they differ are set aside as one piece.

A list without a quoted line break so far is taken to have none where one damage on one line is enough to
explain the fault: then only that row is set aside.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, MutableSequence
from dataclasses import dataclass, field

import polars as pl

from importer.source.csv_blocks import Block
from importer.source.csv_grammar import Grammar
from importer.source.csv_row_ends import RowEnds, row_ends_for

MAX_RECORD = 4 << 20
MAX_RECORD_LINES = 1_000_000
"""Bytes and lines after which an open quote is taken for a stray one."""

REACH = 8
"""Lines a damaged row may span at least, in a list of short rows."""

BLANK, HEALTHY, UNREADABLE, OPEN, BROKEN = range(5)
"""What a line is by itself. UNREADABLE: healthy but for its NULs and undecodable bytes."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Lines [start, end) that are one row; set aside with `message`, or healthy when that is None.

    Of one that is `too_long` no text is kept.
    """

    start: int
    end: int
    message: str | None = None
    too_long: bool = False


@dataclass(slots=True)
class LineBreaks:
    """What the source has shown so far about quoted line breaks; carried from block to block."""

    longest: int = 1
    """Lines of its longest healthy record."""

    @property
    def multiline(self) -> bool:
        """Whether any healthy record had a quoted line break."""
        return self.longest > 1

    @property
    def reach(self) -> int:
        """Lines that a damaged row may span: so many before a fault may be in doubt, and so many behind."""
        return max(REACH, 4 * self.longest)


@dataclass(slots=True)
class DamageSearch:
    """Decides on the lines of a block that are not healthy by themselves, from one to the next."""

    block: Block
    codes: list[int]
    line_breaks: LineBreaks
    final: bool
    units: list[Unit] = field(default_factory=list)
    undecided: int | None = None
    _doubtful: set[int] = field(default_factory=set)
    _texts: dict[int, str] = field(default_factory=dict)
    _quoted: list[int] = field(default_factory=list)
    _filled: MutableSequence[int] = field(default_factory=lambda: array("q"))
    _starts: MutableSequence[int] = field(default_factory=lambda: array("q"))
    _next: int = 0
    _grammar: Grammar = field(init=False)
    _row_ends: RowEnds = field(init=False)
    _n: int = field(init=False)

    def __post_init__(self) -> None:
        self._grammar = self.block.grammar
        self._row_ends = row_ends_for(self._grammar)
        self._n = self._grammar.fields

    def run(self) -> None:
        """Fill `units`, and `undecided` with the first line that needs the next block."""
        self._prepare()
        for at, code in enumerate(self.codes):
            if code < UNREADABLE or at < self._next:
                continue
            if not self._decide(at, code):
                self.undecided = at
                return

    def _decide(self, at: int, code: int) -> bool:
        if code == UNREADABLE:
            return self._add(at, at + 1, NUL)
        return self._open(at) if code == OPEN else self._fault(at)

    def _prepare(self) -> None:
        lines, quote = self.block.structure, self._grammar.signs.quote
        codes = pl.Series(self.codes, dtype=pl.UInt8)
        quoted = (
            lines.str.contains(quote, literal=True) if quote else pl.repeat(False, lines.len(), eager=True)
        )
        wanted = quoted | (codes >= UNREADABLE)
        self._texts = dict(zip(wanted.arg_true().to_list(), lines.filter(wanted).to_list(), strict=True))
        self._quoted = quoted.arg_true().to_list()
        self._filled = array("q", (codes != BLANK).arg_true())  # a list takes five times the memory
        widths = self.block.true_widths(lines.str.len_bytes().cast(pl.Int64))
        self._starts = array("q", [0])
        self._starts.extend((widths + 1).cum_sum())

    def size(self, start: int, end: int) -> int:
        """Bytes of lines [start, end)."""
        return self._starts[end] - self._starts[start]

    def _add(self, start: int, end: int, message: str | None) -> bool:
        self.units.append(Unit(start, end, message))
        self._next = end
        return True

    # -- a line that ends inside a quoted field

    def _open(self, at: int) -> bool:
        """A healthy row with a quoted line break, where the quote is closed and the fields are as many."""
        end, more = self._follow(at)
        if end is None:
            return False
        if more < 0 or self._grammar.scan(self._texts[at]).fields + more != self._n:
            return self._fault(at)
        self.line_breaks.longest = max(self.line_breaks.longest, end + 1 - at)
        return self._add(at, end + 1, self._nul(at, end + 1))

    def _follow(self, at: int) -> tuple[int | None, int]:
        """The line on which the record that opens at `at` ends, and the fields begun behind the open one.

        -1 fields where it cannot end there; no line when only the next block can tell.
        """
        more = 0
        scan, texts = self._grammar.scan, self._texts
        for i in range(bisect_right(self._quoted, at), len(self._quoted)):
            line = self._quoted[i]
            if is_endless(line + 1 - at, self.size(at, line + 1)):
                return line, -1
            found = scan(texts[line], inside=True)
            more += found.fields
            if found.state == "done":
                return line, more
            if found.state == "stray":
                return line, -1
        end = len(self.codes)
        if self.final or is_endless(end - at, self.size(at, end)):
            return end - 1, -1
        return None, -1

    def _nul(self, start: int, end: int) -> str | None:
        if not self.block.has("\0") or "\0" not in self.block.text(start, end):
            return None
        return NUL

    # -- a fault: the row that starts here, or one before it, is damaged

    def _fault(self, at: int) -> bool:
        if not self._has_quote(at):
            return self._add(at, at + 1, self._why(at))
        alone = not self.line_breaks.multiline and self._is_alone(at)
        linked = self._linked(at, alone)
        if alone and linked == at:
            return self._add(at, at + 1, self._why(at))
        found = self._explanations(at)
        if found is None:
            return False
        start, end = min(found[0], linked), found[1]
        self._doubtful.add(start)
        return self._set_aside(start, end, at)

    def _is_alone(self, at: int) -> bool:
        """Whether damage on this line alone explains it, and no longer row with its quotes in order does."""
        odd = any(self._quotes_on(i) % 2 for i in range(at + 1, self._stop(at)))
        if not odd and self._quotes_on(at) % 2 == 0:
            return True
        following = at + 1 < len(self.codes) and self.codes[at + 1] == BROKEN
        if following and not self._has_quote(at + 1):  # the rest of this row, it may be
            return False
        return self._row_ends.can_repair(self._texts[at]) and not (
            odd and self._ends(at, at + 1, quotes=False)
        )

    def _explanations(self, at: int) -> tuple[int, int] | None:
        """Lines [start, end) in doubt; None where it needs more lines to say.

        An explanation is a piece of lines that one damage made of a healthy row, with a healthy row behind
        it. All of them together are in doubt. Where there is none, the piece with quotes in pairs is taken.
        """
        plain = self._ends(at, at, quotes=False)
        if plain and self._goes_on(plain[-1]):
            return at, plain[-1]
        found: list[tuple[int, int]] = []
        for start in self._beginnings(at):
            ends = self._ends(start, at)
            if ends is None:
                return None
            found += [(start, end) for end in ends]
        if good := [one for one in found if self._goes_on(one[1])]:
            return min(s for s, _ in good), max(e for _, e in good)
        if self._goes_on(even := self._even(at)):
            return at, even
        return min(found, key=lambda one: one[1] - one[0], default=(at, at + 1))

    def _beginnings(self, at: int) -> Iterator[int]:
        """Line `at`, and the healthy rows before it that may be the beginning of its row.

        Such a row has lost or won a quote, and all lines from there on can stand inside a quoted field.
        """
        yield at
        if not self._inside(at):
            return
        for unit in self.units_before(at):
            if at - unit.start > self.line_breaks.reach or self._is_fault(unit):
                return
            yield unit.start
            if not all(self._inside(i) for i in range(unit.start, unit.end)):
                return

    def _is_fault(self, unit: Unit) -> bool:
        lines = range(unit.start, unit.end)
        return unit.message not in (None, NUL) and any(self._has_quote(i) for i in lines)

    def _inside(self, line: int) -> bool:
        """Whether the line may stand inside a quoted field, or end one."""
        return (
            not self._has_quote(line) or self._grammar.scan(self._texts[line], inside=True).state != "stray"
        )

    def _stop(self, at: int) -> int:
        return min(len(self.codes), at + self.line_breaks.reach)

    def _ends(self, start: int, at: int, *, quotes: bool = True) -> list[int] | None:
        """The lines behind `at` before which a row from `start` may end; None: the block is too short."""
        stop, found = self._stop(at), []
        end = None
        for end in self._row_ends.ends((self._text(i) for i in range(start, stop)), quotes=quotes):
            if start + end.lines > at and not end.goes_on:
                found.append(start + end.lines)
        short = end is not None and end.goes_on and start + end.lines == stop == len(self.codes)
        return None if short and not self.final else found

    def _even(self, at: int) -> int:
        """The line behind which as many quotes are closed as opened, within reach."""
        quotes = 0
        for line in range(at, self._stop(at)):
            quotes += self._quotes_on(line)
            if quotes % 2 == 0:
                return line + 1
        return at + 1

    def _quotes_on(self, line: int) -> int:
        return self._texts[line].count(self._grammar.signs.quote) if self._has_quote(line) else 0

    def _goes_on(self, line: int) -> bool:
        """Whether a healthy row begins on this line, or the source ends before it."""
        at = bisect_left(self._filled, line)
        if at == len(self._filled) or self.codes[line := self._filled[at]] in (HEALTHY, UNREADABLE):
            return True
        if self.codes[line] == BROKEN:
            return False
        end, more = self._follow(line)
        return end is None or (more >= 0 and self._grammar.scan(self._texts[line]).fields + more == self._n)

    def _linked(self, at: int, alone: bool) -> int:
        """The faulty row before line `at`, where every row between may stand inside a quoted field."""
        for unit in self.units_before(at):
            if at - unit.end > self.line_breaks.reach:
                break
            if self._is_fault(unit):
                return unit.start if self._belongs(unit, at, alone) else at
            if not all(self._inside(i) for i in range(unit.start, unit.end)):
                break
        return at

    def _belongs(self, unit: Unit, at: int, alone: bool) -> bool:
        """Whether two faults may be one damaged row, which has a line break."""
        if self.line_breaks.multiline or unit.start in self._doubtful:
            return True
        odd = sum(self._quotes_on(i) for i in range(unit.start, unit.end)) % 2 or self._quotes_on(at) % 2
        return not alone and bool(odd)

    def _set_aside(self, start: int, end: int, at: int) -> bool:
        """Set lines [start, end) aside as one, whatever was decided on them before."""
        while self.units and self.units[-1].end > start:
            self.units.pop()
        if (start, end) == (at, at + 1):
            return self._add(at, end, self._why(at))
        return self._add(start, end, self._doubt(start, end))

    def units_before(self, at: int) -> Iterator[Unit]:
        """The rows before line `at`, the nearest first."""
        i = len(self.units)
        while i and self.units[i - 1].start >= at:
            i -= 1
        while at > 0:
            if i and self.units[i - 1].end == at:
                i -= 1
                yield self.units[i]
                at = self.units[i].start
                continue
            at = self._filled_before(at, self.units[i - 1].end if i else 0)
            if self.codes[at] == HEALTHY:
                yield Unit(at, at + 1)

    def _filled_before(self, at: int, end: int) -> int:
        """The nearest line before `at` that is not blank, or the end of the unit before it."""
        place = bisect_left(self._filled, at)
        return max(self._filled[place - 1] if place else 0, end if end < at else 0)

    def _has_quote(self, line: int) -> bool:
        quote = self._grammar.signs.quote
        return bool(quote) and quote in self._texts.get(line, "")

    def _text(self, line: int) -> str:
        """The line without NULs; one with neither quote nor fault is looked up only when asked for."""
        found = self._texts.get(line)
        return self.block.text(line, line + 1).replace("\0", "") if found is None else found

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


def is_endless(lines: int, size: int) -> bool:
    """Whether so many lines and bytes are too many for one record."""
    return lines > MAX_RECORD_LINES or size > MAX_RECORD


def fields_text(count: int) -> str:
    """So many fields, in words."""
    return "1 field" if count == 1 else f"{count} fields"
