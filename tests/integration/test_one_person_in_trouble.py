"""One of many in trouble: a person, a call, an attempt. Everybody else ends as if nothing had happened.

At each destination and mode of `config/`, some calls of the run; every one of them in
`tests/long/test_trouble.py`.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from importer.core.models import Answer
from importer.destinations.attentive import endpoints
from importer.destinations.engagelab import destination as engagelab
from importer.destinations.responses import json_answer
from importer.destinations.simulator import Request
from tests.support.trouble import (
    ATTEMPTS,
    BEFORE,
    CASES,
    PEOPLE,
    RunResult,
    Trouble,
    World,
    assert_same,
    world,
)

FLIGHT = 4
"""Calls in flight, where it is not one after another."""


@cache
def undisturbed(name: str, folder: Path) -> tuple[RunResult, int]:
    """The run that nothing happens to, and how many requests it takes."""
    with world(folder, CASES[name], max_in_flight=1) as here:
        code, err = here.run()
        assert code == 1, err
        result = here.result()
        assert result.values["rejected"] == len(result.lines) == 1
        assert result.people["called"] == PEOPLE
        assert result.calls["sent"] == here.server.stats.requests
        return result, here.server.stats.requests


Base = Callable[[str], tuple[RunResult, int]]


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    """The undisturbed run of a case, made once."""
    folders = {name: tmp_path_factory.mktemp(name) for name in CASES}
    return lambda name: undisturbed(name, folders[name])


# --- one call is never answered


def cut_once(here: World, base: tuple[RunResult, int], what: str, number: int) -> None:
    """It is sent again, once, and nothing differs; what must not be sent twice stays in doubt."""
    result, requests = base
    trouble = Trouble(what, number)
    code, err = here.run(trouble=trouble)
    found = here.result()
    assert code == 1, err
    if doubtful(here, trouble):
        assert_in_doubt(here, found, result, trouble)
    else:
        assert_same(found, result)
        assert here.server.stats.requests <= requests + 1
    assert found.calls["sent"] == here.server.stats.requests


def doubtful(here: World, trouble: Trouble) -> bool:
    """Whether the request that was met must not be sent twice."""
    return trouble.met is not None and b'"type":"increase"' in trouble.met.body


def assert_in_doubt(here: World, found: RunResult, result: RunResult, trouble: Trouble) -> None:
    """Some people's increases are unconfirmed, counted once at most, and nothing else differs.

    One person's, where a call is cut off. A kill also loses the answers since the last commit.
    """
    killed, summed = trouble.what.startswith("kill"), sums(here)
    lines = [line for line in found.lines if line[4] == "send"]
    people = {line[1] for line in lines}
    met = set(here.people_of(trouble.met))
    assert met <= people or not doubtful(here, trouble)
    assert killed or people == met
    assert_same(found, result, [*people, "nobody"])
    assert {(line[2], line[5]) for line in lines} <= {(key, "unconfirmed") for key in summed}
    for person in people:
        meant = result.stored[person]
        current = [meant, {k: v for k, v in meant.items() if k not in summed}]
        if person in met and not killed:
            current = current[:1] if trouble.what.endswith("after") else current[1:]
        assert found.stored.get(person) in current
    moved = len(lines)
    assert found.values == {
        **result.values,
        "unconfirmed": moved,
        "applied": result.values["applied"] - moved,
    }
    assert found.people == result.people


def sums(here: World) -> set[str]:
    return {key for key, a in here.case.declared.items() if a.get("operation") == "increase"}


def lost(here: World, base: tuple[RunResult, int], what: str, number: int) -> None:
    """However often it is sent: whom it was for is named, everybody else is done; a retry brings the rest."""
    result, requests = base
    trouble = Trouble(what, number)
    code, err = here.run(trouble=trouble)
    found, people = here.result(), here.people_of(trouble.met)
    if found.state != "finished":  # the key's check, or a destination that never answered anything
        assert code == 5, err
        assert found.values["applied"] == 0
        code, err = here.resume()
        assert_same(here.result(), result)
        return
    polls = 2 * requests if here.case.destination.get("mode") == "bulk" else 0  # as many as time allows
    assert found.calls["sent"] == here.server.stats.requests <= requests + ATTEMPTS + polls
    if doubtful(here, trouble):
        assert_in_doubt(here, found, result, trouble)
    else:
        assert_same(found, result, people or ["nobody"])
    reasons = {line[5] for line in found.lines if line[1] in people and line[4] == "send"}
    assert reasons <= {"unconfirmed", "no_answer"}, reasons
    before = here.server.stats.requests
    here.attempt("retry", "r", "--run-id", "again")
    again = here.result("again")
    if doubtful(here, trouble):
        assert here.server.stats.requests == before, "an increase without an answer is never sent again"
        assert again.values["unconfirmed"] == found.values["unconfirmed"]
    else:
        assert again.stored == result.stored
        assert again.values["unconfirmed"] == 0
        assert {line[4] for line in again.lines} <= {"check"}


# --- one person, or one value, is refused

Script = Callable[[World, str, Request], Answer | None]
"""What the destination says to a request that concerns the person; None = what it would say anyway."""


def _body(request: Request) -> dict[str, Any]:
    body = json.loads(request.body or b"{}")
    return body if isinstance(body, dict) else {}


def _writes(here: World, person: str, request: Request) -> bool:
    """Whether the request writes this one person."""
    single = request.path != engagelab.REGISTER and not request.path.startswith("/v2/")
    return request.method != "GET" and single and here.people_of(request) == (person,)


def says(status: int, body: Any) -> Script:
    """An answer to whatever writes the person."""
    return lambda here, person, r: json_answer(status, body) if _writes(here, person, r) else None


def on_value(status: int, body: Any, key: str) -> Script:
    """An answer to whatever writes this value of the person."""

    def script(here: World, person: str, request: Request) -> Answer | None:
        written = _body(request).get("properties", {})
        return json_answer(status, body) if _writes(here, person, request) and key in written else None

    return script


def registers(code: int) -> Script:
    """The people who are registered together with the person are refused too; with 0, they are not."""

    def script(here: World, person: str, request: Request) -> Answer | None:
        values = _body(request).get("identity_values", ())
        if request.path != engagelab.REGISTER or person not in values:
            return None
        if code:
            return json_answer(200, {"code": code, "message": "-"})
        vendor: Any = here.server._vendor
        data = [{"identity_value": v, "euid": vendor._euid_of(v)} for v in values if v != person]
        return json_answer(200, {"code": 0, "message": "-", "data": data})

    return script


def submits(here: World, person: str, request: Request) -> Answer | None:
    """A job that the person is in is refused before it is one."""
    if request.path != endpoints.BULK or person not in here.people_of(request):
        return None
    return json_answer(400, {"message": "-"})


def records(here: World, person: str, request: Request) -> Answer | None:
    """The person's record is refused, in the job's results."""
    vendor: Any = here.server._vendor

    def write(record: Any) -> int:
        return (
            400
            if record["identifiers"]["clientUserId"] == person
            else int(type(vendor)._write(vendor, record))
        )

    vendor._write = write
    return None


def _code(code: int) -> dict[str, Any]:
    return {"code": code, "message": "-"}


WHOLE, EACH = "the person", "each value"
REFUSALS: Mapping[str, tuple[str, Script, str, str, int]] = {
    "vevee 404": ("vevee", says(404, {"error": {"code": "not_found"}}), "not_found", EACH, 0),
    "vevee limit": ("vevee", says(429, {"error": {"code": "limit_reached"}}), "limit_reached", EACH, 0),
    "vevee single 400": ("vevee-single", says(400, {"code": "invalid_request"}), "invalid_request", EACH, 0),
    "attentive 404": ("attentive", says(404, {}), "person_not_found", WHOLE, 0),
    "attentive 400": ("attentive", says(400, {}), "person_refused", WHOLE, 8),
    "attentive first": ("attentive", on_value(400, {}, "first_name"), "value_refused", "first_name", 7),
    "attentive middle": ("attentive", on_value(400, {}, "plan"), "value_refused", "plan", 7),
    "attentive last": ("attentive", on_value(400, {}, "newsletter"), "value_refused", "newsletter", 7),
    "bulk submit": ("attentive-bulk", submits, "person_refused", WHOLE, 40),
    "bulk record": ("attentive-bulk", records, "record_refused", WHOLE, 10),
    "engagelab unresolved": ("engagelab", registers(0), "identity_not_resolved", WHOLE, 0),
    "engagelab id": ("engagelab", registers(55105), "code_55105", WHOLE, 4),
    "engagelab 55108": ("engagelab", says(400, _code(55108)), "code_55108", EACH, 4),
    "engagelab 40007": ("engagelab-sums", says(200, _code(40007)), "code_40007", EACH, 3),
    "engagelab first": (
        "engagelab",
        on_value(200, _code(55103), "first_name"),
        "code_55103",
        "first_name",
        6,
    ),
    "engagelab middle": ("engagelab", on_value(200, _code(55103), "plan"), "code_55103", "plan", 6),
    "engagelab last": ("engagelab", on_value(200, _code(55103), "newsletter"), "code_55103", "newsletter", 6),
    "engagelab sum": (
        "engagelab-sums",
        on_value(200, _code(55103), "lifetime_value"),
        "code_55103",
        "lifetime_value",
        2,
    ),
    "engagelab few 55004": ("engagelab-few", says(200, _code(55004)), "code_55004", EACH, 0),
    "engagelab euid 55108": ("engagelab-euid", says(200, _code(55108)), "code_55108", EACH, 0),
    "engagelab euid first": ("engagelab-euid", on_value(200, _code(55103), "age"), "code_55103", "age", 2),
}
"""Case, what is answered, the reason in the report, what its lines name, how many more requests it takes."""


def refused(here: World, base: tuple[RunResult, int], what: str, number: int) -> None:
    """One person's rows are named with the reason; everybody else is written, with few calls more."""
    (result, requests), person = base, f"p{number}"
    _, script, _, _, more = REFUSALS[what]
    vendor: Any = here.server._vendor
    answer = vendor.answer
    vendor.answer = lambda request: script(here, person, request) or answer(request)
    code, err = here.run()
    assert code == 1, err
    assert_refused(here, here.result(), result, person, what)
    assert here.server.stats.requests <= requests + more, (here.server.stats.requests, requests)
    assert here.result().calls["sent"] == here.server.stats.requests


