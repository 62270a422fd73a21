"""Columns that stand in the names of folders, `country=DE`, as Hive and Spark write them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from urllib.parse import unquote

import polars as pl

from importer.source.batch import Batch
from importer.source.csv_grammar import Layout, with_constants
from importer.source.source import Source

_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


def with_partitions(source: Source, wanted: Sequence[str]) -> Source:
    """A source with those columns of its partition that are wanted and do not stand in the file, as text."""
    values = {
        name: value
        for name, value in partition_values(source.path).items()
        if name in wanted and name not in source.columns
    }
    if not values:
        return source
    if source.layout is not None:
        return _with_constants(source, replace(source.layout, constants=tuple(values.items())))
    columns = [pl.lit(value or None, pl.String).alias(name) for name, value in values.items()]

    def read(block_bytes: int) -> Iterator[Batch]:
        for batch in source.read(block_bytes):
            yield replace(batch, cells=batch.cells.with_columns(columns))

    types = {**(source.types or {}), **dict.fromkeys(values, pl.String())}
    return replace(source, columns=(*source.columns, *values), types=types, read=read)


def _with_constants(source: Source, layout: Layout) -> Source:
    def read(block_bytes: int) -> Iterator[Batch]:
        for batch in source.read(block_bytes):
            yield replace(batch, cells=with_constants(layout.constants, batch.cells))

    columns = (*source.columns, *(name for name, _ in layout.constants))
    return replace(source, columns=columns, layout=layout, read=read)


def partition_folder(path: str) -> str:
    """The folders of a path that name columns, `country=DE/day=7`; "" where there are none."""
    parts = PurePosixPath(path.replace("\\", "/")).parts[:-1]
    return "/".join(part for part in parts if part.partition("=")[0] and "=" in part)


def partition_values(path: str) -> dict[str, str]:
    """The columns that stand in the folders of a path, `country=DE`: their values as text, "" for none."""
    return dict(_partitions(PurePosixPath(path.replace("\\", "/"))))


def _partitions(path: PurePosixPath) -> Iterator[tuple[str, str]]:
    for part in path.parts[:-1]:
        name, equals, value = part.partition("=")
        if equals and name:
            yield unquote(name), "" if value == _NULL_PARTITION else unquote(value)
