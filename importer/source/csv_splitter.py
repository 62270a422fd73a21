"""Blocks of text into batches of rows: vectorised where a block is healthy, walked where it is not."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import polars as pl

from importer.core.errors import SourceError
from importer.source.csv_blocks import HOLD, Block, cut_end_bytes, last_line_end
from importer.source.csv_grammar import (
    BOM,
    UNNAMED,
    Grammar,
    Layout,
    cells_of,
    column_names,
    named_cells,
    polars_cells,
    strict_cells,
)
from importer.source.csv_recovery import (
    BLANK,
    BROKEN,
    HEALTHY,
    MAX_RECORD,
    NUL,
    OPEN,
    SPOILT,
    Habits,
    Unit,
    Walk,
    fields_text,
)

MAX_LINE = 64 << 20
"""Bytes after which a single line is taken for a wrong declaration."""
HOLD_BYTES = 1 << 20

ROW_MALFORMED = "row_malformed"
HEADER_REPEATED = "header_repeated"
SET_ASIDE = pl.Schema(
    {"row": pl.Int64, "line": pl.Int64, "raw": pl.Binary, "reason": pl.String, "message": pl.String}
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a source, healthy and set aside, in file order.

    cells      healthy rows, the source's columns under their own names; String for CSV ("" when empty)
    row        Int64, 1-based data row in the file, for each row of `cells`; set-aside rows count too
    line       Int64, physical line on which the row starts, from 1; null for Parquet
    raw        String, the record as it stands without its line end, or what makes it; None for Parquet
    set_aside  row, line, raw (Binary, as in the file without the last line end), reason, message
    text       what the cells were read from: what is not in it is in none of them; None for Parquet
    """

    cells: pl.DataFrame
    row: pl.Series
    line: pl.Series
    raw: pl.Series | Callable[[], pl.Series] | None
    set_aside: pl.DataFrame
    text: bytes | None = None

    @property
    def records(self) -> pl.Series | None:
        """`raw`, made where it is not yet; a check needs it of few batches."""
        return self.raw() if callable(self.raw) else self.raw


