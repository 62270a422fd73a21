"""One schema for several tables of a run: columns by name, types widened where no value changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import polars as pl
from polars.datatypes import DataTypeClass

from importer.core.errors import SourceError
from importer.source.batch import Batch
from importer.source.source import Source

_SIGNED = (pl.Int8, pl.Int16, pl.Int32, pl.Int64)
_UNSIGNED = (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
_SMALL = (*_SIGNED[:3], *_UNSIGNED[:2])
"""Whole numbers that a 64-bit float holds exactly, and their sums of types below."""


def align(sources: Sequence[Source], declared: Sequence[str]) -> list[Source]:
    """The same sources, where all tables give their columns in one order and in one type.

    Tables with equal schemas stay as they are. Otherwise they give the declared columns, and those others
    that all of them have in one type. SourceError names the files and types of a declared column that has no
    common type.
    """
    tables = [source for source in sources if source.types is not None]
    if all(
        list(a.types.items()) == list(b.types.items()) for a, b in pairwise(tables) if a.types and b.types
    ):
        return list(sources)
    types = _common(tables, declared)
    return [source if source.types is None else _with_types(source, types) for source in sources]


def _common(tables: Sequence[Source], declared: Sequence[str]) -> dict[str, pl.DataType]:
    types: dict[str, pl.DataType] = {}
    for name in dict.fromkeys(name for table in tables for name in table.columns):
        found = [(table, table.types[name]) for table in tables if table.types and name in table.types]
        if name in declared:
            types[name] = _widest(name, found)
        elif len(found) == len(tables) and len({kind for _, kind in found}) == 1:
            types[name] = found[0][1]
    return types


def _widest(name: str, found: Sequence[tuple[Source, pl.DataType]]) -> pl.DataType:
    first, kind = found[0]
    for source, other in found[1:]:
        wider = widened(kind, other)
        if wider is None:
            raise SourceError(
                f'column "{name}" is {kind} in {first.path} and {other} in {source.path}, and no type holds '
                "the values of both unchanged; convert one of them where the files are made."
            )
        if wider != kind:
            first, kind = source, wider
    return kind


def widened(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    """The type that holds every value of both as it stands; None where there is none.

    Text beside categories or whole numbers becomes text, text and bytes become bytes, whole numbers the wider
    ones, moments microseconds, and a column of nulls takes the other type. A whole number and a float go
    together up to 32 bits. Decimals need one scale.
    """
    if one == other:
        return one
    for a, b in ((one, other), (other, one)):
        found = pl.Int64() if a == pl.Null and b == pl.Null else b if a == pl.Null else _wider(a, b)
        if found is not None:
            return found
    return None


def _wider(a: pl.DataType, b: pl.DataType) -> pl.DataType | None:
    if _is_text(a) and (_is_text(b) or b.is_integer()):  # a whole number reads as its digits everywhere
        return pl.String()
    if a == pl.Binary and _is_text(b):
        return a
    if a.is_integer() and b.is_integer():
        return _wider_integer(a, b)
    if a == pl.Float64 and b in _SMALL:
        return a
    return _wider_parametric(a, b)


def _wider_parametric(a: pl.DataType, b: pl.DataType) -> pl.DataType | None:
    if isinstance(a, pl.Decimal) and isinstance(b, pl.Decimal):
        return pl.Decimal(max(a.precision, b.precision), a.scale) if a.scale == b.scale else None
    if isinstance(a, pl.Datetime) and isinstance(b, pl.Datetime):
        return _wider_moment(a, b)
    if isinstance(a, pl.List) and isinstance(b, pl.List):
        inner = widened(_instance(a.inner), _instance(b.inner))
        return None if inner is None else pl.List(inner)
    return None


def _is_text(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.String | pl.Categorical | pl.Enum)


def _wider_integer(a: pl.DataType, b: pl.DataType) -> pl.DataType | None:
    for ladder in (_UNSIGNED, _SIGNED):
        if a in ladder and b in ladder:
            return _instance(ladder[max(ladder.index(type(a)), ladder.index(type(b)))])
    wide = pl.Int64() if pl.UInt64 not in (a, b) else None
    return wide if a in (*_SIGNED, *_UNSIGNED) and b in (*_SIGNED, *_UNSIGNED) else None


def _wider_moment(a: pl.Datetime, b: pl.Datetime) -> pl.DataType | None:
    if a.time_zone != b.time_zone and None in (a.time_zone, b.time_zone):
        return None
    return pl.Datetime("us", a.time_zone if a.time_zone == b.time_zone else "UTC")


def _instance(kind: pl.DataType | DataTypeClass) -> pl.DataType:
    return kind() if isinstance(kind, type) else kind


def _with_types(source: Source, types: Mapping[str, pl.DataType]) -> Source:
    own = source.types or {}
    there = {name: kind for name, kind in types.items() if name in own}

    def read(block_bytes: int) -> Iterator[Batch]:
        for batch in source.read(block_bytes):
            yield replace(batch, cells=batch.cells.select(pl.col(n).cast(kind) for n, kind in there.items()))

    return replace(source, columns=tuple(there), types=there, read=read)
