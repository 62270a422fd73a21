"""Cells before they have a declared type."""

import datetime as dt
from typing import Any

import polars as pl
import pytest

from importer.config.schema import SourceConfig
from importer.core.errors import SourceError
from importer.core.models import Encoding
from importer.values.cell_texts import (
    all_texts,
    as_text,
    beyond_years,
    blank_to_null,
    datetime_text,
    display,
    shortest_text,
    without_zone,
)

FOREVER = 2**63 - 1
"""`infinity` as databases export it."""

MOMENT = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pl.Series("c", ["a", None]), ["a", None]),
        (pl.Series("c", [True, False, None]), ["true", "false", None]),
        (pl.Series("c", [3.0, 46.20, -0.5, None]), ["3", "46.2", "-0.5", None]),
        (pl.Series("c", [7, None], dtype=pl.Int8), ["7", None]),
        (pl.Series("c", ["12.50", "0.10"]).cast(pl.Decimal(10, 2)), ["12.50", "0.10"]),
        (pl.Series("c", [b"\xc3\xa4", b"\xff", None]), ["ä", None, None]),
        (pl.Series("c", [dt.time(23, 59, 59, 999999), dt.time(1, 2, 3)]), ["23:59:59.999999", "01:02:03"]),
        (pl.Series("c", [dt.date(2024, 2, 29), dt.date(1, 1, 1)]), ["2024-02-29", "0001-01-01"]),
        (pl.Series("c", [MOMENT]), ["2024-02-29T12:00:00Z"]),
        (pl.Series("c", [1_234_567_891], pl.Datetime("ns")), ["1970-01-01T00:00:01.234567891"]),
        (pl.Series("c", [FOREVER, 0], pl.Datetime("us")), [str(FOREVER), "1970-01-01T00:00:00"]),
        (pl.Series("c", [FOREVER, 0], pl.Datetime("ms", "UTC")), [str(FOREVER), "1970-01-01T00:00:00Z"]),
        (pl.Series("c", [2**31 - 1, 0], pl.Int32).cast(pl.Date), [str(2**31 - 1), "1970-01-01"]),
    ],
)
def test_a_column_is_the_text_that_a_person_reads(column: pl.Series, texts: list[str | None]) -> None:
    assert as_text(column).to_list() == texts
    assert as_text(column).name == "c"
    assert display(column).to_list() == texts


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("c", [["a"]]),
        pl.Series("c", [{"x": 1}]),
        pl.Series("c", [dt.timedelta(1)]),
    ],
)
def test_a_column_that_no_person_reads_is_refused_by_its_name(column: pl.Series) -> None:
    with pytest.raises(SourceError) as caught:
        as_text(column)
    assert str(caught.value) == (
        f'Column "c": the Parquet type {column.dtype} cannot become the declared type; '
        "declare another type or convert the column where the file is made."
    )


def test_a_report_shows_lists_joined_and_what_has_no_text_as_blank() -> None:
    assert display(pl.Series("c", [["a", None, "b"], [], None])).to_list() == ["a, b", "", None]
    unreadable = display(pl.Series("c", [b"\xff", None]))
    assert unreadable.to_list() == [None, None]
    assert unreadable.dtype == pl.String
    assert unreadable.name == "c"


def test_each_text_that_means_blank_becomes_null() -> None:
    column = pl.Series("c", ["", "NA", "n", None])
    assert blank_to_null(column, ("",)).to_list() == [None, "NA", "n", None]
    assert blank_to_null(column, ("", "NA")).to_list() == [None, None, "n", None]
    assert blank_to_null(column, ()) is column
    numbers = pl.Series("c", [1, None])
    assert blank_to_null(numbers, ("1",)) is numbers


@pytest.mark.parametrize(
    ("text", "short"),
    [("46.20", "46.2"), ("3.00", "3"), ("100", "100"), ("-0.50", "-0.5"), ("1.0e5", "1.0e5"), ("5.", "5")],
)
def test_a_decimal_loses_the_zeros_at_its_end_alone(text: str, short: str) -> None:
    assert shortest_text(pl.Series("c", [text])).to_list() == [short]


def test_a_moment_with_a_zone_is_converted_to_utc() -> None:
    berlin = pl.Series("c", [MOMENT]).dt.convert_time_zone("Europe/Berlin").dt.cast_time_unit("ms")
    moments, utc = without_zone(berlin)
    assert moments.dtype == pl.Datetime("us")
    assert moments.to_list() == [MOMENT.replace(tzinfo=None)]
    assert utc is not None
    assert utc.to_list() == [True]
    assert without_zone(moments)[1] is None


def test_moments_are_written_as_the_destination_wants_them() -> None:
    encoding = Encoding(datetime="%d.%m.%Y %H:%M", datetime_utc="%Y%m%d %H%M UTC")
    moments = pl.Series("c", [MOMENT.replace(tzinfo=None)] * 2)
    assert datetime_text(moments, None, encoding).to_list() == ["29.02.2024 12:00"] * 2
    mixed = datetime_text(moments, pl.Series([True, False]), encoding)
    assert mixed.to_list() == ["20240229 1200 UTC", "29.02.2024 12:00"]
    assert mixed.name == "c"


def test_the_texts_that_a_condition_sees_are_trimmed_and_blanks_are_null() -> None:
    cells = pl.DataFrame({"a": [" x ", " ", "NA", '="7"'], "n": [1.0, None, 2.5, 3.0]})
    source = SourceConfig.model_validate({"path": "x.csv", "null_values": ("", "NA")})
    assert all_texts(cells, source).to_dict(as_series=False) == {
        "a": ["x", None, None, '="7"'],
        "n": ["1", None, "2.5", "3"],
    }
    changed = source.model_copy(update={"trim": False, "spreadsheet_text": "unwrap"})
    assert all_texts(cells, changed)["a"].to_list() == [" x ", None, None, "7"]


@pytest.mark.parametrize(("unit", "day"), [("ms", 86_400_000), ("us", 86_400_000_000)])
def test_moments_outside_the_years_1_to_9999_are_found(unit: Any, day: int) -> None:
    edges = [-719_162 * day - 1, -719_162 * day, (2_932_897) * day - 1, 2_932_897 * day]
    found = beyond_years(pl.Series([*edges, None], dtype=pl.Int64).cast(pl.Datetime(unit)))
    assert found is not None
    assert found.to_list() == [True, False, False, True, False]
    assert beyond_years(pl.Series([FOREVER]).cast(pl.Datetime("ns"))) is None
    assert beyond_years(pl.Series(["9999999-01-01"])) is None
