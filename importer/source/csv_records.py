"""Finds the records of one block: vectorised where the block is healthy, line by line where it is not."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import polars as pl

from importer.source.csv_blocks import TAIL_ROWS, Block, lines_of
from importer.source.csv_damage import (
    BLANK,
    BROKEN,
    HEALTHY,
    NUL,
    OPEN,
    UNREADABLE,
    DamageSearch,
    LineBreaks,
    Unit,
    fields_text,
    is_endless,
)
from importer.source.csv_found import Records
from importer.source.csv_grammar import (
    Grammar,
    Layout,
    cells_of,
    column_names,
    joined_by_lf,
    polars_cells,
    strict_cells,
)
from importer.source.csv_join import join_lines
from importer.source.csv_padding import unpadded
from importer.source.csv_sparse_quotes import has_sparse_quotes, sparse_cells
from importer.source.csv_stray_returns import rejoin
from importer.source.row_size import MAX_ROW, too_long

TAIL_BYTES = 1 << 20
FEW_ROWS = 3
"""Of fewer rows that all end with a filled field, the next one may well end blank."""

TAIL_BLANKS = 100_000
"""Blank lines behind a row from which on it is certain that the row is complete."""


class RecordFinder:
    """Finds the records of one source, block by block; what a block shows of its line breaks is kept."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._line_breaks = LineBreaks()

    def find(self, block: Block, *, final: bool) -> Records:
        """The records of a block; `final` where no other block follows."""
        found = self.healthy(block, final=final)
        return found or _without_long(
            block, self._with_harmless(block, rejoin(block, self._find(block, final)))
        )

    def _with_harmless(self, block: Block, found: Records) -> Records:
        """Takes lines for records that have no damage but empty fields too many, or blanks around quotes."""
        whole, one_more = dict[int, str](), dict[int, str]()
        for unit in found.units:
            text, extras = _without_extras(block, unit) or (unpadded(block, unit), 0)
            if text is not None:
                (one_more if extras == 1 else whole)[unit.start] = text
        if _has_systematic_extras(found, one_more):
            whole |= one_more
        if not whole:
            return found
        added = pl.Series("raw", whole.values(), dtype=pl.String)
        more = cells_of(self._layout, block.grammar, added, joined_by_lf(added))
        at = pl.concat([found.at, pl.Series(whole.keys(), dtype=pl.Int64)])
        order = at.arg_sort()
        raw = pl.concat([found.records(block).alias("raw"), added])
        units = [unit for unit in found.units if unit.start not in whole]
        return Records(found.cut, raw[order], pl.concat([found.cells, more])[order], at[order], units)

    def healthy(self, block: Block, *, final: bool) -> Records | None:
        """The records of a block without quotes whose every line has all its fields; None for any other.

        No line is looked at: polars refuses one with a field too many, and one with a field too few shows in
        the count of bytes.
        """
        signs, names = block.grammar.signs, column_names(self._layout)
        if len(names) == 1 or block.has(signs.quote) or block.has(signs.escape) or b"\0" in block.view:
            return None
        cells = strict_cells(names, signs, block.view)
        if cells is None or block.joined is not None:
            return None
        height = cells.height
        ends = height - (not block.view.endswith(b"\n"))
        text = cells.select(pl.sum_horizontal(pl.all().str.len_bytes().sum().cast(pl.Int64))).item()
        if text + height * (len(names) - 1) + ends != len(block.view):
            return None
        at = pl.int_range(height, eager=True, dtype=pl.Int64)
        width = _width(cells.tail(TAIL_ROWS)) + (len(names) - 1)
        cut = height if final else self._cut_before_tail(at, width, height)
        return Records(cut, None, cells[:cut], at[:cut], [], height - cut)

    def _find(self, block: Block, final: bool) -> Records:
        block.settle()
        signs = block.grammar.signs
        if not block.has(signs.quote) and not block.has(signs.escape):
            found = self._plain(block, final)
        else:
            found = None if block.is_shortened else self._quoted(block, final)
        return found or self._searched(block, final)

    # -- no quote in the block: counting bytes shows every row with a field too few or too many

    def _plain(self, block: Block, final: bool) -> Records | None:
        lines = block.lines
        width = lines.str.len_bytes().cast(pl.Int64)
        true_width = block.true_widths(width)
        at = pl.int_range(lines.len(), eager=True, dtype=pl.Int64)
        view = block.view
        if width.min() == 0:
            at, true_width = at.filter(width > 0), true_width.filter(width > 0)
            lines, width = lines.filter(width > 0), width.filter(width > 0)
            view = joined_by_lf(lines)
        names, signs = column_names(self._layout), block.grammar.signs
        nul = None
        if b"\0" in view:  # no such line is read, and it may be a long one: it is not parsed
            nul = lines.str.contains("\0", literal=True)
            empty = signs.delimiter * (len(names) - 1) or "-"
            view = joined_by_lf(lines.set(nul, empty))
        cells = polars_cells(names, signs, lines.len(), view)
        if cells is None:
            return None
        right = _width(cells) + (len(names) - 1) == width
        if nul is not None:
            right &= ~nul
        cut = block.height if final else self._cut_before_tail(at, true_width, block.height)
        return self._split_plain(block, cut, cells, lines, at, right)

    def _split_plain(
        self, block: Block, cut: int, cells: pl.DataFrame, lines: pl.Series, at: pl.Series, right: pl.Series
    ) -> Records:
        height = at.search_sorted(cut) if at.len() and cut < block.height else at.len()
        cells, lines, at, right = cells[:height], lines[:height], at[:height], right[:height]
        units: list[Unit] = []
        if not right.all():
            units = _miscounted(block.grammar, lines.filter(~right), at.filter(~right))
            cells, lines, at = cells.filter(right), lines.filter(right), at.filter(right)
        return Records(cut, lines, cells, at, units)

    def _cut_before_tail(self, at: pl.Series, width: pl.Series, end: int, last: int = 1) -> int:
        """The line from which on rows wait for the next block: the last TAIL_ROWS, or fewer long ones.

        `end` is the line behind the last row and its blank lines, `last` counts the lines of the last row. No
        row waits where more blank lines follow than one record can hold, or where the last row is too long.
        """
        if not at.len() or end - int(at[-1]) - last > TAIL_BLANKS or width[-1] > MAX_ROW:
            return end
        waiting = size = 0
        for one in reversed(width.tail(TAIL_ROWS).to_list()):
            size += one
            if waiting and size > TAIL_BYTES:
                break
            waiting += 1
        return int(at[-waiting])

    # -- quotes: every line a record by itself, or every group of lines with an even number of quotes

    def _quoted(self, block: Block, final: bool) -> Records | None:
        lines = block.lines
        at = pl.int_range(lines.len(), eager=True, dtype=pl.Int64)
        width = lines.str.len_bytes().cast(pl.Int64)
        view: bytes | None = block.view
        if width.min() == 0:
            at, lines, width = at.filter(width > 0), lines.filter(width > 0), width.filter(width > 0)
            view = None
        many = self._line_breaks.multiline and _has_odd(block)  # saves looking at lines that are no records
        if not lines.len() or many:
            return self._grouped(block, final)
        cells = None if view is None else self._sparse(block, lines, lambda: block.quotes, view)
        if cells is None and not block.grammar.all_healthy(lines).all():
            return self._grouped(block, final)
        cut = block.height if final else self._cut_before_tail(at, width, block.height)
        return self._all(block, cut, lines, at, view, cells)

    def _sparse(
        self, block: Block, records: pl.Series, quotes: Callable[[], pl.Series], view: bytes
    ) -> pl.DataFrame | None:
        if not has_sparse_quotes(view, block.grammar.signs.quote):
            return None
        return sparse_cells(column_names(self._layout), block.grammar, records, quotes(), view)

    def _all(
        self,
        block: Block,
        cut: int,
        raw: pl.Series,
        at: pl.Series,
        view: bytes | None,
        cells: pl.DataFrame | None,
    ) -> Records:
        if cells is None:
            view = joined_by_lf(raw) if view is None else view
            cells = cells_of(self._layout, block.grammar, raw, view)
        height = at.search_sorted(cut) if cut < block.height else at.len()
        return Records(cut, raw[:height], cells[:height], at[:height], [])

    def _grouped(self, block: Block, final: bool) -> Records | None:
        signs = block.grammar.signs
        if signs.escape or not signs.quote:
            return None
        quotes = block.quotes
        inside = (quotes.cum_sum() - quotes) % 2 == 1
        starts = (~inside).arg_true().cast(pl.Int64)
        end = block.height
        if quotes.sum() % 2:  # the last record goes on in the next block
            end = int(starts[-1])
            if final or not end or is_endless(block.height - end, block.size_of_last(block.height - end)):
                return None
            starts = starts[:-1]
        return self._groups(block, final, starts, end)

    def _groups(self, block: Block, final: bool, starts: pl.Series, end: int) -> Records | None:
        sizes = starts.diff().shift(-1).fill_null(end - starts[-1])
        raw = join_lines(block, starts, sizes)
        width, filled = raw.str.len_bytes().cast(pl.Int64), raw != ""
        view = None
        if not filled.all():
            raw, starts, sizes, width = (s.filter(filled) for s in (raw, starts, sizes, width))
        elif not block.has_lone_cr:
            view = block.mapped_before(end)
        cells = None
        if view is not None:
            cells = self._sparse(block, raw, lambda: _quotes_of(block.quotes, starts, sizes), view)
        if not raw.len() or (cells is None and not block.grammar.all_healthy(raw).all()):
            return None
        self._line_breaks.longest = max(self._line_breaks.longest, int(sizes.max()))  # type: ignore[arg-type]
        cut = block.height if final else self._cut_before_tail(starts, width, end, int(sizes[-1]))
        return self._all(block, cut, raw, starts, view, cells)

    # -- the search for damage

    def _searched(self, block: Block, final: bool) -> Records:
        codes = _codes(block)
        known = self._line_breaks.multiline
        search = DamageSearch(block, codes, self._line_breaks, final)
        search.run()
        if self._line_breaks.multiline and not known:  # the lines before it were read as if there were none
            search = DamageSearch(block, codes, self._line_breaks, final)
            search.run()
        cut = block.height if final else _cut_before_tail_units(search)
        return self._collect(block, codes, cut, [unit for unit in search.units if unit.start < cut])

    def _collect(self, block: Block, codes: list[int], cut: int, units: list[Unit]) -> Records:
        healthy = [unit for unit in units if unit.message is None]
        taken = [line for unit in units for line in range(unit.start, unit.end)]
        single = (pl.Series(codes[:cut], dtype=pl.UInt8) == HEALTHY).scatter(taken, False).arg_true()
        at = pl.concat([single.cast(pl.Int64), pl.Series([u.start for u in healthy], dtype=pl.Int64)])
        many = pl.Series([block.text(unit.start, unit.end) for unit in healthy], dtype=pl.String)
        raw = pl.concat([block.lines.gather(single), many]).alias("raw")
        order = at.arg_sort()
        raw, at = raw.gather(order), at.gather(order)
        cells = cells_of(self._layout, block.grammar, raw, joined_by_lf(raw))
        return Records(cut, raw, cells, at, [unit for unit in units if unit.message is not None])


