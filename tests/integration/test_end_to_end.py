"""The main job against a server that only replies: what arrives, what is refused, what the counts say."""

import ast
import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from backports import zstd

from tests.support.oracle import customers
from tests.support.oracle.program import (
    KEY_NAME,
    Result,
    assert_as_expected,
    assert_private,
    assert_same_rejects,
    config_text,
    importer,
)
from tests.support.oracle.reading import Attribute, Declared, Expected, comparable, expect, read
from tests.support.oracle.replies import Received, Reply, ReplyServer, Script, at_calls, error

SMALL = Declared(
    "id",
    (
        Attribute("plan", "single_choice", options=("free", "pro")),
        Attribute("tags", "multi_choice", options=("a", "b", "c")),
        Attribute("age", "number", min=0, max=120),
        Attribute("name", "free_text"),
    ),
)
"""A list small enough to be written out in a test."""

SMALL_HEADER = "id,plan,tags,age,name\n"


def small_list(path: Path, *lines: str) -> Path:
    path.write_text(SMALL_HEADER + "".join(f"{line}\n" for line in lines), "utf-8")
    return path


def healthy_list(path: Path, count: int) -> Path:
    return small_list(path, *(f"p{n},pro,a|b,{n % 100},Name {n}" for n in range(count)))


def configure(folder: Path, declared: Declared, source: object, url: str, /, **tables: Any) -> Path:
    path = folder / "import.toml"
    path.write_text(config_text(declared, source, url, **tables), "utf-8")
    return path


def run(folder: Path, server: ReplyServer, source: Path, /, *flags: object, **tables: Any) -> Result:
    """`importer run` of a small list as run `r`."""
    config = configure(folder, SMALL, source, server.url, **tables)
    return importer("run", config, "--run-id", "r", *flags, cwd=folder)


def arrived(server: ReplyServer) -> dict[str, dict[str, Any]]:
    """Every value of every batch call, by person."""
    found: dict[str, dict[str, Any]] = {}
    for call in server.writes():
        found.setdefault(call.distinct_id, {}).update(call.attributes or {})
    return found


def hardly(person: str, key: str, value: Any) -> str | None:
    """A server that refuses some values of some people, in the vendor's words and in one of its own."""
    dice = zlib.crc32(f"{person}\0{key}".encode())
    share, reason = REFUSALS.get(key, (0, ""))
    return reason if share and value is not None and dice % share == 0 else None


REFUSALS: Mapping[str, tuple[int, str]] = {
    "city": (10, "attribute_value_invalid"),
    "country": (15, "attribute_value_invalid"),
    "topics": (20, "attribute_value_invalid"),
    "account_no": (9, "number_out_of_range"),
    "birthday": (12, "attribute_value_too_long"),
}


# --- the whole list, dirty, against a server that refuses some of it


@dataclass(frozen=True)
class Whole:
    result: Result
    server: ReplyServer
    expected: Expected
    header: bytes
    source: Path
    config: Path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder = tmp_path_factory.mktemp("whole")
    source = folder / "customers.csv"
    damage = customers.Damage()
    customers.write(source, customers.rows(7000, damage), damage)
    header, rows = read(source)
    with ReplyServer(hardly) as server:
        config = configure(folder, customers.DECLARED, source, server.url)
        result = importer("run", config, "--run-id", "whole", cwd=folder)
        expected = expect(rows, customers.DECLARED, refuse=hardly)
        yield Whole(result, server, expected, header, source, config)


def test_the_list_is_as_dirty_as_it_should_be(whole: Whole) -> None:
    reasons = Counter((r.stage, r.reason) for r in whole.expected.rejects)
    assert min(reasons.values()) >= 3
    assert {stage for stage, _ in reasons} == {"read", "check", "send", "adjust"}
    assert whole.expected.people["read"] > 6900
    for state in ("applied", "partly_applied", "rejected", "merged"):
        assert whole.expected.rows[state]


def test_every_value_arrives_exactly_and_typed(whole: Whole) -> None:
    assert comparable(arrived(whole.server)) == comparable(whole.expected.sent)


def test_what_is_stored_is_the_fold_without_the_refused(whole: Whole) -> None:
    assert comparable(whole.server.stored) == comparable(whole.expected.stored)


def test_one_call_per_person_and_never_two_at_once(whole: Whole) -> None:
    calls = Counter(c.distinct_id for c in whole.server.calls)
    assert set(calls.values()) == {1}
    assert len(calls) == whole.expected.people["called"]
    assert not whole.server.overlaps
    assert whole.server.peak <= 8


def test_the_books_are_the_oracles_and_the_exit_is_1(whole: Whole) -> None:
    summary = assert_as_expected(whole.result, "whole", whole.expected)
    assert whole.result.code == 1, whole.result.err
    assert summary["exit_code"] == 1
    assert (summary["state"], summary["destination"], summary["confirms"]) == ("finished", "vevee", "value")
    assert (summary["run_id"], summary["name"], summary["limited"]) == ("whole", "customers", False)
    assert summary["calls"] == {"sent": len(whole.server.calls), "retried": 0, "throttled": 0}
    assert [Path(s["path"]).name for s in summary["sources"]] == ["customers.csv"]
    assert summary["seconds"]["total"] >= summary["seconds"]["sending"] > 0
    assert summary["requests_per_second"] > 0
    assert 50 << 20 < summary["peak_rss_bytes"] < 500 << 20


def test_each_line_of_the_rejects_says_what_was_answered(whole: Whole) -> None:
    for line in whole.result.reject_lines("whole"):
        assert line["message"], line
        assert len(line["message"]) < 200
        if line["stage"] == "send":
            assert (line["status"], line["attempts"]) == ("200", "1")
            assert re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d", line["at"])
        elif line["stage"] != "adjust":
            assert (line["status"], line["attempts"]) in (("", "0"), ("0", "0"), ("", ""))


