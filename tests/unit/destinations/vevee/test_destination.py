"""Vevee: what goes out in each mode, and what each answer means for it."""

import json
from typing import Any

import pytest

from importer.core.models import ALL_APPLIED, SEPARATOR, Answer, Call, Part, Refusal, Update, Verdict
from importer.destinations.base import NORMALIZED, Definition
from importer.destinations.responses import UNREADABLE, json_answer
from importer.destinations.vevee.destination import BATCH, VALUES, Destination, Settings

ANN = Update(
    0,
    'ann "1"',
    (Part("set", ("age", "plan"), f'"age":42{SEPARATOR}"plan":"x"'), Part("clear", ("old", "gone"), "")),
)


def vevee(*definitions: Definition, **settings: Any) -> Destination:
    return Destination(Settings.model_validate(settings), definitions)


def calls(**settings: Any) -> list[Call]:
    return list(vevee(**settings).calls([ANN]))


def test_a_person_is_one_call_and_one_for_each_value_to_clear() -> None:
    batch, *clears = calls()
    assert (batch.method, batch.path, batch.targets[0].keys) == ("POST", BATCH, ("age", "plan"))
    assert json.loads(batch.body) == {"distinctId": 'ann "1"', "attributes": {"age": 42, "plan": "x"}}
    assert [(call.method, call.path, call.targets[0].keys) for call in clears] == [
        ("DELETE", VALUES, ("old",)),
        ("DELETE", VALUES, ("gone",)),
    ]
    assert json.loads(clears[0].body) == {"distinctId": 'ann "1"', "attribute": "old"}


def test_in_the_mode_single_each_value_is_a_call() -> None:
    first, second = calls(mode="single")[:2]
    assert json.loads(first.body) == {"distinctId": 'ann "1"', "attribute": "age", "value": 42}
    assert json.loads(second.body) == {"distinctId": 'ann "1"', "attribute": "plan", "value": "x"}


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        ({}, {"Authorization": "Bearer sk_1"}),
        ({"auth_header": "X-Api-Key", "auth_scheme": ""}, {"X-Api-Key": "sk_1"}),
    ],
)
def test_the_key_goes_out_in_the_configured_header(settings: dict[str, str], headers: dict[str, str]) -> None:
    assert headers.items() <= vevee(**settings).headers("sk_1").items()


def test_only_a_secret_key_can_work_and_no_key_is_quoted() -> None:
    assert vevee().key_problem("sk_1") is None
    public, other = vevee().key_problem("pk_own"), vevee().key_problem("own")
    assert public == "this is a public key (pk_...); bulk writes need the workspace's secret key (sk_...)."
    assert other == "expected a Vevee secret key, which begins with sk_."


def test_what_it_cannot_do_is_said_with_its_place() -> None:
    definition = Definition("points", "number", operation="increase", join=",", send_as="text")
    assert list(vevee(definition, Definition("fine", "number")).problems()) == [
        'attributes.points.operation: vevee has "set" only',
        "attributes.points.join: vevee takes a multi_choice as a list; take it out",
        "attributes.points.send_as: vevee takes each type as it is; take it out",
    ]


# --- a batch


def rejected(*keys: str) -> list[dict[str, str]]:
    return [{"key": key, "reason": "attribute_value_invalid"} for key in keys]


@pytest.mark.parametrize("envelope", [False, True])
def test_each_refused_value_is_named(envelope: bool) -> None:
    result = {"applied": 1, "rejected": rejected("plan")}
    found = vevee().classify(calls()[0], json_answer(200, {"data": result} if envelope else result))
    assert (found.verdict, found.refused) == (
        Verdict.DONE,
        (Refusal(0, "plan", "attribute_value_invalid"),),
    )


def test_all_values_applied_is_all_applied() -> None:
    assert vevee().classify(calls()[0], json_answer(200, {"applied": 2, "rejected": []})) == ALL_APPLIED


