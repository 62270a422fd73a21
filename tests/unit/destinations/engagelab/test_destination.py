"""EngageLab: ids that are resolved, calls of one operation, codes before statuses."""

import json
import re
from typing import Any

import pytest

from importer.core.models import ALL_APPLIED, SEPARATOR, Answer, Call, Part, Update, Verdict
from importer.destinations.base import Definition
from importer.destinations.engagelab.contacts import CONTACT
from importer.destinations.engagelab.destination import EUID_MAX, PROPERTY, REGISTER, Destination, Settings
from importer.destinations.responses import json_answer


def engagelab(*definitions: Definition, **settings: Any) -> Destination:
    return Destination(Settings.model_validate(settings), definitions)


def update(*parts: Part, person: int = 0) -> Update:
    return Update(person, f"p{person}", parts, resolved_id="7")


THREE = Part("set", ("a", "b", "c"), SEPARATOR.join(['"a":1', '"b":2', '"c":3']))


def register(people: int = 2) -> Call:
    (call,) = engagelab().prepare([update(person=n) for n in range(people)])
    return call


def coded(code: object, status: int = 200, **more: object) -> Answer:
    return json_answer(status, {"code": code, **more})


def test_a_hundred_people_are_resolved_in_one_call() -> None:
    made = engagelab().prepare([update(person=n) for n in range(201)])
    assert [len(call.targets) for call in made] == [100, 100, 1]
    assert json.loads(made[2].body) == {"identity_name": "user_id", "identity_values": ["p200"]}
    assert {(call.path, call.writes) for call in made} == {(REGISTER, False)}


def test_one_call_is_one_operation_and_an_increase_is_not_sent_twice() -> None:
    parts = (THREE, Part("increase", ("n",), '"n":1'), Part("clear", ("old",), ""))
    made = engagelab().calls([update(*parts)])
    bodies = [json.loads(call.body) for call in made]
    assert [body["type"] for body in bodies] == ["set", "increase", "delete"]
    assert [body["euid"] for body in bodies] == [7, 7, 7]
    assert bodies[0]["properties"] == {"a": 1, "b": 2, "c": 3}
    assert bodies[2]["properties"] == {"old": "delete"}
    assert [call.repeatable for call in made] == [True, False, True]


def test_few_properties_go_into_one_call_where_the_settings_say_so() -> None:
    made = engagelab(properties_per_call=2).calls([update(THREE)])
    assert [call.targets[0].keys for call in made] == [("a", "b"), ("c",)]


CONTACTS = (
    Definition("mail", "free_text", field="email"),
    Definition("tel", "free_text", field="mobile_phone"),
)
WITH_CONTACTS = Part("set", ("mail", "a", "tel"), SEPARATOR.join(['"mail":"x@y.z"', '"a":1', '"tel":"+1"']))


def test_contacts_go_out_in_a_call_of_their_own_after_the_properties() -> None:
    first, second = engagelab(*CONTACTS).calls([update(WITH_CONTACTS)])
    assert (first.path, json.loads(first.body)["properties"], first.targets[0].keys) == (
        PROPERTY,
        {"a": 1},
        ("a",),
    )
    assert (second.path, json.loads(second.body)) == (
        CONTACT,
        {"euid": 7, "contacts": {"email": "x@y.z", "mobile_phone": "+1"}},
    )
    assert (second.targets[0].keys, second.repeatable) == (("mail", "tel"), True)
    assert engagelab(*CONTACTS).calls_at_most(3, 0) == 3 + 1, "one call a person, one to register"


def test_a_contact_that_exists_is_found_in_halves() -> None:
    contacts = Part("set", ("mail", "tel"), SEPARATOR.join(['"mail":"x@y.z"', '"tel":"+1"']))
    (call,) = engagelab(*CONTACTS).calls([update(contacts)])
    found = engagelab(*CONTACTS).classify(call, coded(55014))
    assert [json.loads(half.body)["contacts"] for half in found.follow_up] == [
        {"email": "x@y.z"},
        {"mobile_phone": "+1"},
    ]
    assert [half.path for half in found.follow_up] == [CONTACT, CONTACT]
    alone = engagelab(*CONTACTS).classify(found.follow_up[1], coded(55014))
    assert [(one.key, one.reason) for one in alone.refused] == [("tel", "code_55014")]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"field": "fax"}, "attributes.x.field: engagelab has no such contact"),
        ({"field": "email"}, "attributes.x.field: attributes.mail is sent as email already"),
        ({"field": "whatsapp_phone", "type": "number"}, "attributes.x.field: a contact is only for type"),
        (
            {"field": "whatsapp_phone", "operation": "delete"},
            'attributes.x.operation: a contact has "set" only',
        ),
        ({"field": "whatsapp_phone", "blank": "clear"}, "attributes.x.blank: a contact cannot be cleared"),
    ],
)
def test_a_contact_that_cannot_be_sent_is_a_mistake(more: dict[str, Any], problem: str) -> None:
    declared = Definition(**{"key": "x", "type": "free_text", **more})
    [found] = engagelab(*CONTACTS, declared).problems()
    assert found.startswith(problem)


