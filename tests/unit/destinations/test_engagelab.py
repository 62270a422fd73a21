"""EngageLab over real sockets: ids, operations, codes, and increases that are never counted twice."""

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.chunk import aggregation
from importer.config import loader as configuration
from importer.config import schema, secrets
from importer.core.errors import ConfigError
from importer.core.models import Answer, Call, Classification, Target, Verdict
from importer.destinations.base import Definition
from importer.destinations.engagelab.contacts import CONTACT
from importer.destinations.engagelab.destination import PROPERTY, REGISTER, Destination, Settings
from importer.pipeline import runner
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from importer.storage.id_cache import IdCache
from tests.support.engagelab import (
    ATTRIBUTES,
    KEY,
    KEY_NAME,
    PLACES,
    Stage,
    kill_again_and_again,
    retried,
    stage,
)
from tests.support.oracle.replies import Received, Reply, ReplyServer


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_NAME, KEY)
    monkeypatch.delenv("IMPORTER_STATE_DIR", raising=False)


def paths(server: SandboxServer) -> Counter[str]:
    return Counter(request.path for request in server.log)


# --- contacts

MAIL = {"mail": {"type": "email", "field": "email"}, "age": {"type": "number"}}


def test_contacts_arrive_and_one_that_somebody_has_is_rejected_alone(tmp_path: Path) -> None:
    with stage(tmp_path, "503/3", attributes=MAIL) as (here, server):
        vendor: Any = server._vendor
        vendor.stored["other"] = {"mail": "taken@example.com"}
        here.write([{"id": "p0", "mail": "taken@example.com", "age": "1"}, {"id": "p1", "mail": "b@x.org"}])
        summary = here.run(run_id="r")
        assert (summary.exit_code, summary.values["applied"], summary.values["rejected"]) == (1, 2, 1)
        [line] = here.lines("r")
        assert (line["distinct_id"], line["attribute"], line["reason"]) == ("p0", "mail", "code_55014")
        assert (server.stored["p0"], server.stored["p1"]) == ({"age": 1}, {"mail": "b@x.org"})
        assert CONTACT in paths(server)


def test_a_cell_cannot_ask_to_clear_a_contact(tmp_path: Path) -> None:
    here = Stage(tmp_path, "http://127.0.0.1:1", MAIL, {})
    text = here.config.read_text("utf-8").replace("[source]", '[source]\nclear_values = ["DEL"]')
    path = tmp_path / "clears.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"attributes\.mail: engagelab has no way to clear it"):
        configuration.load(path)


# --- ids


def test_two_thousand_people_take_twenty_register_calls_and_none_the_next_time(tmp_path: Path) -> None:
    with stage(tmp_path, attributes={"age": {"type": "number"}}) as (here, server):
        here.write([{"id": f"p{n}", "age": str(n)} for n in range(2_000)])
        first = here.run()
        assert (first.exit_code, first.calls["sent"]) == (0, 2_020)
        assert paths(server) == {REGISTER: 20, PROPERTY: 2_000}
        assert server.stored == {f"p{n}": {"age": n} for n in range(2_000)}
        second = here.run(limit=300)
        assert (second.exit_code, second.calls["sent"]) == (0, 300)
        files = list((here.state / "addresses").iterdir())
        assert files
        assert not any(path.stat().st_mode & 0o077 for path in files)


def test_who_is_not_resolved_is_rejected_once_and_retried(tmp_path: Path) -> None:
    with stage(tmp_path, "resolves_part@1") as (here, server):
        here.write([{"id": f"p{n}", "age": "1", "points": "2", "plan": "x"} for n in range(5)])
        summary = here.run(run_id="r")
        assert summary.exit_code == 1
        [line] = here.lines("r")
        assert (line["reason"], line["attribute"], line["stage"]) == ("identity_not_resolved", "", "send")
        assert summary.values["rejected"] == 3
        assert len(server.stored) == 4
        assert here.retry("r").exit_code == 0
        assert server.stored == {f"p{n}": {"age": 1, "points": 2, "plan": "x"} for n in range(5)}


