"""Where many values of an attribute are refused, a hint names a line that reads them and breaks none."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from importer.config import parse
from importer.config.schema import Config
from importer.core.models import Hint
from importer.core.rejects import BLANK, INVALID
from importer.validate.hints import find_hints
from importer.validate.read_counts import ReadCounts
from importer.validate.value_shapes import ValueShapes
from importer.values.column_types import typed_columns


def config(**attribute: Any) -> Config:
    return parse(model(attribute))


def model(attribute: dict[str, Any], **source: Any) -> dict[str, Any]:
    return {
        "name": "n",
        "source": {"path": "x.csv", **source},
        "identity": {"column": "id"},
        "destination": {"type": "vevee", "api_key": "env:K"},
        "attributes": {"a": attribute},
    }


def counts(rejected: int, rows: int, reason: str = INVALID) -> ReadCounts:
    return ReadCounts(rows_read=rows, reasons=Counter({("check", reason, "a"): rejected}))


def refused(*cells: str) -> ValueShapes:
    found = ValueShapes()
    frame = {"attribute": ["a"] * len(cells), "value": list(cells), "stage": ["check"] * len(cells)}
    found.add(pl.DataFrame(frame))
    return found


def hints(cells: "tuple[str, ...]", **attribute: Any) -> list[Hint]:
    return find_hints(config(**attribute), counts(len(cells), len(cells)), refused(*cells))


NO_COUNTRY = "name no country, as +44 does: declare region, the country of the numbers, as two letters"
CHOICE: dict[str, Any] = {"type": "single_choice", "options": ["pro", "free"]}
LIST: dict[str, Any] = {"type": "multi_choice", "options": ["a", "b"]}

CASES: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
    (("31/12/2001", "30/11/2001"), {"type": "date"}, 'format = "%d/%m/%Y"'),
    (("01/02/2001",), {"type": "date"}, 'format = "%d/%m/%Y" or format = "%m/%d/%Y"'),
    (("2001-12-31 10:20:30",), {"type": "date"}, 'type = "datetime" and no format'),
    (("31.12.2001 10:20",), {"type": "datetime"}, 'format = "%d.%m.%Y %H:%M"'),
    (("2001-12-31",), {"type": "datetime"}, 'type = "date" and format = "%Y-%m-%d"'),
    (("1,5", "2,75"), {"type": "number"}, 'decimal = ","'),
    (("1,034", "2,000"), {"type": "number"}, 'thousands = "," or decimal = ","'),
    (("12 %",), {"type": "number", "min": 0}, 'units = ["%"]'),
    (("37 years", "4 years"), {"type": "number"}, 'units = ["years"]'),
    (("WAHR", "FALSCH"), {"type": "boolean"}, 'true_values = ["true", "1", "yes", "wahr"] and false_'),
    (("Ja", "nein"), {"type": "boolean", "true_values": ["x"]}, 'true_values = ["x", "ja"] and false_'),
    (("Pro", "FREE"), CHOICE, 'map = { FREE = "free", Pro = "pro" }'),
    (("pro|free",), CHOICE, 'type = "multi_choice" and separator = "|"'),
    (("a;b", "b;a"), LIST, 'separator = ";"'),
    (("A|B",), LIST, 'map = { A = "a", B = "b" }'),
    (('["a","b"]',), {**LIST, "allow_custom": True, "max_length": 1}, 'format = "json"'),
    (("N/A", "N/A", "7x"), {"type": "number"}, 'null_values = ["", "N/A"] under [source]'),
    (("ja", "nein"), {"type": "boolean"}, 'true_values = ["true", "1", "yes", "ja"] and false_'),
    (("a, b", "b, a"), LIST, 'separator = ","'),
    (("A, b",), LIST, 'separator = "," and map = { A = "a" }'),
]


@pytest.mark.parametrize(("cells", "attribute", "line"), CASES)
def test_the_line_that_reads_the_values(
    cells: "tuple[str, ...]", attribute: dict[str, Any], line: str
) -> None:
    (hint,) = hints(cells, **attribute)
    assert hint.line.startswith(line)
    assert hint.of == len(cells)


@pytest.mark.parametrize(("cells", "attribute", "line"), CASES)
def test_these_values_are_refused_as_declared(
    cells: "tuple[str, ...]", attribute: dict[str, Any], line: str
) -> None:
    column = pl.DataFrame({"a": list(cells)})
    ((_, _, typed),) = typed_columns(config(**attribute), column)
    assert typed.reason is not None, line
    assert typed.reason.null_count() == 0


@pytest.mark.parametrize(
    ("cells", "attribute"),
    [
        (("soon", "later"), {"type": "date"}),
        (tuple(f"word {n}" for n in range(11)), CHOICE),
        (("gold|silver",), LIST),
        (("200",), {"type": "number", "max": 100}),
        (("Mia <mia@example.com>",), {"type": "email"}),
        (("x" * 9,), {"type": "free_text", "max_length": 5}),
        (("no phone", "none"), {"type": "phone"}),
    ],
)
def test_where_no_line_helps_there_is_no_hint(cells: "tuple[str, ...]", attribute: dict[str, Any]) -> None:
    assert hints(cells, **attribute) == []


def test_a_hint_is_for_an_attribute_whose_values_mostly_fail() -> None:
    date, cells = config(type="date"), refused("31/12/2001")
    assert find_hints(date, counts(51, 100), cells)
    assert find_hints(date, counts(9, 18), cells) == []
    blank = counts(60, 100, BLANK)
    assert find_hints(date, blank, cells) == []


def test_the_hint_counts_the_values_that_the_line_reads() -> None:
    assert hints(("31/12/2001", "30/11/2001", "soon"), type="date") == [
        Hint("a", 2, 3, 'format = "%d/%m/%Y"')
    ]
    assert hints(("31/12/2001", "soon", "later"), type="date") == []


def checked(cells: Sequence[str], **attribute: Any) -> list[Hint]:
    """The hints for cells of which the check refuses some."""
    declared, frame = config(**attribute), pl.DataFrame({"a": cells})
    ((key, column, typed),) = typed_columns(declared, frame)
    assert typed.reason is not None
    bad = column.filter(typed.reason.is_not_null()).to_list()
    shapes = refused(*bad)
    shapes.add_accepted([(key, column, typed)])
    return find_hints(declared, counts(len(bad), len(cells)), shapes)


GERMAN = [f"{day}.07.2024" for day in range(13, 29)]


@pytest.mark.parametrize(
    ("refused_cells", "accepted_cells", "attribute", "words"),
    [
        (
            GERMAN * 4,
            ["2024-07-15"] * 20,
            {"type": "date", "format": "%Y-%m-%d"},
            "a date written as %d.%m.%Y, such as 31.12.2024, but accepted values are a date written as %Y-",
        ),
        (["07/31/2024"] * 20, ["2024-07-15"] * 80, {"type": "date"}, "as %m/%d/%Y, such as 12/31/2024, but"),
        (["1,5"] * 10, ["12.5"] * 300, {"type": "number"}, 'a number, "," as decimal mark, but'),
        (["a;b"] * 10, ["a|b"] * 10, LIST, 'options with ";" between them'),
        (
            ["31/12/2001", "31.12.2001"] * 10,
            [],
            {"type": "date"},
            'with format = "%d/%m/%Y", and 10 others with format = "%d.%m.%Y".',
        ),
        (
            ["a;b", "b;a", "a, b", "b, a"],
            [],
            LIST,
            'separator = ";", and 2 others with separator = ",".',
        ),
    ],
)
def test_a_line_that_breaks_accepted_values_is_no_hint(
    refused_cells: list[str], accepted_cells: list[str], attribute: dict[str, Any], words: str
) -> None:
    (hint,) = checked([*refused_cells, *accepted_cells], **attribute)
    assert hint.line == ""
    assert words in hint.note
    assert "write the column in one way" in hint.note


@pytest.mark.parametrize(
    ("refused_cells", "accepted_cells", "attribute", "line"),
    [
        (["1,250"] * 25, ["12.5"] * 975, {"type": "number"}, 'thousands = ","'),
        (
            ["07/31/2024"] * 20,
            ["01/02/2024"] * 80,
            {"type": "date", "format": "%d/%m/%Y"},
            'format = "%m/%d/%Y"',
        ),
        (["PRO"] * 10, ["pro", "free"] * 200, CHOICE, 'map = { PRO = "pro" }'),
        (
            ["ja", "nein"] * 5,
            ["yes", "no"] * 50,
            {"type": "boolean"},
            'true_values = ["true", "1", "yes", "ja"]',
        ),
    ],
)
def test_few_values_that_are_alike_have_a_hint(
    refused_cells: list[str], accepted_cells: list[str], attribute: dict[str, Any], line: str
) -> None:
    (hint,) = checked([*refused_cells, *accepted_cells], **attribute)
    assert hint.line.startswith(line)
    assert " or " not in hint.line


@pytest.mark.parametrize(
    ("accepted", "hint"),
    [
        (["+12025550144", "+1 (312) 555-0100"], Hint("a", 10, 10, 'region = "US"')),
        (["+12025550144", "+442079460958"], Hint("a", 10, 10, "", NO_COUNTRY)),
        ([], Hint("a", 10, 10, "", NO_COUNTRY)),
    ],
)
def test_the_country_of_phones_is_that_of_the_numbers_that_name_one(accepted: list[str], hint: Hint) -> None:
    assert checked(["(202) 555-0143"] * 10 + accepted, type="phone") == [hint]


def test_few_values_that_are_not_alike_have_none() -> None:
    good = ["2024-07-15"] * 100
    assert checked([*GERMAN[:9], *good], type="date") == []
    assert checked([*GERMAN[:10], "soon", "later", *good], type="date") == []
    assert checked([*GERMAN[:10], *good], type="date") != []


def test_a_map_has_ten_words_at_most() -> None:
    options = [f"option {n}" for n in range(30)]
    ten = [option.upper() for option in options[:10]]
    (hint,) = checked(ten * 2, type="single_choice", options=options)
    assert hint.line.count("=") == 11
    assert checked([option.upper() for option in options], type="single_choice", options=options) == []


def test_words_that_are_not_known_are_not_named() -> None:
    (choice,) = checked(["gold", "silver", "pro"] * 4, **CHOICE)
    assert choice.line == ""
    assert 'declare map = { "a word of the list" = "pro" }' in choice.note
    assert "gold" not in choice.note
    (boolean,) = checked(["x", "true"] * 10, type="boolean")
    assert "true_values" in boolean.note


def test_rounded_numbers_cannot_be_read_by_any_line() -> None:
    (hint,) = checked(["4.91512E+11"] * 12 + ["+14155550132"] * 40, type="phone")
    assert (hint.line, hint.fits, hint.of) == ("", 12, 12)
    assert "digits are lost" in hint.note


def test_a_word_for_no_value_is_added_to_those_declared() -> None:
    declared = parse(model({"type": "number"}, null_values=["", "-"]))
    (hint,) = find_hints(declared, counts(3, 3), refused("N/A", "N/A"))
    assert hint.line == 'null_values = ["", "-", "N/A"] under [source]'


def test_a_word_that_is_an_option_elsewhere_is_no_blank() -> None:
    two = model({"type": "number"})
    two["attributes"]["b"] = {"type": "single_choice", "options": ["None"]}
    assert find_hints(parse(two), counts(2, 2), refused("None", "None")) == []
