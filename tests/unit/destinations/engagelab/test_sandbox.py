"""The simulator of EngageLab: its codes, what it stores, and the answers that contradict."""

import base64
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from importer.core.models import Answer
from importer.destinations.base import Definition
from importer.destinations.engagelab.contacts import CONTACT
from importer.destinations.engagelab.destination import (
    IDS_PER_CALL,
    PROPERTY,
    REGISTER,
    Destination,
    Settings,
)
from importer.destinations.engagelab.sandbox import Sandbox
from importer.destinations.simulator import Request

KEY = "sandbox:secret"
DEFINITIONS = [
    Definition("plan", "free_text"),
    Definition("points", "number"),
    Definition("topics", "multi_choice"),
    Definition("vip", "boolean"),
    Definition("old", "free_text", archived=True),
    Definition("mail", "free_text", field="email"),
]
ANN = 7


def sandbox(settings: Mapping[str, Any] | None = None) -> Sandbox:
    vendor = Sandbox({d.key: d for d in DEFINITIONS}, KEY, settings=Settings.model_validate(settings or {}))
    vendor.add_person("ann", ANN)
    return vendor


def request(path: str, body: object, key: str = KEY, method: str = "POST") -> Request:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    basic = "Basic " + base64.b64encode(key.encode()).decode()
    return Request(method, path, {}, {"authorization": basic}, data)


def read(answer: Answer) -> Any:
    return json.loads(answer.body)


def register(vendor: Sandbox, *ids: object, name: str = "user_id") -> Any:
    return read(vendor.answer(request(REGISTER, {"identity_name": name, "identity_values": ids})))


def write(vendor: Sandbox, kind: str, properties: object, euid: object = ANN) -> int:
    body = {"euid": euid, "type": kind, "properties": properties}
    return int(read(vendor.answer(request(PROPERTY, body)))["code"])


# --- the door


@pytest.mark.parametrize("header", ["", "Bearer sandbox:secret", "Basic !", "Basic /w==", "Basic b3RoZXI="])
def test_another_key_is_refused(header: str) -> None:
    answer = sandbox().answer(Request("POST", REGISTER, {}, {"authorization": header}, b"{}"))
    assert (answer.status, read(answer)["code"]) == (401, 40050)


def test_another_path_is_not_found() -> None:
    assert sandbox().answer(request("/v1/other", {})).status == 404


