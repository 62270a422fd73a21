"""The distinct id of a row: what it is as text, and which texts name nobody."""

import datetime as dt
from typing import Any

import polars as pl
import pytest

from importer.config import loader
from importer.config.schema import PLACEHOLDERS
from importer.values.distinct_ids import IdReader

LIMIT = 60


def reader(identity: dict[str, Any] | None = None, source: dict[str, Any] | None = None) -> IdReader:
    config = loader.parse(
        {
            "name": "ids",
            "source": {"path": "x.csv", **(source or {})},
            "identity": {"column": "id", **(identity or {})},
            "destination": {"type": "vevee", "api_key": "env:NONE"},
            "attributes": {"name": {"type": "free_text"}},
        }
    )
    return IdReader(config, LIMIT)


def reasons(column: pl.Series, **sections: Any) -> list[str | None]:
    found = reader(**sections).read(column.alias("id"))
    return [None] * len(column) if found.reason is None else found.reason.to_list()


@pytest.mark.parametrize("word", [*PLACEHOLDERS, "NULL", "Undefined", "#N/A", "  null ", "null\u00a0"])
def test_a_placeholder_names_nobody(word: str) -> None:
    assert reasons(pl.Series(["C-100", word])) == [None, "distinct_id_placeholder"]


def test_a_text_that_was_another_value_in_the_source_is_no_id() -> None:
    column = pl.Series("id", ["7.5", "7.5", None])
    found = reader().read(column, pl.Series([True, False, False]))
    assert found.reason is not None
    assert found.reason.to_list() == ["distinct_id_inexact", None, "distinct_id_missing"]


@pytest.mark.parametrize("word", ["0", "-1", "test", "nullable", "C-null", "Nona", "None Smith"])
def test_other_words_are_ids(word: str) -> None:
    assert reasons(pl.Series(["C-100", word])) == [None, None]


def test_the_list_of_placeholders_can_be_emptied_or_replaced() -> None:
    cells = pl.Series(["null", "C-1", "0"])
    assert reasons(cells, identity={"reject": []}) == [None, None, None]
    assert reasons(cells, identity={"reject": ["0"]}) == [None, None, "distinct_id_placeholder"]
    assert reasons(pl.Series(["1", "0"]), identity={"reject": ["0"]}) == [None, "distinct_id_placeholder"]


@pytest.mark.parametrize("blank", ["", " ", "   ", "\t", "\u00a0", "\u200b", "\ufeff \u2003", None])
def test_a_text_of_blanks_is_no_id(blank: str | None) -> None:
    assert reasons(pl.Series(["C-1", blank])) == [None, "distinct_id_missing"]


@pytest.mark.parametrize("text", ["1.00012E+11", "1,00012E+11", "1.5e11", "1E+17"])
def test_a_rounded_number_is_refused(text: str) -> None:
    assert reasons(pl.Series(["100012000002", text])) == [None, "distinct_id_inexact"]


@pytest.mark.parametrize("text", ["7E10", "123.0", "1.5", "E+11", "12E", "a1.5E+3"])
def test_a_text_that_only_resembles_one_stays(text: str) -> None:
    assert reasons(pl.Series(["100012000002", text])) == [None, None]


def test_whole_floats_become_digits_and_others_are_refused() -> None:
    column = pl.Series([123.0, 2.0**53 - 1, 2.0**53, 7.5, 1e20, float("nan"), -4.0, None])
    found = reader().read(column.alias("id"))
    assert found.floats
    assert found.text.to_list()[:2] == ["123", "9007199254740991"]
    assert found.text[6] == "-4"
    bad = "distinct_id_inexact"
    assert found.reason is not None
    assert found.reason.to_list() == [None, None, bad, bad, bad, bad, None, "distinct_id_missing"]


def test_floats_of_32_bits_are_exact_to_2_to_the_24th() -> None:
    column = pl.Series([2.0**24 - 1, 2.0**24], dtype=pl.Float32)
    assert reasons(column) == [None, "distinct_id_inexact"]
    assert reader().read(column.alias("id")).text[0] == "16777215"


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([True]),
        pl.Series([dt.date(2024, 1, 1)]),
        pl.Series([dt.time(1)]),
        pl.Series(["1.50"]).cast(pl.Decimal(10, 2)),
    ],
    ids=["boolean", "date", "time", "decimal"],
)
def test_a_value_that_is_no_number_and_no_text_is_refused(column: pl.Series) -> None:
    assert reasons(column) == ["distinct_id_inexact"]


def test_whole_decimals_and_integers_are_ids() -> None:
    assert reader().read(pl.Series("id", ["12.00"]).cast(pl.Decimal(10, 2))).text.to_list() == ["12"]
    assert reader().read(pl.Series("id", [12], dtype=pl.UInt16)).text.to_list() == ["12"]


def test_spreadsheet_marks_are_removed_where_declared() -> None:
    column = pl.Series("id", ['="00123"', "'0456", "=00125", "O'Neill", "'s"])
    assert reader().read(column).text.to_list() == column.to_list()
    found = reader(source={"spreadsheet_text": "unwrap"}).read(column)
    assert found.text.to_list() == ["00123", "0456", "=00125", "O'Neill", "'s"]
    assert found.reason is not None
    assert found.reason.to_list() == [None, None, "distinct_id_formula", None, None]


def test_an_id_is_trimmed_only_where_declared() -> None:
    column = pl.Series("id", [" a", "b\u00a0"])
    assert reader().read(column).text.to_list() == [" a", "b\u00a0"]
    assert reader(identity={"trim": True}).read(column).text.to_list() == ["a", "b"]


def test_an_id_longer_than_the_limit_is_refused() -> None:
    assert reasons(pl.Series(["ä" * LIMIT, "ä" * (LIMIT + 1)])) == [None, "distinct_id_too_long"]


@pytest.mark.parametrize(
    "reason",
    ["distinct_id_missing", "distinct_id_placeholder", "distinct_id_inexact", "distinct_id_too_long"],
)
def test_messages_name_the_column_and_what_is_expected(reason: str) -> None:
    message = reader().message(reason)
    assert 'column "id"' in message
    assert message.startswith("expected ")


@pytest.mark.parametrize(
    ("ids", "are_digits"),
    [
        (pl.Series(["1", "20"]), True),
        (pl.Series(["1", None]), False),
        (pl.Series(["1", "02"]), False),
        (pl.Series(["1", "2 "]), False),
        (pl.Series([1, 2]), False),
    ],
)
def test_ids_that_are_known_to_be_digits_read_as_others_do(ids: pl.Series, are_digits: bool) -> None:
    cells, of = ids.alias("id").to_frame(), reader({"trim": True}, {"null_values": ["", "20"]})
    assert of.are_digits(cells) is are_digits
    found, slow = of.read(cells["id"], digits=are_digits), of.read(cells["id"])
    assert (found.text.to_list(), found.digits) == (slow.text.to_list(), slow.digits)
    assert (found.reason is None) is (slow.reason is None)


def test_of_a_computed_id_it_is_not_known_that_it_is_digits() -> None:
    cells = pl.DataFrame({"id": ["1", "2"]})
    assert reader().are_digits(cells)
    assert not reader(source={"computed": {"id": "'x' || id"}}).are_digits(cells)