def test_an_euid_that_is_not_known_any_more_is_resolved_once_more(tmp_path: Path) -> None:
    rows = [{"id": f"p{n}", "age": "1", "points": "2"} for n in range(150)]
    with stage(tmp_path) as (here, server):
        here.write(rows)
        here.run()
        vendor: Any = server._vendor
        vendor.ids.clear()
        for n, id_ in enumerate(vendor.euids):
            vendor.add_person(id_, (1 << 62) + n)
        here.write([row | {"points": "3"} for row in rows])
        summary = here.run()
        assert (summary.exit_code, summary.values["applied"]) == (0, 300 + 150)  # a blank plan is cleared
        assert paths(server)[REGISTER] == 2 * 2
        assert {id_: current["points"] for id_, current in server.stored.items()} == {
            r["id"]: 5 for r in rows
        }


def test_who_was_written_is_not_written_again_because_another_is_resolved_once_more(tmp_path: Path) -> None:
    rows = [{"id": f"p{n}", "age": "1", "points": "2"} for n in range(20)]
    with stage(tmp_path) as (here, server):
        here.write(rows)
        here.run()
        vendor: Any = server._vendor
        del vendor.ids[vendor.euids["p7"]]
        vendor.add_person("p7", 1 << 62)
        before = len(server.log)
        summary = here.run(allow_duplicates=True)
        assert (summary.exit_code, summary.calls["sent"]) == (0, len(server.log) - before)
        assert {id_: current["points"] for id_, current in server.stored.items()} == {
            r["id"]: 4 for r in rows
        }


def euid(id_: str) -> int:
    return 2**53 + 1 + int.from_bytes(id_.encode())


def registering(property_reply: Any, euids: Mapping[str, Any] | None = None) -> Any:
    """A server's script: registers everybody, and answers writes with `property_reply`."""

    def script(received: Received) -> Any:
        if received.path != REGISTER:
            return property_reply(received) if callable(property_reply) else property_reply
        ids = json.loads(received.body)["identity_values"]
        data = [{"identity_value": i, "euid": (euids or {}).get(i, euid(i))} for i in ids]
        return Reply(200, {"code": 0, "message": "success", "data": data[::-1]})

    return script


@contextmanager
def scripted(folder: Path, script: Any) -> Iterator[tuple[Stage, ReplyServer]]:
    with ReplyServer(script=script) as server:
        yield Stage(folder, server.url, ATTRIBUTES | {"plan": {"type": "free_text"}}, {}), server


def test_a_canary_makes_no_more_people_than_it_writes(tmp_path: Path) -> None:
    def reply(received: Received) -> Reply:
        return Reply(200, {"code": 55004 if json.loads(received.body)["type"] == "set" else 0})

    with scripted(tmp_path, registering(reply)) as (here, server):
        here.write([{"id": f"p{n}", "age": "1"} for n in range(300)])
        here.config.write_text(here.config.read_text("utf-8") + "\n[guards]\ncanary = 7\n", "utf-8")
        assert runner.run(tmp_path / "import.toml").exit_code == 6
        asked = [json.loads(c.body)["identity_values"] for c in server.calls if c.path == REGISTER]
        assert [len(ids) for ids in asked] == [7]


def test_two_ids_with_one_euid_are_no_longer_two_people(tmp_path: Path) -> None:
    euids = {"a": 7, "b": 7}
    with scripted(tmp_path, registering(Reply(200, {"code": 0, "message": ""}), euids)) as (here, server):
        here.write([{"id": i, "age": "1"} for i in "abc"])
        for run in ("first", "second"):
            summary = here.run(run_id=run, allow_duplicates=True)
            assert (summary.values["rejected"], summary.values["applied"]) == (2, 1)
            assert [line["reason"] for line in here.lines(run)] == ["identity_ambiguous"] * 2
        written = [json.loads(c.body)["euid"] for c in server.calls if c.path == PROPERTY]
        assert set(written) == {euid("c")}


