"""Jobs: what is handed in, what each poll means, and how the results settle every record."""

import json
from typing import Any

import pytest

from importer.core.models import (
    ALL_APPLIED,
    SEPARATOR,
    Answer,
    Call,
    Part,
    Refusal,
    Target,
    Update,
    Verdict,
)
from importer.destinations.attentive.bulk import (
    Record,
    bulk_calls,
    classify_poll,
    classify_results,
    classify_submit,
    records_of,
)
from importer.destinations.attentive.endpoints import BULK_ATTRIBUTES_MAX, RECORD_MAX
from importer.destinations.responses import UNREADABLE, json_answer

POLL_SECONDS = 30.0


def identifiers(person: int) -> dict[str, str]:
    return {"email": f"p{person}@example.com"}


def record(person: int) -> Record:
    update = Update(person, f"p{person}", (Part("set", ("age",), f'"age":{person}'),))
    (only,) = records_of(update, json.dumps(identifiers(person), separators=(",", ":")), {})
    return only


def submission(people: int) -> Call:
    (call,) = bulk_calls([record(person) for person in range(people)])
    return call


def poll(people: int = 2) -> Call:
    found = classify_submit(submission(people), json_answer(202, {"batchJobId": "j1"}), POLL_SECONDS)
    return found.follow_up[0]


def fetch(people: int = 2) -> Call:
    answer = json_answer(200, {"status": "COMPLETED", "url": "https://files.example/r"})
    return classify_poll(poll(people), answer).follow_up[0]


def results(*statuses: int) -> bytes:
    lines = ({"identifiers": identifiers(person), "status": status} for person, status in enumerate(statuses))
    return "\n".join(json.dumps(line) for line in lines).encode()


# --- what is handed in


def test_a_record_has_identifiers_and_attributes_and_knows_what_it_writes() -> None:
    update = Update(3, "p3", (Part("set", ("age", "plan"), f'"age":1{SEPARATOR}"plan":"x"'),))
    (only,) = records_of(update, '{"email":"a@example.com"}', {})
    assert only.text == (
        '{"identifiers":{"email":"a@example.com"},"attributes":{"custom":{"age":1,"plan":"x"}}}'
    )
    assert only.target == Target(3, "p3", "set", ("age", "plan"))


def test_a_person_with_more_than_100_attributes_takes_several_records() -> None:
    keys = tuple(f"k{n}" for n in range(201))
    members = SEPARATOR.join(f'"{key}":{n}' for n, key in enumerate(keys))
    found = list(records_of(Update(0, "p0", (Part("set", keys, members),)), "{}", {}))
    assert [one.target.keys for one in found] == [keys[:100], keys[100:200], keys[200:]]
    assert json.loads(found[2].text)["attributes"] == {"custom": {"k200": 200}}


def test_a_call_has_at_most_256_records() -> None:
    calls = list(bulk_calls([record(person) for person in range(513)]))
    assert [len(call.targets) for call in calls] == [256, 256, 1]
    assert [len(json.loads(call.body)["users"]) for call in calls] == [256, 256, 1]
    assert {(call.method, call.path) for call in calls} == {("POST", "/v2/bulk/user/attributes")}
    assert list(bulk_calls([])) == []


# --- what its answer means


def test_an_accepted_job_is_polled_later_and_is_on_disk_before() -> None:
    call = submission(2)
    found = classify_submit(call, json_answer(202, {"batchJobId": "j1"}), POLL_SECONDS)
    assert (found.verdict, found.durable) == (Verdict.CONTINUE, True)
    (follow_up,) = found.follow_up
    assert (follow_up.method, follow_up.path, follow_up.body) == ("GET", "/v2/bulk/job/j1", b"")
    assert (follow_up.after, follow_up.targets) == (POLL_SECONDS, call.targets)
    assert json.loads(follow_up.context) == [identifiers(0), identifiers(1)]


@pytest.mark.parametrize("body", [{}, [], {"batchJobId": 7}, {"batchJobId": ""}, {"batchJobId": "../me"}])
def test_an_answer_without_a_job_contradicts_its_status(body: object) -> None:
    found = classify_submit(submission(1), json_answer(202, body), POLL_SECONDS)
    assert (found.verdict, found.message) == (Verdict.CONTRADICTION, "the answer names no job")