@pytest.mark.parametrize("path", [REGISTER, PROPERTY])
@pytest.mark.parametrize("body", [b"", b"[]", b'{"a":NaN}', b'{"a":', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_strict_json_object_is_an_invalid_request(path: str, body: bytes) -> None:
    assert read(sandbox().answer(request(path, body)))["code"] == 55004


def test_another_method_is_an_invalid_request() -> None:
    assert read(sandbox().answer(request(PROPERTY, {}, method="PUT")))["code"] == 55004


# --- people


def test_a_person_keeps_the_number_of_the_first_time() -> None:
    vendor = sandbox()
    first = {one["identity_value"]: one["euid"] for one in register(vendor, "ben", "cy", "ben")["data"]}
    assert set(first) == {"ben", "cy"}
    assert min(first.values()) > 1 << 53
    again = {one["identity_value"]: one["euid"] for one in register(vendor, "cy", "ann")["data"]}
    assert again == {"cy": first["cy"], "ann": ANN}


def test_the_first_number_is_one_that_a_float_cannot_hold() -> None:
    (only,) = register(Sandbox({}, KEY), "ben")["data"]
    assert int(float(only["euid"])) != only["euid"]


@pytest.mark.parametrize(
    ("ids", "name", "code"),
    [
        (("a",), "email", 55106),
        (tuple(map(str, range(IDS_PER_CALL + 1))), "user_id", 55101),
        (("a", ""), "user_id", 55107),
        (("a" * (Destination.distinct_id_max + 1),), "user_id", 55105),
        ((1,), "user_id", 55004),
    ],
)
def test_ids_that_cannot_be_registered(ids: tuple[object, ...], name: str, code: int) -> None:
    vendor = sandbox()
    assert register(vendor, *ids, name=name)["code"] == code
    assert set(vendor.euids) == {"ann"}


def test_as_many_and_as_long_ids_as_documented_are_registered() -> None:
    ids = [str(n).rjust(Destination.distinct_id_max, "x") for n in range(IDS_PER_CALL)]
    assert len(register(sandbox(), *ids)["data"]) == IDS_PER_CALL


@pytest.mark.parametrize(
    ("euid", "code"), [(None, 40007), (8, 55108), ("7", 55108), (True, 55108), (7.0, 55108)]
)
def test_a_number_that_is_nobodys(euid: object, code: int) -> None:
    assert write(sandbox(), "set", {"plan": "x"}, euid) == code


def test_where_the_list_brings_the_numbers_each_is_somebodys() -> None:
    vendor = sandbox({"euid": "number"})
    assert write(vendor, "set", {"plan": "x"}, 8) == 0
    assert vendor.stored == {"8": {"plan": "x"}}
    assert write(vendor, "set", {"plan": "x"}, 0) == 55108


# --- values


@pytest.mark.parametrize(
    ("kind", "properties"),
    [("set", {}), ("set", []), ("replace", {"plan": "x"}), ("", {"plan": "x"})],
)
def test_an_operation_or_properties_that_are_none(kind: str, properties: object) -> None:
    assert write(sandbox(), kind, properties) == 55004


@pytest.mark.parametrize("blank", ["", None, []])
def test_a_blank_value_sinks_the_whole_call(blank: object) -> None:
    vendor = sandbox()
    assert write(vendor, "set", {"plan": "x", "topics": blank}) == 55103
    assert vendor.stored == {}


@pytest.mark.parametrize(
    "properties",
    [
        {"nobody": 1},
        {"old": "x"},
        {"plan": 1},
        {"points": "1"},
        {"points": True},
        {"topics": "a"},
        {"topics": [1]},
    ],
)
def test_a_call_of_invalid_properties_alone_is_refused(properties: object) -> None:
    vendor = sandbox()
    assert write(vendor, "set", properties) == 55102
    assert vendor.stored == {}


def test_0_may_mean_a_part_of_the_call() -> None:
    vendor = sandbox()
    assert write(vendor, "set", {"plan": "x", "nobody": 1}) == 0
    assert vendor.stored == {"ann": {"plan": "x"}}


@pytest.mark.parametrize(
    ("booleans", "value", "code"),
    [
        ("true_false", True, 0),
        ("true_false", 1, 55102),
        ("one_zero", 1, 0),
        ("one_zero", True, 55102),
        ("one_zero", 2, 55102),
    ],
)
def test_a_boolean_is_written_as_the_settings_say(booleans: str, value: object, code: int) -> None:
    assert write(sandbox({"booleans": booleans}), "set", {"vip": value}) == code


def test_an_increase_is_exact_and_begins_at_0() -> None:
    vendor = sandbox()
    for text in (b"0.1", b"0.2", b"1e20"):
        body = b'{"euid":7,"type":"increase","properties":{"points":' + text + b"}}"
        assert read(vendor.answer(request(PROPERTY, body)))["code"] == 0
    assert vendor.stored["ann"]["points"] == Decimal("100000000000000000000.3")
    assert write(vendor, "increase", {"plan": 1}) == 55102


def test_members_are_added_once_and_removed_and_an_empty_list_is_no_value() -> None:
    vendor = sandbox()
    write(vendor, "add", {"topics": ["a", "b"]})
    write(vendor, "add", {"topics": ["b", "c"]})
    assert vendor.stored["ann"]["topics"] == ["a", "b", "c"]
    write(vendor, "remove", {"topics": ["a", "z"]})
    assert vendor.stored["ann"]["topics"] == ["b", "c"]
    write(vendor, "remove", {"topics": ["b", "c"]})
    assert vendor.stored == {}


def test_a_person_without_values_is_not_stored() -> None:
    vendor = sandbox()
    write(vendor, "set", {"plan": "x", "points": 1})
    write(vendor, "delete", {"plan": "any"})
    assert vendor.stored == {"ann": {"points": 1}}
    write(vendor, "delete", {"points": 1})
    assert vendor.stored == {}


# --- faults


def answered(vendor: Sandbox, properties: object) -> Answer:
    return vendor.answer(request(PROPERTY, {"euid": ANN, "type": "set", "properties": properties}))


def test_a_dropped_property_is_not_stored_and_0_is_answered_all_the_same() -> None:
    vendor = sandbox()
    answer = answered(vendor, {"plan": "x", "points": 1})
    assert vendor.simulate("drops_one", answer) == answer
    assert vendor.stored == {"ann": {"plan": "x"}}


def test_one_invalid_property_sinks_the_call_and_what_stood_there_stands_again() -> None:
    vendor = sandbox()
    answered(vendor, {"plan": "before"})
    answer = answered(vendor, {"plan": "after", "points": 1, "nobody": 1})
    refused = vendor.simulate("refuses_whole", answer)
    assert refused is not None
    assert read(refused)["code"] == 55102
    assert vendor.stored == {"ann": {"plan": "before"}}


def test_a_valid_call_has_nothing_to_refuse() -> None:
    vendor = sandbox()
    assert vendor.simulate("refuses_whole", answered(vendor, {"plan": "x"})) is None


def test_an_id_is_left_out() -> None:
    vendor = sandbox()
    answer = vendor.answer(request(REGISTER, {"identity_name": "user_id", "identity_values": ["ben", "cy"]}))
    part = vendor.simulate("resolves_part", answer)
    assert part is not None
    assert len(read(part)["data"]) == len(read(answer)["data"]) - 1 == 1
    assert vendor.simulate("resolves_part", answered(vendor, {"plan": "x"})) is None


@pytest.mark.parametrize(("name", "status", "code"), [("401", 401, 40050), ("500", 500, -1)])
def test_documented_errors_carry_their_codes(name: str, status: int, code: int) -> None:
    answer = sandbox().documented_error(name)
    assert answer is not None
    assert (answer.status, read(answer)["code"]) == (status, code)


@pytest.mark.parametrize("name", ["quota", "429"])
def test_nothing_is_documented_of_quotas(name: str) -> None:
    assert sandbox().documented_error(name) is None


@pytest.mark.parametrize(
    ("path", "body", "people"),
    [
        (REGISTER, {"identity_values": ["ann", "ben"]}, ("ann", "ben")),
        (REGISTER, {}, ()),
        (PROPERTY, {"euid": ANN}, ("ann",)),
        (PROPERTY, {"euid": 8}, ()),
        (PROPERTY, [], ()),
        (PROPERTY, b"{", ()),
    ],
)
def test_the_people_of_a_request(path: str, body: object, people: tuple[str, ...]) -> None:
    assert sandbox().distinct_ids(request(path, body)) == people


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"euid": ANN, "contacts": {"email": "ann@example.com"}}, 0),
        ({"euid": ANN, "contacts": {"email": "taken@example.com"}}, 55014),
        ({"euid": ANN, "contacts": {"email": 7}}, 55004),
        ({"euid": ANN, "contacts": {"fax": "7"}}, 55004),
        ({"euid": ANN, "contacts": {}}, 55004),
        ({"contacts": {"email": "ann@example.com"}}, 40007),
        ({"euid": 1, "contacts": {"email": "ann@example.com"}}, 55108),
    ],
)
def test_contacts_are_stored_under_their_attribute_unless_somebody_has_them(
    body: dict[str, Any], code: int
) -> None:
    vendor = sandbox()
    vendor.stored["bob"] = {"mail": "taken@example.com"}
    answer = vendor.answer(request(CONTACT, body))
    assert json.loads(answer.body)["code"] == code
    assert vendor.stored.get("ann") == ({"mail": "ann@example.com"} if code == 0 else None)
