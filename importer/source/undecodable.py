"""Rows with bytes that the declared encoding does not have, and the encodings that would fit the list."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from importer.core.errors import SourceError
from importer.core.models import RunWarning
from importer.source.csv_set_aside import NOT_DECODED
from importer.source.encodings import plausible_encodings

_SHOWN = 5
_PROPOSED = 3


@dataclass(slots=True)
class _Found:
    count: int = 0
    rows: list[int] = field(default_factory=list)


class UndecodableRows:
    """Takes what the reader sets aside; `warnings` names each list with such rows."""

    def __init__(self) -> None:
        self._found: dict[str, _Found] = {}

    def add(self, path: str, set_aside: pl.DataFrame) -> None:
        """The rows that a batch of `path` sets aside."""
        if not set_aside.height:
            return
        bad = set_aside.filter(pl.col("message").str.contains(NOT_DECODED, literal=True))["row"]
        if len(bad):
            found = self._found.setdefault(path, _Found())
            found.count += len(bad)
            found.rows += bad.head(_SHOWN - len(found.rows)).to_list()

    def warnings(self) -> Iterator[RunWarning]:
        """One for each list, with the encodings that give plausible text for the whole of it."""
        for path, found in self._found.items():
            fitting = " or ".join(f'"{name}"' for name in _plausible(path))
            where = f"{path}: {fitting} would fit" if fitting else path
            yield RunWarning("encoding_differs", where, found.count, tuple(found.rows))


def _plausible(path: str) -> list[str]:
    try:
        return plausible_encodings(path)[:_PROPOSED]
    except SourceError:  # it has gone since: the rows are known all the same
        return []