@dataclass(frozen=True, slots=True)
class _Found:
    """What a block holds up to line `cut`: records with the line they start on, and what is set aside.

    `raw` is None where every line before `cut` is a record, and `held` then how many lines follow.
    """

    cut: int
    raw: pl.Series | None
    cells: pl.DataFrame
    at: pl.Series
    units: list[Unit]
    held: int | None = None

    def records(self, block: Block) -> pl.Series:
        """`raw`, looked up where it is not yet."""
        return block.lines[: self.cut] if self.raw is None else self.raw


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
        self._restore = restore
        self._carry = b""
        self._habits = Habits()

    @property
    def pending(self) -> int:
        """Bytes that wait for more text."""
        return len(self._carry)

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
        found = self._healthy(block, final) or _rejoin(block, self._find(block, final))
        size = block.size_of_last(block.height - found.cut if found.held is None else found.held)
        self._keep(whole[len(whole) - size :] + rest)
        offset = end - len(self._restore(whole + rest)) if block.damaged else 0
        return self._batch(block, found, offset)

    def _keep(self, data: bytes) -> None:
        if len(data) > MAX_LINE + MAX_RECORD:
            raise SourceError(
                f"line {self._line} is longer than {MAX_LINE >> 20} MiB: declare the delimiter, quote and "
                "encoding the file is written in"
            )
        self._carry = data

    # -- a healthy block without quotes, seen from its size: no line is looked at

    def _healthy(self, block: Block, final: bool) -> _Found | None:
        """Polars refuses a line with a field too many; one with a field too few leaves bytes unexplained."""
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
        width = _width(cells.tail(HOLD)) + (len(names) - 1)
        cut = height if final else self._hold(at, width)
        return _Found(cut, None, cells[:cut], at[:cut], [], height - cut)

    def _find(self, block: Block, final: bool) -> _Found:
        block.settle()
        signs = block.grammar.signs
        if not block.has(signs.quote) and not block.has(signs.escape):
            found = self._plain(block, final)
        else:
            found = self._quoted(block, final)
        return found or self._walked(block, final)

    # -- no quote in the block: counting bytes shows every row with a field too few or too many

    def _plain(self, block: Block, final: bool) -> _Found | None:
        lines = block.lines
        width = lines.str.len_bytes().cast(pl.Int64)
        at = pl.int_range(lines.len(), eager=True, dtype=pl.Int64)
        view = block.view
        if width.min() == 0:
            at = at.filter(width > 0)
            lines, width = lines.filter(width > 0), width.filter(width > 0)
            view = "\n".join(lines.to_list()).encode()
        names, signs = column_names(self._layout), block.grammar.signs
        cells = polars_cells(names, signs, lines.len(), view)
        if cells is None:
            return None
        right = _width(cells) + (len(names) - 1) == width
        if b"\0" in view:
            right &= ~lines.str.contains("\0", literal=True)
        cut = block.height if final else self._hold(at, width)
        return self._split_plain(block, cut, cells, lines, at, right)

    def _split_plain(
        self, block: Block, cut: int, cells: pl.DataFrame, lines: pl.Series, at: pl.Series, right: pl.Series
    ) -> _Found:
        height = at.search_sorted(cut) if at.len() and cut < block.height else at.len()
        cells, lines, at, right = cells[:height], lines[:height], at[:height], right[:height]
        units: list[Unit] = []
        if not right.all():
            units = _miscounted(block.grammar, lines.filter(~right), at.filter(~right))
            cells, lines, at = cells.filter(right), lines.filter(right), at.filter(right)
        return _Found(cut, lines, cells, at, units)

    def _hold(self, at: pl.Series, width: pl.Series) -> int:
        """The line from which on rows are kept back: the last HOLD rows, or fewer where they are long."""
        held = size = 0
        for one in reversed(width.tail(HOLD).to_list()):
            size += one
            if held and size > HOLD_BYTES:
                break
            held += 1
        return int(at[-held]) if held else 0

    # -- quotes: every line a record by itself, or every group of lines with an even number of quotes

    def _quoted(self, block: Block, final: bool) -> _Found | None:
        lines = block.lines
        at = pl.int_range(lines.len(), eager=True, dtype=pl.Int64)
        width = lines.str.len_bytes().cast(pl.Int64)
        view: bytes | None = block.view
        if width.min() == 0:
            at, lines, width = at.filter(width > 0), lines.filter(width > 0), width.filter(width > 0)
            view = None
        if not lines.len() or not block.grammar.all_healthy(lines).all():
            return self._grouped(block, final)
        cut = block.height if final else self._hold(at, width)
        return self._all(block, cut, lines, at, view)

    def _all(self, block: Block, cut: int, raw: pl.Series, at: pl.Series, view: bytes | None) -> _Found:
        view = "\n".join(raw.to_list()).encode() if view is None else view
        cells = cells_of(self._layout, block.grammar, raw, view)
        height = at.search_sorted(cut) if cut < block.height else at.len()
        return _Found(cut, raw[:height], cells[:height], at[:height], [])

    def _grouped(self, block: Block, final: bool) -> _Found | None:
        signs = block.grammar.signs
        if signs.escape or not signs.quote:
            return None
        marks = block.lines.str.count_matches(signs.quote, literal=True).cast(pl.Int64)
        inside = (marks.cum_sum() - marks) % 2 == 1
        starts = (~inside).arg_true().cast(pl.Int64)
        end = block.height
        if marks.sum() % 2:  # the last record goes on in the next block
            end = int(starts[-1])
            if final or not end or block.size_of_last(block.height - end) > MAX_RECORD:
                return None
            starts = starts[:-1]
        return self._groups(block, final, inside[:end], starts, end)

    def _groups(
        self, block: Block, final: bool, inside: pl.Series, starts: pl.Series, end: int
    ) -> _Found | None:
        lines = block.lines[:end]
        if block.has_cr:
            lines = pl.Series(block.mapped_lines[:end], dtype=pl.String)
        raw = _join_groups(lines, inside, "" if block.has_cr else "\n")
        sizes = starts.diff().shift(-1).fill_null(end - starts[-1])
        filled = raw != ""
        raw, starts, sizes = raw.filter(filled), starts.filter(filled), sizes.filter(filled)
        if not raw.len() or not block.grammar.all_healthy(raw).all():
            return None
        self._habits.longest = max(self._habits.longest, int(sizes.max()))  # type: ignore[arg-type]
        cut = block.height if final else self._hold(starts, raw.str.len_bytes().cast(pl.Int64))
        return self._all(block, cut, raw, starts, None)

    # -- the walk

    def _walked(self, block: Block, final: bool) -> _Found:
        codes = _codes(block)
        before = self._habits.multiline
        walk = Walk(block, codes, self._habits, final)
        walk.run()
        if self._habits.multiline and not before:  # lines before the first line break were judged without it
            walk = Walk(block, codes, self._habits, final)
            walk.run()
        cut = block.height if final else _hold_units(walk)
        return self._collect(block, codes, cut, [unit for unit in walk.units if unit.start < cut])

    def _collect(self, block: Block, codes: list[int], cut: int, units: list[Unit]) -> _Found:
        healthy = [unit for unit in units if unit.message is None]
        covered = bytearray(cut)
        for unit in units:
            covered[unit.start : unit.end] = b"\1" * (unit.end - unit.start)
        single = [i for i in range(cut) if codes[i] == HEALTHY and not covered[i]]
        at = pl.Series([*single, *(unit.start for unit in healthy)], dtype=pl.Int64)
        many = pl.Series([block.text(unit.start, unit.end) for unit in healthy], dtype=pl.String)
        raw = pl.concat([block.lines.gather(single), many]).alias("raw")
        order = at.arg_sort()
        raw, at = raw.gather(order), at.gather(order)
        cells = cells_of(self._layout, block.grammar, raw, "\n".join(raw.to_list()).encode())
        return _Found(cut, raw, cells, at, [unit for unit in units if unit.message is not None])

    # -- numbers, and the checks that need the cells

    def _batch(self, block: Block, found: _Found, offset: int) -> Batch:
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
            set_aside=self._set_aside(block, units, rows[1], offset),
            text=block.view,
        )
        self._line += found.cut
        self._row += cells.height + len(units)
        return batch

    def _end(self, block: Block, found: _Found, start: int) -> int:
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

    def _set_aside(self, block: Block, units: list[Unit], rows: pl.Series, offset: int) -> pl.DataFrame:
        if not units:
            return pl.DataFrame(schema=SET_ASIDE)
        told = self._reasons(block, units, offset)
        return pl.DataFrame(
            {
                "row": rows,
                "line": pl.Series([unit.start + self._line for unit in units], dtype=pl.Int64),
                "raw": self._raws(block, units),
                "reason": pl.Series([reason for reason, _ in told], dtype=pl.String),
                "message": pl.Series([message for _, message in told], dtype=pl.String),
            }
        )

    def _raws(self, block: Block, units: list[Unit]) -> pl.Series:
        """The bytes of the units as they stand in the file, without the last line end."""
        if self._restore is bytes and not block.damaged and all(u.end - u.start == 1 for u in units):
            lines = block.lines.gather([unit.start for unit in units])
            return block.grammar.signs.restore(lines).cast(pl.Binary)
        raws = [self._restore(cut_end_bytes(b"".join(block.kept[u.start : u.end]))) for u in units]
        return pl.Series(raws, dtype=pl.Binary)

    def _reasons(self, block: Block, units: list[Unit], offset: int) -> list[tuple[str, str]]:
        if block.damaged or block.has(BOM):
            return [self._told(block, unit, offset) for unit in units]
        malformed, repeated = ROW_MALFORMED, (HEADER_REPEATED, AGAIN)
        return [repeated if u.message == AGAIN else (malformed, u.message or "") for u in units]

    def _told(self, block: Block, unit: Unit, offset: int) -> tuple[str, str]:
        if unit.message == AGAIN or self._is_header(block, unit):
            return HEADER_REPEATED, AGAIN
        if block.damaged and (where := self._bad_byte(block, unit)) is not None:
            return ROW_MALFORMED, (
                f"expected {self._layout.dialect.encoding}, found bytes that are not, "
                f"the first at byte offset {offset + where} of the file"
            )
        return ROW_MALFORMED, unit.message or ""

    def _is_header(self, block: Block, unit: Unit) -> bool:
        """A header with its byte-order mark in the middle of glued files: its quotes look astray."""
        if self._header is None or unit.end - unit.start > 1 or not block.has(BOM):
            return False
        return cut_end_bytes(block.kept[unit.start]) == (BOM + self._header).encode("utf-8", "replace")

    def _bad_byte(self, block: Block, unit: Unit) -> int | None:
        """The place in the block of the first byte that is not of the encoding, as bytes of the file."""
        lines = block.kept
        data = b"".join(lines[unit.start : unit.end])
        try:
            data.decode()
        except UnicodeDecodeError as error:
            before = self._offsets(block)[unit.start]
            return before + len(self._restore(data[: error.start]))
        return None

    def _offsets(self, block: Block) -> list[int]:
        offsets: list[int] = getattr(block, "offsets", [])
        if not offsets:
            offsets = [0]
            for line in block.kept:
                offsets.append(offsets[-1] + len(self._restore(line)))
            block.offsets = offsets  # type: ignore[attr-defined]
        return offsets