@pytest.mark.parametrize(
    ("status", "words"), [(401, "does not accept this key"), (403, "not allowed to hand in bulk jobs")]
)
def test_a_key_that_cannot_hand_in_jobs_stops_the_run(status: int, words: str) -> None:
    found = classify_submit(submission(1), json_answer(status, {}), POLL_SECONDS)
    assert (found.verdict, found.reason) == (Verdict.STOP, f"http_{status}")
    assert words in found.message


def test_a_server_in_trouble_is_given_the_same_job_again() -> None:
    assert classify_submit(submission(1), json_answer(503, {}), POLL_SECONDS).verdict is Verdict.RETRY


def test_a_refused_job_goes_out_in_halves() -> None:
    call = submission(3)
    found = classify_submit(call, json_answer(400, {}), POLL_SECONDS)
    assert found.verdict is Verdict.CONTINUE
    first, second = found.follow_up
    assert (first.targets, second.targets) == (call.targets[:2], call.targets[2:])
    halves = [json.loads(half.body)["users"] for half in (first, second)]
    assert halves[0] + halves[1] == json.loads(call.body)["users"]


def test_a_record_that_is_refused_alone_is_the_persons() -> None:
    found = classify_submit(submission(1), json_answer(422, {}), POLL_SECONDS)
    refusal = Refusal(0, "", "person_refused", "this person's record was refused, alone", 422)
    assert (found.verdict, found.refused, found.follow_up) == (Verdict.DONE, (refusal,), ())


# --- polls


@pytest.mark.parametrize("status", ["PENDING", "IN_PROGRESS", "in_progress", "SOMETHING_NEW", ""])
def test_a_job_that_has_not_ended_is_asked_again(status: str) -> None:
    call = poll()
    found = classify_poll(call, json_answer(200, {"status": status}))
    assert (found.verdict, found.follow_up, found.reason) == (Verdict.CONTINUE, (call,), "")


def test_a_completed_job_without_an_address_is_asked_again() -> None:
    call = poll()
    assert classify_poll(call, json_answer(200, {"status": "COMPLETED"})).follow_up == (call,)


def test_a_job_that_needs_a_review_says_who_has_to_act() -> None:
    call = poll()
    found = classify_poll(call, json_answer(200, {"status": "NEEDS_REVIEW"}))
    assert (found.verdict, found.reason, found.follow_up) == (Verdict.CONTINUE, "job_needs_review", (call,))
    assert "release or cancel it in Attentive" in found.message


@pytest.mark.parametrize("status", ["COMPLETED", "completed", "FAILED", "CANCELLED"])
def test_the_results_of_a_job_that_ended_are_fetched(status: str) -> None:
    call = poll()
    (follow_up,) = classify_poll(
        call, json_answer(200, {"status": status, "url": "https://files.example/r"})
    ).follow_up
    assert (follow_up.method, follow_up.path) == ("GET", "https://files.example/r")
    assert follow_up.targets == call.targets
    assert json.loads(follow_up.context) == {"job": "j1", "records": [identifiers(0), identifiers(1)]}


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_a_job_that_failed_without_results_is_unconfirmed(status: str) -> None:
    found = classify_poll(poll(), json_answer(200, {"status": status}))
    assert found.verdict is Verdict.UNCONFIRMED
    assert f"ended the job as {status} and left no results" in found.message
    assert "importer retry" in found.message


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELLED"])
def test_a_poll_without_targets_asks_only_whether_the_job_has_ended(status: str) -> None:
    call = Call("GET", "/v2/bulk/job/j1", b"", (), context="[]")
    assert classify_poll(call, json_answer(200, {"status": status})) == ALL_APPLIED
    assert classify_poll(call, json_answer(200, {"status": "PENDING"})).follow_up == (call,)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (json_answer(401, {}), Verdict.STOP),
        (json_answer(403, {}), Verdict.STOP),
        (json_answer(404, {}), Verdict.CONTRADICTION),
        (json_answer(500, {}), Verdict.RETRY),
        (json_answer(302, {}), Verdict.RETRY),
        (Answer(200, {}, b"<html></html>"), Verdict.RETRY),
        (json_answer(200, ["COMPLETED"]), Verdict.RETRY),
    ],
)
def test_a_poll_without_a_usable_answer(answer: Answer, verdict: Verdict) -> None:
    assert classify_poll(poll(), answer).verdict is verdict


