"""The sandbox over real sockets: the vendor as documented, every fault, the limits, the counting."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.config import loader
from importer.core.errors import ConfigError
from importer.core.models import Answer
from importer.destinations.simulator import Request
from importer.destinations.vevee import sandbox as vevee_sandbox
from importer.sandbox import demo, faults, rate_window
from importer.sandbox import server as sandbox
from importer.sandbox.faults import Fault, parse_fault
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer

KEY = "sk_test_of_this_test"
BATCH, VALUES = "/api/v1/attributes/values/batch", "/api/v1/attributes/values"
DATA: dict[str, Any] = {
    "name": "sandbox-test",
    "source": {"path": "none.csv"},
    "identity": {"column": "id"},
    "destination": {"type": "vevee", "api_key": "env:KEY_OF_SANDBOX_TEST"},
    "attributes": {
        "persona": {"type": "single_choice", "options": ["teacher", "student"]},
        "langs": {"type": "multi_choice", "options": ["de", "en", "fr"]},
        "free_langs": {"type": "multi_choice", "options": ["de"], "allow_custom": True},
        "note": {"type": "free_text", "max_length": 5},
        "age": {"type": "number", "min": 0, "max": 120},
        "vip": {"type": "boolean"},
        "born": {"type": "date"},
    },
}
CONFIG = loader.parse(DATA)


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


def running(**options: Any) -> contextlib.AbstractContextManager[SandboxServer]:
    return sandbox.running(CONFIG, SandboxOptions(**options), KEY)


def ask(
    server: SandboxServer,
    method: str = "POST",
    path: str = BATCH,
    body: object = None,
    *,
    headers: dict[str, str] | None = None,
) -> Reply:
    host, port = server.url.removeprefix("http://").rsplit(":", 1)
    with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=5)) as link:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        link.request(method, path, data, headers or {"Authorization": f"Bearer {KEY}"})
        answer = link.getresponse()
        raw = answer.read()
    found = {k.lower(): v for k, v in answer.getheaders()}
    return Reply(
        answer.status,
        found,
        json.loads(raw) if found.get("content-type") == "application/json" else raw,
    )


def write(server: SandboxServer, person: str = "p1", **attributes: object) -> Reply:
    return ask(server, body={"distinctId": person, "attributes": attributes or {"age": 42}})


@pytest.fixture(scope="module")
def calm() -> Iterator[SandboxServer]:
    with running(archived=frozenset({"born"}), undefined=frozenset({"vip"})) as server:
        yield server


# The vendor


@pytest.mark.parametrize(
    ("method", "path", "authorization", "status", "code"),
    [
        ("POST", BATCH, f"Bearer {KEY}", 200, None),
        ("POST", BATCH, "Bearer sk_live_revoked", 401, "invalid_key"),
        ("POST", BATCH, KEY, 401, "invalid_key"),
        ("POST", BATCH, f"Basic {KEY}", 401, "invalid_key"),
        ("POST", BATCH, "", 401, "invalid_key"),
        ("POST", BATCH, "Bearer pk_live_x", 403, "requires_secret_key"),
        ("POST", VALUES, "Bearer pk_live_x", 403, "client_attribute_writes_disabled"),
        ("DELETE", VALUES, "Bearer pk_live_x", 403, "client_attribute_writes_disabled"),
        ("GET", f"{VALUES}?distinctId=nobody", "Bearer pk_live_x", 200, None),
        ("GET", "/api/v1/nothing", f"Bearer {KEY}", 404, "not_found"),
        ("PUT", BATCH, f"Bearer {KEY}", 404, "not_found"),
    ],
)
def test_keys_and_paths(
    calm: SandboxServer, method: str, path: str, authorization: str, status: int, code: str | None
) -> None:
    body = {"distinctId": "keys", "attributes": {"age": 1}} if method == "POST" else None
    reply = ask(calm, method, path, body, headers={"Authorization": authorization})
    assert reply.status == status
    assert reply.body.get("error", {}).get("code") == code
    assert reply.headers["content-type"] == "application/json"


def test_the_key_is_read_where_the_configuration_sends_it() -> None:
    wire = {"auth_header": "X-Api-Key", "auth_scheme": ""}
    other = loader.parse(DATA | {"destination": DATA["destination"] | wire})
    with sandbox.running(other, SandboxOptions(), KEY) as server:
        assert ask(server, "GET", f"{VALUES}?distinctId=p", headers={"x-api-key": KEY}).status == 200
        assert ask(server, "GET", f"{VALUES}?distinctId=p").status == 401


INVALID = "attribute_value_invalid"


@pytest.mark.parametrize(
    ("attribute", "value", "reason", "stored"),
    [
        ("persona", "teacher", None, "teacher"),
        ("persona", "Teacher", INVALID, None),
        ("persona", ["teacher"], INVALID, None),
        ("langs", ["en", "xx", "de"], None, ["en", "de"]),
        ("langs", ["xx"], INVALID, None),
        ("langs", [], None, []),
        ("langs", "de", INVALID, None),
        ("langs", ["de", 1], INVALID, None),
        ("free_langs", ["xx"], None, ["xx"]),
        ("note", "Zoë 🎈", None, "Zoë 🎈"),
        ("note", "123456", "attribute_value_too_long", None),
        ("note", "", INVALID, None),
        ("note", None, INVALID, None),
        ("note", 12, INVALID, None),
        ("age", 42, None, 42),
        ("age", 0.1, None, 0.1),
        ("age", 121, INVALID, None),
        ("age", -1, INVALID, None),
        ("age", True, INVALID, None),
        ("age", "42", INVALID, None),
        ("born", "2001-02-03", "attribute_archived", None),
        ("vip", True, "attribute_not_defined", None),
        ("no_such", "x", "attribute_not_defined", None),
    ],
)
def test_each_value_is_judged_alone(
    calm: SandboxServer, attribute: str, value: object, reason: str | None, stored: object
) -> None:
    person = f"checked {attribute} {value!r}"
    neighbour = "free_langs" if attribute != "free_langs" else "persona"
    good = ["fr"] if neighbour == "free_langs" else "student"
    reply = write(calm, person, **{attribute: value, neighbour: good})
    rejected = [{"key": attribute, "reason": reason}] if reason else []
    applied = 2 - len(rejected)
    assert reply.body == {"personId": f"person_{person}", "applied": applied, "rejected": rejected}
    assert calm.stored[person] == {neighbour: good} | ({attribute: stored} if not reason else {})


@pytest.mark.parametrize(("value", "status"), [("teacher", 200), ("nobody", 400)])
def test_a_single_value_is_echoed_or_refused(calm: SandboxServer, value: str, status: int) -> None:
    reply = ask(calm, path=VALUES, body={"distinctId": "one", "attribute": "persona", "value": value})
    assert reply.status == status
    assert reply.body.get("value") == (value if status == 200 else None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"attributes":{"age":1}}',
        b'{"distinctId":"","attributes":{"age":1}}',
        b'{"distinctId":7,"attributes":{"age":1}}',
        b'{"distinctId":"p","attributes":[]}',
        b'{"distinctId":"p","attributes":{"age":NaN}}',
        b'{"distinctId":"\\ud800","attributes":{"age":1}}',
        b'{"distinctId":"p","attributes":{"\\udfff":1}}',
        b'{"distinctId":"%s","attributes":{}}' % (b"x" * 201),
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_none_is_an_invalid_request(calm: SandboxServer, body: bytes) -> None:
    before = calm.stored
    reply = ask(calm, body=body)
    assert (reply.status, reply.body["error"]["code"]) == (400, "invalid_request")
    assert calm.stored == before


def test_a_number_beyond_all_bounds_is_refused() -> None:
    free = loader.parse(DATA | {"attributes": {"n": {"type": "number"}}})
    with sandbox.running(free, SandboxOptions(), KEY) as server:
        body = b'{"distinctId":"p","attributes":{"n":1e999}}'
        assert ask(server, body=body).body["rejected"] == [{"key": "n", "reason": INVALID}]
        body = b'{"distinctId":"p","attributes":{"n":9223372036854775807}}'
        assert ask(server, body=body).body["applied"] == 1
        assert server.stored == {"p": {"n": 2**63 - 1}}


def test_a_body_over_16_mib_is_refused_and_counted() -> None:
    with running() as server:
        status = None
        with contextlib.suppress(ConnectionError):  # it may close before it has taken everything
            status = ask(server, body=b" " * (sandbox.MAX_BODY + 1)).status
        assert status in (413, None)
        assert server.stats.by_status == {413: 1}
        assert write(server).status == 200


def test_read_back_and_clear() -> None:
    with running() as server:
        write(server, "päivi", persona="student", age=7, born="2001-02-03")
        read = f"{VALUES}?distinctId=p%C3%A4ivi"
        assert ask(server, "GET", read).body["attributes"] == {
            "persona": "student",
            "age": 7,
            "born": "2001-02-03",
        }
        assert ask(server, "GET", f"{read}&keys=age,vip").body["attributes"] == {"age": 7}
        assert ask(server, "GET", f"{VALUES}?distinctId=nobody").body["attributes"] == {}
        assert ask(server, "GET", VALUES).status == 400

        clear = {"distinctId": "päivi", "attribute": "age"}
        assert [ask(server, "DELETE", VALUES, clear).body["cleared"] for _ in range(2)] == [True, False]
        assert ask(server, "DELETE", VALUES, clear | {"attribute": "no_such"}).status == 400

        server.change(SandboxOptions(archived=frozenset({"born"})))
        assert ask(server, "GET", read).body["attributes"] == {"persona": "student"}
        reply = ask(server, "DELETE", VALUES, clear | {"attribute": "born"})
        assert reply.body["error"]["code"] == "attribute_archived"


def test_people_without_values_are_not_stored() -> None:
    with running() as server:
        write(server, "refused", persona="nobody")
        write(server, "cleared", age=1)
        ask(server, "DELETE", VALUES, {"distinctId": "cleared", "attribute": "age"})
        assert server.stored == {}


# Faults


def outcome(server: SandboxServer, number: int = 1) -> str:
    """What a client meets: the status and the vendor's code, or the kind of failure."""
    try:
        reply = write(server, f"p{number}")
    except ConnectionResetError:
        return "reset"
    except http.client.RemoteDisconnected:
        return "closed"
    except http.client.IncompleteRead:
        return "incomplete"
    except json.JSONDecodeError:
        return "not json"
    if not isinstance(reply.body, dict):
        return f"{reply.status} {type(reply.body).__name__}"
    return f"{reply.status} {reply.body.get('error', {}).get('code', '')}".strip()


