"""Attentive beyond the contract: which value it was, types fixed by the first one, jobs and their results."""

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import importer
from importer.config import loader as configuration
from importer.config.options import Options
from importer.core.errors import ConfigError, RefusedError, StateError
from importer.core.models import SEPARATOR, Answer, Call, Part, RunSummary, Update, Verdict
from importer.destinations.attentive import destination as attentive
from importer.destinations.attentive import endpoints
from importer.destinations.attentive import sandbox as attentive_sandbox
from importer.destinations.attentive.settings import Settings
from importer.destinations.base import Definition, RateHint
from importer.sandbox import server as sandbox
from importer.sandbox.faults import parse_fault
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from importer.transport import download
from importer.transport.client import Endpoint
from importer.transport.errors import TransportError

KEY = "token"
KEYS = tuple(f"k{n}" for n in range(10))


def settings(source: Path, url: str, attributes: Mapping[str, Any], **destination: Any) -> dict[str, Any]:
    return {
        "name": "people",
        "source": {"path": str(source)},
        "identity": {"column": "id"},
        "destination": {
            "type": "attentive",
            "api_key": "env:ATTENTIVE_TEST_KEY",
            "base_url": url,
            "requests_per_second": 0,
            "retry_wait": 0.01,
            "user": {"email": "email", "client_user_id": "id"},
            **destination,
        },
        "attributes": {key: a if isinstance(a, dict) else {"type": a} for key, a in attributes.items()},
    }


class Stage:
    """A list, its configuration, the sandbox it goes to."""

    def __init__(self, folder: Path, data: Mapping[str, Any], server: SandboxServer) -> None:
        self.folder = folder
        self.data = {**data, "destination": {**data["destination"], "base_url": server.url}}
        self.server = server
        self.state = folder / "state"

    def run(self, **options: Any) -> RunSummary:
        return importer.run(self.data, (), Options(state_dir=self.state, **options))

    def resume(self, run_id: str | None = None) -> RunSummary:
        return importer.resume(self.state, run_id, Options(state_dir=self.state))

    def lines(self, summary: RunSummary) -> list[dict[str, str]]:
        path = self.state / "runs" / summary.run_id / "rejects.csv"
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    @property
    def posts(self) -> Counter[str]:
        """Calls that write, by person."""
        return Counter(p for r in self.server.log if r.method == "POST" for p in r.distinct_ids)


@contextmanager
def stage(
    folder: Path, rows: list[str], attributes: Mapping[str, Any], theirs: SandboxOptions, **destination: Any
) -> Iterator[Stage]:
    columns = ",".join(["id", "email", *attributes])
    source = folder / "list.csv"
    source.write_text("\n".join([columns, *rows]) + "\n", "utf-8")
    data = settings(source, "http://127.0.0.1:1", attributes, **destination)
    with sandbox.running(configuration.parse(data), theirs, KEY) as server:
        yield Stage(folder, data, server)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTENTIVE_TEST_KEY", KEY)


def person(number: int) -> str:
    return f"p{number},p{number}@example.com"


LOGGED = SandboxOptions(log=100_000)


# --- which value was it


def test_one_bad_value_among_ten_costs_at_most_8_calls_wherever_it_stands(tmp_path: Path) -> None:
    """The names are typed as numbers already; then everybody has one text, each at another place."""
    rows = [f"{person(n + 1)}," + ",".join("word" if k == n else "7" for k in range(10)) for n in range(10)]
    attributes = dict.fromkeys(KEYS, "free_text")
    with stage(tmp_path, rows, attributes, LOGGED, max_in_flight=1) as here:
        fix_types(here)
        summary = here.run()
        assert summary.values == {**summary.values, "applied": 90, "rejected": 10}
        lines = here.lines(summary)
        assert [(r["distinct_id"], r["attribute"], r["reason"], r["status"]) for r in lines] == [
            (f"p{n + 1}", f"k{n}", "value_refused", "400") for n in range(10)
        ]
        assert all("word" not in current.values() for current in here.server.stored.values())
        assert [len(current) for current in here.server.stored.values()] == [9] * 10
        costs = [here.posts[f"p{n + 1}"] for n in range(10)]
        assert max(costs) <= 8
        assert summary.exit_code == 1


