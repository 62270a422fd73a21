"""The examples of `type = "http"` in `config/` beside the documents of their APIs: bodies, headers, answers.

The files of `golden/declared/` are typed off the pages that they name. No example was tried against its API.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from importer.config import loader
from importer.core.models import SEPARATOR, Answer, Part, Update

GOLDEN = Path(__file__).parent / "golden" / "declared"
CONFIGS = Path(__file__).parents[2] / "config"
KEY = "name:secret"


def cases() -> Iterator[Any]:
    for path in sorted(GOLDEN.glob("*.json")):
        data = json.loads(path.read_text("utf-8"))
        assert date.fromisoformat(data["read"]) >= date(2026, 1, 1), "the day on which the pages were read"
        for case in data["cases"]:
            assert case["source"].startswith("https://")
            yield pytest.param(path.stem, case, id=f"{path.stem}: {case['what']}")


def updates_of(people: Mapping[str, Mapping[str, Any]]) -> list[Update]:
    updates = []
    for number, (person, values) in enumerate(people.items()):
        members = SEPARATOR.join(f"{json.dumps(k)}:{json.dumps(v)}" for k, v in values.items())
        updates.append(Update(number, person, (Part("set", tuple(values), members),)))
    return updates


@pytest.mark.parametrize(("name", "case"), list(cases()))
def test_what_is_sent_and_what_an_answer_means(name: str, case: Mapping[str, Any]) -> None:
    destination = loader.load(CONFIGS / f"{name}.toml").build_destination()
    [call] = destination.calls(updates_of(case["people"]))
    assert (call.method, call.path, json.loads(call.body)) == (case["method"], case["path"], case["body"])
    assert destination.headers(KEY)["Authorization"] == case["authorization"]
    answer = Answer(case["status"], {}, json.dumps(case["answer"]).encode())
    found = destination.classify(call, answer)
    assert found.verdict == case["verdict"]
    refused = {call.targets[one.target].distinct_id: one.reason for one in found.refused}
    assert refused == case.get("refused", {})


def test_every_example_of_a_declared_api_has_golden_bodies() -> None:
    configs = {path.stem: loader.load(path) for path in CONFIGS.glob("*.toml")}
    declared = {name for name, config in configs.items() if config.destination.type == "http"}
    assert declared == {path.stem for path in GOLDEN.glob("*.json")}