@pytest.mark.parametrize(
    ("kind", "met", "stored"),
    [
        ("401", "401 invalid_key", False),
        ("403", "403 client_attribute_writes_disabled", False),
        ("418", "418 bytes", False),
        ("429", "429 bytes", False),
        ("500", "500 internal_error", False),
        ("501", "501 not_implemented", False),
        ("502", "502 bytes", False),
        ("503", "503 bytes", False),
        ("504", "504 bytes", False),
        ("quota", "429 workspace_limit_reached", False),
        ("reset_before", "reset", False),
        ("html", "200 bytes", False),
        ("reset_after", "reset", True),
        ("truncate", "incomplete", True),
        ("wrong_json", "not json", True),
        ("wrong_shape", "200 list", True),
        ("slow:seconds=0.01", "200", True),
    ],
)
def test_each_fault(kind: str, met: str, stored: bool) -> None:
    fault = parse_fault(kind)
    with running(faults=(fault,)) as server:
        assert outcome(server) == met
        assert server.stored == ({"p1": {"age": 42}} if stored else {})
        assert server.stats.faults == {fault.kind: 1}
        assert server.stats.writes == stored


def test_a_redirect_points_elsewhere_and_html_says_so() -> None:
    with running(faults=(parse_fault("307@1"), parse_fault("html@2"))) as server:
        assert write(server).headers["location"] == "/elsewhere"
        reply = write(server)
        assert reply.headers["content-type"].startswith("text/html")
        assert b"<html>" in reply.body