@pytest.mark.parametrize(
    "result",
    [
        {"applied": 2, "rejected": rejected("plan")},
        {"applied": 1, "rejected": []},
        {"applied": 1, "rejected": rejected("other")},
        {"applied": 0, "rejected": rejected("plan", "plan")},
        {"applied": 1, "rejected": [{"reason": "x"}]},
        {"applied": 3, "rejected": []},
        {"applied": -1, "rejected": []},
    ],
)
def test_counts_that_are_not_what_was_sent_are_not_believed(result: object) -> None:
    assert vevee().classify(calls()[0], json_answer(200, result)).verdict is Verdict.CONTRADICTION


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"<html></html>", b'{"applied":true,"rejected":[]}', b'{"applied":2}']
)
def test_a_2xx_that_does_not_account_for_the_values_is_unreadable(body: bytes) -> None:
    found = vevee().classify(calls()[0], Answer(200, {}, body))
    assert (found.verdict, found.reason) == (Verdict.RETRY, UNREADABLE)


def test_a_reason_that_is_no_code_is_dropped_since_it_may_echo_a_value() -> None:
    result = {"applied": 1, "rejected": [{"key": "plan", "reason": "not ann@example.com"}]}
    (refusal,) = vevee().classify(calls()[0], json_answer(200, result)).refused
    assert refusal.reason == "rejected"


# --- one value


def test_a_value_that_is_stored_otherwise_is_reported() -> None:
    call, vendor = calls(mode="single")[1], vevee(mode="single")
    assert vendor.classify(call, json_answer(200, {"attribute": "plan", "value": "x"})) == ALL_APPLIED
    found = vendor.classify(call, json_answer(200, {"attribute": "plan", "value": "X"}))
    assert [(one.key, one.reason) for one in found.normalized] == [("plan", NORMALIZED)]
    other = vendor.classify(call, json_answer(200, {"attribute": "age", "value": "x"}))
    assert other.verdict is Verdict.CONTRADICTION
    assert vendor.classify(call, json_answer(200, {})).reason == UNREADABLE


@pytest.mark.parametrize("cleared", [True, False])
def test_to_clear_what_is_not_set_is_a_success_too(cleared: bool) -> None:
    assert vevee().classify(calls()[1], json_answer(200, {"cleared": cleared})) == ALL_APPLIED
    assert vevee().classify(calls()[1], json_answer(200, {"cleared": "yes"})).reason == UNREADABLE


# --- errors


@pytest.mark.parametrize(
    ("status", "code", "verdict", "reason"),
    [
        (401, "invalid_key", Verdict.STOP, "invalid_key"),
        (401, "", Verdict.STOP, "http_401"),
        (403, "requires_secret_key", Verdict.STOP, "requires_secret_key"),
        (429, "workspace_limit_reached", Verdict.STOP, "workspace_limit_reached"),
        (429, "limit_reached", Verdict.REFUSED, "limit_reached"),
        (429, "", Verdict.RETRY, "http_429"),
        (500, "internal_error", Verdict.RETRY, "internal_error"),
        (501, "", Verdict.STOP, "http_501"),
        (503, "", Verdict.RETRY, "http_503"),
        (400, "invalid_request", Verdict.REFUSED, "invalid_request"),
        (400, "says ann@example.com", Verdict.REFUSED, "http_400"),
        (302, "", Verdict.REFUSED, "http_302"),
    ],
)
def test_the_code_decides_before_the_status(status: int, code: str, verdict: Verdict, reason: str) -> None:
    bodies: list[dict[str, Any]] = [
        {"error": {"code": code}},
        {"error": code},
        {"code": code},
        {"data": {"code": code}},
    ]
    for body in bodies:
        found = vevee().classify(calls()[0], json_answer(status, body))
        assert (found.verdict, found.reason) == (verdict, reason)
        assert "ann@example.com" not in found.message


def test_a_code_of_a_value_refuses_the_one_value_of_a_single_call_alone() -> None:
    answer = json_answer(400, {"error": {"code": "attribute_archived"}})
    found = vevee(mode="single").classify(calls(mode="single")[0], answer)
    assert (found.verdict, found.refused) == (Verdict.DONE, (Refusal(0, "age", "attribute_archived"),))
    assert vevee().classify(calls()[0], answer).verdict is Verdict.REFUSED


def test_a_person_is_read_by_an_escaped_id_and_without_attributes_it_is_unreadable() -> None:
    call = vevee().read_back(ANN)
    assert (call.method, call.path) == ("GET", f"{VALUES}?distinctId=ann%20%221%22")
    assert vevee().read(call, json_answer(200, {"attributes": {"age": 42}})) == {"age": 42}
    missing, refused = (vevee().read(call, json_answer(status, {})) for status in (200, 401))
    assert getattr(missing, "reason", "") == UNREADABLE
    assert getattr(refused, "verdict", None) is Verdict.STOP
