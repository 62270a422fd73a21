"""Attentive's own answers to what every destination is asked."""

from collections.abc import Mapping
from typing import Any

import pytest

from importer.core.models import Answer, Call, Classification, Part, Update, Verdict
from importer.destinations.attentive.destination import Destination
from importer.destinations.attentive.settings import Settings
from importer.destinations.base import Definition, RateHint
from importer.destinations.responses import json_answer


def attentive(*definitions: Definition, **settings: Any) -> Destination:
    data = {"user": {"email": "mail", "phone": "mobile", "client_user_id": "id"}, **settings}
    return Destination(Settings.model_validate(data), definitions)


def update(phone: str = "", email: str = "", own: str = "") -> Update:
    return Update(0, "p0", (Part("set", ("age",), '"age":1'),), user=(phone, email, own))


def test_a_single_call_confirms_itself_and_a_job_each_record() -> None:
    single, bulk = attentive(), attentive(mode="bulk")
    assert (single.confirms, single.people_per_call, single.requests_per_second) == ("call", 1, 150)
    assert (bulk.confirms, bulk.people_per_call, bulk.requests_per_second) == ("job", 256, 100)
    assert (single.polls_per_second, bulk.polls_per_second) == (0, 100)


def test_what_it_cannot_do_is_said_with_the_place_and_the_next_step() -> None:
    lists = Definition("topics", "multi_choice", operation="add", blank="clear")
    found = list(attentive(lists, Definition("x" * 201, "number"), Definition("fine", "number")).problems())
    assert found == [
        'attributes.topics.operation: attentive has "set" only',
        'attributes.topics.blank: attentive has no documented way to clear an attribute; take "skip"',
        (
            "attributes.topics.join: attentive refuses lists; declare what stands between options, such as "
            'join = ", "'
        ),
        f"attributes.{'x' * 201}: longer than the 200 characters of an attribute's name",
    ]


def test_a_joined_list_is_no_problem() -> None:
    assert list(attentive(Definition("topics", "multi_choice", join=", ")).problems()) == []


def test_the_key_goes_out_as_a_bearer_token_and_is_checked_first() -> None:
    assert attentive().headers("k")["Authorization"] == "Bearer k"
    assert attentive().check_key() == Call("GET", "/v1/me", b"", ())


@pytest.mark.parametrize(
    ("mode", "path"), [("single", "/v1/attributes/custom"), ("bulk", "/v2/bulk/user/attributes")]
)
def test_people_go_out_as_the_mode_says(mode: str, path: str) -> None:
    calls = attentive(mode=mode).calls([update(email="a@example.com"), update(email="b@example.com")])
    assert [call.path for call in calls] == [path] * (2 if mode == "single" else 1)
    assert [target.keys for call in calls for target in call.targets] == [("age",)] * 2


def test_a_first_value_is_a_call_of_its_own_in_bulk_mode_too() -> None:
    call = attentive(mode="bulk").first_value(update(email="a@example.com"))
    assert call is not None
    assert (call.path, call.targets) == ("/v1/attributes/custom", ())


@pytest.mark.parametrize(
    ("person", "path"),
    [
        (update("+13115552368", "a@example.com"), "/v1/attributes/custom?phone=%2B13115552368"),
        (update(email="a b&c@example.com"), "/v1/attributes/custom?email=a%20b%26c%40example.com"),
    ],
)
def test_a_person_is_read_by_phone_or_else_by_address(person: Update, path: str) -> None:
    assert attentive().read_back(person) == Call("GET", path, b"", ())


def test_a_person_with_an_id_alone_cannot_be_read() -> None:
    assert attentive().read_back(update(own="42")) is None


READ = Call("GET", "/v1/attributes/custom?email=a", b"", ())