def test_hang_stores_and_answers_neither_the_client_nor_a_stop() -> None:
    with running(faults=(parse_fault("hang@1"),), log=9) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=0.02)) as link:
            body = json.dumps({"distinctId": "p1", "attributes": {"age": 42}})
            link.request("POST", BATCH, body, {"Authorization": f"Bearer {KEY}"})
            with pytest.raises(TimeoutError):
                link.getresponse()
            assert server.stored == {"p1": {"age": 42}}
            assert server.stats.by_status == {0: 1}
            assert outcome(server) == "200"  # nobody else has to wait
        hanging = http.client.HTTPConnection(host, int(port), timeout=5)
        server.change(SandboxOptions(faults=(Fault("hang", every=1),)))
        hanging.request("POST", BATCH, body)
    with contextlib.closing(hanging), pytest.raises(ConnectionError):
        hanging.getresponse()


def test_huge_never_ends_soon_and_lets_the_client_go() -> None:
    with running(faults=(parse_fault("huge@1"),)) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=5)) as link:
            body = json.dumps({"distinctId": "p1", "attributes": {"age": 42}})
            link.request("POST", BATCH, body, {"Authorization": f"Bearer {KEY}"})
            assert len(link.getresponse().read(4 << 20)) == 4 << 20
        assert outcome(server) == "200"


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("applied_too_high", {"applied": 2, "rejected": [{"key": "persona", "reason": INVALID}]}),
        (
            "foreign_key",
            {
                "applied": 0,
                "rejected": [
                    {"key": "persona", "reason": INVALID},
                    {"key": "never_sent", "reason": INVALID},
                ],
            },
        ),
    ],
)
def test_counts_that_lie_are_not_believed(kind: str, answer: dict[str, object]) -> None:
    with running(faults=(Fault(kind, at=frozenset({1, 2, 3})),)) as server:
        reply = write(server, age=42, persona="nobody")
        assert reply.body == {"personId": "person_p1"} | answer
        assert server.stored == {"p1": {"age": 42}}
        ask(server, "GET", f"{VALUES}?distinctId=p1")  # an answer without a count that could be wrong
        ask(server, body=b"{")
        assert server.stats.faults == {kind: 1}


