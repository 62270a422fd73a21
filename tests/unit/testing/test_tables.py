"""Tables of keys in Markdown."""

from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from importer.core.config_types import Duration
from importer.testing.tables import settings_table, table


class Inner(BaseModel):
    """A table of its own."""


class Keys(BaseModel):
    """One key of each kind."""

    mode: Literal["a", "b"] = Field(default="a", description="a | b")
    wait: Duration = Field(default=30.0, description="how long")
    inner: tuple[Inner, ...] = Field(description="tables")
    names: tuple[str, ...] | None = Field(default=None, description="texts")
    anything: Any = Field(default=None, description="any")


def test_a_key_is_shown_with_type_default_and_meaning() -> None:
    assert settings_table(Keys).splitlines()[2:] == [
        '| `mode` | `a` or `b` | `"a"` | a \\| b |',
        "| `wait` | duration | `30` | how long |",
        "| `inner` | list of tables | required | tables |",
        "| `names` | list of texts | none | texts |",
        "| `anything` | any value | none | any |",
    ]


def test_a_key_without_a_description_is_named() -> None:
    class Bare(BaseModel):
        key: str = ""

    with pytest.raises(LookupError, match="Bare: no description of key"):
        settings_table(Bare)


def test_a_table_has_a_head() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