def _without_long(block: Block, found: Records) -> Records:
    """The same with each row over MAX_ROW set aside as such. A long line was read as one with a NUL."""
    if len(block.data) <= MAX_ROW:
        return found
    units = []
    for unit in found.units:
        size = block.size_if_too_long(unit.start, unit.end)
        units.append(replace(unit, message=too_long(size), too_long=True) if size else unit)
    records = found.records(block)
    long = records.str.len_bytes() > MAX_ROW
    if not long.any():
        return replace(found, units=units)
    for at, text in zip(found.at.filter(long), records.filter(long), strict=True):
        units.append(Unit(at, at + lines_of(text), too_long(len(text.encode())), too_long=True))
    good = ~long
    return Records(found.cut, records.filter(good), found.cells.filter(good), found.at.filter(good), units)


def _has_systematic_extras(found: Records, one_more: Mapping[int, str]) -> bool:
    """Whether lines with one empty field too many are whole rows: several are so, or no row ends blank.

    A single one may as well be a row that ends blank and has a delimiter too many before it.
    """
    if len(one_more) != 1 or found.cells.height < FEW_ROWS:
        return len(one_more) > 1
    return bool((found.cells.to_series(-1) != "").all())


def _without_extras(block: Block, unit: Unit) -> tuple[str, int] | None:
    """The line without its empty fields too many, and their number; None where something else is wrong."""
    grammar = block.grammar
    if unit.end - unit.start > 1 or unit.message == NUL:
        return None
    text = block.text(unit.start, unit.end)
    found = grammar.scan(text)
    extra = found.fields - grammar.fields
    if (
        found.state != "done"
        or extra < 1
        or not text.endswith(grammar.signs.delimiter * extra)
        or "\0" in text
    ):
        return None
    text = text[: -extra * len(grammar.signs.delimiter)]
    found = grammar.scan(text)
    return (text, extra) if (found.state, found.fields) == ("done", grammar.fields) else None


