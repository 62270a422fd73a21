"""SQL of the configuration: what is allowed, what it computes, and what is refused before it can hang."""

import re
from typing import Any

import polars as pl
import pytest

from importer.config import loader
from importer.config.schema import GONE, Config
from importer.core.errors import ConfigError, SourceError
from importer.values.column_types import typed_columns, with_computed
from importer.values.expressions import (
    DEEPEST,
    LONGEST,
    MOST_PARTS,
    compile_computed,
    compile_where,
    without_computed,
)


def config(attributes: dict[str, Any] | None = None, **computed: str) -> Config:
    return loader.parse(
        {
            "name": "sql",
            "source": {"path": "x.csv", "computed": computed},
            "identity": {"column": "id"},
            "destination": {"type": "vevee", "api_key": "env:NONE"},
            "attributes": attributes or {name: {"type": "free_text"} for name in computed},
        }
    )


CELLS = pl.DataFrame(
    {"id": ["1", "2"], "first": ["Ana ", ""], "last": ["Diaz", "Malm"], "email": ["A@B.de", ""]}
)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("first || ' ' || last", ["Ana Diaz", None]),
        ("LOWER(email)", ["a@b.de", None]),
        ("'import-2026'", ["import-2026", "import-2026"]),
        ("COALESCE(first, last)", ["Ana", "Malm"]),
        ("CASE WHEN last = 'Diaz' THEN 'x' ELSE last END", ["x", "Malm"]),
        ("LENGTH(last)", ["4", "4"]),
        ("SPLIT_PART(email, '@', 2)", ["B.de", None]),
    ],
)
def test_a_computed_column_is_one_text_for_each_row(sql: str, expected: list[str | None]) -> None:
    ((_, _, typed),) = typed_columns(config(made=sql), CELLS)
    assert typed.value.to_list() == expected
    ((_, _, typed),) = typed_columns(config(made=sql), CELLS.clear())
    assert typed.value.to_list() == []


def test_a_column_of_the_same_name_is_replaced_and_shown_as_it_stands() -> None:
    ((_, column, typed),) = typed_columns(config(email="LOWER(email)"), CELLS)
    assert typed.value.to_list() == ["a@b.de", None]
    assert column.to_list() == ["A@B.de", ""]
    assert column.name == "email"


def test_nothing_is_computed_twice_or_of_rows_of_our_own() -> None:
    declared = config(email="email || '!'")
    once = with_computed(declared, CELLS)
    assert with_computed(declared, once) is once
    gone = without_computed(pl.DataFrame({"id": ["1"], "email": [GONE]}))
    assert with_computed(declared, gone) is gone


def test_the_columns_it_is_made_of_are_declared_ones() -> None:
    assert set(config(made="first || last").declared_columns) == {"id", "first", "last"}


def test_a_cell_that_cannot_be_computed_stops_the_reading() -> None:
    with pytest.raises(SourceError, match="TRY_CAST"):
        with_computed(config(made="CAST(last AS INT)"), CELLS)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("LPAD(last, 1000000000)", "not allowed"),
        ("REPEAT(last, 3)", "not allowed"),
        ("SUM(LENGTH(last))", "not allowed"),
        ("read_csv('/etc/passwd')", "read files are refused"),
        ("(SELECT 1)", "refused"),
        (" || ".join(["last"] * (MOST_PARTS + 2)), "too long"),
        ("(" * (DEEPEST + 1) + "last" + ")" * (DEEPEST + 1), "too long"),
        ("-" * (MOST_PARTS + 1) + "1", "too long"),
        ("'" + "x" * LONGEST + "'", "too long"),
        ("first +", "not a valid SQL expression"),
        (
            "REPLACE(REPLACE(last, 'a', 'aaaaaaa'), 'a', 'aaaaaaa')",
            "make a text 49 times as long; at most 32",
        ),
        ("replace (last, '', '" + "x" * 32 + "')", "33 times as long"),
        ("REPLACE(last, 'a', last)", "REPLACE takes a text and then two texts in single quotes"),
        ("REPLACE(last, UPPER('a,b'), 'x')", "REPLACE takes a text"),
    ],
)
def test_what_is_not_allowed_is_refused(sql: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        compile_computed(config(made=sql))
    assert "source.computed.made" in str(caught.value)
    with pytest.raises(ConfigError, match=r"source\.where"):
        compile_where(f"{sql} = 'x'")


def test_replacing_by_less_or_a_little_more_is_allowed() -> None:
    made = "REPLACE(REPLACE(REPLACE(CONCAT(first, ', '), ',', ''), '(', 'it''s, (x)'), 'abc', 'abcdef')"
    assert compile_computed(config(made=made))


def test_a_chain_at_the_bound_is_evaluated() -> None:
    count = MOST_PARTS // 2
    expression = compile_where(" OR ".join(["last = 'Diaz'"] * count))
    assert expression is not None
    assert CELLS.select(expression).to_series().to_list() == [True, False]


def test_an_empty_condition_is_none() -> None:
    assert compile_where(" ") is None


def test_a_name_inside_a_text_is_no_call() -> None:
    assert compile_where("last = 'repeat(x)'") is not None