def test_the_rejected_rows_are_the_original_bytes(whole: Whole) -> None:
    [path] = whole.result.rejected_rows("whole")
    assert re.fullmatch(r"\d\d-customers\.csv", path.name)
    assert path.read_bytes() == whole.header + b"".join(r.raw for r in whole.expected.rejected_rows)


def test_the_run_folder_is_its_owners_alone(whole: Whole) -> None:
    assert_private(whole.result.state)


def test_the_summary_a_person_reads_leads_to_the_report(whole: Whole) -> None:
    shown = whole.result.out + whole.result.err
    assert str(whole.result.run_dir("whole")) in shown or "rejects.csv" in shown
    assert str(whole.expected.values["rejected"]) in shown.replace(",", "").replace("_", "")
    assert "importer " in shown, "no next command"


def test_runs_and_report_show_it_again(whole: Whole) -> None:
    listed = importer("runs", "--state-dir", whole.result.state, cwd=whole.result.state.parent)
    assert (listed.code, "whole" in listed.out) == (0, True), listed.err
    newest = importer("report", "--state-dir", whole.result.state, cwd=whole.result.state.parent)
    named = importer("report", "whole", "--state-dir", whole.result.state, cwd=whole.result.state.parent)
    assert newest.code == named.code == 0
    assert newest.out == named.out != ""


def test_check_finds_the_same_without_sending(whole: Whole, tmp_path: Path) -> None:
    before = len(whole.server.calls)
    state = tmp_path / "s"
    flags = ("--run-id", "c", "--state-dir", state, "--json")
    result = importer("check", whole.config, *flags, cwd=tmp_path, state=state)
    assert result.code == 1, result.err
    assert len(whole.server.calls) == before
    expected = expect(read(whole.source)[1], customers.DECLARED, sends=False)
    summary = assert_as_expected(result, "c", expected)
    assert summary["calls"]["sent"] == 0
    assert summary["people"]["called"] == 0
    assert json.loads(result.out) == summary
    [path] = result.rejected_rows("c")
    assert path.read_bytes() == whole.header + b"".join(r.raw for r in expected.rejected_rows)
    assert_private(result.state)


# --- the same list, clean, in every form


def as_csv(folder: Path, cells: list[list[str]]) -> str:
    customers.write(folder / "customers.csv", cells, customers.CLEAN)
    return str(folder / "customers.csv")


def as_gzip(folder: Path, cells: list[list[str]]) -> str:
    plain = Path(as_csv(folder, cells))
    (folder / "customers.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    return str(folder / "customers.csv.gz")


def as_zstd(folder: Path, cells: list[list[str]]) -> str:
    plain = Path(as_csv(folder, cells))
    (folder / "customers.csv.zst").write_bytes(zstd.compress(plain.read_bytes()))
    return str(folder / "customers.csv.zst")


def as_parquet(folder: Path, cells: list[list[str]]) -> str:
    frame = pl.DataFrame(cells, schema=dict.fromkeys(customers.HEADER, pl.String), orient="row")
    frame.with_columns(pl.col("city").replace("", None)).write_parquet(folder / "customers.parquet")
    return str(folder / "customers.parquet")


def as_glob(folder: Path, cells: list[list[str]]) -> str:
    third = len(cells) // 3
    parts = (cells[:third], cells[third : 2 * third], cells[2 * third :])
    for name, part, end in zip(("a-1", "a-10", "a-2"), parts, ("\n", "\r\n", "\n"), strict=True):
        customers.write(folder / f"{name}.csv", part, customers.CLEAN, end)
    (folder / "b-1.csv").write_text("not,ours\n")
    return str(folder / "a-*.csv")


def as_folder(folder: Path, cells: list[list[str]]) -> str:
    inner = folder / "lists"
    inner.mkdir()
    as_glob(inner, cells)
    (inner / "b-1.csv").rename(inner / ".b-1.csv")
    (inner / "deeper").mkdir()
    (inner / "deeper" / "c.csv").write_text("not,ours\n")
    return str(inner)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[list[str]], Expected]:
    cells = customers.rows(400, customers.CLEAN, seed=11)
    path = tmp_path_factory.mktemp("clean") / "customers.csv"
    customers.write(path, cells, customers.CLEAN)
    return cells, expect(read(path)[1], customers.DECLARED)


@pytest.mark.parametrize("form", [as_csv, as_gzip, as_zstd, as_parquet, as_glob, as_folder])
def test_every_form_gives_the_same_people_and_exit_0(
    form: Callable[[Path, list[list[str]]], str], clean: tuple[list[list[str]], Expected], tmp_path: Path
) -> None:
    cells, expected = clean
    with ReplyServer() as server:
        config = configure(tmp_path, customers.DECLARED, form(tmp_path, cells), server.url)
        result = importer("run", config, "--run-id", "r", cwd=tmp_path)
        assert result.code == 0, result.err
        assert comparable(server.stored) == comparable(expected.stored)
    summary = result.summary("r")
    assert (summary["rows"], summary["values"], summary["people"]) == (
        expected.rows,
        expected.values,
        expected.people,
    )
    assert result.rejects("r") == []
    assert len(summary["sources"]) == (3 if form in (as_glob, as_folder) else 1)
    assert_private(result.state)


