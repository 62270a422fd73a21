"""The text of damaged rows, as examples show it; `rejects.csv` has no value of a row that has no fields."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from importer.core.row_order import ORDER_SHIFT
from importer.report.reject_groups import LONGEST, RejectGroup
from importer.source.batch import ROW_MALFORMED
from importer.storage import checked_files
from importer.storage.checked_files import DamagedError

_LONGEST_CHARACTER = 4
"""Bytes of it in any encoding of a list."""


def add_texts(groups: Sequence[RejectGroup], kept: Path, sources: Sequence[str], encoding: str) -> None:
    """Gives the examples of damaged rows the row's first characters as value.

    `kept` is the folder of the rows that are kept, `sources` are the paths of the run in their order. An
    example without such a row stays as it is: a table has no damaged text, for example.
    """
    at = {path: number << ORDER_SHIFT for number, path in enumerate(sources)}
    examples = {
        at[row["file"]] + int(row["row"]): row
        for group in groups
        if group.reason == ROW_MALFORMED
        for row in group.examples
        if row["file"] in at and not row["value"]
    }
    for order, raw in _rows(kept, examples):
        examples[order]["value"] = raw.decode(encoding, "replace")


def _rows(kept: Path, orders: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """(place, first bytes) of the damaged rows at `orders`; reads no further than the last of them."""
    lacking = set(orders)
    for path in sorted(kept.glob("batch-*.parquet")) if lacking else ():
        found = _rows_of(path, lacking)
        yield from found.items()
        lacking -= found.keys()
        if not lacking:
            return


def _rows_of(path: Path, orders: Collection[int]) -> Mapping[int, bytes]:
    """The damaged rows at `orders` in one part; none where the part is damaged, which `reject_files` says."""
    try:
        part = checked_files.scan_parquet(path)
        if "bytes" not in part.collect_schema():
            return {}
        raw = pl.col("bytes").bin.slice(0, (LONGEST + 1) * _LONGEST_CHARACTER)
        wanted = pl.col("order").is_in(list(orders)) & pl.col("bytes").is_not_null()
        return dict(part.filter(wanted).select("order", raw).collect().iter_rows())
    except (OSError, DamagedError):
        return {}
