"""Who is who: fields that do not fit or are missing, that two people share, that one person has two of."""

import csv
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import importer
from importer.commands.explain import explain
from importer.config import loader as configuration
from importer.config.options import Options, RejectLimit
from importer.core.errors import SourceError
from importer.core.models import RunSummary
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from importer.storage import spool
from tests.support.mappings import mapping

KEY = "key"
HEADER = "id,email,phone,age,name\n"


def settings(source: Path, url: str, **destination: Any) -> dict[str, Any]:
    user = {"email": "email", "phone": "phone", "phone_ignore": " -"}
    attributes = {"age": {"type": "number"}, "name": {"type": "free_text"}}
    keys = {"type": "attentive", "base_url": url, "retry_wait": 0.01, "user": user, **destination}
    return mapping(source, attributes, "ATTENTIVE_TEST_KEY", destination=keys)


class Played:
    """A list as it was imported: the summary, the lines of the report, what arrived."""

    def __init__(self, folder: Path, summary: RunSummary, server: SandboxServer) -> None:
        run = folder / "state" / "runs" / summary.run_id
        self.summary = summary
        with (run / "rejects.csv").open(encoding="utf-8", newline="") as file:
            self.lines = list(csv.DictReader(file))
        kept = sorted((run / "rejected_rows").glob("*"))
        self.kept = kept[0].read_text("utf-8").splitlines()[1:] if kept else []
        self.stored = server.stored
        self.log = server.log

    @property
    def refused(self) -> dict[str, tuple[str, str, str]]:
        return {r["distinct_id"]: (r["reason"], r["attribute"], r["row"]) for r in self.lines}


@contextmanager
def playing(
    folder: Path, rows: str, monkeypatch: pytest.MonkeyPatch, **destination: Any
) -> Iterator[tuple[Mapping[str, Any], SandboxServer, Options]]:
    source = folder / "list.csv"
    source.write_text(HEADER + rows, "utf-8")
    monkeypatch.setenv("ATTENTIVE_TEST_KEY", KEY)
    config = configuration.parse(settings(source, "http://127.0.0.1:1", **destination))
    with sandbox.running(config, SandboxOptions(log=10_000), KEY) as server:
        yield settings(source, server.url, **destination), server, Options(state_dir=folder / "state")


def play(folder: Path, rows: str, monkeypatch: pytest.MonkeyPatch, **destination: Any) -> Played:
    with playing(folder, rows, monkeypatch, **destination) as (config, server, options):
        return Played(folder, importer.run(config, (), options), server)


CASES = {
    "a phone that is none": ("a,,12345,7,x\n", {"a": ("identity_invalid", "phone", "1")}),
    "an address that is none": ("a,a@b,,7,x\n", {"a": ("identity_invalid", "email", "1")}),
    "an address too long": (f"a,{'x' * 99}@b.de,,7,x\n", {"a": ("identity_invalid", "email", "1")}),
    "nothing at all": ("b,,+12025550101,1,y\na,,,7,x\n", {"a": ("identity_missing", "", "2")}),
    "two phones": (
        "a,,+12025550101,7,x\na,,+12025550102,8,\n",
        {"a": ("identity_ambiguous", "phone", "1")},
    ),
    "one phone, two people": (
        "a,,+12025550101,7,x\nb,,+1 202-555-0101,8,y\nc,,+12025550103,1,z\n",
        {"a": ("identity_ambiguous", "phone", "1"), "b": ("identity_ambiguous", "phone", "2")},
    ),
    "one address in two cases": (
        "a,A@b.de,,7,x\nb,a@B.de,,8,y\n",
        {"a": ("identity_ambiguous", "email", "1"), "b": ("identity_ambiguous", "email", "2")},
    ),
    "a blank of a later row": ("a,a@b.de,,7,\na,,,8,x\n", {}),
    "the same address in two cases of one person": ("a,a@b.de,,7,\na,A@b.de,,8,x\n", {}),
    "the same phone written in two ways": ("a,,+12025550101,7,\na,,+1 202 555 0101,8,x\n", {}),
    "the only phone in a row that lost": (
        "a,,12,7,old\na,,,8,new\n",
        {"a": ("identity_invalid", "phone", "1")},
    ),
    "nothing to send": ("a,,12,,\nb,b@b.de,,1,y\n", {}),
}