def test_parquet_keeps_its_own_types(tmp_path: Path) -> None:
    from datetime import date, datetime

    declared = Declared(
        "id",
        (
            Attribute("plan", "single_choice", options=("free", "pro")),
            Attribute("tags", "multi_choice", options=("a", "b", "c")),
            Attribute("age", "number"),
            Attribute("big", "number"),
            Attribute("share", "number"),
            Attribute("ok", "boolean"),
            Attribute("day", "date"),
            Attribute("moment", "datetime"),
        ),
    )
    frame = pl.DataFrame(
        {
            "id": [7, 2**62, 9],
            "plan": pl.Series(["pro", "free", None], dtype=pl.Categorical),
            "tags": [["a", "b"], ["c"], None],
            "age": pl.Series([7, 8, None], dtype=pl.Int8),
            "big": pl.Series([2**63 - 1, -(2**63), None], dtype=pl.Int64),
            "share": [0.1, 1e-7, None],
            "ok": [True, False, None],
            "day": [date(2020, 2, 29), date(1931, 1, 1), None],
            "moment": [datetime(2026, 1, 2, 3, 4, 5), datetime(1999, 12, 31, 23, 59, 59), None],  # noqa: DTZ001  # a list without zones
        }
    )
    frame.write_parquet(tmp_path / "typed.parquet")
    with ReplyServer() as server:
        config = configure(tmp_path, declared, tmp_path / "typed.parquet", server.url)
        result = importer("run", config, "--run-id", "r", cwd=tmp_path)
        assert result.code == 0, result.err
        assert comparable(server.stored) == comparable(
            {
                "7": {
                    "plan": "pro",
                    "tags": ["a", "b"],
                    "age": 7,
                    "big": 2**63 - 1,
                    "share": Decimal("0.1"),
                    "ok": True,
                    "day": "2020-02-29",
                    "moment": "2026-01-02T03:04:05",
                },
                str(2**62): {
                    "plan": "free",
                    "tags": ["c"],
                    "age": 8,
                    "big": -(2**63),
                    "share": Decimal("1e-7"),
                    "ok": False,
                    "day": "1931-01-01",
                    "moment": "1999-12-31T23:59:59",
                },
            }
        )
    summary = result.summary("r")
    assert (summary["rows"]["empty"], summary["people"]["nothing_to_send"]) == (1, 1)


def test_rejects_of_parquet_come_back_as_parquet(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "id": ["p1", "p2", None, "p4"],
            "plan": ["pro", "gold", "free", "free"],
            "tags": ["a", "b", "c", "a"],
            "age": [1, 2, 3, 400],
            "name": ["A", "B", "C", "D"],
        }
    )
    frame.write_parquet(tmp_path / "list.parquet")
    with ReplyServer() as server:
        result = run(tmp_path, server, tmp_path / "list.parquet")
    assert result.code == 1, result.err
    found = [(r.row, r.attribute, r.stage, r.reason) for r in result.rejects("r")]
    assert found == [
        (2, "plan", "check", "attribute_value_invalid"),
        (3, "", "read", "distinct_id_missing"),
        (4, "age", "check", "attribute_value_invalid"),
    ]
    [path] = result.rejected_rows("r")
    assert re.fullmatch(r"\d\d-list\.parquet", path.name)
    again = pl.read_parquet(path)
    assert again.equals(frame[1:])
    assert again.schema == frame.schema


# --- how it is sent


def test_the_first_call_goes_alone(tmp_path: Path) -> None:
    with ReplyServer(first_delay=0.5, delay=0.02) as server:
        result = run(tmp_path, server, healthy_list(tmp_path / "list.csv", 60))
        assert result.code == 0, result.err
        first, second = server.calls[:2]
        assert second.arrived >= first.answered
        assert server.peak > 1, "the others should be in flight together"
        assert server.peak <= 8


def test_one_call_in_flight_where_one_is_allowed(tmp_path: Path) -> None:
    with ReplyServer(delay=0.01) as server:
        source = healthy_list(tmp_path / "list.csv", 30)
        result = run(tmp_path, server, source, destination={"max_in_flight": 1})
        assert result.code == 0, result.err
        assert (server.peak, len(server.calls)) == (1, 30)


def test_the_rate_is_a_ceiling(tmp_path: Path) -> None:
    with ReplyServer() as server:
        source = healthy_list(tmp_path / "list.csv", 40)
        result = run(tmp_path, server, source, destination={"requests_per_second": 20})
        assert result.code == 0, result.err
        assert server.calls[-1].arrived - server.calls[0].arrived >= 39 / 20 * 0.9


def test_an_answer_wrapped_in_data_is_read_too(tmp_path: Path) -> None:
    def refuse(person: str, key: str, _: Any) -> str | None:
        return "attribute_value_invalid" if (person, key) == ("p3", "name") else None

    with ReplyServer(refuse, wrap=True) as server:
        result = run(tmp_path, server, healthy_list(tmp_path / "list.csv", 20))
    assert result.code == 1, result.err
    assert [(r.row, r.attribute, r.reason) for r in result.rejects("r")] == [
        (4, "name", "attribute_value_invalid")
    ]
    assert result.summary("r")["values"]["applied"] == 79


LIES: tuple[Any, ...] = (
    {"personId": "x", "applied": 5, "rejected": []},
    {"personId": "x", "applied": 3, "rejected": []},
    {"personId": "x", "applied": 4, "rejected": [{"key": "name", "reason": "attribute_value_invalid"}]},
    {"personId": "x", "applied": 3, "rejected": [{"key": "shoe", "reason": "attribute_not_defined"}]},
    {
        "personId": "x",
        "applied": 2,
        "rejected": [{"key": "name", "reason": "a"}, {"key": "name", "reason": "a"}],
    },
    {"personId": "x", "applied": "4", "rejected": []},
    {"personId": "x", "applied": True, "rejected": []},
    {"personId": "x"},
    {},
    [],
    b"<html>welcome to the wifi</html>",
    b"",
    b'{"personId": "x", "applied": 4, "rej',
    b"\xff\xfe",
)


