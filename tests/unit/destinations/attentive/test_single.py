"""Calls of one person: the body, what an answer means, and how the value at fault is found."""

import json

import pytest

from importer.core.models import (
    ALL_APPLIED,
    SEPARATOR,
    Answer,
    Call,
    Part,
    Target,
    Update,
    Verdict,
)
from importer.destinations.attentive.single import classify_person_call, first_value_call, person_call
from importer.destinations.responses import json_answer

USER = '{"email":"a@example.com"}'
OK, REFUSED = json_answer(200, {}), json_answer(400, {})


def first_call(*keys: str, doubtful: tuple[str, ...] = ()) -> Call:
    part = Part("set", keys, SEPARATOR.join(f'"{key}":1' for key in keys))
    return person_call(USER, Update(4, "p4", (part,), doubtful=doubtful), part)


def properties(call: Call) -> list[str]:
    body = json.loads(call.body)
    assert body["user"] == {"email": "a@example.com"}
    return list(body["properties"])


def settle(call: Call, *bad: str) -> tuple[int, set[str], dict[str, int], list[str]]:
    """Calls, applied keys, refused keys with their status, and reasons; a call with one of `bad` fails."""
    waiting, calls = [call], 0
    applied, refused, reasons = set[str](), dict[str, int](), list[str]()
    while waiting:
        call, calls = waiting.pop(0), calls + 1
        found = classify_person_call(call, REFUSED if set(bad) & set(properties(call)) else OK)
        waiting.extend(found.follow_up)
        if found.verdict is Verdict.CONTINUE:
            continue
        assert found.verdict is Verdict.DONE
        reasons += [refusal.reason for refusal in found.refused]
        whole = {refusal.target for refusal in found.refused if not refusal.key}
        refused |= {refusal.key: refusal.status for refusal in found.refused if refusal.key}
        for index, target in enumerate(call.targets):
            if index in whole:
                refused |= dict.fromkeys(target.keys, 400)
            elif index not in found.carried:
                applied |= set(target.keys) - refused.keys()
    return calls, applied, refused, reasons


def test_a_person_is_one_call_with_the_user_and_all_values() -> None:
    call = first_call("age", "plan")
    assert (call.method, call.path) == ("POST", "/v1/attributes/custom")
    assert call.body == b'{"user":{"email":"a@example.com"},"properties":{"age":1,"plan":1}}'
    assert call.targets == (Target(4, "p4", "set", ("age", "plan")),)


def test_a_first_value_settles_nothing() -> None:
    call = first_value_call(USER, '"age":1')
    assert call.body == b'{"user":{"email":"a@example.com"},"properties":{"age":1}}'
    assert call.targets == ()
    assert classify_person_call(call, OK) == ALL_APPLIED
    found = classify_person_call(call, REFUSED)
    assert (found.verdict, found.reason) == (Verdict.REFUSED, "http_400")


@pytest.mark.parametrize(
    "body", [b"", b" \n", b"{}", b'{"id":1}', b"[]", b'{"error":null}', b'{"errors":[]}']
)
def test_a_2xx_that_names_no_error_applies_all(body: bytes) -> None:
    assert classify_person_call(first_call("age"), Answer(200, {}, body)) == ALL_APPLIED


@pytest.mark.parametrize("body", [b'{"error":"x"}', b'{"errors":[1]}', b"<html></html>", b'{"id":', b"null"])
def test_a_2xx_that_names_an_error_or_is_no_json_is_not_believed(body: bytes) -> None:
    found = classify_person_call(first_call("age"), Answer(200, {}, body))
    assert found.verdict is Verdict.CONTRADICTION
    assert found.message == "the answer is not the API's, or speaks of an error"


def test_a_user_who_is_not_known_loses_every_value_at_once() -> None:
    found = classify_person_call(first_call("age", "plan"), json_answer(404, {}))
    assert (found.verdict, found.follow_up) == (Verdict.DONE, ())
    (refusal,) = found.refused
    assert (refusal.target, refusal.key, refusal.reason) == (0, "", "person_not_found")
    assert (refusal.message, refusal.status) == ("the destination knows no such user", 404)


def test_a_user_who_is_not_known_in_a_search_loses_what_is_still_to_be_sent_too() -> None:
    (second,) = classify_person_call(first_call("a", "b", "c", "d"), REFUSED).follow_up
    assert len(second.targets) == 2
    found = classify_person_call(second, json_answer(404, {}))
    assert [(refusal.target, refusal.key) for refusal in found.refused] == [(0, ""), (1, "")]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (302, Verdict.REFUSED),
        (401, Verdict.STOP),
        (403, Verdict.STOP),
        (429, Verdict.RETRY),
        (500, Verdict.RETRY),
    ],
)
def test_a_status_that_is_no_fault_of_a_value_begins_no_search(status: int, verdict: Verdict) -> None:
    found = classify_person_call(first_call("age", "plan"), json_answer(status, {}))
    assert (found.verdict, found.reason, found.follow_up) == (verdict, f"http_{status}", ())


def test_one_value_that_is_refused_alone_is_settled_by_its_only_call() -> None:
    calls, applied, refused, _ = settle(first_call("age"), "age")
    assert (calls, applied, refused) == (1, set(), {"age": 400})


@pytest.mark.parametrize("bad", "abcdefgh")
def test_the_search_finds_the_value_and_applies_the_others(bad: str) -> None:
    calls, applied, refused, reasons = settle(first_call(*"abcdefgh"), bad)
    assert (applied, refused, reasons) == (set("abcdefgh") - {bad}, {bad: 400}, ["value_refused"])
    assert calls <= 7


def test_where_each_value_is_refused_alone_it_is_the_person() -> None:
    _, applied, refused, reasons = settle(first_call(*"abc"), *"abc")
    assert (applied, set(refused), reasons) == (set(), set("abc"), ["person_refused"])


def test_a_doubtful_value_goes_out_alone_before_the_others() -> None:
    call = first_call("a", "b", "c", doubtful=("b",))
    assert properties(call) == ["b"]
    assert [target.keys for target in call.targets] == [("b",), ("a", "c")]
    assert settle(call, "b")[:3] == (2, {"a", "c"}, {"b": 400})


def test_the_status_of_a_refusal_is_the_one_it_was_refused_with() -> None:
    found = classify_person_call(first_call("age"), json_answer(422, {}))
    assert [(refusal.key, refusal.status) for refusal in found.refused] == [("age", 422)]