@pytest.mark.parametrize(("text", "seconds"), [("2", None), ("0.5", None), ("date:2", 2), ("date:30", 30)])
def test_retry_after_in_either_form(text: str, seconds: int | None) -> None:
    with running(faults=(parse_fault(f"429@1:retry_after={text}"), Fault("503", every=1))) as server:
        header = write(server).headers["retry-after"]
        assert "retry-after" not in write(server).headers
    if seconds is None:
        assert header == text
    else:
        ahead = parsedate_to_datetime(header).timestamp() - time.time()
        assert seconds - 0.5 < ahead <= seconds + 1


def test_exact_numbers_every_nth_and_since() -> None:
    faults = tuple(map(parse_fault, ("429@2,5-6", "500/4", "503@9-")))
    with running(faults=faults) as server:
        met = [outcome(server, number)[:3] for number in range(1, 12)]
    assert met == ["200", "429", "200", "500", "429", "429", "200", "500", "503", "503", "503"]


def test_shares_are_kept_and_repeat_with_the_seed() -> None:
    faults = (parse_fault("429:0.3"), parse_fault("500:20%"))

    def kinds(seed: int) -> list[str]:
        server = SandboxServer(CONFIG, SandboxOptions(faults=faults, seed=seed), KEY)
        picker = server._rules.picker
        asked = [Request("POST", BATCH, {}, {}, b"%d" % n) for n in range(4000)]
        return [f.kind if (f := picker.choose(n, a)) else "" for n, a in enumerate(asked)]

    first = kinds(1)
    assert first == kinds(1) != kinds(2)
    assert first.count("429") == pytest.approx(1200, rel=0.1)
    assert first.count("500") == pytest.approx(800, rel=0.1)


def test_a_body_is_hit_three_times_in_a_row_at_most() -> None:
    with running(faults=(parse_fault("500"),)) as server:
        met = [outcome(server, number) for number in (1, 1, 2, 1, 1, 2, 2, 2, 1)]
    bad, good = "500 internal_error", "200"
    assert met == [bad, bad, bad, bad, good, bad, bad, good, bad]


def test_times_0_never_lets_go_and_faults_count_together() -> None:
    with running(faults=(parse_fault("401:times=0"),)) as server:
        assert {outcome(server) for _ in range(9)} == {"401 invalid_key"}
        server.change(SandboxOptions(faults=(parse_fault("500@10,12"), parse_fault("reset_after@11,13"))))
        assert [outcome(server) for _ in range(4)] == [
            "500 internal_error",
            "reset",
            "500 internal_error",
            "200",
        ]


