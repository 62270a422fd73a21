"""The records of a block are looked up where they are all of its first lines."""

import polars as pl

from importer.source.csv_blocks import Block
from importer.source.csv_found import Records
from importer.source.csv_grammar import Dialect, Layout

BLOCK = Block(Layout(Dialect(), ("a",)), b"1\n2\n3\n")


def records(raw: pl.Series | None) -> list[str]:
    at = pl.Series([0, 1], dtype=pl.Int64)
    return Records(2, raw, pl.DataFrame({"a": ["1", "2"]}), at, []).records(BLOCK).to_list()


def test_records_are_the_lines_before_the_cut_where_none_are_given() -> None:
    assert records(None) == ["1", "2"]


def test_records_that_are_given_are_taken() -> None:
    assert records(pl.Series(["x", "y"])) == ["x", "y"]
