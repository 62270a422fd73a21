"""The rows of a block that are set aside: their bytes, and why."""

from collections.abc import Callable
from itertools import accumulate

import polars as pl

from importer.source.batch import HEADER_REPEATED, ROW_EMPTY, ROW_MALFORMED, SET_ASIDE
from importer.source.csv_blocks import Block, cut_end_bytes
from importer.source.csv_damage import Unit
from importer.source.csv_grammar import BOM

EXTRA = "expected nothing behind the last named column, found text"
AGAIN = "the header is repeated here"
ESCAPE = "expected the escape before a quote, a delimiter or an escape, found it before another character"
CUT_OFF = "the file ends in the middle of this row and may be incomplete: fetch or export it again"
NOT_DECODED = "found bytes that are not, the first at byte offset"
END_MARK = b"\x1a"
"""Ctrl-Z, which old programs write behind the last row."""


class SetAside:
    """Makes the rows that a batch sets aside.

    header    the text of the header record, to recognise where it is repeated; None without a header
    encoding  as it is declared, for messages
    restore   text as the reader sees it → the bytes of the file
    """

    def __init__(self, header: str | None, encoding: str, restore: Callable[[bytes], bytes]) -> None:
        self._header = header
        self._encoding = encoding
        self._restore = restore
        self._counted: tuple[Block, list[int]] | None = None

    def rows(
        self,
        block: Block,
        units: list[Unit],
        numbers: pl.Series,
        first_line: int,
        offset: int,
        *,
        final: bool,
    ) -> pl.DataFrame:
        """SET_ASIDE of the units; `numbers` are their data rows, `offset` is where the block starts."""
        if not units:
            return pl.DataFrame(schema=SET_ASIDE)
        reasons = self._reasons(block, units, offset)
        if final and self._ends_with_mark(block, units[-1]):
            reasons[-1] = ROW_EMPTY, "the file ends with Ctrl-Z"
        elif final and units[-1].end == block.height and not block.data.endswith((b"\n", b"\r")):
            reasons[-1] = reasons[-1][0], f"{reasons[-1][1]}; {CUT_OFF}"
        return pl.DataFrame(
            {
                "row": numbers,
                "line": pl.Series([unit.start + first_line for unit in units], dtype=pl.Int64),
                "raw": self._raws(block, units),
                "reason": pl.Series([reason for reason, _ in reasons], dtype=pl.String),
                "message": pl.Series([message for _, message in reasons], dtype=pl.String),
            }
        )

    def _ends_with_mark(self, block: Block, last: Unit) -> bool:
        if last.too_long or last.end < block.height:
            return False
        return cut_end_bytes(block.kept[last.start]) == END_MARK

    def _raws(self, block: Block, units: list[Unit]) -> pl.Series:
        """The bytes of the units as they stand in the file, without the last line end; null if too long."""
        if any(unit.too_long for unit in units):
            return pl.Series([None if u.too_long else self._raw(block, u) for u in units], dtype=pl.Binary)
        if self._restore is bytes and not block.damaged and all(u.end - u.start == 1 for u in units):
            lines = block.lines.gather([unit.start for unit in units])
            return block.grammar.signs.restore(lines).cast(pl.Binary)
        return pl.Series([self._raw(block, unit) for unit in units], dtype=pl.Binary)

    def _raw(self, block: Block, unit: Unit) -> bytes:
        return self._restore(cut_end_bytes(b"".join(block.kept[unit.start : unit.end])))

    def _reasons(self, block: Block, units: list[Unit], offset: int) -> list[tuple[str, str]]:
        if block.damaged or block.has(BOM):
            return [self._reason(block, unit, offset) for unit in units]
        malformed, repeated = ROW_MALFORMED, (HEADER_REPEATED, AGAIN)
        return [repeated if u.message == AGAIN else (malformed, u.message or "") for u in units]

    def _reason(self, block: Block, unit: Unit, offset: int) -> tuple[str, str]:
        if unit.message == AGAIN or self._is_header(block, unit):
            return HEADER_REPEATED, AGAIN
        is_read = block.damaged and not unit.too_long
        if is_read and (where := self._bad_byte(block, unit)) is not None:
            return ROW_MALFORMED, (f"expected {self._encoding}, {NOT_DECODED} {offset + where} of the file")
        return ROW_MALFORMED, unit.message or ""

    def _is_header(self, block: Block, unit: Unit) -> bool:
        """A header with its byte-order mark in the middle of glued files: its quotes look out of place."""
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
        """Where each line of the block starts, in bytes of the file; counted once for a block."""
        if self._counted is None or self._counted[0] is not block:
            sizes = (len(self._restore(line)) for line in block.kept)
            self._counted = block, list(accumulate(sizes, initial=0))
        return self._counted[1]