@pytest.mark.parametrize("found", [1.5, "x", None, True, 0, -1, 2**63, [7]])
def test_an_euid_that_is_none_is_missing(found: Any, tmp_path: Path) -> None:
    with scripted(tmp_path, registering(Reply(200, {"code": 0}), {"a": found})) as (here, server):
        here.write([{"id": "a", "age": "1"}])
        assert here.run(run_id="r").values["rejected"] == 1
        assert here.lines("r")[0]["reason"] == "identity_not_resolved"
        assert len(server.calls) == 1


def test_one_id_at_fault_does_not_sink_the_other_ninety_nine(tmp_path: Path) -> None:
    good = registering(Reply(200, {"code": 0, "message": "success"}))

    def script(received: Received) -> Any:
        if received.path == REGISTER and "p70" in json.loads(received.body)["identity_values"]:
            return Reply(400, {"code": 55105, "message": "too long"})
        return good(received)

    with scripted(tmp_path, script) as (here, _):
        here.write([{"id": f"p{n}", "age": "1"} for n in range(100)])
        summary = here.run(run_id="r")
        assert (summary.values["applied"], summary.values["rejected"]) == (99, 1)
        [line] = here.lines("r")
        assert (line["distinct_id"], line["reason"]) == ("p70", "code_55105")


def test_an_euid_of_the_list_needs_no_call_to_resolve_it(tmp_path: Path) -> None:
    attributes: Mapping[str, Any] = {"age": {"type": "number"}, "points": ATTRIBUTES["points"]}
    with stage(tmp_path, attributes=attributes, destination={"euid": "number"}) as (here, server):
        (tmp_path / "list.csv").write_text(
            "id,number,age,points\n"
            "a,1,1,1\n"
            "a,,2,1\n"
            f"b,{2**63 - 1},3,1\n"
            f"c,{2**63},4,\n"
            "d,007,5,\n"
            "e,8,6,\n"
            "f,8,7,\n"
            "g,9,8,\n"
            "g,10,9,\n"
            "h,,10,\n",
            "utf-8",
        )
        summary = here.run(run_id="r")
        assert server.stored == {"1": {"age": 2, "points": 2}, str(2**63 - 1): {"age": 3, "points": 1}}
        assert paths(server) == {PROPERTY: 4}
        assert {(r["distinct_id"], r["reason"]) for r in here.lines("r")} == {
            ("c", "identity_invalid"),
            ("d", "identity_invalid"),
            ("e", "identity_ambiguous"),
            ("f", "identity_ambiguous"),
            ("g", "identity_ambiguous"),
            ("h", "identity_missing"),
        }
        assert summary.people["called"] == 2


@given(st.integers(0, 2**64 + 9) | st.integers(2**63 - 9, 2**63 + 9))
def test_a_number_of_64_bits_is_told_by_its_text(number: int) -> None:
    [field] = Destination(Settings(euid="number"), ()).identity_fields()
    assert bool(re.search(field.pattern, str(number))) == (0 < number < 2**63)
    assert not re.search(field.pattern, f"0{number}")


# --- codes

STOPS = (40050, 50031, 50034, 50074, 55106)


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize("code", STOPS)
def test_codes_that_refuse_the_run_stop_it(code: int, status: int, tmp_path: Path) -> None:
    with scripted(tmp_path, lambda _: Reply(status, {"code": code, "message": "no"})) as (here, server):
        here.write([{"id": f"p{n}", "age": "1"} for n in range(300)])
        summary = here.run()
        assert (summary.exit_code, summary.values["not_attempted"], len(server.calls)) == (4, 300, 1)
        assert f"code_{code}" in summary.message


@pytest.mark.parametrize("code", [55004, 55101, 55105, 55107, 99999])
def test_codes_that_refuse_a_person_refuse_no_other(code: int, tmp_path: Path) -> None:
    def reply(received: Received) -> Reply:
        refused = json.loads(received.body)["euid"] == euid("p2")
        return Reply(200, {"code": code if refused else 0, "message": "-"})

    with scripted(tmp_path, registering(reply)) as (here, server):
        here.write([{"id": f"p{n}", "age": "1", "points": "1"} for n in range(5)])
        summary = here.run(run_id="r")
        assert (summary.exit_code, summary.values["applied"], summary.values["rejected"]) == (1, 8, 2)
        lines = {(r["distinct_id"], r["attribute"], r["reason"]) for r in here.lines("r")}
        assert lines == {("p2", "age", f"code_{code}"), ("p2", "points", f"code_{code}")}
        assert len(server.calls) == 1 + 10


