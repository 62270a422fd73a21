"""Where a damaged row may end: one damage is repaired in every possible way at once.

A row is read as states (fields begun, place in the field), without damage and with exactly one repair: a
quote or a delimiter that is missing, is too many, or has another character in its place. All readings are
followed together. A set of field counts is an integer with a bit for each, so a delimiter is a shift. Rows of
one list look alike, so what follows on what is worked out once and remembered.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from importer.source.csv_grammar import Grammar

MAX_READINGS = 20_000
"""So many different readings are remembered; beyond that the memory is cleared."""


class States(NamedTuple):
    """Field counts, as bits, at each place: at the start of a field, in its text, in quotes, behind them."""

    start: int = 0
    text: int = 0
    quoted: int = 0
    closed: int = 0

    def __or__(self, other: "States") -> "States":
        return States(*(a | b for a, b in zip(self, other, strict=True)))

    @property
    def outside(self) -> int:
        """Field counts where the row may end."""
        return self.start | self.text | self.closed


class End(NamedTuple):
    """A row may end behind `lines` lines; `cut` off in a quoted field, or `goes_on`: it may not end yet."""

    lines: int
    cut: bool = False
    goes_on: bool = False


class Readings:
    """All ways to read a row so far: as it stands, and with one damage repaired.

    quotes: False where only damage to delimiters is repaired. `after` and `line_end` say what comes next, as
    far as it was asked for.
    """

    __slots__ = ("after", "line_end", "quotes", "repaired", "undamaged")

    def __init__(self, undamaged: States, repaired: States, *, quotes: bool) -> None:
        self.undamaged = undamaged
        self.repaired = repaired
        self.quotes = quotes
        self.after: dict[str, Readings] = {}
        self.line_end: LineEnd | None = None


class LineEnd(NamedTuple):
    """Whether the row may end with the line, or is `cut` off in a quoted field; how it goes on, if it may."""

    ends: bool
    cut: bool
    on: Readings | None


class RowEnds:
    """Follows the rows of one grammar."""

    def __init__(self, grammar: Grammar) -> None:
        self._signs = signs = grammar.signs
        self._keep = grammar.keep
        self._whole = 1 << grammar.fields
        d, q, e = (re.escape(sign) for sign in (signs.delimiter, signs.quote, signs.escape))
        text = f"(?:[^{d}{q}{e}]{f'|{e}.?' if e else ''})+"
        self._text = re.compile(text, re.DOTALL)
        self._stand_in = next(c for c in "xyz" if c not in (signs.delimiter, signs.quote))
        self._known: dict[tuple[States, States, bool], Readings] = {}

    def can_repair(self, line: str) -> bool:
        """Whether one repair makes the line a healthy row; too many or too few fields are one."""
        return any(not (end.cut or end.goes_on) for end in self.ends([line]))

    def ends(self, lines: Iterable[str], *, quotes: bool = True) -> Iterator[End]:
        """Where a row may end that begins with the first of `lines` and has one damage.

        quotes: False to repair delimiters alone, the quotes being in order.
        """
        readings = self._readings(States(start=1 << 1), States(), quotes=quotes)
        for count, line in enumerate(lines, 1):
            for sign in self._text.sub(self._stand_in, line):
                readings = readings.after.get(sign) or self._read(readings, sign)
            end = readings.line_end or self._at_line_end(readings)
            if end.ends or end.cut:
                yield End(count, cut=end.cut)
            if end.on is None:
                return
            yield End(count, goes_on=True)
            readings = end.on

    def _readings(self, undamaged: States, repaired: States, *, quotes: bool) -> Readings:
        if len(self._known) > MAX_READINGS:
            self._known.clear()
        known = self._known.get((undamaged, repaired, quotes))
        if known is None:
            known = self._known[undamaged, repaired, quotes] = Readings(undamaged, repaired, quotes=quotes)
        return known

    def _read(self, readings: Readings, sign: str) -> Readings:
        """The readings behind the next sign: delimiter, quote, or what stands in for any text."""
        undamaged, quotes = readings.undamaged, readings.quotes
        after = self._step(readings.repaired | self._inserted(undamaged, quotes), sign)
        if sign == self._signs.delimiter or (quotes and sign == self._signs.quote):
            after |= undamaged  # this sign is too many
        elif sign != self._signs.quote:
            after |= self._step(undamaged, self._signs.delimiter)  # this text stands for one
        found = readings.after[sign] = self._readings(self._step(undamaged, sign), after, quotes=quotes)
        return found

    def _at_line_end(self, readings: Readings) -> LineEnd:
        undamaged, quotes = readings.undamaged, readings.quotes
        repaired = readings.repaired | self._inserted(undamaged, quotes)
        ends = bool(undamaged.outside or repaired.outside & self._whole)
        on = None
        if undamaged.quoted or repaired.quoted:
            on = self._readings(
                States(quoted=undamaged.quoted), States(quoted=repaired.quoted), quotes=quotes
            )
        readings.line_end = LineEnd(ends, bool(not ends and quotes and undamaged.quoted), on)
        return readings.line_end

    def _inserted(self, undamaged: States, quotes: bool) -> States:
        """A sign is missing here."""
        found = self._step(undamaged, self._signs.delimiter)
        return found | self._step(undamaged, self._signs.quote) if quotes and self._signs.quote else found

    def _step(self, at: States, sign: str) -> States:
        if sign == self._signs.delimiter:
            begun, too_many = at.outside << 1, 2 * self._whole
            return States(start=begun % too_many | (too_many if begun >= too_many else 0), quoted=at.quoted)
        if sign == self._signs.quote:
            again = 0 if self._signs.escape else at.closed
            return States(text=at.text if self._keep else 0, quoted=at.start | again, closed=at.quoted)
        return States(text=at.start | at.text, quoted=at.quoted)


@lru_cache(maxsize=64)
def row_ends_for(grammar: Grammar) -> RowEnds:
    """The repair of this grammar, built once."""
    return RowEnds(grammar)
