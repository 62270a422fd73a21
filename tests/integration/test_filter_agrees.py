"""With the change filter and without it, night after night: the same calls, the same ends of every value.

Random lists of a few people, who share addresses, change them, have several rows, leave and come back.
"""

import csv
import os
import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import importer
from importer.config import loader
from importer.core.models import RunSummary
from importer.pipeline import read_stage
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from importer.validate.change_filter import ChangeFilter

KEY = "sk_test_filter:secret"
COLUMNS = ("id", "email", "phone", "euid", "note", "plan")
EMAILS = ("a@x.org", "A@X.org", "b@x.org", "c@x.org", "d@x.org", "e@x.org", "", "no address")
PHONES = ("+12025550101", "+12025550102", "")
EUIDS = ("11", "12", "13", "14", "15", "", "x")
NOTES = ("text", "12", "true", "")
PLANS = ("a", "own", "other", "")

ATTENTIVE = {"type": "attentive", "user": {"email": "email", "phone": "phone"}}
EUID = {"type": "engagelab", "euid": "euid"}
VEVEE = {"type": "vevee"}
NAMING = ("email", "phone", "euid")
Row = tuple[str, ...]


@dataclass
class Side:
    """One of two imports of the same lists."""

    folder: Path
    server: SandboxServer
    destination: Mapping[str, Any]
    people_known: int = 0

    def night(self, source: Path, name: str) -> RunSummary:
        options = importer.Options(state_dir=self.folder, base_url=self.server.url, run_id=name)
        return importer.run(config_of(source, self.destination), (), options)


def config_of(source: Path, destination: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": "filter",
        "source": {"path": str(source), "ignore": [n for n in NAMING if n not in str(destination)]},
        "identity": {"column": "id"},
        "destination": {
            "api_key": "env:FILTER_KEY",
            "account": "test",
            "requests_per_second": 0,
            **destination,
        },
        "run": {"changed_only": True},
        "guards": {"max_unknown_options": "50%", "max_attribute_rejects": "100%"},
        "attributes": {
            "note": {"type": "free_text"},
            "plan": {"type": "single_choice", "options": ["a", "b"], "allow_custom": True},
        },
    }


def lists(chance: random.Random) -> Iterator[list[Row]]:
    """Lists of which each differs a little from the one before; in the second one two people are one."""
    pools = (EMAILS, PHONES, EUIDS, NOTES, PLANS)
    rows: list[Row] = [(f"p{n}", EMAILS[n], "", EUIDS[n], NOTES[n % 3], PLANS[n % 2]) for n in range(5)]
    yield rows
    yield [*rows, ("new", *rows[3][1:])]
    for _ in range(4):
        yield rows
        for _ in range(chance.randrange(3)):
            row = list(chance.choice(rows))
            column = chance.randrange(1, len(COLUMNS))
            row[column] = chance.choice(pools[column - 1])
            rows = [one for one in rows if one[0] != row[0] or not chance.randrange(4)]
            rows.insert(chance.randrange(len(rows) + 1), tuple(row))
        if len(rows) > 2 and not chance.randrange(3):
            rows = [one for one in rows if one[0] != rows[0][0]]


def result(summary: RunSummary, side: Side) -> dict[str, Any]:
    """What must not depend on the filter; `gone` is counted by it alone."""
    diff = {key: n for key, n in (summary.diff or {}).items() if key != "gone"}
    rejects = summary.rejects().select("row", "distinct_id", "attribute", "stage", "reason")
    names = ("exit_code", "message", "rows", "values", "people", "warnings", "reject_counts")
    return {
        **{name: getattr(summary, name) for name in names},
        "calls": summary.calls["sent"],
        "diff": diff,
        "rejects": sorted(rejects.rows(), key=str),
        "stored": side.server.stored,
    }


@pytest.mark.parametrize("destination", [ATTENTIVE, EUID, VEVEE], ids=["attentive", "euid", "vevee"])
def test_the_filter_changes_no_result(
    destination: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILTER_KEY", KEY)
    filtered = 0
    find = ChangeFilter.changed

    def counted(self: ChangeFilter) -> Iterator[Any]:
        nonlocal filtered
        yield from find(self)
        filtered += self.rows

    monkeypatch.setattr(ChangeFilter, "changed", counted)
    for seed in range(int(os.environ.get("IMPORTER_NIGHTS", "1"))):
        with ExitStack() as servers:
            config = loader.parse(config_of(tmp_path / "none.csv", destination))
            sides = [
                Side(
                    tmp_path / f"{name}-{seed}",
                    servers.enter_context(sandbox.running(config, SandboxOptions(), KEY)),
                    destination,
                )
                for name in ("with", "without")
            ]
            play(seed, sides, tmp_path / "list.csv")
    assert filtered, "some rows were left out"


def play(seed: int, sides: list[Side], source: Path) -> None:
    """The same nights on both sides; the second one does without the filter."""
    for number, rows in enumerate(lists(random.Random(seed))):
        with source.open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
        found = result(sides[0].night(source, f"n{number}"), sides[0])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(read_stage, "_change_filtering", lambda *_: None)
            wanted = result(sides[1].night(source, f"n{number}"), sides[1])
        assert found == wanted, (seed, number, rows)
