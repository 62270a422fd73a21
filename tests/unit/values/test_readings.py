"""Each way to read texts says how many of the cells become values by it."""

import polars as pl
import pytest

from importer.values import readings
from importer.values.readings import Reading, Texts, texts_of


def of(*cells: str | None) -> Texts:
    return texts_of(pl.Series("c", cells, dtype=pl.String))


def test_texts_are_counted_without_blanks_around_them() -> None:
    found = of("b", " a ", "a", None, "", "  ", "\u200b")
    assert dict(zip(found.text, found.count, strict=True)) == {"a": 2, "b": 1}
    assert found.total == 3
    assert found.matching("^a$") == 2


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2026-03-31", "2026-02-30"], {"%Y-%m-%d": 1}),
        (["31/01/2026", "03/04/2026"], {"%d/%m/%Y": 2, "%m/%d/%Y": 1}),
        (["01/02/2026"], {"%d/%m/%Y": 1, "%m/%d/%Y": 1}),
        (["31.12.99"], {"%d.%m.%y": 1}),
        (["5 Mar 2026", "Mar 5, 2026"], {"%d %b %Y": 1, "%b %d, %Y": 1}),
        (["soon"], {}),
    ],
)
def test_formats_of_dates(cells: list[str], expected: dict[str, int]) -> None:
    found = readings.dates(of(*cells))
    assert {r.keys["format"]: r.fits for r in found if r.fits and "%B" not in r.keys["format"]} == expected
    assert [r.fits for r in found] == sorted((r.fits for r in found), reverse=True)


@pytest.mark.parametrize(
    ("cell", "form"),
    [
        ("2026-03-31 10:20:30", None),
        ("2026-03-31T10:20:30Z", None),
        ("31/03/2026 10:20", "%d/%m/%Y %H:%M"),
        ("03/31/2026 10:20 PM", "%m/%d/%Y %I:%M %p"),
    ],
)
def test_formats_of_moments(cell: str, form: str | None) -> None:
    assert readings.moments(of(cell))[0].keys.get("format") == form


@pytest.mark.parametrize(
    ("cells", "marks"),
    [
        (["1", "-2.5", "1e3"], {}),
        (["1,034", "600"], {"thousands": ","}),
        (["12,15", "0,5"], {"decimal": ","}),
        (["1.234,56", "12,15"], {"decimal": ",", "thousands": "."}),
        (["1 234,5", "1"], {"decimal": ",", "thousands": " "}),
        (["12 %", "3%"], {"units": ("%",)}),
        (["€ 1,50", "2"], {"decimal": ",", "units": ("€",)}),
        (["(12.00)", "7"], {"parentheses": True}),
    ],
)
def test_marks_of_numbers(cells: list[str], marks: dict[str, object]) -> None:
    found = readings.numbers(of(*cells))
    assert found[0] == Reading({"type": "number", **marks}, len(cells), len(cells))


def test_a_text_is_no_number_with_any_marks() -> None:
    assert readings.numbers(of("seven", "A12")) == []


@pytest.mark.parametrize(
    ("cells", "keys"),
    [
        (["Yes", "no", "TRUE"], {}),
        (["Ja", "Nein"], {"true_values": ("ja",), "false_values": ("nein",)}),
        (["y", "0"], {"true_values": ("y",)}),
    ],
)
def test_words_for_true_and_false(cells: list[str], keys: dict[str, object]) -> None:
    assert readings.boolean(of(*cells)) == Reading({"type": "boolean", **keys}, len(cells), len(cells))


def test_words_for_one_of_the_two_alone_are_no_boolean() -> None:
    assert readings.boolean(of("yes", "yes")) is None
    assert readings.boolean(of("f", "m")) is None


def test_other_words_do_not_fit_a_boolean() -> None:
    found = readings.boolean(of("yes", "no", "maybe", "maybe"))
    assert found is not None
    assert (found.fits, found.misfits) == (2, 2)
    assert not found.reads(0.6)
    assert found.reads(0.5)


def test_members_between_separators_are_counted_once_a_cell() -> None:
    found = readings.members(of("a|b", "a| b |b", "c", "a|"), "|")
    assert dict(zip(found.text, found.count, strict=True)) == {"a": 3, "b": 2, "c": 1}


@pytest.mark.parametrize(
    ("cell", "is_list"),
    [('["a","b"]', 1), ("[]", 1), ('["a", "b\\"c"]', 1), ("['a']", 0), ('["a",]', 0), ("[1]", 0)],
)
def test_json_lists_of_texts(cell: str, is_list: int) -> None:
    assert readings.is_json_list(of(cell)) == is_list