EXTRA = "expected nothing behind the last named column, found text"
AGAIN = "the header is repeated here"


STRAY_RETURN = "expected one row on the line, found a carriage return inside that leaves parts of rows"


def _rejoin(block: Block, found: _Found) -> _Found:
    """Sets a line aside whole where a stray carriage return cut it and not every part is a row by itself."""
    if block.joined is None:
        return found
    glued = _glued(block, block.joined, found)
    cut = found.cut
    while 0 < cut < block.height and glued[cut - 1]:
        cut -= 1
    units: list[Unit] = []
    gone: list[int] = []
    for unit in found.units:
        if unit.start >= cut or (units and unit.start < units[-1].end):
            continue
        start, end = unit.start, unit.end
        while start and glued[start - 1]:
            start -= 1
        while end < cut and glued[end - 1]:
            end += 1
        whole = (start, end) == (unit.start, unit.end)
        units.append(unit if whole else Unit(start, end, STRAY_RETURN))
        gone += range(start, end)
    kept = (found.at < cut) & ~found.at.is_in(gone)
    return _Found(
        cut, found.records(block).filter(kept), found.cells.filter(kept), found.at.filter(kept), units
    )


def _restored(block: Block, found: _Found, raw: pl.Series | None) -> pl.Series:
    return block.grammar.signs.restore(found.records(block) if raw is None else raw).alias("raw")