def stopped_by_limit(here: World, base: tuple[RunResult, int], what: str, number: int) -> None:
    """The refusal passes `--max-rejects`; resumed with a higher limit, it ends as without one."""
    (result, requests), person = base, f"p{number}"
    script, more = REFUSALS[what][1], REFUSALS[what][4]
    vendor: Any = here.server._vendor
    answer = vendor.answer
    vendor.answer = lambda request: script(here, person, request) or answer(request)
    code, err = here.run("--max-rejects", 1)
    assert code == 6, (code, err)
    here.result()
    code, err = here.resume("--max-rejects", 1000)
    assert code == 0, err
    assert_refused(here, here.result(), result, person, what)
    polls = 2 * requests if here.case.destination.get("mode") == "bulk" else 0
    assert here.server.stats.requests <= requests + 2 * more + 2 + polls


def assert_refused(here: World, found: RunResult, result: RunResult, person: str, what: str) -> None:
    _, _, reason, named, _ = REFUSALS[what]
    assert_same(found, result, [person])
    lines = [line for line in found.of(person) if line[4] == "send"]
    assert {line[5] for line in lines} == {reason}
    keys = {line[2] for line in lines}
    lost = found.values["rejected"] - result.values["rejected"]
    meant = result.stored[person]
    if named == WHOLE:
        assert (keys, len(lines)) == ({""}, 1)
    else:
        assert keys == ({named} if named != EACH else keys)
        assert len(lines) == lost
    before = {key: value for key, value in found.stored.get(person, {}).items() if value == BEFORE}
    kept = {k: v for k, v in meant.items() if named not in (WHOLE, EACH) and k != named}
    assert found.stored.get(person, {}) == {**kept, **before}
    assert lost > 0
    assert found.values == {
        **result.values,
        "rejected": result.values["rejected"] + lost,
        "applied": result.values["applied"] - lost,
    }


