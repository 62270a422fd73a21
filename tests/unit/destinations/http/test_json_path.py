"""Paths into the JSON of an answer."""

from typing import Any

import pytest

from importer.destinations.http.json_path import value_at, with_value

ANSWER = {"errors": [{"index": 3, "why": {"code": "bad"}}], "ok": False, "none": None}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (".", ANSWER),
        ("ok", False),
        ("errors.0.index", 3),
        ("errors.0.why.code", "bad"),
        ("errors.1.index", None),
        ("errors.first", None),
        ("errors.99999999999999999999", None),
        ("none.code", None),
        ("missing", None),
    ],
)
def test_a_path_finds_its_value_or_none(path: str, value: object) -> None:
    assert value_at(ANSWER, path) == value


@pytest.mark.parametrize(("path", "document"), [("a", {"a": 1}), ("a.b.c", {"a": {"b": {"c": 1}}}), (".", 1)])
def test_a_value_is_found_where_it_was_put(path: str, document: Any) -> None:
    assert with_value({}, path, 1) == document
    assert value_at(document, path) == 1