def _glued(block: Block, joined: list[bool], found: _Found) -> list[bool]:
    """Whether each line goes on in the next: behind a stray carriage return, or inside one record or unit."""
    glued = list(joined)
    heights = found.records(block).str.count_matches(r"\r\n|\r|\n").cast(pl.Int64)
    many = heights > 0
    for start, more in zip(found.at.filter(many), heights.filter(many), strict=True):
        glued[start : start + more] = [True] * more
    for unit in found.units:
        glued[unit.start : unit.end - 1] = [True] * (unit.end - 1 - unit.start)
    return glued


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


def _join_groups(lines: pl.Series, inside: pl.Series, between: str) -> pl.Series:
    """Lines into records; `inside` tells which lines belong to the record of the line before."""
    frame = pl.DataFrame({"line": lines, "record": (~inside).cast(pl.Int64).cum_sum()})
    joined = frame.group_by("record", maintain_order=True).agg(pl.col("line").str.join(between))["line"]
    return joined if between else joined.str.replace(r"(?:\r\n|\r|\n)$", "")


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
        .then(SPOILT)
        .when(opens)
        .then(OPEN)
        .otherwise(BROKEN)
    )
    return frame.select(code=code)["code"].to_list()


def _hold_units(walk: Walk) -> int:
    """The line from which on rows are kept back, at the start of a row."""
    limit = len(walk.codes) if walk.undecided is None else walk.undecided
    cut, held = limit, 0
    for unit in walk.units_before(limit):
        far = held >= HOLD and limit - cut >= walk.habits.reach
        if far or (held and walk.size(unit.start, limit) > HOLD_BYTES):
            break
        cut, held = unit.start, held + 1
    return cut
