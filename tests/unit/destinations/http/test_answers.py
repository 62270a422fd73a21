"""The first declared answer that fits counts."""

from typing import Any

import pytest

from importer.core.models import Call, Target, Verdict
from importer.destinations.http.answers import classify
from importer.destinations.http.settings import Settings
from importer.destinations.responses import json_answer

CALL = Call("POST", "/p", b"{}", (Target(0, "a", "set", ("age",)),))


def verdict(status: int, body: object, *answers: dict[str, Any]) -> Verdict:
    declared = {"path": "/p", "body": {"id": "{distinct_id}", "set": "{attributes}"}, "answers": answers}
    return classify(CALL, json_answer(status, body), Settings.model_validate(declared)).verdict


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"errors": ["x"]}, Verdict.REFUSED),
        (200, {"errors": None}, Verdict.DONE),
        (200, {}, Verdict.DONE),
        (204, {}, Verdict.DONE),
        (404, {}, Verdict.DONE),
        (500, {}, Verdict.STOP),
    ],
)
def test_the_first_that_fits_counts(status: int, body: object, expected: Verdict) -> None:
    answers = (
        {"status": ["200"], "path": "errors", "means": "refused"},
        {"status": ["2xx", "404"], "means": "done"},
        {"status": ["5xx"], "means": "stop"},
    )
    assert verdict(status, body, *answers) is expected


@pytest.mark.parametrize(
    ("equals", "found", "fits"),
    [(1, 1, True), (1, True, False), ("1", 1, False), ([], [], True), ({}, {}, True), ({}, [], False)],
)
def test_a_value_equals_its_own_kind_only(equals: object, found: object, fits: bool) -> None:
    rule = {"status": ["200"], "path": "code", "equals": equals, "means": "done"}
    assert (verdict(200, {"code": found}, rule) is Verdict.DONE) == fits
