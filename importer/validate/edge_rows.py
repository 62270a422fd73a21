"""Rows at the start or the end of a source that are no people: a second header, a total, a note.

They show where the ids of the first or the last few rows differ from all other ids of the source (all others
are digits, have an @, have no blank, or, of many, have a digit), and where most columns of the last few rows
are blank and those of other rows are not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import polars as pl

from importer.core.row_order import ORDER_SHIFT

FIRST, LAST = 3, 10
"""So many rows at the start and at the end may differ."""

_TRAITS: Mapping[str, pl.Expr] = {
    "digits": pl.col("id").str.contains(r"^[0-9]+$"),
    "address": pl.col("id").str.contains("@", literal=True),
    "no blank": ~pl.col("id").str.contains(r"\s"),
    "a digit": pl.col("id").str.contains(r"[0-9]"),
}
_FEWEST: Mapping[str, int] = {"a digit": 20}
"""So many others at least: of a few names with a number behind, one may well have none."""

_SAMPLE = 100
_FEW_COLUMNS = 2
_FEW_ROWS = 10
"""Of so few other rows, one with few cells may well be a person."""


@dataclass(slots=True)
class _Exceptions:
    """The rows of a source without one trait: (position among its good rows, row number)."""

    fewest: int = 0
    rows: list[tuple[int, int]] = field(default_factory=list)
    too_many: bool = False

    def add(self, rows: Sequence[tuple[int, int]]) -> None:
        self.too_many = self.too_many or len(self.rows) + len(rows) > FIRST + LAST
        if not self.too_many:
            self.rows += rows

    def at_an_edge(self, height: int) -> list[int]:
        """The row numbers, where these rows are all at the start or all at the end, and the fewer."""
        positions = [position for position, _ in self.rows]
        count = len(positions)
        first = count <= FIRST and positions == list(range(count))
        last = count <= LAST and positions == list(range(height - count, height))
        fewer = not self.too_many and 0 < count < height - count and height - count >= self.fewest
        return [row for _, row in self.rows] if fewer and (first or last) else []


@dataclass
class EdgeRows:
    """Takes the ids of good rows in source order; `found` are the source orders at an edge that differ."""

    _found: list[int] = field(default_factory=list)
    _height: int = 0
    _last_row: int = 0
    _exceptions: dict[str, _Exceptions] = field(default_factory=dict)
    _sparse: dict[int, bool] = field(default_factory=dict)
    _tail: list[int] = field(default_factory=list)

    def look(self, ids: pl.Series, numbers: pl.Series, *, digits: bool, clean: bool) -> None:
        """The ids of a batch and their source orders. `digits`: all are digits; `clean`: none has a blank."""
        if not len(ids):
            return
        if numbers[0] >> ORDER_SHIFT != self._last_row >> ORDER_SHIFT:
            self._end_source()
        frame = pl.DataFrame({"id": ids, "row": numbers}).with_row_index("at")
        for name, trait in _TRAITS.items():
            exceptions = self._exceptions.setdefault(name, _Exceptions(_FEWEST.get(name, 0)))
            known = name != "address" and (digits or (name == "no blank" and clean))
            if exceptions.too_many or known:
                continue
            without = frame.filter(~trait).head(FIRST + LAST + 1).select("at", "row")
            exceptions.add([(self._height + at, row) for at, row in without.iter_rows()])
        self._height += len(ids)
        self._last_row = int(numbers[-1])

    def look_at_cells(self, cells: pl.DataFrame, numbers: pl.Series, id_column: str) -> None:
        """The cells of the rows whose ids `look` was given; only a few rows are looked at."""
        beside = [name for name in cells.columns if name != id_column]
        if len(beside) <= _FEW_COLUMNS or not cells.height:
            return
        ends = cells.tail(LAST), numbers.tail(LAST)
        for rows, where in (ends, (cells.head(_SAMPLE), numbers.head(_SAMPLE)))[: 1 if self._sparse else 2]:
            self._sparse.update(zip(where, _mostly_blank(rows[beside]), strict=True))
        self._tail = [*self._tail, *ends[1]][-LAST:]

    def found(self) -> list[int]:
        """All of them, once every batch was taken."""
        self._end_source()
        return self._found

    def _end_source(self) -> None:
        rows = {row for e in self._exceptions.values() for row in e.at_an_edge(self._height)}
        self._found += sorted(rows.union(self._sparse_at_end()))
        self._height, self._last_row, self._exceptions = 0, 0, {}
        self._sparse, self._tail = {}, []

    def _sparse_at_end(self) -> list[int]:
        """The last rows, where most of their columns are blank and those of no other row looked at."""
        found = list(takewhile(lambda row: self._sparse[row], reversed(self._tail)))
        others = [sparse for row, sparse in self._sparse.items() if row not in found]
        is_short = len(found) < LAST and len(others) >= _FEW_ROWS
        return found if is_short and not any(others) else []


def _mostly_blank(cells: pl.DataFrame) -> list[bool]:
    """Of each row; cell by cell, for a polars expression on so few rows costs more than they do."""
    most = cells.width / 2
    return [sum(map(_is_blank, row)) > most for row in cells.iter_rows()]


def _is_blank(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())