# --- an attempt is killed


def ended(here: World, base: tuple[RunResult, int], what: str, number: int) -> None:
    """Killed, told to end or refused at one request, then resumed: as in a run that nothing happened to."""
    result, requests = base
    trouble = Trouble(what, number)
    code, err = here.run(trouble=trouble)
    how = what.partition("_")[0]
    wanted = {"kill": (-9,), "term": (143,), "stop": (4,)}[how]
    answered = here.server.stats.requests
    if code not in wanted:
        assert answered >= requests - FLIGHT, (code, err)
        assert code == 1, err
    if how != "kill":
        assert "importer resume r" in err or code == 1, err
        if here.has_ended():
            here.result()  # balanced
        else:  # a busy machine hands the signal on when the last call is answered and the reports are written
            assert (how, code) == ("term", 143), err
            assert answered >= requests - FLIGHT, err
            assert "interrupted while nothing was being sent" in err
    if code != 1:
        code, err = here.resume()
    assert code == 1, err
    found = here.result()
    assert found.state == "finished"
    if sums(here) and (how == "kill" or (doubtful(here, trouble) and "_" in what)):
        assert_in_doubt(here, found, result, trouble)
    else:
        assert_same(found, result)
    again = {"kill": number + requests // 3, "term": 0, "stop": 0}[how]
    polls = 2 * requests if here.case.destination.get("mode") == "bulk" else 0
    bound = requests + again + FLIGHT + 2 + polls
    assert here.server.stats.requests <= bound, (here.server.stats.requests, bound)
    if how != "kill":
        assert found.calls["sent"] == here.server.stats.requests, "each request is counted, in every attempt"


def refused_and_ended(
    here: World, base: tuple[RunResult, int], what: str, number: int, way: str, at: int
) -> None:
    """Both: one person is refused, and the attempt is killed at some request; then a resumed one goes on."""
    (result, requests), person = base, f"p{number}"
    script, more = REFUSALS[what][1], REFUSALS[what][4]
    vendor: Any = here.server._vendor
    answer = vendor.answer
    vendor.answer = lambda request: script(here, person, request) or answer(request)
    code, err = here.run(trouble=Trouble(way, at))
    assert code in (1, -9, 143, 4), err
    if code != 1:
        code, err = here.resume()
        assert code == 1, err
    found = here.result()
    assert found.state == "finished"
    if found.values["unconfirmed"]:  # of increases, where answers were lost
        assert sums(here)
        assert way != "term"
        assert {line[2] for line in found.lines if line[5] == "unconfirmed"} <= sums(here)
        return
    assert_refused(here, found, result, person, what)
    again = at + requests // 3 if way.startswith("kill") else 0
    polls = 2 * requests if here.case.destination.get("mode") == "bulk" else 0
    assert here.server.stats.requests <= requests + 2 * more + FLIGHT + 2 + polls + again


WAYS: Mapping[str, Callable[[World, tuple[RunResult, int], str, int], None]] = {
    "cut_before": cut_once,
    "cut_after": cut_once,
    "lost_before": lost,
    "lost_after": lost,
    "kill_before": ended,
    "kill_after": ended,
    "term": ended,
    "term_before": ended,
    "term_after": ended,
    "stop": ended,
}


FEW = ("cut_after", "lost_before", "kill_after", "term_after")
"""The ways that say most; two of them for each case."""


@pytest.mark.parametrize("name", CASES)
def test_a_call_or_a_life_that_comes_to_nothing(name: str, base: Base, tmp_path: Path) -> None:
    turn = list(CASES).index(name)
    for way in (FEW[turn % 2], FEW[2 + turn // 2 % 2]):
        number = 2 + (7 * turn + 11 * FEW.index(way)) % (base(name)[1] - 2)
        folder = tmp_path / way
        folder.mkdir()
        with world(folder, CASES[name], max_in_flight=1) as here:
            WAYS[way](here, base(name), way, number)


@pytest.mark.parametrize("what", REFUSALS)
def test_one_person_who_is_refused(what: str, base: Base, tmp_path: Path) -> None:
    name = REFUSALS[what][0]
    number = (7 * list(REFUSALS).index(what) + 2) % PEOPLE
    with world(tmp_path, CASES[name], max_in_flight=FLIGHT) as here:
        refused(here, base(name), what, number)


@pytest.mark.parametrize("what", ["bulk record", "engagelab 55108"])
def test_the_reject_limit_stops_at_one_person(what: str, base: Base, tmp_path: Path) -> None:
    name = REFUSALS[what][0]
    with world(tmp_path, CASES[name], max_in_flight=1) as here:
        stopped_by_limit(here, base(name), what, 16)


@pytest.mark.parametrize("what", ["attentive last", "engagelab sum"])
def test_one_person_who_is_refused_and_a_life_that_is_ended(what: str, base: Base, tmp_path: Path) -> None:
    name = REFUSALS[what][0]
    with world(tmp_path, CASES[name], max_in_flight=FLIGHT) as here:
        refused_and_ended(here, base(name), what, 13, "term", base(name)[1] // 2)
