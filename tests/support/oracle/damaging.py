"""Made-up lists with one damaged row, and what may be delivered of them; a line of the product is in none.

A list is rows of cells, written as a program would write them; one row is then hurt in one way. The truth is
the rows themselves: every undamaged row is right as it was, the damaged one as it was before, or as the
letter of the grammar reads it now.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Cells = tuple[str, ...]

PLAIN = ("a", "b c", "", "0017", "é", "+49 30", "x;y", "-")
MARKED = ("a, b", 'say "no"', ",", '"', '""', "x", "", "é,", '",')
BROKEN = ("one\ntwo", "\nfoo", "ends\n", "a\n\nb", "\n", 'a "b"\nc, d', "x", "y", "")


@dataclass(frozen=True)
class Shape:
    """How a list is made. `lines`: none, some (cells with line breaks), rows (whose lines look like rows)."""

    columns: int
    height: int
    quoting: str = "needed"
    lines: str = "none"
    end: str = "\n"
    header: bool = False
    newline_at_end: bool = True


@dataclass(frozen=True)
class Damaged:
    """A list after damage. `texts` are the rows as written, `hurt` the damaged one, `kind` what was done."""

    shape: Shape
    kind: str
    rows: tuple[Cells, ...]
    texts: tuple[str, ...]
    hurt: int
    truth: Counter[Cells] = field(default_factory=Counter)
    """What may be delivered: the rows, and what the damaged text reads as now."""

    @property
    def data(self) -> bytes:
        """The file, without a header."""
        end = self.shape.end
        return (end.join(self.texts) + end * self.shape.newline_at_end).encode("utf-8", "surrogateescape")

    @property
    def line_breaks_elsewhere(self) -> bool:
        """Whether an undamaged row shows that this list quotes line breaks."""
        return any(_breaks("".join(row)) for i, row in enumerate(self.rows) if i != self.hurt)

    @property
    def line_breaks(self) -> bool:
        """Whether any row has a quoted line break."""
        return any(_breaks("".join(row)) for row in self.rows)


def _breaks(text: str) -> bool:
    return "\n" in text or "\r" in text


def damage_one(seed: str) -> Damaged | None:
    """One list, one damage; None where the chosen kind finds nothing to hurt in the chosen row."""
    chance = random.Random(seed)
    shape = _shape(chance)
    rows = [_row(chance, shape, i) for i in range(shape.height)]
    always = [chance.random() < 0.4 for _ in range(shape.columns)]
    texts = [[_write(cell, shape, q) for cell, q in zip(row, always, strict=True)] for row in rows]
    hurt = chance.randrange(shape.height)
    kind = chance.choice(tuple(KINDS))
    text = KINDS[kind](texts[hurt], chance.randrange(shape.columns), chance)
    whole = [",".join(one) for one in texts]
    if text is None or text == whole[hurt] or not text.strip("\r\n"):
        return None
    whole[hurt] = text
    truth = Counter(tuple(row) for row in rows)
    if (now := strict(text, shape.columns)) is not None:
        truth[now] += 1
    return Damaged(shape, kind, tuple(map(tuple, rows)), tuple(whole), hurt, truth)


def _shape(chance: random.Random) -> Shape:
    return Shape(
        columns=chance.choice((1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 8, 30)),
        height=chance.choice((1, 2, 3, 5, 8, 12, 20, 30)),
        quoting=chance.choice(("needed", "columns", "all")),
        lines=chance.choice(("none", "some", "rows", "rows")),
        end=chance.choice(("\n", "\n", "\r\n", "\r")),
        newline_at_end=chance.random() < 0.7,
    )


def _row(chance: random.Random, shape: Shape, index: int) -> list[str]:
    cells = [chance.choice(PLAIN if chance.random() < 0.7 else MARKED) for _ in range(shape.columns)]
    if shape.lines == "some" and chance.random() < 0.4:
        cells[chance.randrange(shape.columns)] = chance.choice(BROKEN).replace("\n", shape.end)
    if shape.lines == "rows" and chance.random() < 0.5:
        cells[chance.randrange(shape.columns)] = _looks_like_rows(chance, shape)
    if shape.columns == 1 and not cells[0]:
        cells[0] = "x"
    if chance.random() < 0.9:
        cells[0] = f"{index}{cells[0]}"
    return cells


def _looks_like_rows(chance: random.Random, shape: Shape) -> str:
    """A cell whose lines are rows of the list by themselves, or nearly."""
    lines = []
    for _ in range(chance.choice((2, 2, 3, 3, 4, 6))):
        count = max(1, shape.columns + chance.choice((0, 0, 0, 0, -1, 1)))
        lines.append(",".join(chance.choice((*PLAIN, "7", '"q"', '"')) for _ in range(count)))
    return shape.end.join(lines)


def _write(cell: str, shape: Shape, always: bool) -> str:
    needs = any(c in cell for c in ',"\n\r') or (shape.columns == 1 and not cell)
    if needs or shape.quoting == "all" or (shape.quoting == "columns" and always):
        return '"' + cell.replace('"', '""') + '"'
    return cell


# ------------------------------------------------------------------------------------- ways to hurt a row

Hurt = Callable[[Sequence[str], int, random.Random], str | None]


def _changed(cells: Sequence[str], at: int, cell: str) -> str:
    return ",".join([*cells[:at], cell, *cells[at + 1 :]])


def _insert(sign: str) -> Hurt:
    def hurt(cells: Sequence[str], at: int, chance: random.Random) -> str:
        whole = ",".join(cells)
        i = chance.randrange(len(whole) + 1)
        return whole[:i] + sign + whole[i:]

    return hurt


def _replace(sign: str) -> Hurt:
    def hurt(cells: Sequence[str], at: int, chance: random.Random) -> str:
        whole = ",".join(cells)
        i = chance.randrange(max(1, len(whole)))
        return whole[:i] + sign + whole[i + 1 :]

    return hurt


def _less(cells: Sequence[str], at: int, chance: random.Random) -> str | None:
    if len(cells) == 1:
        return None
    at = max(1, at)
    return ",".join([*cells[: at - 1], cells[at - 1] + cells[at], *cells[at + 1 :]])


def _middle(cells: Sequence[str], at: int, chance: random.Random) -> str | None:
    cell = cells[at]
    if len(cell) < 2:
        return None
    i = chance.randrange(1, len(cell))
    return _changed(cells, at, f'{cell[:i]}"{cell[i:]}')


def _unopened(cells: Sequence[str], at: int, chance: random.Random) -> str | None:
    return _changed(cells, at, cells[at][1:]) if cells[at].startswith('"') else None


def _unclosed(cells: Sequence[str], at: int, chance: random.Random) -> str | None:
    return _changed(cells, at, cells[at][:-1]) if cells[at].startswith('"') else None


def _undoubled(cells: Sequence[str], at: int, chance: random.Random) -> str | None:
    inner = cells[at][1:-1] if cells[at].startswith('"') else ""
    return _changed(cells, at, f'"{inner.replace(chr(34) * 2, chr(34), 1)}"') if '""' in inner else None


def _cut(cells: Sequence[str], at: int, chance: random.Random) -> str:
    whole = ",".join(cells)
    return whole[: chance.randrange(1, len(whole) + 1)] if whole else whole


def _one_other(cells: Sequence[str], at: int, chance: random.Random) -> str | None:
    if len(cells) == 1:
        return None
    at = max(1, at)
    return ",".join(cells[:at]) + chance.choice(";\t|") + ",".join(cells[at:])


KINDS: dict[str, Hurt] = {
    "separator missing": _less,
    "separators missing": lambda cells, _at, _: "".join(cells),
    "separator too many": lambda cells, at, _: ",".join([*cells[:at], "", *cells[at:]]),
    "separators too many": lambda cells, at, _: ",".join([*cells[:at], "", "", "", *cells[at:]]),
    "separator inside": _insert(","),
    "field missing": lambda cells, at, _: ",".join([*cells[:at], *cells[at + 1 :]]),
    "quote at the start": lambda cells, at, _: _changed(cells, at, '"' + cells[at]),
    "quote in the middle": _middle,
    "quote at the end": lambda cells, at, _: _changed(cells, at, cells[at] + '"'),
    "quote anywhere": _insert('"'),
    "quote not opened": _unopened,
    "quote not closed": _unclosed,
    "quote not doubled": _undoubled,
    "other delimiter": lambda cells, _at, chance: chance.choice(";\t|").join(cells),
    "one other delimiter": _one_other,
    "NUL": _insert("\0"),
    "NUL instead": _replace("\0"),
    "bad byte": _insert("\udcff"),
    "bad byte instead": _replace("\udce9"),
    "cut": _cut,
}


def strict(text: str, columns: int) -> Cells | None:
    """The fields of `text` as one record by the letter of the grammar, character by character; or None."""
    fields, field_, state = [], "", "start"
    for c in [*text, ""]:
        if state == "quoted":
            if c == "":
                return None
            state, field_ = ("closing", field_) if c == '"' else (state, field_ + c)
        elif state == "closing" and c == '"':
            state, field_ = "quoted", field_ + c
        elif c in (",", ""):
            fields.append(field_)
            state, field_ = "start", ""
        elif (
            state == "closing"
            or c in "\0\n\r"
            or (c >= "\udc80" and c <= "\udcff")
            or (c == '"' and state == "plain")
        ):
            return None
        else:
            state, field_ = ("quoted", field_) if c == '"' else ("plain", field_ + c)
    bad = "\0" in text or any("\udc80" <= c <= "\udcff" for c in text)
    return tuple(fields) if len(fields) == columns and not bad else None


# ------------------------------------------------------------------------------------- comparing a reading


@dataclass
class Comparison:
    """Rows delivered that are in no truth, and undamaged rows that were not delivered."""

    wrong: int
    lost: int


def compare(case: Damaged, delivered: Sequence[Cells]) -> Comparison:
    """Compares what was delivered with the list as it was."""
    found = Counter(delivered)
    wrong = (found - case.truth).total()
    right = Counter(row for i, row in enumerate(case.rows) if i != case.hurt)
    return Comparison(wrong, (right - found).total())