def test_what_a_search_had_still_to_send_is_unconfirmed_where_it_breaks_off(tmp_path: Path) -> None:
    """The whole person, the first half, then a quarter: nobody answers it, and four more were to follow."""
    rows = [f"{person(1)}," + ",".join("word" if k == 0 else "7" for k in range(10))]
    theirs = replace(LOGGED, faults=(parse_fault("500@4,5"),))
    with stage(tmp_path, rows, dict.fromkeys(KEYS, "free_text"), theirs, retry_attempts=2) as here:
        fix_types(here)
        summary = here.run()
        assert summary.values == {**summary.values, "unconfirmed": 10, "not_attempted": 0}
        assert {r["attribute"] for r in here.lines(summary)} == set(KEYS)
        again = importer.retry(here.state, summary.run_id, None, Options(state_dir=here.state))
        assert again.values == {**again.values, "applied": 9, "rejected": 1}


def fix_types(here: Stage) -> None:
    """Somebody else's first call: all ten names are numbers from now on."""
    vendor = here.server._vendor
    assert isinstance(vendor, attentive_sandbox.Sandbox)
    vendor._types |= dict.fromkeys(KEYS, "number")


def test_an_attribute_always_at_fault_is_soon_sent_apart(tmp_path: Path) -> None:
    attributes = dict.fromkeys(KEYS, "number")
    rows = [f"{person(n)},{','.join('1234567890')}" for n in range(40)]
    theirs = replace(LOGGED, archived=frozenset({"k4"}))
    with stage(tmp_path, rows, attributes, theirs, max_in_flight=1) as here:
        summary = here.run()
        assert summary.values == {**summary.values, "applied": 360, "rejected": 40}
        costs = [here.posts[f"p{n}"] for n in range(40)]
        assert max(costs[:3]) <= 8
        assert set(costs[4:]) == {2}
        assert {r["attribute"] for r in here.lines(summary)} == {"k4"}


def test_a_person_at_fault_is_one_line_and_ten_in_a_row_stop_the_run(tmp_path: Path) -> None:
    attributes = dict.fromkeys(KEYS[:4], "number")
    rows = [f"{person(n)},1,2,3,4" for n in range(30)]
    theirs = replace(LOGGED, archived=frozenset(KEYS[:4]))
    with stage(tmp_path, rows, attributes, theirs, max_in_flight=1) as here:
        summary = here.run()
        assert (summary.exit_code, summary.state) == (4, "stopped")
        assert "10 calls in a row" in summary.message
        assert here.lines(summary) == [], "they are not rejected, they go out again"
        assert summary.values == {**summary.values, "rejected": 0, "not_attempted": 120}
        again = here.resume()
        assert (again.exit_code, again.values["rejected"], again.values["not_attempted"]) == (4, 40, 80)
        here.server.change(LOGGED)
        resumed = here.resume()
        assert (resumed.exit_code, resumed.values["applied"], resumed.values["rejected"]) == (1, 80, 40)
        lines = here.lines(resumed)
        assert [(r["attribute"], r["value"], r["reason"]) for r in lines] == [("", "", "person_refused")] * 10
        retried = importer.retry(here.state, resumed.run_id, None, Options(state_dir=here.state))
        assert (retried.exit_code, retried.values["applied"], len(here.server.stored)) == (0, 40, 30)


def test_a_person_nobody_knows_is_one_line(tmp_path: Path) -> None:
    rows = ["p0,,1", *(f"{person(n)},{n}" for n in range(1, 5))]
    with stage(tmp_path, rows, {"k0": "number"}, LOGGED) as here:
        summary = here.run()
        [line] = here.lines(summary)
        assert (line["distinct_id"], line["reason"], line["status"]) == ("p0", "person_not_found", "404")
        assert summary.people["called"] == 5


# --- types