def test_an_answer_that_does_not_add_up_is_unconfirmed(tmp_path: Path) -> None:
    liars = {f"p{n}": Reply(200, body) for n, body in enumerate(LIES, 2)}
    count = len(liars) + 10
    with ReplyServer(script=lambda call: liars.get(call.distinct_id)) as server:
        source = healthy_list(tmp_path / "list.csv", count)
        result = run(tmp_path, server, source, destination={"retry_attempts": 1})
        assert server.stored.keys() == {f"p{n}" for n in range(count)} - liars.keys()
    assert result.code == 1, result.err
    summary = result.summary("r")
    assert (summary["values"]["unconfirmed"], summary["values"]["applied"]) == (4 * len(liars), 40)
    assert (summary["rows"]["unconfirmed"], summary["rows"]["applied"]) == (len(liars), 10)
    found = [(r.row, r.distinct_id, r.stage, r.reason) for r in result.rejects("r")]
    assert found == [
        (n, f"p{n - 1}", "send", "unconfirmed") for n in range(3, len(liars) + 3) for _ in range(4)
    ]


# --- answers that refuse a call, a person, an attribute, the run


FATAL = [
    (401, "invalid_key"),
    (403, "requires_secret_key"),
    (403, "client_attribute_writes_disabled"),
    (429, "workspace_limit_reached"),
    (501, "not_implemented"),
]


@pytest.mark.parametrize(
    ("status", "code", "at"),
    [*((*answer, 30) for answer in FATAL), (*FATAL[0], 1), (*FATAL[3], 1)],
)
def test_a_fatal_answer_stops_the_run(status: int, code: str, at: int, tmp_path: Path) -> None:
    def script(call: Received) -> Reply | None:
        return error(status, code) if call.number >= at else None

    with ReplyServer(script=script, delay=0.002) as server:
        result = run(tmp_path, server, healthy_list(tmp_path / "list.csv", 300))
        sent = len(server.calls)
    assert result.code == 4, result.err
    assert sent == 1 if at == 1 else at <= sent <= at + 8
    summary = result.summary("r")
    assert (summary["state"], summary["exit_code"]) == ("stopped", 4)
    assert summary["values"]["not_attempted"] >= 4 * (300 - sent)
    assert summary["values"]["applied"] == 4 * len(server.stored)
    assert re.search(r"importer resume r\b", result.err), "no next command"


def quota(server_is_full: list[bool], at: int) -> Script:
    def script(call: Received) -> Reply | None:
        full = server_is_full[0] and call.number >= at
        return error(429, "workspace_limit_reached") if full else None

    return script


def test_a_stopped_run_is_resumed_where_it_stood(tmp_path: Path) -> None:
    full = [True]
    with ReplyServer(script=quota(full, 50), delay=0.002) as server:
        source = healthy_list(tmp_path / "list.csv", 200)
        assert run(tmp_path, server, source).code == 4
        applied = set(server.stored)
        assert applied
        assert_private(tmp_path / ".importer")
        full[0] = False
        server.calls.clear()
        source.unlink()
        (tmp_path / "import.toml").unlink()
        result = importer("resume", cwd=tmp_path)
        assert result.code == 0, result.err
        assert len(server.stored) == 200
        assert not applied & {c.distinct_id for c in server.calls}, "an acknowledged call was sent again"
        summary = result.summary("r")
        assert (summary["state"], summary["exit_code"]) == ("finished", 0)
        assert summary["values"]["applied"] == 800
        assert summary["people"]["called"] == 200
        assert importer("resume", "r", cwd=tmp_path).code == 2, "it is finished"
        assert_private(result.state)


def test_a_stopped_run_is_superseded_by_the_next(tmp_path: Path) -> None:
    full = [True]
    with ReplyServer(script=quota(full, 20)) as server:
        assert run(tmp_path, server, healthy_list(tmp_path / "list.csv", 60)).code == 4
        full[0] = False
        config = tmp_path / "import.toml"
        second = importer("run", config, "--run-id", "s", cwd=tmp_path)
        assert second.code == 0, second.err
        assert len(server.stored) == 60
        first = second.summary("r")
        assert first["state"] == "superseded"
        late = importer("resume", "r", cwd=tmp_path)
        assert late.code == 2
        assert "superseded" in late.err
        listed = importer("runs", cwd=tmp_path)
        assert "superseded" in listed.out


def test_a_wrong_key_costs_one_call(tmp_path: Path) -> None:
    with ReplyServer(key="sk_live_another") as server:
        result = run(tmp_path, server, healthy_list(tmp_path / "list.csv", 50))
        assert (result.code, len(server.calls)) == (4, 1)
        assert server.stored == {}


@pytest.mark.parametrize("key", ["pk_live_public", "pk_test_public"])
def test_a_public_key_costs_none(key: str, tmp_path: Path) -> None:
    with ReplyServer() as server:
        config = configure(tmp_path, SMALL, healthy_list(tmp_path / "list.csv", 5), server.url)
        result = importer("run", config, cwd=tmp_path, env={KEY_NAME: key})
        assert (result.code, server.calls) == (2, [])
        assert key not in result.err + result.out


def test_what_is_retryable_is_sent_again(tmp_path: Path) -> None:
    faults: dict[int, Reply] = {
        1: error(500, "internal_error"),
        7: Reply(503, b"<html>"),
        11: Reply(429, b"{}", {"Retry-After": "0"}),
        17: error(500, "internal_error"),
        23: Reply(502),
        31: Reply(504),
    }
    with ReplyServer(script=at_calls(faults)) as server:
        result = run(tmp_path, server, healthy_list(tmp_path / "list.csv", 50))
        assert result.code == 0, result.err
        assert len(server.calls) == 56
        assert len(server.stored) == 50
    summary = result.summary("r")
    assert summary["values"]["applied"] == 200
    assert (summary["calls"]["retried"], summary["calls"]["throttled"]) == (6, 1)
    assert summary["calls"]["sent"] in (50, 56)