def test_twenty_first_refusals_stop_though_ids_were_resolved(tmp_path: Path) -> None:
    with scripted(tmp_path, registering(Reply(200, {"code": 55004, "message": "-"}))) as (here, server):
        here.write([{"id": f"p{n}", "age": "1"} for n in range(100)])
        assert here.run().exit_code == 4
        assert len(server.calls) <= 1 + 20 + 8


@pytest.mark.parametrize("code", [40007, 55108])
def test_an_unknown_euid_is_resolved_once_more_and_then_refused(code: int, tmp_path: Path) -> None:
    with scripted(tmp_path, registering(Reply(400, {"code": code, "message": "-"}))) as (here, server):
        here.write([{"id": "a", "age": "1", "points": "2"}])
        summary = here.run(run_id="r")
        assert (summary.exit_code, summary.values["rejected"]) == (1, 2)
        assert {r["reason"] for r in here.lines("r")} == {f"code_{code}"}
        assert Counter(c.path for c in server.calls) == {REGISTER: 2, PROPERTY: 4}
        assert here.retry("r").values["rejected"] == 2, "an increase that was refused may be sent again"


def test_ids_that_stay_unknown_stop_the_run_in_their_second_round(tmp_path: Path) -> None:
    """The first time an id is asked for once more: the one that was kept may be old."""
    with scripted(tmp_path, registering(Reply(200, {"code": 55108, "message": "-"}))) as (here, server):
        here.write([{"id": f"p{n}", "age": "1"} for n in range(100)])
        summary = here.run()
        assert (summary.exit_code, summary.values["applied"]) == (4, 0)
        assert "code_55108" in summary.message
        assert len(server.calls) <= (1 + 100) + (1 + 20 + 8)


def test_the_property_at_fault_is_found_and_its_column_is_not_sent_again(tmp_path: Path) -> None:
    attributes = {f"a{n}": {"type": "number"} for n in range(16)}
    with stage(tmp_path, "refuses_whole:1:times=0", attributes=attributes, undefined=frozenset({"a11"})) as (
        here,
        server,
    ):
        here.write([dict.fromkeys(attributes, "1") | {"id": f"p{n}"} for n in range(40)])
        summary = here.run(run_id="r")
        assert (summary.values["applied"], summary.values["rejected"]) == (40 * 15, 40)
        assert {(r["attribute"], r["reason"]) for r in here.lines("r")} == {("a11", "code_55102")}
        assert server.stored == {f"p{n}": {k: 1 for k in attributes if k != "a11"} for n in range(40)}
        splits = paths(server)[PROPERTY] - 40
        assert splits <= 8 * 8, "only the people in flight when it was found"
        assert {r["attempts"] for r in here.lines("r")} == {"0", "1"}


def test_an_empty_value_is_found_by_splitting(tmp_path: Path) -> None:
    def reply(received: Received) -> Reply:
        empty = "nickname" in json.loads(received.body)["properties"]
        return Reply(200, {"code": 55103 if empty else 0, "message": "-"})

    attributes: Mapping[str, Any] = {k: {"type": "free_text"} for k in ("one", "two", "nickname")}
    with ReplyServer(script=registering(reply)) as server:
        here = Stage(tmp_path, server.url, attributes, {})
        here.write([{"id": f"p{n}", "one": "x", "two": "y", "nickname": "z"} for n in range(3)])
        summary = here.run(run_id="r")
        assert (summary.values["applied"], summary.values["rejected"]) == (6, 3)
        assert {(r["attribute"], r["reason"]) for r in here.lines("r")} == {("nickname", "code_55103")}


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, {"code": 0}, Verdict.DONE),
        (500, {"code": 0}, Verdict.CONTRADICTION),
        (200, {"code": -1}, Verdict.RETRY),
        (500, {"code": -1}, Verdict.RETRY),
        (429, {}, Verdict.RETRY),
        (502, "<html>", Verdict.RETRY),
        (200, "<html>", Verdict.CONTRADICTION),
        (200, {"code": "0"}, Verdict.CONTRADICTION),
        (200, {"code": True}, Verdict.CONTRADICTION),
        (200, [0], Verdict.CONTRADICTION),
        (401, {}, Verdict.STOP),
        (403, "", Verdict.STOP),
        (404, "", Verdict.REFUSED),
    ],
)
def test_the_code_counts_whatever_the_status(status: int, body: Any, verdict: Verdict) -> None:
    call = Call("POST", PROPERTY, b"{}", (Target(0, "a", "set", ("k",)),))
    text = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    assert classified(call, Answer(status, {}, text)).verdict == verdict


