"""What the texts of a column look like, and what a person should look at."""

from typing import Any

import polars as pl
import pytest

from importer.config import loader
from importer.config.attribute import Attribute
from importer.config.schema import Config
from importer.core.models import RunWarning
from importer.values.column_types import typed_columns
from importer.values.inference import GENERAL, LOOKS_LIKE, MIXED, TypeInference, is_watched, kind_of


def config(**attributes: dict[str, Any]) -> Config:
    return loader.parse(
        {
            "name": "kinds",
            "source": {"path": "x.csv"},
            "identity": {"column": "id"},
            "destination": {"type": "attentive", "api_key": "env:NONE", "user": {"client_user_id": "id"}},
            "attributes": attributes,
        }
    )


def looked(config: Config, *batches: list[str]) -> TypeInference:
    """What is inferred of batches of one column `c`, whose data rows are numbered from 1."""
    inference, row = TypeInference(config), 1
    for texts in batches:
        cells = pl.DataFrame({"id": texts, "c": texts})
        inference.look(typed_columns(config, cells), pl.int_range(row, row + len(texts), eager=True))
        row += len(texts)
    return inference


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("41", "number"),
        (" -4.5e+3 ", "number"),
        (".5", "number"),
        ("5.", "number"),
        ("007", "number"),
        ("True", "boolean"),
        ("FALSE", "boolean"),
        ("2024-02-29", "date"),
        ("2024-02-29T10:00:00", "date"),
        ("2024-02-29 10:00", "date"),
        ("yes", GENERAL),
        ("", GENERAL),
        (".", GENERAL),
        ("1,5", GENERAL),
        (" true", GENERAL),
        ("29.02.2024", GENERAL),
        (None, None),
    ],
)
def test_a_text_is_of_the_kind_that_a_destination_takes_it_for(text: str | None, kind: str | None) -> None:
    frame = pl.DataFrame({"t": [text]}, schema={"t": pl.String})
    assert frame.select(kind_of(pl.col("t"))).item() == kind


@pytest.mark.parametrize(
    ("declared", "watched"),
    [
        ({"type": "free_text"}, True),
        ({"type": "email"}, True),
        ({"type": "multi_choice", "options": ("a",)}, True),
        ({"type": "free_text", "send_as": "number"}, False),
        ({"type": "number"}, False),
        ({"type": "date"}, False),
    ],
)
def test_only_attributes_that_go_out_as_text_are_watched(declared: dict[str, Any], watched: bool) -> None:
    assert is_watched(Attribute.model_validate(declared)) == watched


def test_a_mixed_column_is_warned_of_with_its_first_special_rows_over_all_batches() -> None:
    found = looked(config(c={"type": "free_text"}), ["x", "1", "2"], ["true", "y", "3", "4", "5"])
    assert found.mixed() == ["c"]
    assert list(found.warnings()) == [RunWarning(MIXED, "c", 6, (2, 3, 4, 6, 7))]


@pytest.mark.parametrize(
    ("texts", "kind"),
    [(["1", "2"], "number"), (["true"], "boolean"), (["2024-02-29"], "date")],
)
def test_a_column_that_looks_like_one_other_type_is_not_mixed(texts: list[str], kind: str) -> None:
    found = looked(config(c={"type": "free_text"}), texts)
    assert found.mixed() == []
    assert [w.code for w in found.warnings()] == [LOOKS_LIKE[kind]] == [f"text_looks_like_{kind}"]


def test_special_kinds_without_a_general_text_are_warned_of_and_need_no_order() -> None:
    found = looked(config(c={"type": "free_text"}), ["1", "true"])
    assert found.mixed() == []
    assert list(found.warnings()) == [RunWarning(MIXED, "c", 2, (1, 2))]


def test_general_texts_and_other_types_are_no_reason_to_warn() -> None:
    assert list(looked(config(c={"type": "free_text"}), ["x", "", "y"]).warnings()) == []
    assert list(looked(config(c={"type": "number"}), ["1", "2"]).warnings()) == []
    assert list(looked(config(c={"type": "free_text", "send_as": "text"}), ["1", "2"]).warnings()) == []


def test_the_options_of_a_multi_choice_are_looked_at_joined() -> None:
    declared = {"type": "multi_choice", "allow_custom": True, "join": ","}
    assert [w.code for w in looked(config(c=declared), ["1"]).warnings()] == [LOOKS_LIKE["number"]]
    assert list(looked(config(c=declared), ["1|2"]).warnings()) == []