def test_what_is_stored_is_read_by_name() -> None:
    body = [{"name": "age", "value": "1"}, {"name": "plan"}, {"name": 7, "value": "x"}, "y"]
    assert attentive().read(READ, json_answer(200, body)) == {"age": "1", "plan": None}


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (json_answer(401, {}), Verdict.STOP),
        (json_answer(503, {}), Verdict.RETRY),
        (json_answer(404, {}), Verdict.REFUSED),
        (json_answer(200, {}), Verdict.REFUSED),
    ],
)
def test_what_cannot_be_read_says_why(answer: Answer, verdict: Verdict) -> None:
    found = attentive().read(READ, answer)
    assert isinstance(found, Classification)
    assert found.verdict is verdict


@pytest.mark.parametrize(
    ("sent", "stored", "same"),
    [
        (True, "TRUE", True),
        (True, "1", False),
        (False, "false", True),
        ("7", "7", True),
        ("7", "7.0", False),
        (7, "7.0", True),
        (7, "7,0", False),
        (7, 7, False),
        (7, "NaN", False),
        (7, "sNaN", False),
        (7, None, False),
    ],
)
def test_a_value_is_compared_with_the_text_that_comes_back(sent: Any, stored: Any, same: bool) -> None:
    assert attentive().is_stored(sent, stored) is same


@pytest.mark.parametrize(
    ("headers", "hint"),
    [
        ({}, None),
        ({"x-ratelimit-limit": "150"}, RateHint(150, None, 1.0)),
        ({"x-ratelimit-limit": "150", "x-ratelimit-remaining": "149"}, RateHint(150, None, 1.0)),
        ({"x-ratelimit-limit": "150", "x-ratelimit-remaining": "0"}, RateHint(150, 0, 1.0)),
        ({"x-ratelimit-remaining": "0"}, RateHint(None, 0, 1.0)),
        ({"x-ratelimit-limit": "0"}, RateHint(None, None, 1.0)),
        ({"x-ratelimit-limit": "-5"}, None),
        ({"x-ratelimit-limit": "many"}, None),
        ({"x-ratelimit-limit": "²"}, None),
        ({"x-ratelimit-limit": "9" * 5000}, None),
    ],
)
def test_only_a_plain_number_in_the_headers_is_a_limit(
    headers: Mapping[str, str], hint: RateHint | None
) -> None:
    assert attentive().rate_hint(Answer(200, headers, b"")) == hint


def test_a_first_value_needs_a_name_that_a_single_call_knows() -> None:
    by_shop = attentive(mode="bulk", user={"shopify_id": "shop"})
    assert (
        by_shop.first_value(Update(0, "p0", (Part("set", ("age",), '"age":1'),), user=("345678901",))) is None
    )


def test_standard_fields_and_ids_of_shops_are_for_bulk_records() -> None:
    name = Definition("name", "free_text", field="firstName")
    bulk = attentive(name, mode="bulk", user={"shopify_id": "shop", "klaviyo_id": "k"})
    assert list(bulk.problems()) == []
    assert (bulk.takes_fields, bulk.shows("name"), bulk.shows("age")) == (True, False, True)
    assert list(attentive(user={"email": "mail", "shopify_id": "shop"}).problems()) == [
        'destination.user.shopify_id: attentive takes it only with mode = "bulk"'
    ]
    assert not attentive(name).takes_fields


@pytest.mark.parametrize(
    ("definitions", "said"),
    [
        (
            (Definition("a", "free_text", field="firstname"),),
            "attributes.a.field: attentive has no such field",
        ),
        (
            (Definition("a", "free_text", field="demographic.age"),),
            "demographic.age is only for type = number",
        ),
        (
            (Definition("a", "free_text", field="lastName"), Definition("b", "free_text", field="lastName")),
            "attributes.b.field: attributes.a is sent as lastName already",
        ),
    ],
)
def test_a_field_that_cannot_be_is_said(definitions: tuple[Definition, ...], said: str) -> None:
    found = list(attentive(*definitions, mode="bulk").problems())
    assert len(found) == 1
    assert said in found[0]
