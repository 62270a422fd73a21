"""What is shown of refused values: their shapes, and never what they say."""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from importer.config.attribute import Attribute
from importer.validate.value_shapes import LONGEST_VALUE, SAMPLE, ValueShapes, shape_of
from importer.values.column_types import type_column


def rejects(*lines: tuple[str, str | None, str]) -> pl.DataFrame:
    """Lines of a rejects frame: attribute, value, stage."""
    return pl.DataFrame(lines, dict.fromkeys(("attribute", "value", "stage"), pl.String), orient="row")


def shapes_of(values: Sequence[str | None]) -> ValueShapes:
    shapes = ValueShapes()
    shapes.add(rejects(*(("day", value, "check") for value in values)))
    return shapes


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("20.05.2024", "99.99.9999"),
        ("Ünal ß-7", "Aaaa a-9"),
        ("日本 ٣½", "aa 99"),
        ("", ""),
        ("x" * 31, "a" * 30),
        ("+-|\n", "+-|\n"),
    ],
)
def test_letters_and_digits_are_hidden_and_the_rest_is_shown(value: str, shape: str) -> None:
    assert shape_of(pl.Series([value])).to_list() == [shape]


def test_the_two_most_frequent_shapes_are_named() -> None:
    shapes = shapes_of(["1", "ab", "cd", "ef", "2", "x-1", None])
    assert shapes.text("day") == '"aa" or "9"'
    assert shapes.text("other") == ""


def test_only_what_the_check_refused_is_looked_at() -> None:
    shapes = ValueShapes()
    shapes.add(rejects(("", "an id", "read"), ("plan", "off", "send")))
    assert [shapes.text(key) for key in ("", "plan")] == ["", ""]


def test_the_first_values_alone_are_looked_at() -> None:
    shapes = shapes_of(["1"] * (SAMPLE - 1))
    shapes.add(rejects(*(("day", "x", "check") for _ in range(SAMPLE * 2))))
    shapes.add(rejects(*(("day", "?", "check") for _ in range(SAMPLE * 2))))
    assert shapes.text("day") == '"9" or "a"'


def test_of_a_long_value_only_the_start_is_remembered() -> None:
    shapes = shapes_of(["9" * 100_000] * SAMPLE)
    assert sum(map(len, shapes.values("day"))) == SAMPLE * LONGEST_VALUE


def accepted_of(cells: Sequence[str | None], **attribute: Any) -> ValueShapes:
    declared = Attribute.model_validate(attribute)
    column, shapes = pl.Series("day", cells, dtype=pl.String), shapes_of(["refused"])
    shapes.add_accepted([("day", column, type_column(declared, column))])
    return shapes


def test_of_accepted_values_few_of_each_shape_are_kept() -> None:
    cells = ["1"] * 300 + ["1.5"] * 300 + ["x", None]
    assert sorted(accepted_of(cells, type="number").accepted("day")) == ["1"] * 5 + ["1.5"] * 5
    assert accepted_of(["x"], type="number").accepted("day") == []


def add_numbers(shapes: ValueShapes, number: str, batches: int) -> None:
    column = pl.Series("day", [number])
    for _ in range(batches):
        shapes.add_accepted([("day", column, type_column(Attribute(type="number"), column))])


def test_accepted_values_before_the_first_refused_one_are_known() -> None:
    shapes = ValueShapes()
    add_numbers(shapes, "1", batches=10)
    shapes.add(rejects(("day", "x", "check")))
    add_numbers(shapes, "2.5", batches=1)
    assert shapes.accepted("day") == ["1"] * 4 + ["2.5"]  # the first, second, fourth and eighth batch


def test_accepted_values_are_a_bounded_sample() -> None:
    texts = ["-" * n + "y" * 100_000 for n in range(1, 26)] * 40
    kept = accepted_of(texts, type="free_text").accepted("day")
    assert len(kept) == SAMPLE
    assert max(map(len, kept)) == LONGEST_VALUE


def test_what_another_has_seen_is_added() -> None:
    first, other = accepted_of(["1"] * 4, type="number"), accepted_of(["2"] * 4 + ["2.5"], type="number")
    other.add(rejects(("day", "x", "check")))
    first.absorb(json.loads(json.dumps(other.state())))
    assert first.accepted("day") == ["1"] * 4 + ["2", "2.5"]
    assert first.values("day") == ["refused", "refused", "x"]


def test_accepted_values_are_seen_between_refused_ones() -> None:
    cells = pl.Series("day", ["31.12.2024", "2024-12-31"] * 400)
    shapes = shapes_of(["31.12.2024"])
    shapes.add_accepted([("day", cells, type_column(Attribute(type="date"), cells))])
    assert set(shapes.accepted("day")) == {"2024-12-31"}
