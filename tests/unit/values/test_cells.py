"""From the cell as it stands to a value: blanks, marks, spreadsheet text, then the type."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from importer.config.attribute import Attribute
from importer.core.models import Encoding
from importer.values.column_types import CellRules, count_blanks, type_cells
from importer.values.json_text import encode

BAD = "attribute_value_invalid"


def rules(**changed: Any) -> CellRules:
    given = {"nulls": ("",), "clears": (), "trims": True, "unwraps": False, "takes_empty_list": True}
    return CellRules(**{**given, **changed})


def values(cells: Sequence[str | None], declared: dict[str, Any], **changed: Any) -> list[str | None]:
    """The JSON text of each cell, or its reason where it is bad."""
    attribute = Attribute.model_validate(declared)
    typed = type_cells(attribute, rules(**changed), pl.Series("c", cells, dtype=pl.String))
    texts = encode(typed, attribute, Encoding()).to_list()
    reasons = [None] * len(texts) if typed.reason is None else typed.reason.to_list()
    return [reason or text for text, reason in zip(texts, reasons, strict=True)]


@pytest.mark.parametrize(
    ("declared", "good", "value"),
    [
        ({"type": "number"}, "41", "41"),
        ({"type": "boolean"}, "yes", "true"),
        ({"type": "date"}, "2024-02-29", '"2024-02-29"'),
        ({"type": "datetime"}, "2024-02-29 10:00", '"2024-02-29T10:00:00"'),
        ({"type": "single_choice", "options": ("teacher",)}, "teacher", '"teacher"'),
        ({"type": "single_choice", "allow_custom": True}, "any", '"any"'),
        ({"type": "multi_choice", "options": ("art", "math")}, "math| art", '["math","art"]'),
    ],
)
@pytest.mark.parametrize("blank", [" ", "\t", "\u00a0", "\u200b", "\ufeff"])
def test_blanks_around_a_value_do_not_reject_it(
    declared: dict[str, Any], good: str, value: str, blank: str
) -> None:
    padded = [good, f"{blank}{good}", f"{good}{blank}", f"{blank}{good} {blank}"]
    assert values(padded, declared) == [value] * 4
    kept = values([f"{blank}{good}"], declared, trims=False)
    assert kept != [value] or declared["type"] == "multi_choice"


@pytest.mark.parametrize(
    "declared", [{"type": "number"}, {"type": "free_text"}, {"type": "single_choice", "options": ("a",)}]
)
@pytest.mark.parametrize("trims", [True, False])
@pytest.mark.parametrize("cell", ["", " ", "   ", "\u00a0", "\u200b\ufeff", "\t"])
def test_a_cell_of_nothing_but_blanks_is_blank(declared: dict[str, Any], cell: str, trims: bool) -> None:
    assert values([cell], declared, trims=trims) == [None]
    attribute = Attribute.model_validate(declared)
    assert count_blanks(attribute, rules(trims=trims), pl.Series([cell, "1", None])) == 2


@pytest.mark.parametrize("cell", ["NULL", " NULL", "NULL ", "NULL\u00a0", " "])
def test_a_word_for_no_value_is_blank_with_blanks_around_it(cell: str) -> None:
    cells = pl.Series([cell, "1", "NULLs"])
    assert count_blanks(Attribute(type="free_text"), rules(nulls=("", "NULL")), cells) == 1
    assert count_blanks(Attribute(type="free_text"), rules(), cells) == (0 if cell.strip() else 1)


def test_a_free_text_keeps_its_blanks_and_says_so() -> None:
    attribute = Attribute(type="free_text")
    column = pl.Series("c", ["a", " b", "c ", None, " "])
    typed = type_cells(attribute, rules(trims=False), column)
    assert typed.value.to_list() == ["a", " b", "c ", None, None]
    assert typed.padded is not None
    assert typed.padded.to_list() == [False, True, True, False, False]
    assert type_cells(attribute, rules(trims=True), column).value.to_list() == ["a", "b", "c", None, None]


@pytest.mark.parametrize("declared", [{"type": "number"}, {"type": "free_text"}])
def test_marks_are_compared_with_the_trimmed_text(declared: dict[str, Any]) -> None:
    cells = ["NA ", " -", "1"]
    attribute = Attribute.model_validate(declared)
    for trims in (True, False):
        given = rules(nulls=("", "NA"), clears=("-",), trims=trims)
        typed = type_cells(attribute, given, pl.Series("c", cells))
        if trims or declared["type"] == "free_text":
            assert typed.present.to_list() == [False, True, True]
            assert typed.cleared is not None
            assert typed.cleared.to_list() == [False, True, False]
            assert typed.reason is None or not typed.reason.is_not_null().any()


def test_text_marked_by_a_spreadsheet_is_unwrapped_where_declared() -> None:
    cells = ['="01067"', "'+12025550143", '="say ""hi"""', "'s-Hertogenbosch", "O'Keeffe", "=1+1"]
    plain = values(cells, {"type": "free_text"}, unwraps=True)
    assert plain[:3] == ['"01067"', '"+12025550143"', '"say \\"hi\\""']
    assert plain[3:] == ['"\'s-Hertogenbosch"', '"O\'Keeffe"', '"=1+1"']
    assert values(['="7"'], {"type": "number"}, unwraps=True) == ["7"]
    assert values(['="7"'], {"type": "number"}) == [BAD]


def test_a_categorical_column_is_read_as_text() -> None:
    column = pl.Series("c", [" ", "7 "], dtype=pl.Categorical)
    assert type_cells(Attribute(type="number"), rules(), column).value.to_list() == [None, "7"]


def test_a_map_replaces_words_before_the_type_is_checked() -> None:
    words = {"Ja": "true", "Nein": "false"}
    cells = ["Ja", " Nein ", "ja", "yes", "true", None, ""]
    assert values(cells, {"type": "boolean", "map": words}) == ["true", "false", BAD, BAD, BAD, None, None]
    grades = {"type": "number", "map": {"good": "1"}}
    assert values(["good", "2", "bad"], grades) == ["1", "2", BAD]
    plans = {"type": "free_text", "map": {"P": "pro"}}
    assert values(["P", "P ", "Q"], plans, trims=False) == ['"pro"', '"pro"', '"Q"']
    topics = {"type": "multi_choice", "options": ("art",), "map": {"Kunst": "art"}}
    assert values(["Kunst|art", "Kunst"], topics) == ['["art"]', '["art"]']


def test_a_boolean_maps_to_its_own_words_only() -> None:
    with pytest.raises(ValueError, match="map: expected meanings of"):
        Attribute.model_validate({"type": "boolean", "map": {"x": "oui"}})


def test_a_default_stands_for_a_blank_cell_and_is_sent() -> None:
    declared = {"type": "number", "default": "0"}
    assert values(["", " ", "5", None], declared) == ["0", "0", "5", "0"]
    assert values(["", "-"], declared, clears=("-",)) == ["0", None]
    attribute = Attribute.model_validate(declared)
    assert type_cells(attribute, rules(), pl.Series("c", [1, None])).value.to_list() == ["1", "0"]
    assert count_blanks(attribute, rules(), pl.Series([""])) == 0
    with pytest.raises(ValueError, match="default: not with blank"):
        Attribute.model_validate({**declared, "blank": "clear"})


def test_a_map_reads_parquet_values_as_text() -> None:
    attribute = Attribute(type="boolean", map={"7": "true", "8": "false"})
    typed = type_cells(attribute, rules(), pl.Series("c", [7, 8, 9, None]))
    assert typed.value.to_list() == [True, False, None, None]
    assert typed.present.to_list() == [True, True, True, False]
