"""A batch makes its records only where a check asks for them."""

from collections.abc import Callable

import polars as pl

from importer.source.batch import SET_ASIDE, Batch


def batch(raw: pl.Series | Callable[[], pl.Series] | None) -> Batch:
    row = pl.Series("row", [1], dtype=pl.Int64)
    return Batch(pl.DataFrame({"id": ["1"]}), row, row, raw, pl.DataFrame(schema=SET_ASIDE))


def test_records_are_made_when_they_are_asked_for() -> None:
    asked: list[int] = []

    def raw() -> pl.Series:
        asked.append(1)
        return pl.Series(["1"])

    one = batch(raw)
    assert asked == []
    assert one.records is not None
    assert one.records.to_list() == ["1"]
    assert asked == [1, 1]


def test_records_that_are_there_are_given_and_parquet_has_none() -> None:
    series = pl.Series(["1"])
    assert batch(series).records is series
    assert batch(None).records is None