def test_of_a_mixed_column_a_general_text_is_seen_first(tmp_path: Path) -> None:
    rows = [f"{person(n)},{n},2024-01-0{n}" for n in range(1, 9)] + [f"{person(9)},nine,"]
    with stage(tmp_path, rows, {"k0": "free_text", "k1": "free_text"}, LOGGED) as here:
        summary = here.run()
        assert summary.exit_code == 0, "the ninth text would be refused where the first was a number"
        assert here.server.stored["p9"] == {"k0": "nine"}
        assert here.server.stored["p1"] == {"k0": "1", "k1": "2024-01-01"}
        found = {(w.code, w.column, w.count) for w in summary.warnings}
        assert found == {("kinds_mixed", "k0", 8), ("text_looks_like_date", "k1", 8)}
        assert [w.rows for w in summary.warnings if w.code == "kinds_mixed"] == [(1, 2, 3, 4, 5)]
        assert here.posts["p9"] == 2


@pytest.mark.parametrize(
    ("declared", "wire"),
    [
        ({"type": "number"}, 7),
        ({"type": "number", "send_as": "text"}, "7"),
        ({"type": "free_text"}, "7"),
        ({"type": "free_text", "send_as": "number"}, 7),
        ({"type": "multi_choice", "options": ["7", "8"], "join": "; "}, "7; 8"),
    ],
)
def test_how_a_value_goes_out_is_declared(declared: dict[str, Any], wire: object, tmp_path: Path) -> None:
    cell = "7|8" if declared["type"] == "multi_choice" else "7"
    with stage(tmp_path, [f"{person(1)},{cell}"], {"k0": declared}, LOGGED) as here:
        assert here.run().exit_code == 0
        assert here.server.stored == {"p1": {"k0": wire}}


def test_a_text_sent_as_a_number_must_be_one(tmp_path: Path) -> None:
    rows = [f"{person(1)},7", f"{person(2)},seven"]
    with stage(tmp_path, rows, {"k0": {"type": "free_text", "send_as": "number"}}, LOGGED) as here:
        summary = here.run()
        assert summary.warnings == []
        [line] = here.lines(summary)
        assert (line["distinct_id"], line["stage"]) == ("p2", "check")