@pytest.mark.parametrize("case", CASES)
def test_who_cannot_be_told_is_rejected_once(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, refused = CASES[case]
    played = play(tmp_path, rows, monkeypatch)
    assert played.refused == refused
    assert len(played.lines) == len(refused), "one line a person"
    assert played.summary.exit_code == bool(refused)
    people, values = played.summary.people, played.summary.values
    assert people["called"] == len(played.stored) == people["read"] - people["nothing_to_send"]
    assert values["read"] == sum(n for state, n in values.items() if state != "read")
    assert (values["rejected"] > 0) == bool(refused)
    for line in played.lines:
        assert (line["stage"], line["attempts"]) == ("check", "0") or line["attempts"] == ""
        assert "202" not in line["message"]
    for person, (_, _, row) in refused.items():
        assert rows.splitlines()[int(row) - 1] in played.kept, person


def test_check_says_the_same_and_sends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "a,,12,7,x\nb,b@b.de,,8,y\nc,c@c.de,,9,z\nd,c@c.de,,nine,w\n"
    with playing(tmp_path, rows, monkeypatch) as (config, server, options):
        checked = Played(tmp_path, importer.check(config, (), options), server)
        assert server.stats.requests == 0
        ran = Played(tmp_path, importer.run(config, (), options), server)
        told = "\n".join(explain(tmp_path / "state", "c", ran.summary.run_id))
    assert "identity_ambiguous, several distinct ids" in told
    strip = [{k: v for k, v in line.items() if k != "at"} for line in checked.lines]
    assert strip == [{k: v for k, v in line.items() if k != "at"} for line in ran.lines]
    assert checked.kept == ran.kept == ["a,,12,7,x", "c,c@c.de,,9,z", "d,c@c.de,,nine,w"]
    assert checked.summary.values == {**ran.summary.values, "applied": 0, "not_attempted": 2}
    assert checked.summary.exit_code == 1


def test_people_rejected_count_before_the_first_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with playing(tmp_path, "a,,12,7,x\nb,b@b.de,,8,y\n", monkeypatch) as (config, server, options):
        limited = Options(state_dir=options.state_dir, max_rejects=RejectLimit.parse("0"))
        assert importer.run(config, (), limited).exit_code == 6
        assert server.stats.requests == 0


def test_what_was_corrected_is_sent_by_retry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with playing(tmp_path, "a,,12,7,x\nb,b@b.de,,8,y\n", monkeypatch) as (config, server, options):
        first = importer.run(config, (), options)
        corrected = tmp_path / "corrected.csv"
        corrected.write_text(HEADER + "a,,+12025550112,7,x\n", "utf-8")
        assert options.state_dir
        again = importer.retry(options.state_dir, first.run_id, str(corrected), options)
        assert (again.exit_code, again.values["applied"]) == (0, 2)
        assert server.stored == {"b@b.de": {"age": 8, "name": "y"}, "+12025550112": {"age": 7, "name": "x"}}


def test_a_refused_value_is_kept_with_the_row_that_names_its_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "a,a@b.de,,7,\na,,,8,\na,,,,old\nb,b@b.de,,8,old\n"
    with playing(tmp_path, rows, monkeypatch) as (config, server, options):
        server.change(SandboxOptions(archived=frozenset({"name"})))
        first = importer.run(config, (), options)
        assert options.state_dir
        kept = (first.folder / "rejected_rows" / "01-list.csv").read_text("utf-8")
        assert kept == HEADER + "a,a@b.de,,7,\na,,,,old\nb,b@b.de,,8,old\n"
        server.change(SandboxOptions())
        again = importer.retry(options.state_dir, first.run_id, None, options)
        assert (again.exit_code, again.values["applied"]) == (0, 2)
        assert server.stored == {"a@b.de": {"age": 8, "name": "old"}, "b@b.de": {"age": 8, "name": "old"}}


def test_the_same_over_many_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a plain reading, with chunks and segments so small that people and values are spread."""
    monkeypatch.setattr(spool, "CHUNK_BYTES", 4 << 10)
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 16 << 10)
    dice = random.Random(7)
    rows, phones, holders = [], dict[str, set[str]](), dict[str, set[str]]()
    for n in range(600):
        person = f"p{dice.randrange(480)}"
        phone = f"+1202{dice.randrange(10**6, 10**6 + 1000)}" if dice.random() < 0.9 else ""
        rows.append(f"{person},,{phone},{n},x\n")
        phones.setdefault(person, set()).update({phone} - {""})
        if phone:
            holders.setdefault(phone, set()).add(person)
    expected = {
        person: "identity_missing" if not own else "identity_ambiguous"
        for person, own in phones.items()
        if len(own) != 1 or len(holders[next(iter(own))]) > 1
    }
    played = play(tmp_path, "".join(rows), monkeypatch)
    assert {person: reason for person, (reason, _, _) in played.refused.items()} == expected
    assert len(played.lines) == len(expected) > 40
    assert len(played.stored) == len(phones) - len(expected) > 40


def test_columns_that_name_the_user_count_as_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with playing(tmp_path, "a,a@b.de,,1,x\n", monkeypatch) as (config, _, options):
        assert importer.check(config, (), options).exit_code == 0
        without = {**config, "destination": {**config["destination"], "user": {"email": "email"}}}
        with pytest.raises(SourceError, match="phone"):
            importer.check(without, (), options)