def classified(call: Call, answer: Answer) -> Classification:
    return Destination(Settings(), ()).classify(call, answer)


@given(
    st.binary(max_size=40)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(("code", "data", "euid", "identity_value")), inner, max_size=3)
        ),
    ).map(lambda v: json.dumps(v).encode()),
    st.sampled_from((200, 400, 500)),
)
def test_no_answer_makes_it_raise(body: bytes, status: int) -> None:
    for path, keys in ((REGISTER, ()), (PROPERTY, ("k",))):
        call = Call("POST", path, b'{"properties":{"k":1}}', (Target(0, "a", "set", keys),))
        assert classified(call, Answer(status, {}, body)).verdict in Verdict


# --- operations

NUMBERS = st.one_of(
    st.integers(-(2**63), 2**64 - 1).map(str),
    st.integers(-5, 5).map(str),
    st.decimals(-1000, 1000, places=3, allow_nan=False).map(lambda d: f"{d:f}"),
    st.sampled_from(("0.1", "0.2", "1e20", "-2.5E-7", "123456789012345678901234567890.125", "0")),
)
SMALL = st.sampled_from(("1", "-1", "0.1", "0.2", "9007199254740993", "18446744073709551615", "1e3", "x", ""))
LISTS = st.sampled_from(("a", "b|a", "a|a|c", 'q"|b', "ü|a", "|", ""))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(("p1", "p2", "p3", "Ü")),
            "plan": st.sampled_from(("free", "pro", "")),
            "age": st.sampled_from(("1", "2", "old", "")),
            "points": SMALL,
            "topics": LISTS,
            "old_topics": LISTS,
            "nickname": st.sampled_from(("", "gone")),
        }
    ),
    min_size=1,
    max_size=25,
)


@given(st.lists(st.tuples(st.sampled_from("ab"), NUMBERS), min_size=1, max_size=8))
def test_a_sum_is_exact(pairs: list[tuple[str, str]]) -> None:
    rows = pl.DataFrame(pairs, schema={"id": pl.String, "value": pl.String}, orient="row")
    found = dict(aggregation.fold("increase", rows).select("id", "value").iter_rows())
    with localcontext(prec=2000):
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for id_, value in pairs:
            sums[id_] += Decimal(value)
        assert {id_: Decimal(text) for id_, text in found.items()} == sums
    assert all(json.loads(text, parse_float=Decimal) is not None for text in found.values())