MISTAKES: Mapping[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "clear": ({"k0": {"type": "number", "blank": "clear"}}, {}, "no documented way to clear"),
    "a list": ({"k0": {"type": "multi_choice", "options": ["a"]}}, {}, "refuses lists"),
    "a long name": ({"k" * 201: {"type": "number", "column": "k0"}}, {}, "200 characters"),
    "an operation": ({"k0": {"type": "number", "operation": "increase"}}, {}, '"set" only'),
    "nobody named": ({"k0": "number"}, {"user": {}}, "at least one of email, phone"),
    "another key": ({"k0": "number"}, {"user": {"shop": "id"}}, "unknown key"),
    "an id of bulk": ({"k0": "number"}, {"user": {"shopify_id": "id"}}, "only with mode"),
    "digits ignored": (
        {"k0": "number"},
        {"user": {"phone": "p", "phone_ignore": "0"}},
        "no part of a number",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_attentive_cannot_do_is_an_error_in_the_configuration(case: str, tmp_path: Path) -> None:
    attributes, destination, said = MISTAKES[case]
    with pytest.raises(ConfigError, match=said):
        configuration.parse(settings(tmp_path / "x.csv", "https://x.test", attributes, **destination))


def test_the_announced_limit_is_kept(tmp_path: Path) -> None:
    rows = [f"{person(n)},{n}" for n in range(30)]
    with stage(tmp_path, rows, {"k0": "number"}, replace(LOGGED, rate_limit=25)) as here:
        began = time.monotonic()
        summary = here.run()
        assert summary.exit_code == 0
        assert time.monotonic() - began > 0.5, "32 calls at 25 a second"
    kind = here_destination()
    hint = kind.rate_hint(Answer(200, {"x-ratelimit-limit": "150", "x-ratelimit-remaining": "0"}, b""))
    assert hint == RateHint(150, 0, 1.0)
    assert kind.rate_hint(Answer(200, {"x-ratelimit-limit": "soon"}, b"")) is None


def here_destination(**more: Any) -> attentive.Destination:
    own = Settings.model_validate({"user": {"email": "email"}, **more})
    return attentive.Destination(own, [Definition("k0", "number")])


# --- jobs

BULK: dict[str, Any] = {"mode": "bulk", "poll_seconds": 0.05}


def submits(server: SandboxServer) -> int:
    return sum(r.path == endpoints.BULK for r in server.log)


def polled(server: SandboxServer) -> set[str]:
    """The jobs that were asked after, each of which the run has on disk by then."""
    return {r.path for r in server.log if r.path.startswith(endpoints.JOB)}


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_thousands_of_people_in_ten_calls_killed_while_polling(tmp_path: Path) -> None:
    rows = [f"{person(n)},{n},name {n}" for n in range(2_560)]
    attributes = {"k0": "number", "k1": "free_text"}
    open_jobs = replace(LOGGED, faults=(parse_fault("job_open:times=0"),))
    with stage(tmp_path, rows, attributes, open_jobs, **BULK) as here:
        config = tmp_path / "import.json"
        config.write_text(json.dumps(here.data), "utf-8")
        program = (
            "import json, sys, importer; from pathlib import Path;"
            "importer.run(json.loads(Path(sys.argv[1]).read_text()), (),"
            " importer.Options(state_dir=Path(sys.argv[2]), run_id='r'))"
        )
        words = [sys.executable, "-c", program, str(config), str(here.state)]
        with subprocess.Popen(words, cwd=tmp_path, env=dict(os.environ)) as process:
            wait_until(lambda: submits(here.server) == len(polled(here.server)) == 10)
            process.send_signal(signal.SIGKILL)
        with pytest.raises(StateError, match=r"jobs open .*10.* importer resume r --state-dir"):
            here.run()
        here.server.change(LOGGED)
        summary = here.resume()
        requests = here.server.stats.requests
        assert summary.exit_code == 0
        assert submits(here.server) == 10, "nothing was handed in twice"
        assert here.server.stored == {f"p{n}": {"k0": n, "k1": f"name {n}"} for n in range(2_560)}
        assert summary.values["applied"] == summary.values["read"] == 5_120
        assert summary.confirms == "job"
        assert 10 + 1 + 20 <= summary.calls["sent"] < 1000, "each job is one call, in whichever attempt"
        in_flight = 64  # of the killed attempt: sent or not when it was killed
        assert abs(summary.calls["sent"] - requests) <= in_flight, "what was polled before the kill counts"
        bodies = {r.path for r in here.server.log}
        assert endpoints.CUSTOM not in bodies
        assert here.run(limit=10).exit_code == 0, "no job is open any more"


def test_at_its_deadline_a_job_is_unconfirmed_and_resume_polls_on(tmp_path: Path) -> None:
    rows = [f"{person(n)},{n}" for n in range(300)]
    open_jobs = replace(LOGGED, faults=(parse_fault("job_open:times=0"),))
    with stage(tmp_path, rows, {"k0": "number"}, open_jobs, **BULK, job_deadline=0.3) as here:
        summary = here.run()
        assert (summary.exit_code, summary.state) == (8, "stopped")
        assert "2 jobs are still open" in summary.message
        assert summary.values == {**summary.values, "unconfirmed": 300, "not_attempted": 0}
        assert summary.people["called"] == 300
        assert {r["reason"] for r in here.lines(summary)} == {"unconfirmed"}
        assert len(here.lines(summary)) == 300
        here.server.change(LOGGED)
        resumed = here.resume()
        assert (resumed.exit_code, resumed.values["applied"], submits(here.server)) == (0, 300, 2)
        assert here.lines(resumed) == []


def test_results_that_are_missing_are_unconfirmed_and_a_refused_record_is_one_line(tmp_path: Path) -> None:
    rows = [f"{person(n)},{n},{'word' if n == 4 else n}" for n in range(10)]
    attributes = {"k0": "number", "k1": {"type": "free_text", "send_as": "text"}}
    lossy = replace(LOGGED, faults=(parse_fault("results_lost:times=0"),))
    with stage(tmp_path, rows, attributes, lossy, **BULK) as here:
        fix = here.server._vendor
        assert isinstance(fix, attentive_sandbox.Sandbox)
        fix._types["k1"] = "number"
        summary = here.run()
        lines = {(r["distinct_id"], r["attribute"], r["reason"]) for r in here.lines(summary)}
        lost = {(f"p{n}", key, "unconfirmed") for n in range(1, 10, 2) for key in attributes}
        assert lines == lost | {("p4", "", "record_refused")}
        assert summary.values == {**summary.values, "applied": 8, "rejected": 2, "unconfirmed": 10}
        here.server.change(LOGGED)
        again = importer.retry(here.state, summary.run_id, None, Options(state_dir=here.state))
        assert again.values == {**again.values, "applied": 10, "rejected": 2}


def update(keys: int, user: str = "a@b.de") -> Update:
    names = [f"k{n}" for n in range(keys)]
    members = SEPARATOR.join(f'"{name}":1' for name in names)
    return Update(0, "p", (Part("set", tuple(names), members),), (user,))


def test_a_person_with_many_attributes_takes_several_records_of_one_job() -> None:
    kind = here_destination(mode="bulk")
    [call] = kind.calls([update(250)])
    users = json.loads(call.body)["users"]
    assert [len(u["attributes"]["custom"]) for u in users] == [100, 100, 50]
    assert {frozenset(u) for u in users} == {frozenset({"identifiers", "attributes"})}, "no subscriptions"
    assert [len(target.keys) for target in call.targets] == [100, 100, 50]
    assert len(kind.calls([update(150)] * 200)) == 2


WHO: Mapping[str, Any] = {"identifiers": {"email": "a@b.de"}}
RESULTS: Mapping[str, tuple[list[Any], str]] = {
    "as the sandbox writes them": ([{"request": WHO, "response": {"status": 200}}], "applied"),
    "a status beside it": ([{**WHO, "statusCode": 202}], "applied"),
    "a status as text": ([{"user": WHO, "status": "400"}], "refused"),
    "a word": ([{"record": {"data": WHO}, "status": "SUCCESS"}], "applied"),
    "another word": ([{"record": WHO, "result": {"status": "error"}}], "refused"),
    "true": ([{"request": WHO, "success": True}], "applied"),
    "false": ([{"request": WHO, "success": False}], "refused"),
    "no identifiers": ([{"code": 413}], "refused"),
    "somebody else": (
        [{**WHO, "status": 200}, {"identifiers": {"email": "x@y.de"}, "status": 400}],
        "applied",
    ),
    "no status": ([{"request": WHO, "response": {}}], "unsaid"),
    "no line": ([], "unsaid"),
    "no object": (["what"], "unsaid"),
}


@pytest.mark.parametrize("case", RESULTS)
def test_results_are_read_in_several_forms(case: str) -> None:
    lines, outcome = RESULTS[case]
    kind = here_destination(mode="bulk")
    [call] = kind.calls([update(1)])
    submitted = kind.classify(call, Answer(202, {}, b'{"batchJobId":"j1"}'))
    assert (submitted.verdict, submitted.durable) == (Verdict.CONTINUE, True)
    [poll] = submitted.follow_up
    assert (poll.path, poll.after) == (f"{endpoints.JOB}j1", 30.0)
    ended = kind.classify(poll, Answer(200, {}, b'{"status":"COMPLETED","url":"https://r.test/1"}'))
    [got] = ended.follow_up
    body = "\n".join(json.dumps(line) for line in lines).encode() + b'\n{"half'
    answer = Answer(200, {}, body if case != "no identifiers" else body.split(b"\n")[0])
    classified = kind.classify(got, answer)
    fetched = 1
    while classified.verdict is Verdict.CONTINUE:  # lines are missing, and the last one is cut short
        classified, fetched = kind.classify(classified.follow_up[0], answer), fetched + 1
    assert fetched == (3 if classified.unreported else 1)
    assert classified.verdict is Verdict.DONE
    found = "unsaid" if classified.unreported else "refused" if classified.refused else "applied"
    assert found == outcome


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, {"status": "PENDING"}, Verdict.CONTINUE),
        (200, {"status": "NEEDS_REVIEW"}, Verdict.CONTINUE),
        (200, {"status": "SOMETHING_NEW", "url": "https://r.test/1"}, Verdict.CONTINUE),
        (200, {"status": "COMPLETED", "url": None}, Verdict.CONTINUE),
        (200, ["odd"], Verdict.RETRY),
        (500, {}, Verdict.RETRY),
        (404, {}, Verdict.CONTRADICTION),
        (401, {}, Verdict.STOP),
        (200, {"status": "CANCELLED"}, Verdict.UNCONFIRMED),
    ],
)
def test_what_is_not_said_to_be_done_is_not_done(status: int, body: Any, verdict: Verdict) -> None:
    kind = here_destination(mode="bulk")
    [call] = kind.calls([update(1)])
    [poll] = kind.classify(call, Answer(202, {}, b'{"batchJobId":"j1"}')).follow_up
    classified = kind.classify(poll, Answer(status, {}, json.dumps(body).encode()))
    assert classified.verdict is verdict
    if verdict is Verdict.CONTINUE:
        assert classified.follow_up == (poll,)


