"""One damage to a row, undone in every way at once, to see where the row may end.

A row is read as states (fields begun, place in the field), without damage and with exactly one damage undone:
a quote or a delimiter lost, put in, or another character in the place of a delimiter. All ways are followed
together; a set of field counts is an integer with a bit for each, so a delimiter is a shift.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from importer.records import Grammar


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


class Repair:
    """Follows the rows of one grammar."""

    def __init__(self, grammar: Grammar) -> None:
        self._signs = signs = grammar.signs
        self._keep = grammar.keep
        self._whole = 1 << grammar.fields
        d, q, e = (re.escape(sign) for sign in (signs.delimiter, signs.quote, signs.escape))
        text = f"(?:[^{d}{q}{e}]{f'|{e}.?' if e else ''})+"
        self._tokens = re.compile("|".join(filter(None, (d, q, text))), re.DOTALL)

    def mends(self, line: str) -> bool:
        """Whether undoing one damage makes the line a healthy row; too many or too few fields are one."""
        return any(not (end.cut or end.goes_on) for end in self.ends([line]))

    def ends(self, lines: Iterable[str], *, quotes: bool = True) -> Iterator[End]:
        """Where a row may end that begins with the first of `lines` and has one damage.

        quotes: False to undo damage to delimiters alone, the quotes being in order.
        """
        sound, mended = States(start=1 << 1), States()
        for count, line in enumerate(lines, 1):
            for token in self._tokens.findall(line):
                sound, mended = self._read(sound, mended, token, quotes)
            mended |= self._inserted(sound, quotes)
            if sound.outside or mended.outside & self._whole:
                yield End(count)
            elif quotes and sound.quoted:
                yield End(count, cut=True)
            sound, mended = States(quoted=sound.quoted), States(quoted=mended.quoted)
            if not (sound.quoted or mended.quoted):
                return
            yield End(count, goes_on=True)

    def _read(self, sound: States, mended: States, token: str, quotes: bool) -> tuple[States, States]:
        after = self._step(mended | self._inserted(sound, quotes), token)
        if token == self._signs.delimiter or (quotes and token == self._signs.quote):
            after |= sound  # this sign is too many
        elif token != self._signs.quote:
            after |= self._step(sound, self._signs.delimiter)  # this text stands for one
        return self._step(sound, token), after

    def _inserted(self, sound: States, quotes: bool) -> States:
        """A sign is missing here."""
        found = self._step(sound, self._signs.delimiter)
        return found | self._step(sound, self._signs.quote) if quotes and self._signs.quote else found

    def _step(self, at: States, token: str) -> States:
        if token == self._signs.delimiter:
            begun, too_many = at.outside << 1, 2 * self._whole
            return States(start=begun % too_many | (too_many if begun >= too_many else 0), quoted=at.quoted)
        if token == self._signs.quote:
            again = 0 if self._signs.escape else at.closed
            return States(text=at.text if self._keep else 0, quoted=at.start | again, closed=at.quoted)
        return States(text=at.start | at.text, quoted=at.quoted)


@lru_cache(maxsize=64)
def repair_for(grammar: Grammar) -> Repair:
    """The repair of this grammar, built once."""
    return Repair(grammar)
