"""A declared API: its mistakes, its calls, what its answers mean, and the search for what is at fault."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from importer.config import loader, secrets
from importer.core.errors import ConfigError
from importer.core.models import SEPARATOR, Answer, Call, Classification, Part, Update, Verdict
from importer.destinations.base import Definition
from importer.destinations.http.destination import Destination
from importer.destinations.http.sandbox import Sandbox
from importer.destinations.http.settings import Settings
from importer.destinations.responses import json_answer
from importer.destinations.simulator import Request

DONE = {"status": ["200"], "path": "ok", "equals": True, "means": "done"}
MANY: dict[str, Any] = {
    "path": "/people",
    "body": {"people": "{people}"},
    "person": {"id": "{distinct_id}", "set": "{attributes}"},
    "people_per_call": 4,
    "answers": [
        DONE,
        {"status": ["2xx"], "path": "error.code", "equals": "quota", "means": "stop", "reason": "error.code"},
        {"status": ["409"], "means": "retry"},
    ],
}
ONE: dict[str, Any] = {**MANY, "body": MANY["person"], "person": None, "people_per_call": 1}
BY_INDEX = {"list": "bad", "index": "at", "attribute": "key", "reason": "why"}
BY_ID = {"list": "unknown.ids", "distinct_id": "."}


def built(settings: Mapping[str, Any] = MANY, **changes: Any) -> Destination:
    return Destination(Settings.model_validate({**settings, **changes}), [Definition("age", "number")])


def update(person: str, doubtful: tuple[str, ...] = (), **values: Any) -> Update:
    members = SEPARATOR.join(
        f"{json.dumps(k)}:{json.dumps(v, ensure_ascii=False)}" for k, v in values.items()
    )
    return Update(0, person, (Part("set", tuple(values), members),), doubtful=doubtful)


def call_of(*people: str, **changes: Any) -> tuple[Destination, Call]:
    destination = built(**changes)
    [call] = destination.calls([update(person, age=1, plan="x") for person in people])
    return destination, call


# ------------------------------------------------------------------- calls


def both(person: str, doubtful: tuple[str, ...] = ()) -> Update:
    """A person with a value to set and two to clear."""
    parts = (Part("set", ("age",), '"age":1'), Part("clear", ("a", "b"), ""))
    return Update(0, person, parts, doubtful=doubtful)


@pytest.mark.parametrize(("clear_as", "value"), [("null", None), ("empty_text", "")])
def test_what_is_cleared_goes_out_after_the_values_of_the_same_people(clear_as: str, value: object) -> None:
    destination = built(clear_as=clear_as)
    calls = destination.calls([both("p0"), both("p1"), update("p2", age=2)])
    assert [json.loads(call.body)["people"] for call in calls] == [
        [{"id": "p0", "set": {"age": 1}}, {"id": "p1", "set": {"age": 1}}, {"id": "p2", "set": {"age": 2}}],
        [{"id": "p0", "set": {"a": value, "b": value}}, {"id": "p1", "set": {"a": value, "b": value}}],
    ]
    assert {(t.operation, t.keys) for t in calls[1].targets} == {("clear", ("a", "b"))}
    assert destination.calls_at_most(3, 4) == 2


def test_what_is_cleared_of_a_person_with_a_doubtful_value_goes_with_the_others() -> None:
    calls = built(clear_as="null").calls([both("p0", doubtful=("age",)), both("p1")])
    assert [[(t.distinct_id, t.operation) for t in call.targets] for call in calls] == [
        [("p1", "set")],
        [("p0", "set")],
        [("p0", "clear"), ("p1", "clear")],
    ]


def test_a_clear_that_is_refused_is_found_in_halves() -> None:
    destination = built(clear_as="null")
    call = destination.calls([both("p0"), both("p1")])[1]
    halves = destination.classify(call, json_answer(400, {})).follow_up
    assert [[t.distinct_id for t in half.targets] for half in halves] == [["p0"], ["p1"]]
    [first] = destination.classify(halves[0], json_answer(400, {})).follow_up
    assert json.loads(first.body)["people"] == [{"id": "p0", "set": {"a": None}}]
    assert first.targets[0].operation == "clear"


def test_nothing_is_cleared_where_it_is_not_declared_how() -> None:
    definitions = [Definition("age", "number", blank="clear")]
    [problem] = Destination(Settings.model_validate(MANY), definitions).problems()
    assert problem.startswith("attributes.age.blank: needs destination.clear_as")
    assert not list(
        Destination(Settings.model_validate({**MANY, "clear_as": "null"}), definitions).problems()
    )
    assert (built().clears, built(clear_as="null").clears) == (False, True)


def test_people_go_together_up_to_the_limit() -> None:
    calls = built().calls([update(f"p{n}", age=n) for n in range(6)])
    assert [[target.distinct_id for target in call.targets] for call in calls] == [
        ["p0", "p1", "p2", "p3"],
        ["p4", "p5"],
    ]
    assert json.loads(calls[1].body) == {"people": [{"id": f"p{n}", "set": {"age": n}} for n in (4, 5)]}
    assert (calls[0].method, calls[0].path) == ("POST", "/people")


def test_a_call_is_no_longer_than_the_api_takes() -> None:
    calls = built(body_bytes_max=200).calls([update(f"p{n}", text="é" * 20) for n in range(5)])
    assert [len(call.targets) for call in calls] == [2, 2, 1]
    assert all(len(call.body) <= 200 for call in calls)
    assert len(built(body_bytes_max=10).calls([update("p", age=1)])) == 1


def test_the_body_may_be_of_one_person() -> None:
    [call] = built(ONE).calls([update("p", age=1)])
    assert json.loads(call.body) == {"id": "p", "set": {"age": 1}}


def test_a_doubtful_value_goes_alone() -> None:
    first, second = built().calls([update("a", age=1), update("b", ("plan",), age=1, plan="x")])
    assert json.loads(first.body)["people"] == [{"id": "a", "set": {"age": 1}}]
    assert json.loads(second.body)["people"] == [{"id": "b", "set": {"plan": "x"}}]


@pytest.mark.parametrize(
    ("scheme", "header", "expected"),
    [
        ("Bearer", "Authorization", "Bearer a:b"),
        ("", "Api-Key", "a:b"),
        ("Basic", "Authorization", "Basic YTpi"),
    ],
)
def test_the_key_goes_out_as_declared(scheme: str, header: str, expected: str) -> None:
    headers = built(auth_scheme=scheme, auth_header=header, headers={"revision": "2024-10-15"}).headers("a:b")
    assert (headers[header], headers["revision"]) == (expected, "2024-10-15")


def test_a_key_for_basic_has_two_parts() -> None:
    assert built(auth_scheme="Basic").key_problem("secret") is not None
    assert built(auth_scheme="Basic").key_problem("a:b") is None
    assert built().key_problem("secret") is None


# ------------------------------------------------------------------- answers


def answered(status: int, body: object, **changes: Any) -> Classification:
    destination, call = call_of("a", "b", **changes)
    return destination.classify(call, json_answer(status, body))


@pytest.mark.parametrize(
    ("status", "body", "verdict", "reason"),
    [
        (200, {"ok": True}, Verdict.DONE, ""),
        (200, {"ok": 1}, Verdict.RETRY, "answer_unreadable"),
        (200, ["unexpected"], Verdict.RETRY, "answer_unreadable"),
        (201, {"ok": True}, Verdict.RETRY, "answer_unreadable"),
        (202, {"error": {"code": "quota"}}, Verdict.STOP, "quota"),
        (401, {}, Verdict.STOP, "http_401"),
        (403, {}, Verdict.STOP, "http_403"),
        (409, {}, Verdict.RETRY, "http_409"),
        (429, {}, Verdict.RETRY, "http_429"),
        (503, {}, Verdict.RETRY, "http_503"),
        (302, {}, Verdict.CONTINUE, "http_302"),
        (422, {}, Verdict.CONTINUE, "http_422"),
    ],
)
def test_an_answer_means_what_is_declared_else_what_its_status_says(
    status: int, body: object, verdict: Verdict, reason: str
) -> None:
    found = answered(status, body)
    assert (found.verdict, found.reason) == (verdict, reason)


@pytest.mark.parametrize("body", [b"<html>", b'{"ok"', b"\xff"])
def test_what_is_no_json_is_never_a_success(body: bytes) -> None:
    any_success = [{"status": ["200"], "means": "done"}]
    destination, call = call_of("a", answers=any_success)
    assert destination.classify(call, Answer(200, {}, body)).verdict is Verdict.RETRY
    assert destination.classify(call, Answer(200, {}, b"")).verdict is Verdict.DONE


def test_a_reason_that_is_no_code_is_not_repeated() -> None:
    found = answered(200, {"ok": True, "bad": [{"at": 0, "why": "a@b.example is bad"}]}, refused=[BY_INDEX])
    assert [one.reason for one in found.refused] == ["rejected"]


@pytest.mark.parametrize(
    ("extra", "refused"),
    [
        ({"bad": []}, []),
        ({"bad": "none"}, []),
        ({"bad": [{"at": 1, "key": "age", "why": "too_old"}]}, [(1, "age", "too_old")]),
        ({"bad": [{"at": 1, "key": "age"}, {"at": 1}]}, [(1, "", "rejected")]),
        ({"bad": [{"at": 0, "key": "never_sent"}]}, [(0, "", "rejected")]),
        ({"unknown": {"ids": ["b"]}}, [(1, "", "rejected")]),
    ],
)
def test_refused_people_and_values_are_listed(
    extra: dict[str, Any], refused: list[tuple[int, str, str]]
) -> None:
    found = answered(200, {"ok": True, **extra}, refused=[BY_INDEX, BY_ID])
    assert found.verdict is Verdict.DONE
    assert [(one.target, one.key, one.reason) for one in found.refused] == refused


@pytest.mark.parametrize(
    "extra",
    [
        {"bad": [{"at": 2}]},
        {"bad": [{"at": -1}]},
        {"bad": [{"at": True}]},
        {"bad": ["text"]},
        {"unknown": {"ids": ["c"]}},
    ],
)
def test_an_entry_that_names_nobody_leaves_the_call_unconfirmed(extra: dict[str, Any]) -> None:
    found = answered(200, {"ok": True, **extra}, refused=[BY_INDEX, BY_ID])
    assert (found.verdict, found.reason) == (Verdict.UNCONFIRMED, "refusal_unknown")


# ------------------------------------------------------------------- the search


def test_exactly_the_values_at_fault_are_found() -> None:
    """Four people in one call; the API refuses any call with one of two values, and says nothing more."""
    destination, bad = built(), {("p1", "plan"), ("p3", "age")}
    waiting = list(destination.calls([update(f"p{n}", age=1, plan="x", city="y") for n in range(4)]))
    applied, refused = set[tuple[str, str]](), set[tuple[str, str]]()
    while waiting:
        call = waiting.pop(0)
        carried = {(p["id"], key) for p in json.loads(call.body)["people"] for key in p["set"]}
        answer = json_answer(422 if carried & bad else 200, {"ok": not carried & bad})
        found = destination.classify(call, answer)
        waiting = [*found.follow_up, *waiting]
        if found.verdict is Verdict.DONE:
            no = {(call.targets[one.target].distinct_id, one.key) for one in found.refused}
            settled = [t for n, t in enumerate(call.targets) if n not in found.carried]
            refused |= no
            applied |= {(t.distinct_id, key) for t in settled for key in t.keys} - no
    everything = {(f"p{n}", key) for n in range(4) for key in ("age", "plan", "city")}
    assert (refused, applied) == (bad, everything - bad)


# ------------------------------------------------------------------- mistakes of the declaration

CONFIG: dict[str, Any] = {
    "name": "people",
    "source": {"path": "list.csv"},
    "identity": {"column": "id"},
    "destination": {"type": "http", "base_url": "https://api.example", "api_key": "env:KEY", **MANY},
    "attributes": {"age": {"type": "number"}},
}


def mistakes(attributes: Mapping[str, Any] | None = None, **changes: Any) -> str:
    config = {**CONFIG, "destination": {**CONFIG["destination"], **changes}}
    with pytest.raises(ConfigError) as caught:
        loader.parse({**config, "attributes": attributes or CONFIG["attributes"]})
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_url": ""}, "destination.base_url: missing"),
        ({"path": "people"}, 'destination.path: expected a path of ASCII characters that begins with "/"'),
        (
            {"answers": [{"status": ["200"], "means": "retry"}]},
            "destination.answers: expected at least one with",
        ),
        (
            {"answers": [{**DONE, "status": ["20x"]}]},
            "destination.answers.0.status.0: expected a status such as",
        ),
        (
            {"answers": [{"status": ["200"], "equals": 1, "means": "done"}]},
            "destination.answers.0.equals: only",
        ),
        ({"answers": [{**DONE, "path": "a..b"}]}, "destination.answers.0.path: expected names and positions"),
        ({"refused": [{"list": "bad"}]}, "destination.refused.0: expected one of index and distinct_id"),
        ({"body": {"all": "x"}}, 'destination.body: expected "{people}" once, found it 0 times'),
        ({"person": {"id": "{distinct_id}"}}, 'destination.person: expected "{attributes}" once'),
        ({"person": None, "body": MANY["person"]}, "destination.people_per_call: more than 1 needs person"),
        ({"headers": {"X-Api-Token": "abc"}}, "destination.headers: X-Api-Token may be a secret"),
        ({"headers": {"Host": "x"}}, "destination.headers: Host cannot be set"),
        ({"headers": {"a b": "x"}}, "destination.headers: a name cannot be set"),
        ({"headers": {"revision": "a\nb"}}, "destination.headers: revision: expected one line"),
        ({"methods": "POST"}, 'destination.methods: unknown key. Did you mean "method"?'),
    ],
)
def test_a_mistake_is_said_with_its_key(changes: dict[str, Any], said: str) -> None:
    assert said in mistakes(**changes)


def test_what_an_attribute_cannot_be_is_said() -> None:
    beside = {"id": "{distinct_id}", "*": "{attributes}"}
    found = mistakes({"id": {"type": "number", "operation": "increase", "column": "n"}}, person=beside)
    assert 'attributes.id.operation: http has "set" only' in found
    assert "attributes.id: the declared call has another member of this name beside it" in found
    assert "needs destination.clear_as" in mistakes({"age": {"type": "number", "blank": "clear"}})


def test_a_key_of_the_file_is_never_quoted() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({**MANY, "answers": "sk_secret"})
    assert "sk_secret" not in str(caught.value)


def test_secret_headers_are_read_where_they_are_kept() -> None:
    headers = {"X-Token": "env:TOKEN", "revision": "1"}
    config = loader.parse({**CONFIG, "destination": {**CONFIG["destination"], "headers": headers}})
    found = secrets.request_headers(config, config.build_destination(), "key", {"TOKEN": "abc"})
    assert (found["X-Token"], found["revision"], found["Authorization"]) == ("abc", "1", "Bearer key")
    assert secrets.secret_variables(config) == {"KEY", "TOKEN"}
    with pytest.raises(ConfigError, match="The environment variable TOKEN is not set"):
        secrets.request_headers(config, config.build_destination(), "key", {})


# ------------------------------------------------------------------- the simulator


def asked(sandbox: Sandbox, body: object, path: str = "/people", key: str = "Bearer k") -> Answer:
    return sandbox.answer(Request("POST", path, {}, {"authorization": key}, json.dumps(body).encode()))


def simulator(**changes: Any) -> Sandbox:
    definitions = {"age": Definition("age", "number"), "plan": Definition("plan", "single_choice", ("x",))}
    return Sandbox(definitions, "k", settings=Settings.model_validate({**MANY, **changes}))


def person(name: str, **values: Any) -> dict[str, Any]:
    return {"id": name, "set": values}


def test_the_simulator_answers_a_wrong_call_as_most_apis_do() -> None:
    sandbox, body = simulator(), {"people": [person("a", age=1)]}
    assert asked(sandbox, body, path="/other").status == 404
    assert asked(sandbox, body, key="Bearer other").status == 401
    malformed: list[Any] = [[], {"people": []}, {"people": "x"}, {"people": [{"id": 1, "set": {}}]}]
    for wrong in malformed:
        assert asked(sandbox, wrong).status == 400
    assert asked(sandbox, {"people": [person(f"p{n}", age=1) for n in range(5)]}).status == 400
    assert sandbox.stored == {}


def test_the_simulator_refuses_a_call_or_what_the_declaration_can_name() -> None:
    body = {"people": [person("a", age=1, plan="x"), person("b", age="old", plan="x")]}
    sandbox = simulator()
    assert (asked(sandbox, body).status, sandbox.stored) == (400, {})
    whole, single = simulator(refused=[BY_ID]), simulator(refused=[BY_INDEX])
    assert json.loads(asked(whole, body).body) == {"ok": True, "unknown": {"ids": ["b"]}}
    assert whole.stored == {"a": {"age": 1, "plan": "x"}}
    listed = {"ok": True, "bad": [{"at": 1, "key": "age", "why": "invalid"}]}
    assert json.loads(asked(single, body).body) == listed
    assert single.stored == {"a": {"age": 1, "plan": "x"}, "b": {"plan": "x"}}


@pytest.mark.parametrize(("clear_as", "value"), [("null", None), ("empty_text", "")])
def test_the_simulator_removes_what_is_cleared(clear_as: str, value: object) -> None:
    sandbox = simulator(clear_as=clear_as)
    assert asked(sandbox, {"people": [person("a", age=1, plan="x")]}).status == 200
    assert asked(sandbox, {"people": [person("a", age=value)]}).status == 200
    assert sandbox.stored == {"a": {"plan": "x"}}
    assert asked(simulator(), {"people": [person("a", age=value)]}).status == 400, "not declared"