def test_the_memory_for_bodies_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "_REMEMBERED_BODIES", 10)
    picker = faults.FaultPicker((Fault("500", every=1),), 0)
    for number in range(100):
        picker.choose(number, Request("POST", BATCH, {}, {}, b"%d" % number))
    assert len(picker._hits) == 10


def test_a_stop_leaves_no_connection_behind_in_whatever_state_it_is() -> None:
    for _ in range(20):
        with running() as server, ThreadPoolExecutor(4) as pool:
            host, port = server.url.removeprefix("http://").split(":")
            links = list(pool.map(lambda _: socket.create_connection((host, int(port)), 5), range(4)))  # noqa: B023
        for link in links:  # accepted, being accepted, or still waiting for it
            with link, contextlib.suppress(ConnectionResetError):
                assert link.recv(1) == b""


def test_options_can_change_while_it_runs() -> None:
    with running(faults=(Fault("503", every=1, times=0),)) as server:
        assert outcome(server) == "503 bytes"
        server.change(SandboxOptions())
        assert outcome(server) == "200"
        assert server.stats.requests == 2


# Limits


def test_the_unannounced_limit_is_a_sliding_window() -> None:
    window = rate_window.RateWindow(rate=3, window=1.0)
    passed = [at for at in (0.0, 0.1, 0.2, 0.3, 0.99, 1.0, 1.05, 1.1, 1.2, 1.3) if window.admits(at)]
    assert passed == [0.0, 0.1, 0.2, 1.0, 1.1, 1.2]


@pytest.mark.parametrize(
    ("rate", "window", "passed"),
    [(0, 1.0, 8), (4, 0.0, 2), (0.5, 1.0, 1), (4, 1.0, 4), (2.5, 1.0, 2)],
)
def test_limits_of_all_sizes(rate: float, window: float, passed: int) -> None:
    limit = rate_window.RateWindow(rate, window)
    assert sum(limit.admits(0.05 * n) for n in range(8)) == passed


@given(
    st.lists(st.floats(0, 0.3), max_size=200),
    st.sampled_from([0.7, 3, 10, 40]),
)
def test_no_sliding_window_ever_lets_more_through(gaps: list[float], rate: float) -> None:
    limit, now, passed = rate_window.RateWindow(rate, 1.0), 0.0, []
    for gap in gaps:
        now += gap
        if limit.admits(now):
            passed.append(now)
    for start in passed:
        assert sum(start <= at < start + 1 for at in passed) <= max(1, rate)


def test_the_limit_answers_429_and_counts() -> None:
    with running(rate_limit=5, rate_retry_after="7") as server:
        replies = [write(server, f"p{number}") for number in range(8)]
        assert [r.status for r in replies] == [200] * 5 + [429] * 3
        assert replies[-1].headers["retry-after"] == "7"
        stats = server.stats
        assert (stats.throttled, stats.faults, stats.people) == (3, {}, 5)


def test_the_quota_stops_writes_and_nothing_else() -> None:
    with running(quota=2) as server:
        met = [outcome(server, number) for number in range(4)]
        assert met == ["200", "200", *["429 workspace_limit_reached"] * 2]
        assert ask(server, "GET", f"{VALUES}?distinctId=p1").body["attributes"] == {"age": 42}
        assert server.stats.writes == 2


def test_latency_is_kept_and_nobody_waits_for_another() -> None:
    with running(latency=0.1, log=20) as server:
        with ThreadPoolExecutor(20) as pool:
            begun = time.monotonic()
            replies = list(pool.map(lambda n: write(server, f"p{n}"), range(20)))
            took = time.monotonic() - begun
        waits = sorted(entry.answered - entry.at for entry in server.log)
    assert {r.status for r in replies} == {200}
    assert took < sum(waits) / 2  # they waited beside one another
    assert 0.099 <= waits[0] < 0.12  # the least disturbed of them, on a machine that has other work too


# What it shows


