"""Where most values of an attribute are refused, a hint names the line that reads them."""

from collections import Counter
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
    return parse(
        {
            "name": "n",
            "source": {"path": "x.csv"},
            "identity": {"column": "id"},
            "destination": {"type": "vevee", "api_key": "env:K"},
            "attributes": {"a": attribute},
        }
    )


def counts(rejected: int, rows: int, reason: str = INVALID) -> ReadCounts:
    return ReadCounts(rows_read=rows, reasons=Counter({("check", reason, "a"): rejected}))


def refused(*cells: str) -> ValueShapes:
    found = ValueShapes()
    frame = {"attribute": ["a"] * len(cells), "value": list(cells), "stage": ["check"] * len(cells)}
    found.add(pl.DataFrame(frame))
    return found


def hints(cells: "tuple[str, ...]", **attribute: Any) -> list[Hint]:
    return find_hints(config(**attribute), counts(len(cells), len(cells)), refused(*cells))


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
    (("Ja", "nein"), {"type": "boolean", "true_values": ["x"]}, 'true_values = ["x", "ja"] and false_'),
    (("Pro", "FREE"), CHOICE, 'map = { FREE = "free", Pro = "pro" }'),
    (("pro|free",), CHOICE, 'type = "multi_choice" and separator = "|"'),
    (("a;b", "b;a"), LIST, 'separator = ";"'),
    (("A|B",), LIST, 'map = { A = "a", B = "b" }'),
    (('["a","b"]',), {**LIST, "allow_custom": True, "max_length": 1}, 'format = "json"'),
    (("(202) 555-0143",), {"type": "phone"}, 'region = "GB"'),
    (("N/A", "N/A", "7x"), {"type": "number"}, 'null_values = ["", "N/A"] under [source]'),
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
        (("gold", "silver"), CHOICE),
        (("200",), {"type": "number", "max": 100}),
        (("Mia <mia@example.com>",), {"type": "email"}),
        (("x" * 9,), {"type": "free_text", "max_length": 5}),
    ],
)
def test_where_no_line_helps_there_is_no_hint(cells: "tuple[str, ...]", attribute: dict[str, Any]) -> None:
    assert hints(cells, **attribute) == []


def test_a_hint_is_for_an_attribute_whose_values_mostly_fail() -> None:
    date, cells = config(type="date"), refused("31/12/2001")
    assert find_hints(date, counts(51, 100), cells)
    assert find_hints(date, counts(50, 100), cells) == []
    blank = counts(60, 100, BLANK)
    assert find_hints(date, blank, cells) == []


def test_the_hint_counts_the_values_that_the_line_reads() -> None:
    assert hints(("31/12/2001", "30/11/2001", "soon"), type="date") == [
        Hint("a", 2, 3, 'format = "%d/%m/%Y"')
    ]
    assert hints(("31/12/2001", "soon", "later"), type="date") == []