def plainly(rows: Sequence[Mapping[str, str]], before: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the destination holds after a list, by a plain reading of it."""
    current: dict[str, dict[str, Any]] = {id_: dict(values) for id_, values in before.items()}
    last: dict[tuple[str, str], str] = {}
    for row in rows:
        mine = current.setdefault(row["id"], {})
        last |= {(row["id"], k): row[k] for k in ("age", "nickname") if row[k]}
        last[row["id"], "plan"] = row["plan"]
        if row["points"] not in ("", "x"):
            mine["points"] = mine.get("points", 0) + Decimal(row["points"])
        if added := _options(row["topics"]):
            mine["topics"] = list(dict.fromkeys([*mine.get("topics", []), *added]))
        gone = _options(row["old_topics"])
        mine["old_topics"] = [t for t in mine.get("old_topics", []) if t not in gone]
    for (id_, key), value in last.items():
        mine = current[id_]
        if (key == "plan" and not value) or key == "nickname":
            mine.pop(key, None)
        elif value != "old":
            mine[key] = Decimal(value) if key == "age" else value
    return {i: kept for i, mine in current.items() if (kept := {k: v for k, v in mine.items() if v != []})}


def _options(text: str) -> list[str]:
    """The options of a cell; none where a quotation mark shows another form of list, which is rejected."""
    return [] if '"' in text else [option for option in text.split("|") if option]


BEFORE: Mapping[str, Mapping[str, Any]] = {
    "p1": {"points": 10, "topics": ["a"], "old_topics": ["a", "b", "z"], "nickname": "N", "plan": "old"},
    "p2": {"old_topics": ["a"]},
}


@settings(max_examples=10)
@given(rows=ROWS)
def test_sums_and_unions_are_a_plain_reading_of_the_list(
    rows: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with stage(tmp_path_factory.mktemp("plain")) as (here, server):
        for n, (id_, values) in enumerate(BEFORE.items(), 1):
            server._vendor.add_person(id_, n)
            server._vendor.stored[id_] = dict(values)
        here.write(rows)
        summary = here.run(run_id="r")
        assert server.stored == plainly(rows, BEFORE)
        bad = sum((row["points"] == "x") + (row["age"] == "old") for row in rows)
        lists = sum(row[k] in ("|", 'q"|b') for row in rows for k in ("topics", "old_topics"))
        assert summary.values["rejected"] == bad + lists
        taken = sum(bool(row[k]) for row in rows for k in ("points", "topics", "old_topics"))
        last = len({(row["id"], k) for row in rows for k in ("age", "nickname") if row[k]})
        assert summary.values["applied"] + summary.values["rejected"] >= taken
        assert summary.values["superseded"] <= summary.values["read"] - taken - last
        calls = Counter(person for request in server.log for person in request.distinct_ids)
        assert max(calls.values()) <= 1 + 6, "one call an operation, and one that registers"


def test_a_failed_operation_does_not_stop_the_others(tmp_path: Path) -> None:
    def reply(received: Received) -> Reply:
        return Reply(200, {"code": 55004 if json.loads(received.body)["type"] == "increase" else 0})

    row = {"id": "a", "plan": "x", "points": "1", "topics": "t", "old_topics": "o", "nickname": "n"}
    with scripted(tmp_path, registering(reply)) as (here, server):
        here.write([row])
        summary = here.run(run_id="r")
        assert (summary.values["applied"], summary.values["rejected"]) == (4, 1)
        assert [line["attribute"] for line in here.lines("r")] == ["points"]
        kinds = [json.loads(c.body)["type"] for c in server.calls if c.path == PROPERTY]
        assert kinds == ["set", "increase", "add", "remove", "delete"]


def test_few_properties_a_call_where_wanted(tmp_path: Path) -> None:
    attributes = {f"a{n}": {"type": "number"} for n in range(5)}
    with stage(tmp_path, attributes=attributes, destination={"properties_per_call": 2}) as (here, server):
        here.write([{"id": "p", **dict.fromkeys(attributes, "1")}])
        assert here.run().values["applied"] == 5
        assert paths(server) == {REGISTER: 1, PROPERTY: 3}
        assert server.stored == {"p": dict.fromkeys(attributes, 1)}


# --- an increase is never counted twice


def test_an_increase_without_an_answer_is_never_sent_again(tmp_path: Path) -> None:
    with stage(tmp_path, "truncate@2:times=0", destination={"max_in_flight": 1}) as (here, server):
        here.write([{"id": f"p{n}", "points": "5", "topics": "t"} for n in range(2)])
        summary = here.run(run_id="r")
        assert (summary.exit_code, summary.values["unconfirmed"]) == (1, 1)
        assert {line["reason"] for line in here.lines("r")} == {"unconfirmed"}
        server.change(SandboxOptions())
        again = here.retry("r")
        assert (again.values["unconfirmed"], again.calls["sent"]) == (1, 0)
        assert here.retry(again.run_id).calls["sent"] == 0
        assert {id_: current["points"] for id_, current in server.stored.items()} == {"p0": 5, "p1": 5}


def test_only_the_corrected_part_of_a_sum_is_sent(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "points": "1", "topics": "x"},
        {"id": "a", "points": "two", "topics": "y"},
        {"id": "a", "points": "4", "age": "old"},
    ]
    with stage(tmp_path) as (here, server):
        here.write(rows)
        assert here.run(run_id="r").values["rejected"] == 2
        assert server.stored["a"]["points"] == 5
        kept = tmp_path / ".importer/runs/r/rejected_rows/01-list.csv"
        text = kept.read_text("utf-8").replace("two", "2").replace(",old,", ",30,")
        corrected = tmp_path / "corrected.csv"
        corrected.write_text(text, "utf-8")
        for _ in range(2):  # the second time, everything is there
            assert here.retry("r", corrected).exit_code == 0
            assert server.stored == {"a": {"points": 7, "topics": ["x", "y"], "age": 30}}


def test_the_same_content_is_refused_unless_it_is_meant(tmp_path: Path) -> None:
    rows = [{"id": f"p{n}", "points": "1"} for n in range(10)]
    with stage(tmp_path) as (here, server):
        here.write(rows)
        here.run(run_id="first")
        shuffled = here.write(random.Random(1).sample(rows, 10), "again.csv")
        with pytest.raises(ConfigError, match=r"run first has sent this content.*--allow-duplicates"):
            here.run([str(shuffled)])
        requests = server.stats.requests
        assert runner.check(here.config, [str(shuffled)]).exit_code == 0
        assert server.stats.requests == requests
        here.run([str(shuffled)], allow_duplicates=True)
        here.run([str(here.write([*rows, {"id": "p10", "points": "1"}], "new.csv"))])
        assert {current["points"] for id_, current in server.stored.items() if id_ != "p10"} == {3}
        with pytest.raises(ConfigError, match="--limit"):
            here.run(limit=1)


def test_a_new_run_waits_for_one_that_is_half_counted(tmp_path: Path) -> None:
    with stage(tmp_path, "401@6-:times=0") as (here, server):
        here.write([{"id": f"p{n}", "points": "1"} for n in range(20)])
        assert here.run(run_id="first").exit_code == 4
        server.change(SandboxOptions())
        other = here.write([{"id": "q", "points": "1"}], "other.csv")
        with pytest.raises(ConfigError, match="importer resume first"):
            here.run([str(other)], run_id="second")
        assert not (here.state / "runs" / "second").exists()
        assert runner.resume(here.state, "first").exit_code == 0
        assert server.stored == {f"p{n}": {"points": 1} for n in range(20)}
        assert here.run([str(other)]).exit_code == 0


def test_killed_at_random_no_increase_is_applied_twice(tmp_path: Path) -> None:
    with stage(tmp_path, "truncate/17:times=0", latency=0.01) as (here, server):
        assert kill_again_and_again(here, server, seed=1, kills=3, people=150) >= 1


def test_an_increase_that_was_turned_away_is_not_a_doubt(tmp_path: Path) -> None:
    """Split, throttled, refused: the destination has said that it did nothing."""
    up = {"type": "number", "operation": "increase"}
    attributes = {"points": up, "visits": up, "gone": up}
    faults = ("refuses_whole@2,5:times=0", "429@3-4:times=0")
    with stage(
        tmp_path,
        *faults,
        attributes=attributes,
        undefined=frozenset({"gone"}),
        destination={"retry_attempts": 2},
    ) as (here, server):
        here.write([{"id": "a", "points": "1", "visits": "2", "gone": "3"}])
        summary = here.run(run_id="r")
        assert summary.values["unconfirmed"] == 0
        lines = {line["attribute"]: line["reason"] for line in here.lines("r")}
        assert lines == {"points": "http_429", "gone": "code_55102"}
        assert server.stored == {"a": {"visits": 2}}
        again = here.retry("r")
        assert (again.values["applied"], again.values["unchanged"]) == (2, 1), "a part of a call, in silence"
        assert server.stored == {"a": {"visits": 2, "points": 1}}


@settings(max_examples=4)
@given(rows=PLACES, truncated=st.sampled_from((2, 3, 4)), again=st.integers(1, 2))
def test_a_retry_counts_no_row_twice(
    rows: list[tuple[str, bool, bool]],
    truncated: int,
    again: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    retried(tmp_path_factory.mktemp("retry"), rows, [f"truncate/{truncated}:times=0"], again)


# --- settings


def test_what_is_not_documented_can_be_set(tmp_path: Path) -> None:
    attributes: Mapping[str, Any] = {
        "ok": {"type": "boolean"},
        "seen": {"type": "datetime"},
        "Born On": {"type": "date"},
    }
    settings_ = {"booleans": "one_zero", "datetime_format": "%d.%m.%Y %H:%M", "date_format": "%Y/%m/%d"}
    with stage(tmp_path, attributes=attributes, destination=settings_) as (here, server):
        here.write([{"id": "p", "ok": "yes", "seen": "2024-05-31T23:30:00+02:00", "Born On": "2000-01-02"}])
        summary = here.run()
        assert server.stored == {"p": {"ok": 1, "seen": "31.05.2024 21:30", "Born On": "2000/01/02"}}
        assert {(w.code, w.column, w.rows) for w in summary.warnings} == {
            ("attribute_name_unusual", "Born On", ()),
            ("datetime_offset_dropped", "seen", (1,)),
        }


def parsed(**destination: Any) -> schema.Config:
    return configuration.parse(
        {
            "name": "n",
            "source": {"path": "x.csv"},
            "identity": {"column": "id"},
            "destination": {"type": "engagelab", "api_key": f"env:{KEY_NAME}", **destination},
            "attributes": {"a": {"type": "number"}},
        }
    )


def test_what_a_run_may_cost_is_told_before() -> None:
    operations = ("set", "set", "set", "increase", "add")
    types = {"increase": "number", "add": "multi_choice"}
    known = [Definition(f"a{n}", types.get(o, "number"), operation=o) for n, o in enumerate(operations)]
    assert Destination(Settings(), known).calls_at_most(250, 7) == 3 * 250 + 7 + 3
    assert Destination(Settings(euid="e", properties_per_call=2), known).calls_at_most(250, 0) == 4 * 250


def test_an_id_is_named_one_way() -> None:
    with pytest.raises(ConfigError, match="identity_name: not with euid"):
        parsed(euid="number", identity_name="user_id")


def test_a_project_lives_in_one_of_two_data_centres() -> None:
    assert parsed().destination.base_url == "https://ma-api.engagelab.com"
    assert parsed(data_center="virginia").destination.base_url == "https://ma-api-usva.engagelab.com"
    given = parsed(data_center="virginia", base_url="https://proxy.example")
    assert given.destination.base_url == "https://proxy.example"


@pytest.mark.parametrize("key", ["justone", ":secret", "key:"])
def test_a_key_has_two_parts(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_NAME, key)
    with pytest.raises(ConfigError, match="joined by a colon"):
        secrets.read_key(parsed())


@pytest.mark.parametrize(
    "attribute",
    [
        {"type": "free_text", "operation": "increase"},
        {"type": "number", "operation": "add"},
        {"type": "boolean", "operation": "delete"},
        {"type": "number", "operation": "increase", "blank": "clear"},
    ],
)
def test_an_operation_has_its_types(attribute: Mapping[str, Any]) -> None:
    data = parsed().as_mapping() | {"attributes": {"a": attribute}}
    with pytest.raises(ConfigError, match=r"attributes.a.(operation|blank): "):
        configuration.parse(data)


def test_addresses_are_one_scopes_own(tmp_path: Path) -> None:
    config = parsed()
    mine, other = IdCache(tmp_path, config, ("user_id",)), IdCache(tmp_path, config, ("anonymous_id",))
    mine.remember({"a": "1", "b": "2", "c": "2", "ä🎂\n": str(2**63 - 1)})
    assert mine.lookup(["a", "b", "x", "ä🎂\n"]) == {"a": "1", "b": "", "ä🎂\n": str(2**63 - 1)}
    assert other.lookup(["a"]) == {}
    mine.erase(["c"])
    assert mine.lookup(["b", "c"]) == {"b": "2"}
    mine.close()
    other.close()
