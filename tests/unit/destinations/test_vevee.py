"""Vevee beyond the batch call: one call a value, the envelope, what the server stores in its own way."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from importer.core.models import Answer, Call, Part, Target, Update, Verdict
from importer.destinations.base import Definition
from importer.destinations.vevee import destination as vevee
from importer.sandbox import faults
from importer.sandbox.options import SandboxOptions
from tests.support.oracle.program import importer
from tests.support.vevee import LIST, declared, playing


def test_a_call_a_value_stores_the_same_and_names_each_refusal(tmp_path: Path) -> None:
    options = {"undefined": frozenset({"age"}), "archived": frozenset({"name"}), "log": 99}
    with playing(tmp_path, declared(), declared(), options, mode="single") as (config, server):
        result = importer("run", config, "--run-id", "r", cwd=tmp_path)
        assert result.code == 1, result.err
        assert server.stored == {p: {"tags": t.split("|")} for p, t in _tags()}
        paths = {(r.method, r.path) for r in server.log}
        assert paths == {("POST", vevee.VALUES)}
        summary = result.summary("r")
        assert summary["values"] | {"superseded": 0} == summary["values"]
        assert (summary["values"]["applied"], summary["values"]["rejected"]) == (4, 6)
        lines = {(r["attribute"], r["reason"]) for r in result.reject_lines("r")}
        assert lines == {("age", "attribute_not_defined"), ("name", "attribute_archived")}
        assert len(server.log) < 10, "what is once called unknown is not sent again"


def _tags() -> Iterator[tuple[str, str]]:
    for line in LIST.splitlines()[1:]:
        person, tags, *_ = line.split(",")
        yield person, tags


def test_a_value_that_is_stored_otherwise_is_reported_and_counts_as_applied(tmp_path: Path) -> None:
    ours, theirs = declared(), declared(tags=("a", "b"))
    with playing(tmp_path, ours, theirs, {}, mode="single") as (config, server):
        result = importer("run", config, "--run-id", "r", cwd=tmp_path)
        assert result.code == 1, result.err
        assert server.stored["p3"]["tags"] == ["b"]
        summary = result.summary("r")
        assert (summary["values"]["applied"], summary["values"]["rejected"], summary["adjusted"]) == (9, 1, 2)
        lines = [
            (r["row"], r["attribute"], r["stage"], r["reason"], r["value"]) for r in result.reject_lines("r")
        ]
        assert lines == [
            ("2", "tags", "send", "attribute_value_invalid", "c"),
            ("3", "tags", "adjust", "normalized", "b|c"),
            ("4", "tags", "adjust", "normalized", "a|c"),
        ]
        [rows] = result.rejected_rows("r")
        assert rows.read_text("utf-8").splitlines()[1:] == ["p2,c,30,"], (
            "what is stored is not to be corrected"
        )
        again = importer("retry", "r", "--run-id", "again", cwd=tmp_path)
        assert again.summary("again")["calls"]["sent"] == 1


@pytest.mark.parametrize("mode", ["batch", "single"])
def test_an_envelope_is_read_where_the_configuration_names_one(mode: str, tmp_path: Path) -> None:
    with playing(tmp_path, declared(), declared(), {}, mode=mode, envelope="result") as (config, server):
        result = importer("run", config, cwd=tmp_path)
        assert result.code == 0, result.err
        assert len(server.stored) == 4


@pytest.mark.parametrize("mode", ["batch", "single"])
def test_a_cleared_value_is_one_call_after_the_persons_others(mode: str, tmp_path: Path) -> None:
    ours = declared(blank="clear")
    with playing(tmp_path, ours, ours, {"log": 99}, mode=mode) as (config, server):
        result = importer("run", config, "--run-id", "r", cwd=tmp_path)
        assert result.code == 0, result.err
        assert "name" not in server.stored["p2"]
        asked = [r.method for r in server.log if r.distinct_ids == ("p2",)]
        assert asked == ["POST"] * (1 if mode == "batch" else 2) + ["DELETE"]
        assert result.summary("r")["values"]["applied"] == 11


# --- reading back


def test_verify_finds_each_silently_trimmed_value_and_its_row(tmp_path: Path) -> None:
    ours, theirs = declared(), declared(tags=("a", "b"))
    with playing(tmp_path, ours, theirs, {}) as (config, _):
        ran = importer("run", config, "--run-id", "r", cwd=tmp_path)
        assert (ran.code, ran.summary("r")["values"]["applied"]) == (1, 9)
        result = importer("verify", "r", "--rate", "0", cwd=tmp_path)
        assert result.code == 1, result.err
        assert "4 people read back" in result.out
        report = tmp_path / ".importer/runs/r/verify.csv"
        assert report.stat().st_mode & 0o077 == 0
        lines = list(csv.DictReader(report.read_text("utf-8").splitlines()))
        found = [(r["row"], r["line"], r["distinct_id"], r["attribute"], r["what"]) for r in lines]
        assert found == [("3", "4", "p3", "tags", "differs"), ("4", "5", "p4", "tags", "differs")]
        assert [(r["sent"], r["stored"]) for r in lines] == [('["b", "c"]', '["b"]'), ('["a", "c"]', '["a"]')]
        said = json.loads(importer("verify", "r", "--rate", "0", "--json", cwd=tmp_path).out)
        assert (said["people"], said["values"], said["same"]) == (4, 9, 7)
        assert said["differences"] == [{"what": "differs", "attribute": "tags", "count": 2}]
        assert not (report.parent / "verify").exists()


def test_verify_of_what_is_there_of_what_is_gone_and_of_what_was_cleared(tmp_path: Path) -> None:
    ours = declared(blank="clear")
    with playing(tmp_path, ours, ours, {}) as (config, server):
        assert importer("run", config, "--run-id", "r", cwd=tmp_path).code == 0
        same = importer("verify", "--sample", "2", "--rate", "0", cwd=tmp_path)
        assert (same.code, "2 people read back" in same.out) == (0, True), same.err
        with server._lock:
            server._vendor.stored["p2"]["name"] = "back again"
            del server._vendor.stored["p1"]
        gone = importer("verify", "r", "--rate", "0", "--json", cwd=tmp_path)
        assert gone.code == 1
        assert {(d["what"], d["attribute"]) for d in json.loads(gone.out)["differences"]} == {
            ("missing", "tags"),
            ("missing", "age"),
            ("missing", "name"),
            ("not_cleared", "name"),
        }


def test_verify_says_when_the_source_is_not_what_was_sent(tmp_path: Path) -> None:
    with playing(tmp_path, declared(), declared(), {}) as (config, _):
        assert importer("run", config, "--run-id", "r", cwd=tmp_path).code == 0
        head, *rows = LIST.splitlines(keepends=True)
        (tmp_path / "list.csv").write_text(head + "".join(reversed(rows)), "utf-8")
        result = importer("verify", "r", "--rate", "0", cwd=tmp_path)
        assert (result.code, "has changed since the run" in result.err) == (3, True)


@pytest.mark.parametrize(("fault", "code"), [("401", 4), ("503/2", 0), ("truncate/3", 0), ("html/3", 0)])
def test_verify_meets_faults_as_a_run_does(fault: str, code: int, tmp_path: Path) -> None:
    with playing(tmp_path, declared(), declared(), {}, retry_wait=0.01) as (config, server):
        assert importer("run", config, "--run-id", "r", cwd=tmp_path).code == 0
        server.change(SandboxOptions(faults=(faults.parse_fault(fault),)))
        result = importer("verify", "r", "--rate", "0", cwd=tmp_path)
        assert result.code == code, result.err


# --- one answer


PERSON = Target(0, "p", "set", ("k",))


@pytest.mark.parametrize(
    ("sent", "body", "verdict", "normalized"),
    [
        ("[1]", b'{"personId":"x","attribute":"k","value":[1]}', Verdict.DONE, False),
        ('["a","b"]', b'{"personId":"x","attribute":"k","value":["b","a"]}', Verdict.DONE, False),
        ('["a","b"]', b'{"personId":"x","attribute":"k","value":["a"]}', Verdict.DONE, True),
        ("19.90", b'{"data":{"attribute":"k","value":19.9}}', Verdict.DONE, False),
        ("0.1", b'{"attribute":"k","value":0.1000000000000000055}', Verdict.DONE, True),
        ("1", b'{"attribute":"k","value":true}', Verdict.DONE, True),
        ("1", b'{"attribute":"k","value":"1"}', Verdict.DONE, True),
        ("1", b'{"attribute":"other","value":1}', Verdict.CONTRADICTION, False),
        ("1", b'{"attribute":"k"}', Verdict.RETRY, False),
        ("1", b"[]", Verdict.RETRY, False),
    ],
)
def test_the_value_an_answer_shows(sent: str, body: bytes, verdict: Verdict, normalized: bool) -> None:
    destination = vevee.Destination(vevee.Settings(mode="single"), ())
    [call] = destination.calls([Update(0, "p", (Part("set", ("k",), f'"k":{sent}'),))])
    assert call == Call(
        "POST", vevee.VALUES, f'{{"distinctId":"p","attribute":"k","value":{sent}}}'.encode(), (PERSON,)
    )
    classification = destination.classify(call, Answer(200, {}, body))
    assert (classification.verdict, bool(classification.normalized)) == (verdict, normalized)


@pytest.mark.parametrize(("mode", "calls"), [("batch", 250 + 7), ("single", 4 * 250 + 7)])
def test_what_a_run_may_cost_is_told_before(mode: Literal["batch", "single"], calls: int) -> None:
    known = [Definition(f"a{n}", "number") for n in range(4)]
    destination = vevee.Destination(vevee.Settings(mode=mode), known)
    assert destination.calls_at_most(250, 7) == calls