def _width(cells: pl.DataFrame) -> pl.Series:
    total = pl.sum_horizontal(pl.all().str.len_bytes().cast(pl.Int64))
    return cells.select(width=total)["width"]


def _miscounted(grammar: Grammar, lines: pl.Series, at: pl.Series) -> list[Unit]:
    counts = lines.str.count_matches(grammar.signs.delimiter, literal=True) + 1
    nul = lines.str.contains("\0", literal=True)
    expected = f"expected {fields_text(grammar.fields)}, found "
    return [
        Unit(i, i + 1, NUL if n else f"{expected}{count}")
        for i, count, n in zip(at.to_list(), counts.to_list(), nul.to_list(), strict=True)
    ]


def _has_odd(block: Block) -> bool:
    """Whether a line has an odd number of quotes, and so is no record by itself."""
    signs = block.grammar.signs
    return not signs.escape and bool(signs.quote) and bool((block.quotes % 2 == 1).any())


def _quotes_of(quotes: pl.Series, starts: pl.Series, sizes: pl.Series) -> pl.Series:
    """The quotes of records, from those of their lines."""
    until = quotes.cum_sum()
    return until.gather(starts + sizes - 1) - until.gather(starts) + quotes.gather(starts)


def _codes(block: Block) -> list[int]:
    grammar, structure = block.grammar, block.structure
    frame = pl.DataFrame({"raw": block.lines, "line": structure, "healthy": grammar.all_healthy(structure)})
    opens = pl.col("line").str.contains(grammar.open) if grammar.open else pl.lit(False)
    code = (
        pl.when(pl.col("raw") == "")
        .then(BLANK)
        .when(pl.col("healthy") & (pl.col("raw") == pl.col("line")))
        .then(HEALTHY)
        .when(pl.col("healthy"))
        .then(UNREADABLE)
        .when(opens)
        .then(OPEN)
        .otherwise(BROKEN)
    )
    return frame.select(code=code)["code"].to_list()


def _cut_before_tail_units(search: DamageSearch) -> int:
    """The line from which on rows wait for the next block, at the start of a row."""
    limit = len(search.codes) if search.undecided is None else search.undecided
    cut, kept = limit, 0
    for unit in search.units_before(limit):
        if not kept and (limit - unit.end > TAIL_BLANKS or search.size(unit.start, unit.end) > MAX_ROW):
            break
        far = kept >= TAIL_ROWS and limit - cut >= search.line_breaks.reach
        if far or (kept and search.size(unit.start, limit) > TAIL_BYTES):
            break
        cut, kept = unit.start, kept + 1
    return cut
