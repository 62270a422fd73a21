"""Blocks of text into batches of rows: numbers the records, and sets aside what is no good row."""

import re
from collections.abc import Callable
from functools import partial

import polars as pl

from importer.core.errors import SourceError
from importer.source.batch import Batch
from importer.source.csv_blocks import Block, last_line_end, line_count
from importer.source.csv_found import Records
from importer.source.csv_grammar import BOM, UNNAMED, Layout, named_cells
from importer.source.csv_records import RecordFinder
from importer.source.csv_recovery import Unit
from importer.source.csv_set_aside import AGAIN, EXTRA, SetAside

MAX_LINE = 64 << 20
"""Bytes after which a single line is taken for a wrong declaration."""


class Splitter:
    """Cuts the text of one source into batches of rows.

    layout   how records are read
    header   the text of the header record, to recognise where it is repeated; None without a header
    line     physical line on which the text starts, from 1
    restore  text as it is fed here → the bytes of the file
    """

    def __init__(
        self,
        layout: Layout,
        *,
        header: str | None = None,
        line: int = 1,
        restore: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self._layout = layout
        self._header = header
        self._line = line
        self._row = 0
        self.restore = restore
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

        Raises SourceError for a line longer than MAX_LINE.
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
        return self._batch(block, found, offset)

    def _keep(self, data: bytes) -> None:
        if len(data) > MAX_LINE and len(data) - last_line_end(data) > MAX_LINE:
            raise SourceError(
                f"line {self._line} is longer than {MAX_LINE >> 20} MiB: declare the delimiter, quote and "
                "encoding the file is written in"
            )
        self._carry = data

    def _batch(self, block: Block, found: Records, offset: int) -> Batch:
        cells, units = found.cells, found.units
        reasons = self._suspect_cells(cells)
        at, raw = found.at, found.raw
        repeated: list[int] = []
        if reasons is not None:
            extra, again = reasons
            repeated = at.filter(again).to_list()
            units = units + [Unit(i, self._end(block, found, i), EXTRA) for i in at.filter(extra & ~again)]
            units += [Unit(i, self._end(block, found, i), AGAIN) for i in repeated]
            good = ~(extra | again)
            cells, raw = cells.filter(good), found.records(block).filter(good)
            at_good = at.filter(good)
        else:
            at_good = at
        units.sort(key=lambda unit: unit.start)
        rows = self._numbers(at_good, units)
        batch = Batch(
            cells=named_cells(self._layout, cells),
            row=rows[0].alias("row"),
            line=(at_good + self._line).alias("line"),
            raw=partial(_restored, block, found, raw),
            set_aside=self._aside.rows(block, units, rows[1], self._line, offset),
            text=block.view,
        )
        self._line += found.cut
        self._row += cells.height + len(units)
        return batch

    def _end(self, block: Block, found: Records, start: int) -> int:
        """The line behind the record that starts on line `start`."""
        text = found.records(block)[int(found.at.search_sorted(start))]
        return start + 1 + len(re.findall("\r\n|\r|\n", text))

    def _suspect_cells(self, cells: pl.DataFrame) -> tuple[pl.Series, pl.Series] | None:
        """Boolean twice: rows with something in an unnamed column; rows that repeat the header."""
        extras = [name for name in cells.columns if name.startswith(UNNAMED)]
        none = pl.repeat(False, cells.height, dtype=pl.Boolean, eager=True)
        extra = again = none
        if extras:
            extra = cells.select(x=pl.any_horizontal(pl.col(extras).str.strip_chars() != ""))["x"]
        named = self._layout.named
        if self._header is not None and named:
            first = cells[named[0]]
            again = (first == named[0]) | (first == BOM + named[0])
            if again.any():
                same = [pl.col(name) == name for name in named[1:]] + [pl.col(x) == "" for x in extras]
                again = again & cells.select(x=pl.all_horizontal(pl.lit(True), *same))["x"]
        return (extra, again) if extra.any() or again.any() else None

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


def _restored(block: Block, found: Records, raw: pl.Series | None) -> pl.Series:
    return block.grammar.signs.restore(found.records(block) if raw is None else raw).alias("raw")
