"""One vendor, written by its class and by a declaration: the same people, values and rejects.

Attentive's call for one person is declared as `type = "http"`. Both imports go to simulators of Attentive
that refuse the same values and answer with the same faults.
"""

import csv
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import importer
from importer.config import loader
from importer.core.models import RunSummary
from importer.sandbox import server as sandbox
from importer.sandbox.faults import parse_fault
from importer.sandbox.options import SandboxOptions

KEY = "sk_test_declared"
ATTRIBUTES: Mapping[str, Mapping[str, Any]] = {
    "plan": {"type": "single_choice", "options": ["a", "b"]},
    "note": {"type": "free_text"},
    "city": {"type": "free_text"},
    "gone": {"type": "free_text"},
}
BUILT_IN: Mapping[str, Any] = {"type": "attentive", "user": {"email": "id"}}
DECLARED: Mapping[str, Any] = {
    "type": "http",
    "path": "/v1/attributes/custom",
    "body": {"properties": "{attributes}", "user": {"email": "{distinct_id}"}},
    "answers": [{"status": ["200"], "means": "done"}],
}


def imported(folder: Path, destination: Mapping[str, Any], faults: str, refused: str) -> tuple[Any, Any]:
    """How the list of the folder ended, and what is stored."""
    section = {"api_key": "env:DECLARED_KEY", "requests_per_second": 0, "retry_wait": 0.01, **destination}
    data: dict[str, Any] = {
        "name": "declared",
        "source": {"path": str(folder / "list.csv")},
        "identity": {"column": "id"},
        "attributes": ATTRIBUTES,
    }
    vendor = loader.parse({**data, "destination": {"api_key": "env:DECLARED_KEY", **BUILT_IN}})
    options = SandboxOptions(
        faults=tuple(map(parse_fault, faults.split())), archived=frozenset(refused.split())
    )
    with sandbox.running(vendor, options, KEY) as server:
        data["destination"] = {**section, "base_url": server.url}
        state = folder / str(destination["type"])
        summary = importer.run(data, options=importer.Options(state_dir=state, base_url=server.url))
        return result(summary), server.stored


def result(summary: RunSummary) -> dict[str, Any]:
    rejects = summary.rejects().select("row", "distinct_id", "attribute", "stage", "reason").rows()
    return {
        "exit_code": summary.exit_code,
        "message": summary.message,
        "rows": summary.rows,
        "values": summary.values,
        "people": summary.people,
        "rejects": sorted(rejects, key=str),
    }


@pytest.mark.parametrize(("refused", "faults"), [("", ""), ("gone", ""), ("gone", "503/5 429/7")])
def test_a_declared_vendor_ends_as_the_built_in_one(
    faults: str, refused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECLARED_KEY", KEY)
    chance = random.Random(f"{faults}{refused}")
    with (tmp_path / "list.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["id", *ATTRIBUTES])
        for n in range(30):
            values = [
                chance.choice(["a", "b", "off", ""]),
                *(chance.choice(["x", "y", ""]) for _ in range(3)),
            ]
            lines.writerow([f"p{chance.randrange(20) if n > 20 else n}@x.org", *values])
    built_in, declared = (imported(tmp_path, one, faults, refused) for one in (BUILT_IN, DECLARED))
    assert built_in == declared
    assert built_in[0]["values"]["applied"] > 0
    assert bool(built_in[1])
