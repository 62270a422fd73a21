"""One damage to a row, undone in every way at once, to see where the row may end.

A row is read as states (fields begun, place in the field), without damage and with exactly one damage undone:
a quote or a delimiter lost, put in, or another character in the place of a delimiter. All ways are followed
together; a set of field counts is an integer with a bit for each, so a delimiter is a shift. Rows of one list
look alike, so what follows on what is worked out once and remembered.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from importer.source.csv_grammar import Grammar

MAX_WAYS = 20_000
"""So many different ways are remembered; a list as odd as that begins anew."""


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


class Ways:
    """All ways to read a row so far: without damage, and with one damage undone.

    quotes: False where only damage to delimiters is undone. `after` and `line_end` say what comes next, as
    far as it was asked for.
    """

    __slots__ = ("after", "line_end", "mended", "quotes", "sound")

    def __init__(self, sound: States, mended: States, *, quotes: bool) -> None:
        self.sound = sound
        self.mended = mended
        self.quotes = quotes
        self.after: dict[str, Ways] = {}
        self.line_end: LineEnd | None = None


class LineEnd(NamedTuple):
    """Whether the row may end with the line, or is `cut` off in a quoted field; how it goes on, if it may."""

    ends: bool
    cut: bool
    on: Ways | None


class Repair:
    """Follows the rows of one grammar."""

    def __init__(self, grammar: Grammar) -> None:
        self._signs = signs = grammar.signs
        self._keep = grammar.keep
        self._whole = 1 << grammar.fields
        d, q, e = (re.escape(sign) for sign in (signs.delimiter, signs.quote, signs.escape))
        text = f"(?:[^{d}{q}{e}]{f'|{e}.?' if e else ''})+"
        self._text = re.compile(text, re.DOTALL)
        self._stand_in = next(c for c in "xyz" if c not in (signs.delimiter, signs.quote))
        self._known: dict[tuple[States, States, bool], Ways] = {}

    def mends(self, line: str) -> bool:
        """Whether undoing one damage makes the line a healthy row; too many or too few fields are one."""
        return any(not (end.cut or end.goes_on) for end in self.ends([line]))

    def ends(self, lines: Iterable[str], *, quotes: bool = True) -> Iterator[End]:
        """Where a row may end that begins with the first of `lines` and has one damage.

        quotes: False to undo damage to delimiters alone, the quotes being in order.
        """
        ways = self._ways(States(start=1 << 1), States(), quotes=quotes)
        for count, line in enumerate(lines, 1):
            for sign in self._text.sub(self._stand_in, line):
                ways = ways.after.get(sign) or self._read(ways, sign)
            end = ways.line_end or self._at_line_end(ways)
            if end.ends or end.cut:
                yield End(count, cut=end.cut)
            if end.on is None:
                return
            yield End(count, goes_on=True)
            ways = end.on

    def _ways(self, sound: States, mended: States, *, quotes: bool) -> Ways:
        if len(self._known) > MAX_WAYS:
            self._known.clear()
        known = self._known.get((sound, mended, quotes))
        if known is None:
            known = self._known[sound, mended, quotes] = Ways(sound, mended, quotes=quotes)
        return known

    def _read(self, ways: Ways, sign: str) -> Ways:
        """The ways behind the next sign: delimiter, quote, or what stands in for any text."""
        sound, quotes = ways.sound, ways.quotes
        after = self._step(ways.mended | self._inserted(sound, quotes), sign)
        if sign == self._signs.delimiter or (quotes and sign == self._signs.quote):
            after |= sound  # this sign is too many
        elif sign != self._signs.quote:
            after |= self._step(sound, self._signs.delimiter)  # this text stands for one
        found = ways.after[sign] = self._ways(self._step(sound, sign), after, quotes=quotes)
        return found

    def _at_line_end(self, ways: Ways) -> LineEnd:
        sound, quotes = ways.sound, ways.quotes
        mended = ways.mended | self._inserted(sound, quotes)
        ends = bool(sound.outside or mended.outside & self._whole)
        on = None
        if sound.quoted or mended.quoted:
            on = self._ways(States(quoted=sound.quoted), States(quoted=mended.quoted), quotes=quotes)
        ways.line_end = LineEnd(ends, bool(not ends and quotes and sound.quoted), on)
        return ways.line_end

    def _inserted(self, sound: States, quotes: bool) -> States:
        """A sign is missing here."""
        found = self._step(sound, self._signs.delimiter)
        return found | self._step(sound, self._signs.quote) if quotes and self._signs.quote else found

    def _step(self, at: States, sign: str) -> States:
        if sign == self._signs.delimiter:
            begun, too_many = at.outside << 1, 2 * self._whole
            return States(start=begun % too_many | (too_many if begun >= too_many else 0), quoted=at.quoted)
        if sign == self._signs.quote:
            again = 0 if self._signs.escape else at.closed
            return States(text=at.text if self._keep else 0, quoted=at.start | again, closed=at.quoted)
        return States(text=at.start | at.text, quoted=at.quoted)


@lru_cache(maxsize=64)
def repair_for(grammar: Grammar) -> Repair:
    """The repair of this grammar, built once."""
    return Repair(grammar)