@pytest.mark.parametrize("path", [endpoints.BULK, f"{endpoints.JOB}j1"])
def test_a_key_without_the_bulk_scopes_is_told_which_it_needs(path: str) -> None:
    kind = here_destination(mode="bulk")
    classified = kind.classify(Call("POST", path, b"", ()), Answer(403, {}, b""))
    assert classified.verdict is Verdict.STOP
    assert "attributes:write and subscriptions:write" in classified.message


def test_a_job_that_needs_a_review_says_what_to_do() -> None:
    kind = here_destination(mode="bulk")
    [call] = kind.calls([update(1)])
    [poll] = kind.classify(call, Answer(202, {}, b'{"batchJobId":"j1"}')).follow_up
    classified = kind.classify(poll, Answer(200, {}, b'{"status":"NEEDS_REVIEW"}'))
    assert (classified.reason, classified.follow_up) == ("job_needs_review", (poll,))
    assert "release or cancel it" in classified.message
    cancelled = kind.classify(poll, Answer(200, {}, b'{"status":"CANCELLED"}'))
    assert "importer retry sends all of it again" in cancelled.message


def test_a_job_refused_before_it_was_one_is_handed_in_in_halves() -> None:
    kind = here_destination(mode="bulk")
    [call] = kind.calls([replace(update(1, f"p{n}@b.de"), person=n) for n in range(5)])
    halves = kind.classify(call, Answer(400, {}, b"{}")).follow_up
    assert [len(json.loads(half.body)["users"]) for half in halves] == [3, 2]
    assert [t.person for half in halves for t in half.targets] == [0, 1, 2, 3, 4]


