"""Cells for the contract, and values in one form."""

from decimal import Decimal
from typing import Any

import pytest

from importer.config import loader
from importer.core.errors import ConfigError
from importer.testing.values import bad, good, meant, plain

ATTRIBUTES: list[dict[str, Any]] = [
    {"type": "free_text", "max_length": 20},
    {"type": "email"},
    {"type": "phone"},
    {"type": "single_choice", "options": ["a", "b"]},
    {"type": "multi_choice", "options": ["a", "b"], "separator": ";"},
    {"type": "multi_choice", "options": ["a", "b"], "format": "json"},
    {"type": "number", "min": 3},
    {"type": "boolean"},
    {"type": "date", "format": "%d/%m/%Y"},
    {"type": "datetime"},
]


@pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda a: "-".join(map(str, a.values())))
def test_a_good_cell_differs_from_row_to_row_and_a_bad_one_from_all(attribute: dict[str, Any]) -> None:
    cells = {good(attribute, n) for n in range(4)}
    assert len(cells) > 1
    assert bad(attribute) not in cells


@pytest.mark.parametrize(
    ("attribute", "stored", "cell"),
    [
        ({"type": "number"}, 41.50, "41.5"),
        ({"type": "boolean"}, 1, "true"),
        ({"type": "date"}, "2024-05-31 00:00:00", "2024-05-31"),
        ({"type": "datetime"}, "2024-05-31T10:00:00Z", "2024-05-31 10:00:00"),
        ({"type": "multi_choice"}, ["b", "a"], "a|b"),
        ({"type": "multi_choice", "separator": ";", "join": ", "}, "a, b", "b;a"),
        ({"type": "multi_choice", "format": "json"}, ["b", "a"], '["a", "b"]'),
    ],
)
def test_what_is_stored_is_what_the_cell_means(attribute: dict[str, Any], stored: object, cell: str) -> None:
    assert plain(attribute, stored) == meant(attribute, cell)


def test_other_values_stay_apart() -> None:
    assert plain({"type": "number"}, "1.0") == Decimal(1) != plain({"type": "number"}, 2)
    assert plain({"type": "free_text"}, "01") != plain({"type": "free_text"}, "1")


def test_every_type_of_attribute_has_a_good_cell() -> None:
    kinds = {a["type"] for a in ATTRIBUTES}
    with pytest.raises(ConfigError) as caught:
        loader.parse({"name": "x", "attributes": {"a": {"type": "no such type"}}})
    assert all(f'"{kind}"' in str(caught.value) for kind in kinds)
    assert str(caught.value).split("attributes.a.type: expected")[1].splitlines()[0].count('"') == 2 * len(
        kinds
    )
