"""The simulator of Vevee: keys, each value checked alone, what is read, and the answers that contradict."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from importer.core.models import Answer
from importer.destinations.base import Definition
from importer.destinations.simulator import Request
from importer.destinations.vevee.destination import BATCH, VALUES, Settings
from importer.destinations.vevee.sandbox import Sandbox

KEY = "sk_test"
DEFINITIONS = [
    Definition("age", "number", min=0, max=120),
    Definition("note", "free_text", max_length=3),
    Definition("langs", "multi_choice", options=("de", "en")),
    Definition("old", "number", archived=True),
]


def sandbox(**settings: Any) -> Sandbox:
    return Sandbox({d.key: d for d in DEFINITIONS}, KEY, settings=Settings.model_validate(settings))


def ask(
    vendor: Sandbox,
    method: str,
    path: str,
    body: object = None,
    query: Mapping[str, str] | None = None,
    key: str = KEY,
) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return vendor.answer(Request(method, path, query or {}, {"authorization": f"Bearer {key}"}, data))


def batch(vendor: Sandbox, attributes: object, person: object = "ann") -> Answer:
    return ask(vendor, "POST", BATCH, {"distinctId": person, "attributes": attributes})


def code_of(answer: Answer) -> str:
    return str(json.loads(answer.body)["error"]["code"])


def test_each_value_of_a_batch_is_judged_alone() -> None:
    vendor = sandbox()
    answer = batch(vendor, {"age": 42, "note": "long", "langs": ["de", "fr"], "old": 1, "nobody": 1})
    assert json.loads(answer.body) == {
        "personId": "person_ann",
        "applied": 2,
        "rejected": [
            {"key": "note", "reason": "attribute_value_too_long"},
            {"key": "old", "reason": "attribute_archived"},
            {"key": "nobody", "reason": "attribute_not_defined"},
        ],
    }
    assert vendor.stored == {"ann": {"age": 42, "langs": ["de"]}}


@pytest.mark.parametrize(
    ("key", "value", "stored"),
    [
        ("age", 0, True),
        ("age", 120.5, False),
        ("age", -1, False),
        ("age", True, False),
        ("age", "1", False),
        ("note", "", False),
        ("langs", [], True),
        ("langs", ["fr"], False),
        ("langs", "de", False),
    ],
)
def test_a_value_fits_its_definition_or_is_invalid(key: str, value: object, stored: bool) -> None:
    result = json.loads(batch(sandbox(), {key: value}).body)
    assert result["applied"] == int(stored)
    assert [one["reason"] for one in result["rejected"]] == ([] if stored else ["attribute_value_invalid"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"distinctId":"a","attributes":{"age":NaN}}',
        b'{"distinctId":"\\ud800","attributes":{}}',
        {"distinctId": "", "attributes": {}},
        {"distinctId": "a" * 201, "attributes": {}},
        {"distinctId": 7, "attributes": {}},
        {"distinctId": "a", "attributes": []},
    ],
)
def test_a_body_that_is_none_is_an_invalid_request(body: object) -> None:
    answer = ask(sandbox(), "POST", BATCH, body)
    assert (answer.status, code_of(answer)) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("POST", BATCH, "sk_other", 401),
        ("POST", BATCH, "pk_any", 403),
        ("DELETE", VALUES, "pk_any", 403),
        ("GET", VALUES, "pk_any", 200),
        ("GET", BATCH, KEY, 404),
    ],
)
def test_a_public_key_reads_and_never_writes(method: str, path: str, key: str, status: int) -> None:
    assert ask(sandbox(), method, path, {}, {"distinctid": "ann"}, key).status == status


def test_a_single_value_is_shown_as_it_is_stored() -> None:
    body = {"distinctId": "ann", "attribute": "langs", "value": ["en", "fr"]}
    assert json.loads(ask(sandbox(), "POST", VALUES, body).body)["value"] == ["en"]
    refused = ask(sandbox(), "POST", VALUES, body | {"attribute": "old"})
    assert (refused.status, code_of(refused)) == (400, "attribute_archived")


def test_what_is_stored_is_read_without_archived_attributes_and_by_key_where_asked() -> None:
    vendor = sandbox()
    vendor.stored["ann"] = {"age": 1, "note": "x", "old": 2}
    for query, values in ({}, {"age": 1, "note": "x"}), ({"keys": "note,old"}, {"note": "x"}):
        answer = ask(vendor, "GET", VALUES, query={"distinctid": "ann"} | query)
        assert json.loads(answer.body)["attributes"] == values


def test_a_value_is_cleared_once_and_a_person_without_values_is_gone() -> None:
    vendor, body = sandbox(), {"distinctId": "ann", "attribute": "age"}
    batch(vendor, {"age": 0})
    assert [json.loads(ask(vendor, "DELETE", VALUES, body).body)["cleared"] for _ in range(2)] == [
        True,
        False,
    ]
    assert vendor.stored == {}


def test_an_answer_is_wrapped_only_where_the_configuration_names_an_envelope() -> None:
    assert "applied" in json.loads(batch(sandbox(), {"age": 1}).body)
    assert json.loads(batch(sandbox(envelope="data"), {"age": 1}).body)["data"]["applied"] == 1


def test_counts_that_contradict_are_made_of_a_success_alone() -> None:
    vendor = sandbox(envelope="data")
    good = batch(vendor, {"age": 1})
    high, foreign = vendor.simulate("applied_too_high", good), vendor.simulate("foreign_key", good)
    assert high is not None
    assert foreign is not None
    assert json.loads(high.body)["data"]["applied"] == 2
    assert json.loads(foreign.body)["data"] == json.loads(good.body)["data"] | {
        "applied": 0,
        "rejected": [{"key": "never_sent", "reason": "attribute_value_invalid"}],
    }
    assert vendor.simulate("applied_too_high", batch(vendor, [])) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("quota", (429, "workspace_limit_reached")),
        ("401", (401, "invalid_key")),
        ("429", None),
        ("503", None),
    ],
)
def test_only_documented_errors_have_codes(name: str, expected: tuple[int, str] | None) -> None:
    answer = sandbox().documented_error(name)
    assert ((answer.status, code_of(answer)) if answer else None) == expected
