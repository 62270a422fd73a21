"""Lines that a stray carriage return has cut in two."""

import polars as pl

from importer.source.csv_blocks import Block
from importer.source.csv_damage import (
    Unit,
)
from importer.source.csv_found import Records

STRAY_RETURN = "expected one row on the line, found a carriage return inside that leaves parts of rows"


def rejoin(block: Block, found: Records) -> Records:
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
    return Records(
        cut, found.records(block).filter(kept), found.cells.filter(kept), found.at.filter(kept), units
    )


def _glued(block: Block, joined: list[bool], found: Records) -> list[bool]:
    """Whether each line goes on in the next: behind a stray carriage return, or inside one record or unit."""
    glued = list(joined)
    heights = found.records(block).str.count_matches(r"\r\n|\r|\n").cast(pl.Int64)
    many = heights > 0
    for start, more in zip(found.at.filter(many), heights.filter(many), strict=True):
        glued[start : start + more] = [True] * more
    for unit in found.units:
        glued[unit.start : unit.end - 1] = [True] * (unit.end - 1 - unit.start)
    return glued
