"""Bodies as the vendors document them, compared with both sides: what we send, and what the sandbox answers.

One file a vendor in `tests/golden/`, with the page each case was taken from and the day it was read. `*` in
an answer stands for any value.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from importer import destinations
from importer.core.models import SEPARATOR, Answer, Part, Update
from importer.destinations.base import Definition, Destination
from importer.destinations.simulator import Request, Sandbox

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
KEY = "sk_golden:secret"


class Case(NamedTuple):
    vendor: str
    what: str
    definitions: tuple[Definition, ...]
    data: Mapping[str, Any]


def cases() -> Iterator[Case]:
    for path in GOLDEN:
        data = json.loads(path.read_text("utf-8"))
        assert date.fromisoformat(data["read"]) >= date(2026, 1, 1), "the day on which the pages were read"
        definitions = tuple(Definition(**d) for d in data["definitions"])
        for case in data["cases"]:
            assert case["source"].startswith("https://")
            yield Case(path.stem.partition("-")[0], case["what"], definitions, case)


def update_of(data: Mapping[str, Any]) -> Update:
    """The update a case is about: its person and what is written, by operation."""
    parts = []
    for operation in ("set", "increase", "add", "remove", "delete"):
        values = data.get(operation, {})
        members = [json.dumps(k) + ":" + json.dumps(v, ensure_ascii=False) for k, v in values.items()]
        if members:
            parts.append(Part(operation, tuple(values), SEPARATOR.join(members)))
    if data.get("clear"):
        parts.append(Part("clear", tuple(data["clear"]), ""))
    extra = {name: data[name] for name in ("user", "resolved_id") if name in data}
    extra = {name: tuple(v) if isinstance(v, list) else v for name, v in extra.items()}
    return Update(0, data["distinct_id"], tuple(parts), **extra)


def both_sides(case: Case) -> tuple[Destination, Sandbox]:
    kind = destinations.load(case.vendor)
    settings = kind.settings_type.model_validate(case.data.get("settings", {}))
    known = {d.key: d for d in case.definitions}
    sandbox = destinations.load_sandbox(case.vendor)(known, KEY, settings=settings)
    return kind(settings, case.definitions), sandbox


def fits(found: Any, golden: Any) -> bool:
    """Whether an answer is the documented one, where `*` is anything."""
    if golden == "*":
        return True
    if isinstance(golden, dict) and isinstance(found, dict):
        return found.keys() == golden.keys() and all(fits(found[k], golden[k]) for k in golden)
    if isinstance(golden, list) and isinstance(found, list):
        return len(found) == len(golden) and all(map(fits, found, golden))
    return bool(found == golden)


def test_every_vendor_has_golden_bodies() -> None:
    declared_by_users = {"http"}  # its examples have golden bodies of their own
    assert {case.vendor for case in cases()} == set(destinations.names()) - declared_by_users


@pytest.mark.parametrize("case", list(cases()), ids=lambda c: f"{c.vendor}: {c.what}")
def test_what_is_sent_what_is_answered_and_how_it_is_judged(case: Case) -> None:
    destination, sandbox = both_sides(case)
    for id_, address in case.data.get("known", {}).items():
        sandbox.add_person(id_, address)
    update = update_of(case.data["update"])
    calls = [*(() if update.resolved_id else destination.prepare([update])), *destination.calls([update])]
    for call, golden in zip(calls, case.data["requests"], strict=True):
        assert (call.method, call.path) == (golden["method"], golden["path"])
        assert json.loads(call.body) == golden["body"]
        headers = {k.lower(): v for k, v in destination.headers(KEY).items()}
        answer = sandbox.answer(Request(call.method, call.path, {}, headers, call.body))
        assert answer.status == golden["status"]
        said = json.loads(answer.body) if answer.body else None
        assert fits(said, golden["answer"]), said
        documented = Answer(golden["status"], {}, json.dumps(golden["answer"]).encode())
        for one in (answer, documented):
            classified = destination.classify(call, one)
            assert classified.verdict == golden["verdict"]
            assert {r.key: r.reason for r in classified.refused} == golden.get("refused", {})
            assert [r.key for r in classified.normalized] == golden.get("normalized", [])
            assert classified.resolved_ids == golden.get("resolved_ids", {})