def test_a_contact_can_be_cleared_by_nothing() -> None:
    assert [engagelab(*CONTACTS).can_clear(key) for key in ("mail", "a")] == [False, True]


def test_a_number_of_the_list_is_checked_from_1_to_the_largest() -> None:
    (field,) = engagelab(euid="number").identity_fields()
    fits = [
        text
        for text in ("0", "1", "01", str(EUID_MAX), str(EUID_MAX + 1), "-1", "1.0")
        if re.fullmatch(field.pattern, text)
    ]
    assert fits == ["1", str(EUID_MAX)]
    assert engagelab().identity_fields() == ()


# --- answers


def test_0_applies_all_only_with_a_status_of_success() -> None:
    (call,) = engagelab().calls([update(THREE)])
    assert engagelab().classify(call, coded(0)) == ALL_APPLIED
    found = engagelab().classify(call, coded(0, 400))
    assert (found.verdict, found.message) == (
        Verdict.CONTRADICTION,
        "the code says success, the status says 400",
    )


@pytest.mark.parametrize(
    ("answer", "verdict", "reason"),
    [
        (coded(40050, 401), Verdict.STOP, "code_40050"),
        (coded(50034), Verdict.STOP, "code_50034"),
        (coded(-1, 500), Verdict.RETRY, "internal_error"),
        (coded(99999), Verdict.REFUSED, "code_99999"),
        (coded(True, 503), Verdict.RETRY, "http_503"),
        (coded("0"), Verdict.CONTRADICTION, "answer_contradicts"),
        (Answer(200, {}, b"<html></html>"), Verdict.CONTRADICTION, "answer_contradicts"),
        (Answer(401, {}, b""), Verdict.STOP, "http_401"),
        (Answer(302, {}, b""), Verdict.REFUSED, "http_302"),
    ],
)
def test_the_code_decides_and_without_one_the_status(answer: Answer, verdict: Verdict, reason: str) -> None:
    (call,) = engagelab().calls([update(THREE)])
    found = engagelab().classify(call, answer)
    assert (found.verdict, found.reason) == (verdict, reason)


def test_a_call_with_an_invalid_property_goes_out_in_halves_down_to_the_one_at_fault() -> None:
    (call,) = engagelab().calls([update(THREE)])
    found = engagelab().classify(call, coded(55102))
    assert found.verdict is Verdict.CONTINUE
    assert [json.loads(half.body)["properties"] for half in found.follow_up] == [{"a": 1}, {"b": 2, "c": 3}]
    assert [half.targets[0].keys for half in found.follow_up] == [("a",), ("b", "c")]
    alone = engagelab().classify(found.follow_up[0], coded(55102))
    assert (alone.verdict, [(one.key, one.reason) for one in alone.refused]) == (
        Verdict.DONE,
        [("a", "code_55102")],
    )


@pytest.mark.parametrize(
    ("data", "resolved"),
    [
        (None, {}),
        ([], {}),
        (
            [{"identity_value": "p1", "euid": 8}, {"identity_value": "p0", "euid": "9"}],
            {"p0": "9", "p1": "8"},
        ),
        ([{"identity_value": "p0", "euid": 8}, {"identity_value": "p0", "euid": 8}], {"p0": "8"}),
        ([{"identity_value": "p0", "euid": 8}, {"identity_value": "p0", "euid": 9}], {"p0": ""}),
        ([{"identity_value": "nobody", "euid": 8}, "text", {}], {}),
        (
            [{"identity_value": "p0", "euid": euid} for euid in (0, -1, True, 1.5, EUID_MAX + 1, "9" * 5000)],
            {},
        ),
    ],
)
def test_ids_are_resolved_as_far_as_the_answer_names_them(data: object, resolved: dict[str, str]) -> None:
    found = engagelab().classify(register(), coded(0, data=data))
    assert (found.verdict, found.resolved_ids) == (Verdict.DONE, resolved)


def test_data_that_is_no_list_is_not_believed() -> None:
    assert engagelab().classify(register(), coded(0, data={})).verdict is Verdict.CONTRADICTION


def test_ids_that_are_refused_together_are_asked_for_in_halves() -> None:
    found = engagelab().classify(register(3), coded(55107))
    assert [json.loads(half.body)["identity_values"] for half in found.follow_up] == [["p0"], ["p1", "p2"]]
    alone = engagelab().classify(found.follow_up[0], coded(55107))
    assert (alone.verdict, alone.reason, alone.follow_up) == (Verdict.REFUSED, "code_55107", ())


def test_a_key_is_two_parts_and_goes_out_in_basic_authentication() -> None:
    assert engagelab().headers("k:s")["Authorization"] == "Basic azpz"
    assert engagelab().key_problem("k:s") is None
    problem = engagelab().key_problem("own-key")
    assert problem is not None
    assert "joined by a colon" in problem
    assert "own-key" not in problem


def test_properties_are_written_at_one_path() -> None:
    assert {call.path for call in engagelab().calls([update(THREE)])} == {PROPERTY}
