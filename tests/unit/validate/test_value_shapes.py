"""What is shown of refused values: their shapes, and never what they say."""

from collections.abc import Sequence

import polars as pl
import pytest

from importer.validate.value_shapes import LONGEST_VALUE, SAMPLE, ValueShapes, shape_of


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