def test_stored_and_stats_over_http() -> None:
    with running(faults=(parse_fault("500@2"),), rate_limit=0) as server:
        write(server, "b", age=1, note="ö")
        write(server, "a", age=2)
        write(server, "a", age=3)
        raw = ask(server, "GET", "/__sandbox__/stored", headers={})
        assert raw.body == server.stored == {"a": {"age": 3}, "b": {"age": 1, "note": "ö"}}
        assert list(raw.body) == ["a", "b"]
        stats = ask(server, "GET", "/__sandbox__/stats", headers={}).body
        assert stats == {
            "by_status": {"200": 2, "500": 1},
            "faults": {"500": 1},
            "people": 2,
            "requests": 3,
            "throttled": 0,
            "writes": 2,
        }
        assert ask(server, "GET", "/__sandbox__/nothing", headers={}).status == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "10.0.0.1", "[", ""])
def test_what_is_stored_is_shown_under_a_loopback_name_alone(host: str) -> None:
    with running() as server:
        write(server)
        refused = ask(server, "GET", "/__sandbox__/stored", headers={"Host": host})
        assert (refused.status, "p1" in str(refused.body)) == (403, False)
        for good in ("localhost", "127.0.0.1:9", "[::1]:80"):
            shown = ask(server, "GET", "/__sandbox__/stored", headers={"Host": good})
            assert (shown.status, list(shown.body)) == (200, ["p1"])


def test_the_log_is_bounded_and_says_who_when_and_what() -> None:
    with running(faults=(parse_fault("reset_after@2"),), log=3) as server:
        begun = time.monotonic()
        for number in (1, 2, 3):
            outcome(server, number)
        ask(server, "GET", f"{VALUES}?distinctId=p9")
        log = server.log
    assert [(e.number, e.method, e.path, e.distinct_ids, e.status, e.fault) for e in log] == [
        (2, "POST", BATCH, ("p2",), 0, "reset_after"),
        (3, "POST", BATCH, ("p3",), 200, ""),
        (4, "GET", VALUES, ("p9",), 200, ""),
    ]
    assert all(begun <= e.at <= e.answered for e in log)


def test_it_remembers_nothing_unless_asked() -> None:
    with running() as server:
        write(server)
        assert server.log == []


def test_a_client_that_leaves_is_counted_as_unanswered() -> None:
    with running(latency=30) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=0.05)) as link:
            link.request("GET", VALUES)
            with pytest.raises(TimeoutError):
                link.getresponse()
        until = time.monotonic() + 5
        while server.stats.by_status != {0: 1} and time.monotonic() < until:
            threading.Event().wait(0.001)
        assert server.stats.by_status == {0: 1}


# Words and options


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("429:0.05", Fault("429", share=0.05)),
        ("429:5%", Fault("429", share=0.05)),
        ("slow:1", Fault("slow", share=1.0)),
        ("429@3,7,9", Fault("429", at=frozenset({3, 7, 9}))),
        ("429@3-5,9-", Fault("429", at=frozenset({3, 4, 5}), since=9)),
        ("503/7", Fault("503", every=7)),
        ("html", Fault("html", every=1)),
        ("429:0.05:retry_after=2", Fault("429", share=0.05, retry_after="2")),
        ("429/2:retry_after=date:2:times=0", Fault("429", every=2, retry_after="date:2", times=0)),
        ("slow:0.1:seconds=0.3", Fault("slow", share=0.1, seconds=0.3)),
        ("slow:seconds=300ms", Fault("slow", every=1, seconds=0.3)),
        ("foreign_key@1", Fault("foreign_key", at=frozenset({1}))),
    ],
)
def test_faults_are_written_like_this(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    "text",
    [
        "",
        "flood",
        "flood:0.5",
        "200:0.5",
        "600",
        "429:",
        "429:1.5",
        "429:101%",
        "429:-1",
        "429:.",
        "429@",
        "429@0",
        "429@3,",
        "429@7-3",
        "429@1-9999999999",
        "429/0",
        "429/x",
        "429/1.5",
        "429:0.5:colour=red",
        "429:0.5:retry_after=soon",
        "429:0.5:retry_after=",
        "slow:seconds=-1",
        "500:times=x",
    ],
)
def test_a_fault_that_is_none_says_what_was_expected(text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f'fault "{text}": expected')):
        parse_fault(text)


def test_an_unknown_kind_gets_the_list() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_fault("flood:0.1")
    assert all(kind in str(caught.value) for kind in faults.kinds())
    assert {"quota", "hang", "applied_too_high", "foreign_key"} <= set(faults.kinds())


