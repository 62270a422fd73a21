"""The simulator of Attentive: keys, types fixed by the first value, names of a person, jobs."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from importer.core.models import Answer
from importer.destinations.attentive.endpoints import RECORD_MAX
from importer.destinations.attentive.sandbox import RESULTS, Sandbox
from importer.destinations.base import Definition
from importer.destinations.simulator import Request

KEY = "token"
DEFINITIONS = [
    Definition("level", "single_choice", options=("gold", "silver")),
    Definition("free", "single_choice", options=("a",), allow_custom=True),
    Definition("old", "number", archived=True),
]
ANN = {"email": "ann@example.com"}
CUSTOM, BULK, JOB = "/v1/attributes/custom", "/v2/bulk/user/attributes", "/v2/bulk/job/"


def sandbox(limit: float = 0.0) -> Sandbox:
    return Sandbox({d.key: d for d in DEFINITIONS}, KEY, limit=limit)


def ask(
    vendor: Sandbox, method: str, path: str, body: object = None, query: Mapping[str, str] | None = None
) -> Answer:
    headers = {"host": "127.0.0.1:1"} | (
        {} if path.startswith(RESULTS) else {"authorization": f"Bearer {KEY}"}
    )
    return vendor.answer(Request(method, path, query or {}, headers, json.dumps(body).encode()))


def write(vendor: Sandbox, properties: object, user: object = ANN) -> int:
    return ask(vendor, "POST", CUSTOM, {"user": user, "properties": properties}).status


def hand_in(vendor: Sandbox, *records: object) -> str:
    return str(json.loads(ask(vendor, "POST", BULK, {"users": records}).body)["batchJobId"])


def record(properties: object, identifiers: object = ANN) -> dict[str, Any]:
    return {"identifiers": identifiers, "attributes": {"custom": properties}}


def statuses_of(vendor: Sandbox, job: str) -> list[int]:
    answer = ask(vendor, "GET", RESULTS + job)
    return [json.loads(line)["response"]["status"] for line in answer.body.splitlines()]


@pytest.mark.parametrize("header", ["", KEY, "Bearer other", f"bearer {KEY}"])
def test_another_key_is_refused(header: str) -> None:
    answer = sandbox().answer(Request("GET", "/v1/me", {}, {"authorization": header}, b""))
    assert (answer.status, json.loads(answer.body)) == (401, {"message": "Unauthorized"})


def test_the_key_is_good_and_another_path_or_method_is_not_found() -> None:
    assert ask(sandbox(), "GET", "/v1/me").status == 200
    assert ask(sandbox(), "POST", "/v1/me").status == 404
    assert ask(sandbox(), "GET", "/v1/other").status == 404


@pytest.mark.parametrize(
    ("first", "later", "status"),
    [
        (7, "8", 200),
        (7, "word", 400),
        ("7", 8.5, 200),
        ("1e3", 1, 200),
        (True, "false", 200),
        (True, 1, 400),
        ("2026-01-02", "2026-01-03T04:05", 200),
        ("2026-01-02", "soon", 400),
        ("word", 7, 200),
        ("word", True, 200),
    ],
)
def test_the_first_value_fixes_the_type_for_all(first: object, later: object, status: int) -> None:
    vendor = sandbox()
    assert write(vendor, {"x": first}) == 200
    assert write(vendor, {"x": later}, {"email": "ben@example.com"}) == status


@pytest.mark.parametrize(
    "properties",
    [{"x": ""}, {"x": None}, {"x": [1]}, {"x": {}}, {"": 1}, {"n" * 201: 1}, {"old": 1}, [], None],
)
def test_what_is_no_value_or_no_name_is_refused_without_a_word(properties: object) -> None:
    vendor = sandbox()
    answer = ask(vendor, "POST", CUSTOM, {"user": ANN, "properties": properties})
    assert (answer.status, json.loads(answer.body)) == (
        400,
        {"message": "Invalid parameter in request query or body"},
    )
    assert vendor.stored == {}


def test_all_values_of_a_call_are_stored_or_none() -> None:
    vendor = sandbox()
    assert write(vendor, {"x": 1, "y": ""}) == 400
    assert vendor.stored == {}
    assert write(vendor, {"x": "word"}) == 200, "the refused call has fixed no type"


def test_a_fixed_list_takes_its_own_options_alone() -> None:
    assert [write(sandbox(), {"level": text}) for text in ("gold", "iron")] == [200, 400]
    assert write(sandbox(), {"free": "iron"}) == 200


def test_an_external_id_is_known_once_it_was_seen_beside_an_address() -> None:
    vendor, own = sandbox(), {"externalIdentifiers": {"clientUserId": "c1"}}
    assert write(vendor, {"x": 1}, own) == 404
    assert write(vendor, {"x": 1}, ANN | own) == 200
    assert write(vendor, {"x": 2}, own) == 200
    assert vendor.stored == {"c1": {"x": 2}}


@pytest.mark.parametrize(
    "user",
    [
        {},
        [],
        {"email": ""},
        {"email": 7},
        {"email": "a" * 101},
        {"phone": "13115552368"},
        {"fax": "1", **ANN},
        {"clientUserId": "c1", **ANN},
        {"externalIdentifiers": {"other": "x"}, **ANN},
        {"externalIdentifiers": {"customIdentifiers": [{"key": "a", "value": "b"}]}, **ANN},
    ],
)
def test_a_user_object_that_is_none(user: object) -> None:
    assert write(sandbox(), {"x": 1}, user) == 400


def test_what_is_stored_is_read_as_text_by_phone_or_address() -> None:
    vendor = sandbox()
    write(vendor, {"n": 1.5, "b": True, "t": "x"}, ANN | {"phone": "+13115552368"})
    for query in (ANN, {"phone": "+13115552368"}):
        stored = json.loads(ask(vendor, "GET", CUSTOM, query=query).body)
        assert {one["name"]: one["value"] for one in stored} == {"n": "1.5", "b": "TRUE", "t": "x"}
    assert ask(vendor, "GET", CUSTOM, query={"email": "nobody@example.com"}).status == 404
    assert ask(vendor, "GET", CUSTOM, query={}).status == 400
    assert ask(vendor, "GET", CUSTOM, query=ANN | {"phone": "+13115552368"}).status == 400


# --- jobs


def test_a_job_is_done_at_the_second_poll_and_its_results_say_each_status() -> None:
    vendor = sandbox()
    large = record({"x": "a" * RECORD_MAX})
    many = record({f"k{n}": 1 for n in range(101)})
    job = hand_in(vendor, record({"x": "a"}), record({"x": ""}), large, many, record({"x": "a"}, {}), "text")
    first, second = (json.loads(ask(vendor, "GET", JOB + job).body) for _ in range(2))
    assert (first["status"], first["url"], first["totalRecords"]) == ("IN_PROGRESS", "", 6)
    assert (second["status"], second["url"]) == ("COMPLETED", f"http://127.0.0.1:1{RESULTS}{job}")
    assert statuses_of(vendor, job) == [200, 400, 413, 400, 400, 400]
    assert vendor.stored == {"ann@example.com": {"x": "a"}}


def test_a_record_is_written_once_however_often_the_job_is_polled() -> None:
    vendor = sandbox()
    job = hand_in(vendor, record({"x": 1}))
    for _ in range(2):
        ask(vendor, "GET", JOB + job)
    write(vendor, {"x": 2})
    ask(vendor, "GET", JOB + job)
    assert vendor.stored == {"ann@example.com": {"x": 2}}


@pytest.mark.parametrize("users", [None, [], {}, [record({"x": 1})] * 257])
def test_a_job_without_records_or_with_too_many_is_refused(users: object) -> None:
    assert ask(sandbox(), "POST", BULK, {"users": users}).status == 400


def test_a_job_that_is_not_known_or_not_done_has_no_results() -> None:
    vendor = sandbox()
    assert ask(vendor, "GET", JOB + "job-9").status == 404
    assert ask(vendor, "GET", RESULTS + hand_in(vendor, record({"x": 1}))).status == 404


def test_the_store_of_results_refuses_a_request_with_a_key() -> None:
    vendor = sandbox()
    job = hand_in(vendor, record({"x": 1}))
    for _ in range(2):
        ask(vendor, "GET", JOB + job)
    with_key = Request("GET", RESULTS + job, {}, {"authorization": f"Bearer {KEY}"}, b"")
    assert vendor.answer(with_key).status == 400


# --- limits and faults


def test_the_limit_stands_in_the_headers_where_one_is_in_force() -> None:
    assert "x-ratelimit-limit" not in ask(sandbox(), "GET", "/v1/me").headers
    headers = ask(sandbox(limit=5), "GET", "/v1/me").headers
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("5", "4")


@pytest.mark.parametrize(("name", "status"), [("429", 429), ("500", 500), ("quota", None), ("502", None)])
def test_only_documented_statuses_have_an_answer(name: str, status: int | None) -> None:
    answer = sandbox().documented_error(name)
    assert (answer.status if answer else None) == status


def test_a_finished_job_is_said_to_go_on() -> None:
    vendor = sandbox()
    job = hand_in(vendor, record({"x": 1}))
    running, done = (ask(vendor, "GET", JOB + job) for _ in range(2))
    assert vendor.simulate("job_open", running) is None
    changed = vendor.simulate("job_open", done)
    assert changed is not None
    assert json.loads(changed.body) == json.loads(done.body) | {"status": "IN_PROGRESS", "url": ""}


def test_half_of_the_results_are_missing() -> None:
    vendor = sandbox()
    job = hand_in(vendor, *(record({"x": n}) for n in range(3)))
    for _ in range(2):
        done = ask(vendor, "GET", JOB + job)
    results = ask(vendor, "GET", RESULTS + job)
    changed = vendor.simulate("results_lost", results)
    assert changed is not None
    assert changed.body.splitlines() == results.body.splitlines()[::2]
    assert vendor.simulate("results_lost", done) is None


@pytest.mark.parametrize(
    ("body", "people"),
    [
        ({"user": ANN, "properties": {}}, ("ann@example.com",)),
        (
            {"users": [record({}), record({}, {"clientUserId": "c1"}), record({}, {}), 7]},
            ("ann@example.com", "c1"),
        ),
        ({}, ()),
        ([], ()),
    ],
)
def test_the_people_of_a_request(body: object, people: tuple[str, ...]) -> None:
    request = Request("POST", CUSTOM, {}, {}, json.dumps(body).encode())
    assert sandbox().distinct_ids(request) == people