# --- results


def test_each_record_ends_as_its_line_says() -> None:
    found = classify_results(fetch(3), Answer(200, {}, results(200, 400, 202)), POLL_SECONDS)
    assert (found.verdict, found.unreported, found.message) == (Verdict.DONE, (), "")
    (refusal,) = found.refused
    assert (refusal.target, refusal.key, refusal.reason, refusal.status) == (1, "", "record_refused", 400)


def test_a_record_without_a_line_is_unreported() -> None:
    found = classify_results(fetch(3), Answer(200, {}, results(200)), POLL_SECONDS)
    assert (found.verdict, found.refused, found.unreported) == (Verdict.DONE, (), (1, 2))
    assert found.message == "the job is done, but its results do not say what became of this"


def test_results_that_are_cut_short_are_fetched_three_times() -> None:
    cut = Answer(200, {}, results(200, 200)[:-4])
    call, verdicts = fetch(), []
    for _ in range(3):
        found = classify_results(call, cut, POLL_SECONDS)
        verdicts.append((found.verdict, found.reason))
        call = found.follow_up[0] if found.follow_up else call
    assert verdicts == [(Verdict.CONTINUE, UNREADABLE)] * 2 + [(Verdict.DONE, "")]
    assert found.unreported == (1,)
    assert call.after == POLL_SECONDS


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_address_that_is_not_good_any_more_leads_back_to_the_job(status: int) -> None:
    found = classify_results(fetch(), Answer(status, {}, b""), POLL_SECONDS)
    assert (found.verdict, found.follow_up) == (Verdict.CONTINUE, (poll(),))


def test_a_store_in_trouble_is_asked_again() -> None:
    assert classify_results(fetch(), Answer(503, {}, b""), POLL_SECONDS).verdict is Verdict.RETRY


def test_a_result_never_quotes_what_the_body_says() -> None:
    lines: Any = {"identifiers": identifiers(0), "status": 400, "message": "private words"}
    found = classify_results(fetch(1), json_answer(200, lines), POLL_SECONDS)
    assert "private" not in repr(found.refused) + found.message


def test_a_person_takes_as_many_records_as_the_size_of_one_asks_for() -> None:
    big, small = "é" * 300_000, "x"
    values = {"a": big, "b": small, "c": big, "d": "y" * (2 * RECORD_MAX)}
    members = SEPARATOR.join(f'"{k}":"{v}"' for k, v in values.items())
    found = list(records_of(Update(0, "p0", (Part("set", tuple(values), members),)), "{}", {}))
    assert [record.target.keys for record in found] == [("a", "b"), ("c",), ("d",)]
    assert all(len(record.text.encode()) <= RECORD_MAX for record in found[:2])


def test_standard_fields_stand_beside_the_custom_attributes() -> None:
    standard = {
        "first": "firstName",
        "home": "location.city",
        "zip": "location.zip",
        "years": "demographic.age",
    }
    values = {"first": "Ann", "plan": "free", "home": "Bern", "zip": "3011", "years": 41}
    members = SEPARATOR.join(f"{json.dumps(k)}:{json.dumps(v)}" for k, v in values.items())
    update = Update(0, "p0", (Part("set", tuple(values), members),))
    (only,) = records_of(update, "{}", standard)
    assert json.loads(only.text)["attributes"] == {
        "firstName": "Ann",
        "location": {"city": "Bern", "zip": "3011"},
        "demographic": {"age": 41},
        "custom": {"plan": "free"},
    }
    assert only.target.keys == tuple(values)


def test_standard_fields_do_not_count_as_custom_attributes() -> None:
    values = {**{f"k{n}": n for n in range(BULK_ATTRIBUTES_MAX)}, "first": "Ann"}
    members = SEPARATOR.join(f"{json.dumps(k)}:{json.dumps(v)}" for k, v in values.items())
    update = Update(0, "p0", (Part("set", tuple(values), members),))
    assert len(list(records_of(update, "{}", {"first": "firstName"}))) == 1
    (only,) = records_of(
        Update(0, "p0", (Part("set", ("first",), '"first":"Ann"'),)), "{}", {"first": "firstName"}
    )
    assert json.loads(only.text)["attributes"] == {"firstName": "Ann"}