@pytest.mark.parametrize(
    ("text", "seconds"), [("50ms", 0.05), ("0.05", 0.05), ("2s", 2.0), ("0", 0.0), ("1.5ms", 0.0015)]
)
def test_times_are_written_like_this(text: str, seconds: float) -> None:
    assert faults.parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "ms", "-1", "5m", "1e3", "fast"])
def test_a_time_that_is_none(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a time such as 50ms"):
        faults.parse_seconds(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": "0.0.0.0"}, "loopback"),
        ({"host": "example.com"}, "loopback"),
        ({"port": 70000}, "65535"),
        ({"latency": -0.1}, "negative"),
        ({"quota": -1}, "negative"),
        ({"rate_retry_after": "soon"}, "date:2"),
        ({"faults": (Fault("500", share=0.6), Fault("429", share=0.6))}, "add up"),
        ({"archived": frozenset({"zz", "aa"})}, "does not have: aa, zz"),
        ({"undefined": frozenset({"zz"})}, "does not have: zz"),
        ({"faults": (Fault("half_answer"),)}, 'no fault "half_answer"'),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SandboxServer(CONFIG, SandboxOptions(**options), KEY)


class PlainVendor(vevee_sandbox.Sandbox):
    """A vendor that documents no quota, and whose simulator has no fault of its own."""

    simulated_faults = frozenset()

    def documented_error(self, name: str) -> Answer | None:
        return None


@pytest.mark.parametrize(
    "options", [{"faults": (Fault("quota"),)}, {"quota": 1}, {"faults": (Fault("foreign_key"),)}]
)
def test_what_a_vendor_has_no_form_of(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vevee_sandbox, "SANDBOX", PlainVendor)
    with pytest.raises(ConfigError, match="this destination"):
        SandboxServer(CONFIG, SandboxOptions(**options), KEY)


def test_a_port_in_use_is_one_sentence_with_the_next_step() -> None:
    with running() as server:
        port = int(server.url.rsplit(":", 1)[1])
        with pytest.raises(ConfigError, match=rf"^Port {port} .*--port 0\.$"), running(port=port):
            pass


def test_a_port_can_be_had_again_at_once() -> None:
    with running() as server:
        write(server)
        port = int(server.url.rsplit(":", 1)[1])
    with running(port=port) as server:
        assert server.url == f"http://127.0.0.1:{port}"
        assert server.stored == {}
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass


def test_ipv6_and_localhost_are_loopback_too() -> None:
    assert SandboxServer(CONFIG, SandboxOptions(host="::1"), KEY).url == "http://[::1]:0"
    with running(host="localhost") as server:
        assert write(server).status == 200


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"KEY_OF_SANDBOX_TEST": "sk_live_mine"}, "sk_live_mine"),
        ({"KEY_OF_SANDBOX_TEST": "pk_live_public"}, "sk_test_sandbox"),
        ({}, "sk_test_sandbox"),
    ],
)
def test_the_key_is_the_configured_one_where_it_can_be_read(environ: dict[str, str], key: str) -> None:
    assert demo.key_for(CONFIG, environ) == key


SERVE = """
import json, sys
from importer.config import loader
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import serve
server = serve(loader.parse(json.loads(sys.argv[1])), SandboxOptions(), sys.argv[2],
               lambda url: print(url, flush=True))
print(server.stats.requests, json.dumps(server.stored))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_in_the_foreground_ends_with_a_signal(number: signal.Signals) -> None:
    command = [sys.executable, "-W", "error", "-c", SERVE, json.dumps(DATA), KEY]
    root = Path(__file__).parents[3]
    environ = os.environ | {"PYTHONPATH": str(root)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
    ) as child:
        assert child.stdout is not None
        host, port = child.stdout.readline().strip().removeprefix("http://").split(":")
        with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=5)) as link:
            body = json.dumps({"distinctId": "p1", "attributes": {"age": 42}})
            link.request("POST", BATCH, body, {"Authorization": f"Bearer {KEY}"})
            assert link.getresponse().read()
            child.send_signal(number)
            out, err = child.communicate(timeout=5)
    assert (child.returncode, out, err) == (0, '1 {"p1": {"age": 42}}\n', "")