def test_what_is_never_answered_is_unconfirmed(tmp_path: Path) -> None:
    def script(call: Received) -> Reply | None:
        return error(500, "internal_error") if call.distinct_id == "p1" else None

    with ReplyServer(script=script) as server:
        source = healthy_list(tmp_path / "list.csv", 5)
        result = run(tmp_path, server, source, destination={"retry_attempts": 2})
        assert Counter(c.distinct_id for c in server.calls) == {"p0": 1, "p1": 2, "p2": 1, "p3": 1, "p4": 1}
    assert result.code == 1, result.err
    lines = result.reject_lines("r")
    assert {(x["distinct_id"], x["reason"], x["status"], x["attempts"]) for x in lines} == {
        ("p1", "unconfirmed", "500", "2")
    }
    assert len(lines) == 4


REFUSED: tuple[tuple[Reply, str], ...] = (
    (error(400, "invalid_request"), "invalid_request"),
    (error(429, "limit_reached"), "limit_reached"),
    (error(404, "not_found"), "not_found"),
    (Reply(400, {"code": "invalid_request"}), "invalid_request"),
    (Reply(400, {"error": "invalid_request"}), "invalid_request"),
)


def test_a_refused_call_costs_only_its_person(tmp_path: Path) -> None:
    refused = {f"p{n}": reply for n, (reply, _) in enumerate(REFUSED, 3)}
    with ReplyServer(script=lambda call: refused.get(call.distinct_id)) as server:
        result = run(tmp_path, server, healthy_list(tmp_path / "list.csv", 20))
        assert len(server.calls) == 20
    assert result.code == 1, result.err
    lines = result.reject_lines("r")
    assert [(x["row"], x["stage"], x["reason"], x["status"], x["attempts"]) for x in lines] == [
        (str(n), "send", reason, str(reply.status), "1")
        for n, (reply, reason) in enumerate(REFUSED, 4)
        for _ in range(4)
    ]
    summary = result.summary("r")
    assert (summary["values"]["applied"], summary["values"]["rejected"]) == (60, 20)
    assert (summary["rows"]["applied"], summary["rows"]["rejected"]) == (15, 5)


def test_ten_refusals_at_the_start_stop_the_run(tmp_path: Path) -> None:
    with ReplyServer(script=lambda _: error(400, "invalid_request")) as server:
        result = run(tmp_path, server, healthy_list(tmp_path / "list.csv", 200))
        assert 10 <= len(server.calls) <= 18
    assert result.code == 4, result.err
    summary = result.summary("r")
    assert (summary["state"], summary["values"]["applied"]) == ("stopped", 0)
    assert summary["values"]["rejected"] == 0


@pytest.mark.parametrize("reason", ["attribute_not_defined", "attribute_archived"])
def test_an_attribute_the_server_does_not_know_is_sent_once(reason: str, tmp_path: Path) -> None:
    def refuse(_: str, key: str, __: Any) -> str | None:
        return reason if key == "name" else None

    only_name = [f"q{n},,,,Only {n}" for n in range(10)]
    with ReplyServer(refuse) as server:
        source = small_list(tmp_path / "list.csv", *(f"p{n},pro,a,1,N{n}" for n in range(200)), *only_name)
        result = run(tmp_path, server, source)
        assert sum("name" in (c.attributes or {}) for c in server.calls) == 1
        called = {c.distinct_id for c in server.calls}
        assert all(c.attributes for c in server.calls)
    assert result.code == 1, result.err
    lines = result.reject_lines("r")
    assert [int(x["row"]) for x in lines] == list(range(1, 211))
    assert {(x["attribute"], x["stage"], x["reason"]) for x in lines} == {("name", "send", reason)}
    assert Counter(x["attempts"] for x in lines) == {"1": 1, "0": 209}
    summary = result.summary("r")
    assert (summary["values"]["applied"], summary["values"]["rejected"]) == (600, 210)
    assert summary["rows"]["partly_applied"] == 200
    assert summary["rows"]["rejected"] == 10
    people = summary["people"]
    assert (people["read"], people["called"]) == (210, len(called))
    assert people["nothing_to_send"] == 210 - len(called)


def test_redirects_are_not_followed(tmp_path: Path) -> None:
    with ReplyServer() as elsewhere:

        def script(call: Received) -> Reply:
            return Reply(302, b"", {"Location": elsewhere.url + call.path})

        with ReplyServer(script=script) as server:
            source = healthy_list(tmp_path / "list.csv", 3)
            result = run(tmp_path, server, source, destination={"retry_attempts": 1})
            assert len(server.calls) == 3
        assert elsewhere.calls == []
    assert result.code in (1, 4), result.err
    assert result.summary("r")["values"]["applied"] == 0


# --- flags and settings


def test_limit_takes_the_first_rows_over_all_sources(tmp_path: Path) -> None:
    for name, first in (("a.csv", 0), ("b.csv", 10), ("c.csv", 20)):
        small_list(tmp_path / name, *(f"p{n},pro,a,1,N" for n in range(first, first + 10)))
    with ReplyServer() as server:
        result = run(tmp_path, server, tmp_path / "*.csv", "--limit", 13)
        assert server.stored.keys() == {f"p{n}" for n in range(13)}
    assert result.code == 0, result.err
    summary = result.summary("r")
    assert (summary["limited"], summary["rows"]["read"]) == (True, 13)


