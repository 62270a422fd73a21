"""Blocks of text into batches of rows: numbers the records, and sets aside what is no good row."""

from collections.abc import Callable, Iterator
from functools import partial

import polars as pl

from importer.core.errors import SourceError
from importer.source.batch import Batch
from importer.source.csv_blocks import Block, last_line_end, line_count, lines_of
from importer.source.csv_damage import Unit
from importer.source.csv_found import Records
from importer.source.csv_grammar import BOM, UNKNOWN_ESCAPE, UNNAMED, Layout, grammar_of, named_cells
from importer.source.csv_records import RecordFinder
from importer.source.csv_set_aside import AGAIN, ESCAPE, EXTRA, SetAside

MAX_LINE = 64 << 20
"""Bytes after which a single line is taken for a wrong declaration."""


class Splitter:
    """Cuts the text of one source into batches of rows.

    layout   how records are read
    header   the text of the header record, to recognise where it is repeated; None without a header
    line     physical line on which the text starts, from 1
    restore  text as it is fed here → the bytes of the file
    max_line bytes that a line may have at most
    """

    def __init__(
        self,
        layout: Layout,
        *,
        header: str | None = None,
        line: int = 1,
        restore: Callable[[bytes], bytes] = bytes,
        max_line: int = MAX_LINE,
    ) -> None:
        self._layout = layout
        self._header_cells = _cells_of_header(layout, header)
        self.line = line
        """Physical line on which the next batch starts."""
        self._row = 0
        self.restore = restore
        self._max_line = max_line
        self._carry = b""
        self._finder = RecordFinder(layout)
        self._aside = SetAside(header, layout.dialect.encoding, restore)

    @property
    def pending(self) -> int:
        """Bytes that wait for more text."""
        return len(self._carry)

    @property
    def pending_lines(self) -> int:
        """Lines that wait for more text."""
        return line_count(self._carry)

    def feed(self, data: bytes, *, final: bool, end: int = 0) -> Batch | None:
        """The rows that are certain once `data` is added; `end` is its last byte's offset in the file + 1.

        Raises SourceError for a line longer than `max_line`.
        """
        stop = len(data) if final else last_line_end(data)
        if not stop and not (final and self._carry):
            self._keep(self._carry + data)
            return None
        whole = b"".join((self._carry, memoryview(data)[:stop]))
        rest = data[stop:]
        block = Block(self._layout, whole)
        found = self._finder.find(block, final=final)
        size = block.size_of_last(block.height - found.cut if found.tail is None else found.tail)
        self._keep(whole[len(whole) - size :] + rest)
        offset = end - len(self.restore(whole + rest)) if block.damaged else 0
        return self._batch(block, found, offset, final=final)

    def _keep(self, data: bytes) -> None:
        if len(data) > self._max_line and len(data) - last_line_end(data) > self._max_line:
            raise SourceError(
                f"line {self.line} is longer than {self._max_line >> 20} MiB: declare the delimiter, quote "
                "and encoding the file is written in"
            )
        self._carry = data

    def _batch(self, block: Block, found: Records, offset: int, *, final: bool) -> Batch:
        cells, units, at_good, raw = found.cells, found.units, found.at, found.raw
        for message, rows in self._suspects(block, cells):
            here = at_good.filter(rows)
            units = units + [Unit(i, self._end(block, found, i), message) for i in here]
            raw = (found.records(block) if raw is None else raw).filter(~rows)
            cells, at_good = cells.filter(~rows), at_good.filter(~rows)
        units.sort(key=lambda unit: unit.start)
        numbers = self._numbers(at_good, units)
        batch = Batch(
            cells=named_cells(self._layout, cells),
            row=numbers[0].alias("row"),
            line=(at_good + self.line).alias("line"),
            raw=partial(_restored, block, found, raw),
            set_aside=self._aside.rows(block, units, numbers[1], self.line, offset, final=final),
            text=block.view,
        )
        self.line += found.cut
        self._row += cells.height + len(units)
        return batch

    def _end(self, block: Block, found: Records, start: int) -> int:
        """The line behind the record that starts on line `start`."""
        text = found.records(block)[int(found.at.search_sorted(start))]
        return start + lines_of(text)

    def _suspects(self, block: Block, cells: pl.DataFrame) -> Iterator[tuple[str, pl.Series]]:
        """Healthy records that are no good rows: why, and which, of those that are left each time."""
        again = self._repeats_header(cells)
        if again.any():
            yield AGAIN, again
            cells = cells.filter(~again)
        extras = [name for name in cells.columns if name.startswith(UNNAMED)]
        if extras:
            extra = cells.select(x=pl.any_horizontal(pl.col(extras).str.strip_chars() != ""))["x"]
            if extra.any():
                yield EXTRA, extra
                cells = cells.filter(~extra)
        if block.has(block.grammar.signs.escape):
            unknown = cells.select(x=pl.any_horizontal(pl.all() == UNKNOWN_ESCAPE))["x"]
            if unknown.any():
                yield ESCAPE, unknown

    def _repeats_header(self, cells: pl.DataFrame) -> pl.Series:
        if not self._header_cells or len(self._header_cells) != cells.width:
            return pl.repeat(False, cells.height, dtype=pl.Boolean, eager=True)
        first, *others = zip(cells.columns, self._header_cells, strict=True)
        column, text = cells[first[0]], first[1]
        again = (column == text) | (column == BOM + text)
        if again.any():
            again &= cells.select(x=pl.all_horizontal(True, *(pl.col(n) == other for n, other in others)))[
                "x"
            ]
        return again

    def _numbers(self, at: pl.Series, units: list[Unit]) -> tuple[pl.Series, pl.Series]:
        """Row numbers of the healthy rows and of the set-aside ones, by the lines they start on."""
        first = self._row + 1
        if not units:
            return pl.int_range(first, first + at.len(), eager=True, dtype=pl.Int64), pl.Series(
                [], dtype=pl.Int64
            )
        aside = pl.Series([unit.start for unit in units], dtype=pl.Int64)
        before = aside.search_sorted(at).cast(pl.Int64) if at.len() else at
        healthy = pl.int_range(at.len(), eager=True, dtype=pl.Int64) + before + first
        behind = at.search_sorted(aside).cast(pl.Int64)
        return healthy, pl.int_range(aside.len(), eager=True, dtype=pl.Int64) + behind + first


def _cells_of_header(layout: Layout, header: str | None) -> list[str]:
    """The names as they stand in the header; none without a header."""
    if header is None:
        return []
    grammar = grammar_of(layout, header.encode())
    record = grammar.signs.put(header.encode()).decode()
    missing = [""] * (len(layout.columns) - grammar.scan(record).fields)  # of a declared trailing delimiter
    return [*grammar.cells(record), *missing]


def _restored(block: Block, found: Records, raw: pl.Series | None) -> pl.Series:
    return block.grammar.signs.restore(found.records(block) if raw is None else raw).alias("raw")