# --- results come from elsewhere


PUBLIC = Endpoint("https://api.attentivemobile.com", {"Authorization": "Bearer secret"})


@pytest.mark.parametrize(
    "url",
    [
        "http://results.example.com/1",
        "ftp://results.example.com/1",
        "https://user:pass@results.example.com/1",
        "https:///1",
        "https://[::1]/1",
        "https://[fd00::1]/1",
        "https://[::ffff:10.0.0.1]/1",
        "https://127.0.0.1/1",
        "https://10.1.2.3/1",
        "https://192.168.0.1:8443/1",
        "https://169.254.169.254/latest",
        "https://0.0.0.0/1",
        "https://localhost/1",
        "https://results.example.com:port/1",
    ],
)
def test_results_are_never_fetched_from_a_private_place(url: str) -> None:
    with pytest.raises(RefusedError, match="not a public https address"):
        asyncio.run(download.fetch(url, PUBLIC))


def test_a_sandbox_names_this_machine_and_nothing_else() -> None:
    local = Endpoint("http://127.0.0.1:9", {})
    with pytest.raises(RefusedError):
        asyncio.run(download.fetch("http://10.0.0.1/1", local))
    with pytest.raises(TransportError):
        asyncio.run(download.fetch("http://127.0.0.1:9/1", local))


def test_the_key_does_not_go_where_the_results_are(tmp_path: Path) -> None:
    """The sandbox's store refuses a request with a key, as stores of signed addresses do."""
    with stage(tmp_path, [f"{person(1)},7"], {"k0": "number"}, LOGGED, **BULK) as here:
        assert here.run().exit_code == 0
        assert [r.status for r in here.server.log if r.path.startswith(attentive_sandbox.RESULTS)] == [200]
    call = Call("GET", f"{attentive_sandbox.RESULTS}job-000001", b"", ())
    assert call.path.startswith("/")