def test_sources_on_the_command_line_are_taken_as_given(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        small_list(tmp_path / f"{name}.csv", f"p,pro,a,1,{name}")
    with ReplyServer() as server:
        config = configure(tmp_path, SMALL, tmp_path / "missing.csv", server.url)
        result = importer("run", config, "c.csv", "a.csv", "b.csv", "--run-id", "r", cwd=tmp_path)
        assert result.code == 0, result.err
        assert server.stored["p"]["name"] == "b"
    assert [Path(s["path"]).name for s in result.summary("r")["sources"]] == ["c.csv", "a.csv", "b.csv"]


def test_sources_of_a_glob_are_taken_in_byte_order(tmp_path: Path) -> None:
    for name in ("Z", "a", "ä", "a-10", "a-2"):
        small_list(tmp_path / f"{name}.csv", f"p,pro,a,1,{name}", f"{name},pro,a,nine,x")
    with ReplyServer() as server:
        result = run(tmp_path, server, tmp_path / "*.csv")
        assert server.stored["p"]["name"] == "ä"
    assert result.code == 1, result.err
    order = [Path(x["file"]).name for x in result.reject_lines("r")]
    assert order == ["Z.csv", "a-10.csv", "a-2.csv", "a.csv", "ä.csv"]
    assert {x["row"] for x in result.reject_lines("r")} == {"2"}


def test_where_keeps_the_rows_it_names(tmp_path: Path) -> None:
    lines = [f"p{n % 40},{('pro', 'free')[n % 2]},a,{n},it''s {n}" for n in range(100)]
    lines[10:10] = ["torn,pro", ",pro,a,50,no id", ",pro,a,3,filtered before its id is missed"]
    source = small_list(tmp_path / "list.csv", *lines)

    def where(cells: Mapping[str, str]) -> bool:
        return cells["plan"] == "pro" and int(cells["age"]) > 30

    expected = expect(read(source)[1], SMALL, where=where)
    with ReplyServer() as server:
        condition = "plan = 'pro' AND CAST(age AS INT) > 30"
        result = run(tmp_path, server, source, source={"where": condition})
        assert comparable(server.stored) == comparable(expected.stored)
    assert result.code == 1, result.err
    assert_as_expected(result, "r", expected)
    assert expected.rows["filtered"] > 60
    assert expected.rows["rejected"] == 2


@pytest.mark.parametrize("policy", ["skip", "clear", "reject"])
def test_each_blank_policy(policy: Any, tmp_path: Path) -> None:
    declared = Declared(
        "id",
        (Attribute("a", "free_text", blank=policy), Attribute("b", "number", blank=policy)),
        null_values=("", "-"),
    )
    source = tmp_path / "list.csv"
    lines = ("p1,x,1", "p1,,2", "p2,-,-", "p3,y,", "p4,,1", "p4,z,bad", "p5,,", "p5,w,")
    source.write_text("id,a,b\n" + "".join(f"{line}\n" for line in lines))
    expected = expect(read(source)[1], declared)
    with ReplyServer() as server:
        config = configure(tmp_path, declared, source, server.url)
        result = importer("run", config, "--run-id", "r", cwd=tmp_path)
        assert comparable(server.stored) == comparable(expected.stored)
        assert comparable(arrived(server)) == comparable(expected.sent)
        cleared: dict[str, set[str]] = {}
        for call in server.calls:
            if call.method == "DELETE":
                cleared.setdefault(call.distinct_id, set()).add(call.cleared)
        assert cleared == expected.cleared
        assert len(server.calls) == len(server.writes()) + sum(map(len, cleared.values()))
    assert result.code == 1, result.err
    assert_as_expected(result, "r", expected)


def test_clearing_what_a_person_does_not_have_is_a_success(tmp_path: Path) -> None:
    declared = Declared("id", (Attribute("a", "free_text", blank="clear"),))
    (tmp_path / "list.csv").write_text("id,a\np1,\np2,\n")
    with ReplyServer(wrap=True) as server:
        config = configure(tmp_path, declared, tmp_path / "list.csv", server.url)
        result = importer("run", config, "--run-id", "r", cwd=tmp_path)
        assert [c.method for c in server.calls] == ["DELETE", "DELETE"]
    assert result.code == 0, result.err
    assert result.summary("r")["values"]["applied"] == 2


def test_max_rejects_before_the_first_call(tmp_path: Path) -> None:
    lines = [f"p{n},pro,a,{n},N" for n in range(90)] + [f"q{n},gold,a,1,N" for n in range(9)] + ["torn,pro"]
    source = small_list(tmp_path / "list.csv", *lines)
    with ReplyServer() as server:
        result = run(tmp_path, server, source, "--max-rejects", 9)
        assert (result.code, server.calls) == (6, []), result.err
        summary = result.summary("r")
        assert (summary["state"], summary["exit_code"]) == ("stopped", 6)
        assert summary["values"]["not_attempted"] == 99 * 4 - 9
        config = tmp_path / "import.toml"
        share = importer("run", config, "--run-id", "s", "--max-rejects", "1%", cwd=tmp_path)
        assert (share.code, server.calls) == (6, []), share.err
        checked = importer("check", config, "--run-id", "c", "--max-rejects", "9", cwd=tmp_path)
        assert (checked.code, server.calls) == (6, []), checked.err
        within = importer("run", config, "--run-id", "t", "--max-rejects", 10, cwd=tmp_path)
        assert (within.code, len(server.calls)) == (0, 99), within.err
        assert within.summary("t")["exit_code"] == 0
        assert len(within.rejects("t")) == 10
        within = importer("run", config, "--run-id", "u", "--max-rejects", "5%", cwd=tmp_path)
        assert within.code == 0, within.err


def test_max_rejects_while_sending(tmp_path: Path) -> None:
    def refuse(_: str, key: str, __: Any) -> str | None:
        return "attribute_value_invalid" if key == "name" else None

    with ReplyServer(refuse, delay=0.002) as server:
        source = healthy_list(tmp_path / "list.csv", 400)
        result = run(tmp_path, server, source, "--max-rejects", 20)
        assert 21 <= len(server.calls) <= 21 + 8
        assert result.code == 6, result.err
        summary = result.summary("r")
        assert summary["state"] == "stopped"
        assert summary["values"]["rejected"] == len(server.calls)
        assert summary["values"]["not_attempted"] == 4 * (400 - len(server.calls))
        server.erase()
        config = tmp_path / "import.toml"
        share = importer("run", config, "--run-id", "s", "--max-rejects", "10%", cwd=tmp_path)
        assert 25 <= len(server.calls) <= 25 + 8, "counted from the 100th value on"
        assert share.code == 6, share.err
        server.erase()
        within = importer("run", config, "--run-id", "t", "--max-rejects", "30%", cwd=tmp_path)
        assert (within.code, len(server.calls)) == (0, 400), within.err


def test_json_prints_the_summary_and_nothing_else(tmp_path: Path) -> None:
    with ReplyServer() as server:
        source = healthy_list(tmp_path / "list.csv", 20)
        result = run(tmp_path, server, source, "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out) == result.summary("r")


def test_quiet_says_nothing_when_all_is_well(tmp_path: Path) -> None:
    with ReplyServer() as server:
        result = run(tmp_path, server, healthy_list(tmp_path / "list.csv", 20), "--quiet")
    assert (result.code, result.err) == (0, "")


def test_no_bar_where_there_is_no_terminal(whole: Whole) -> None:
    assert "\r" not in whole.result.err
    assert "it/s" not in whole.result.err


def test_base_url_and_state_dir_of_the_command_line_and_the_environment(tmp_path: Path) -> None:
    source = healthy_list(tmp_path / "list.csv", 3)
    config = configure(tmp_path, SMALL, source, "https://example.invalid")
    with ReplyServer() as server:
        flags = ("--base-url", server.url, "--state-dir", tmp_path / "one", "--run-id", "r")
        assert importer("run", config, *flags, cwd=tmp_path).code == 0
        assert (tmp_path / "one/runs/r/summary.json").exists()
        by_env = {"IMPORTER_STATE_DIR": str(tmp_path / "two")}
        given = ("--base-url", server.url, "--run-id", "r")
        assert importer("run", config, *given, cwd=tmp_path, env=by_env).code == 0
        assert (tmp_path / "two/runs/r/summary.json").exists()
        assert len(server.calls) == 6
    assert not (tmp_path / ".importer").exists()
    assert_private(tmp_path / "one")
    assert_private(tmp_path / "two")


def test_the_state_lies_beside_the_config_not_where_one_stands(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    config = configure(tmp_path, SMALL, healthy_list(tmp_path / "list.csv", 3), "http://127.0.0.1:9")
    assert importer("check", config, "--run-id", "r", cwd=tmp_path / "here").code == 0
    assert (tmp_path / ".importer/runs/r/summary.json").exists()
    assert list((tmp_path / "here").iterdir()) == []


def test_a_last_line_without_an_end_and_a_windows_file(tmp_path: Path) -> None:
    source = tmp_path / "list.csv"
    source.write_bytes(b'id,plan,tags,age,name\r\np1,pro,a,1,A\r\n\r\np2,gold,a,1,"B\r\nB"\r\np3,free,c,x,C')
    header, rows = read(source)
    expected = expect(rows, SMALL)
    assert [(r.row, r.line) for r in rows] == [(1, 2), (2, 4), (3, 6)]
    with ReplyServer() as server:
        result = run(tmp_path, server, source)
        assert comparable(server.stored) == comparable(expected.stored)
    assert result.code == 1, result.err
    assert_as_expected(result, "r", expected)
    [path] = result.rejected_rows("r")
    assert path.read_bytes().rstrip(b"\r\n") == header + b"".join(r.raw for r in rows[1:])


def test_a_tab_separated_list(tmp_path: Path) -> None:
    source = tmp_path / "list.tsv"
    source.write_text("id\tplan\ttags\tage\tname\np1\tpro\ta|b\t7\tA, B\np2\tgold\ta\t8\tC\n")
    header, rows = read(source, "\t")
    expected = expect(rows, SMALL)
    with ReplyServer() as server:
        result = run(tmp_path, server, source)
        assert comparable(server.stored) == comparable(expected.stored)
    assert_as_expected(result, "r", expected)
    [path] = result.rejected_rows("r")
    assert path.read_bytes() == header + rows[1].raw


def test_a_list_larger_than_a_chunk_gives_one_call_per_person(tmp_path: Path) -> None:
    declared = Declared("id", (Attribute("a", "free_text"), Attribute("b", "free_text")))
    source = tmp_path / "list.csv"
    filler = "x" * 120_000
    with source.open("w") as file:
        file.write("id,a,b\nsplit,first,only here\n")
        file.writelines(f"p{n},{n}{filler},{n}\n" for n in range(500))
        file.write("split,last,\n")
    assert source.stat().st_size > 60_000_000
    with ReplyServer() as server:
        config = configure(tmp_path, declared, source, server.url)
        result = importer("run", config, "--run-id", "r", cwd=tmp_path)
        assert result.code == 0, result.err
        assert Counter(Counter(c.distinct_id for c in server.calls).values()) == {1: 501}
        assert server.stored["split"] == {"a": "last", "b": "only here"}
        assert all(server.stored[f"p{n}"] == {"a": f"{n}{filler}", "b": str(n)} for n in range(500))
    assert result.summary("r")["values"] == {
        "read": 1003,
        "applied": 1002,
        "rejected": 0,
        "superseded": 1,
        "unchanged": 0,
        "unconfirmed": 0,
        "not_attempted": 0,
    }


# --- corrected and sent again


def retried(result: Result, folder: Path, *arguments: object) -> tuple[int, dict[str, Any], str]:
    """`importer retry ... --json`: exit code, its summary, stderr."""
    again = importer("retry", *arguments, "--state-dir", result.state, "--json", cwd=folder)
    return again.code, json.loads(again.out or "{}"), again.err


RETRY_LINES = (
    "p1,gold,a,1,One",  # plan is refused here, and row 8 puts a good one over it
    "p2,pro,a,old,Two",  # age is refused: to be corrected
    ",pro,b,3,Three",  # no id: to be filled in
    "p4,pro,a,4,Four",  # name is refused by the server
    "p5,pro,a,5,Five",  # nothing wrong
    "p6,pro,cooking|a,6,Six",  # adjusted, applied
    "p7,pro",  # malformed: to be completed
    "p1,free,b,,",
    "p8,free,a,8,Eight",  # an older plan is good, the last one is not: nothing older comes back
    "p8,gold,,,",
)


@pytest.fixture
def to_mend(tmp_path: Path) -> Iterator[tuple[Path, Result, ReplyServer, list[bool]]]:
    strict = [True]

    def refuse(person: str, key: str, value: Any) -> str | None:
        if strict[0] and (person, key, value) == ("p4", "name", "Four"):
            return "attribute_value_invalid"
        return None

    with ReplyServer(refuse) as server:
        result = run(tmp_path, server, small_list(tmp_path / "list.csv", *RETRY_LINES))
        assert result.code == 1, result.err
        [path] = result.rejected_rows("r")
        server.calls.clear()
        yield path, result, server, strict


def test_corrected_rows_go_in_again_and_only_what_was_refused(
    to_mend: tuple[Path, Result, ReplyServer, list[bool]], tmp_path: Path
) -> None:
    path, result, server, _ = to_mend
    text = path.read_text("utf-8")
    lines = [RETRY_LINES[n] for n in (0, 1, 2, 3, 6, 9)]
    assert text == SMALL_HEADER + "".join(f"{line}\n" for line in lines)
    for wrong, right in {
        "p1,gold,a,1,One": "p1,pro,c,99,Other",
        "p2,pro,a,old,Two": "p2,pro,a,22,Two",
        ",pro,b,3,Three": "p3,pro,b,3,Three",
        "p4,pro,a,4,Four": "p4,pro,a,4,Vier",
        "p7,pro\n": "p7,pro,c,7,Seven\n",
        "p8,gold,,,": "p8,pro,,,",
    }.items():
        assert text.count(wrong) == 1
        text = text.replace(wrong, right)
    corrected_file = tmp_path / "corrected_file.csv"
    corrected_file.write_text(text, "utf-8")
    code, summary, err = retried(result, tmp_path, "r", corrected_file)
    assert code == 0, err
    assert {c.distinct_id: dict(c.attributes or {}) for c in server.calls} == {
        "p2": {"age": 22},
        "p3": {"plan": "pro", "tags": ["b"], "age": 3, "name": "Three"},
        "p4": {"name": "Vier"},
        "p7": {"plan": "pro", "tags": ["c"], "age": 7, "name": "Seven"},
        "p8": {"plan": "pro"},
    }
    assert len(server.calls) == 5
    assert server.stored["p1"] == {"plan": "free", "tags": ["b"], "age": 1, "name": "One"}
    assert summary["rows"]["read"] == 6
    assert summary["values"]["applied"] == 11
    assert summary["run_id"] != "r"


def test_what_was_refused_goes_in_again_without_a_file(
    to_mend: tuple[Path, Result, ReplyServer, list[bool]], tmp_path: Path
) -> None:
    _, result, server, strict = to_mend
    strict[0] = False
    _, summary, err = retried(result, tmp_path, "r")
    assert [(c.distinct_id, c.attributes) for c in server.calls] == [("p4", {"name": "Four"})], err
    assert summary["values"]["applied"] == 1


def test_an_uncorrected_file_is_refused_again(
    to_mend: tuple[Path, Result, ReplyServer, list[bool]], tmp_path: Path
) -> None:
    path, result, server, _ = to_mend
    code, summary, err = retried(result, tmp_path, "r", path)
    assert code == 1, err
    assert [(c.distinct_id, c.attributes) for c in server.calls] == [("p4", {"name": "Four"})]
    assert summary["rows"]["read"] == 6


def test_the_retry_of_the_whole_list_brings_everyone_home(whole: Whole, tmp_path: Path) -> None:
    """The server has become lenient; the file goes back as it is, but for nothing in it."""
    [path] = whole.result.rejected_rows("whole")
    _, rows = read(path)
    with ReplyServer() as server:
        arguments = ("retry", "whole", path, "--state-dir", whole.result.state, "--base-url", server.url)
        result = importer(*arguments, "--run-id", "again", cwd=tmp_path)
        assert result.code == 1, result.err
        due = {(r.distinct_id, r.attribute) for r in whole.expected.rejects if r.stage == "send"}
        sent = {(c.distinct_id, key) for c in server.calls for key in c.attributes or {}}
        assert sent == due
        values = {
            p: {k: whole.expected.sent[p][k] for k in current} for p, current in arrived(server).items()
        }
        assert comparable(arrived(server)) == comparable(values)
        assert set(Counter(c.distinct_id for c in server.calls).values()) == {1}
    assert len(rows) == len(whole.expected.rejected_rows)


def test_each_source_has_its_own_rejected_rows(tmp_path: Path) -> None:
    small_list(tmp_path / "a.csv", "p1,pro,a,1,A", "p2,pro,a,x,B")
    small_list(tmp_path / "b.csv", "p3,pro,a,1,C")
    (tmp_path / "c.csv").write_text("name,age,tags,plan,id\nD,x,a,pro,p4\nE,1,a,pro,p5\n")
    with ReplyServer() as server:
        result = run(tmp_path, server, tmp_path / "*.csv")
    assert result.code == 1, result.err
    found = {p.name[3:]: p.read_text() for p in result.rejected_rows("r")}
    assert found.pop("b.csv", SMALL_HEADER) == SMALL_HEADER
    assert found == {
        "a.csv": SMALL_HEADER + "p2,pro,a,x,B\n",
        "c.csv": "name,age,tags,plan,id\nD,x,a,pro,p4\n",
    }
    expected = [
        reject
        for name in ("a.csv", "b.csv", "c.csv")
        for reject in expect(read(tmp_path / name)[1], SMALL).rejects
    ]
    assert_same_rejects(result.rejects("r"), expected)


def test_the_oracle_imports_nothing_of_the_product() -> None:
    own = [
        Path(__file__).with_name(f"test_{name}.py") for name in ("user_errors", "secrets", "last_value_wins")
    ]
    for path in (Path(__file__), *own, *Path(customers.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.partition(".")[0] == "importer" for name in names), path
