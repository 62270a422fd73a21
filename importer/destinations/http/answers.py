"""What an answer of a declared API means, by the rules of the configuration."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from importer.core.models import ALL_APPLIED, Answer, Call, Classification, Refusal, Verdict
from importer.destinations.base import is_same
from importer.destinations.http.json_path import value_at
from importer.destinations.http.settings import AnswerRule, RefusedList, Settings
from importer.destinations.responses import TRANSIENT_STATUS, json_of, unreadable

_VERDICTS = {"retry": Verdict.RETRY, "refused": Verdict.REFUSED, "stop": Verdict.STOP}
_STOPS = frozenset({401, 403})
_LISTED = "the answer lists it as refused"


def classify(call: Call, answer: Answer, settings: Settings) -> Classification:
    """By the first rule that fits, else by the status; REFUSED where the whole call was refused."""
    body = json_of(answer.body)
    rule = next((rule for rule in settings.answers if _fits(rule, answer, body)), None)
    if rule is None:
        return _undeclared(answer.status)
    if rule.means == "done":
        return _done(call, body, settings.refused)
    return _said(_VERDICTS[rule.means], answer.status, _word(value_at(body, rule.reason or ".")))


def _fits(rule: AnswerRule, answer: Answer, body: Any) -> bool:
    status = str(answer.status)
    if not any(status == one or (one.endswith("xx") and status[0] == one[0]) for one in rule.status):
        return False
    if rule.path is None:
        # A success has an empty body or JSON: a proxy's page is neither.
        return rule.means != "done" or body is not None or not answer.body.strip()
    found = value_at(body, rule.path)
    return _equal(found, rule.equals) if rule.compares else found is not None


def _equal(found: Any, expected: Any) -> bool:
    return type(found) is type(expected) and is_same(found, expected)


def _undeclared(status: int) -> Classification:
    if status in _STOPS:
        return _said(Verdict.STOP, status)
    if status in TRANSIENT_STATUS:
        return _said(Verdict.RETRY, status)
    if 200 <= status < 300:
        return unreadable(f"answered {status}, but nothing that destination.answers calls done")
    return _said(Verdict.REFUSED, status)


def _said(verdict: Verdict, status: int, code: str = "") -> Classification:
    hint = "; check the key and its rights" if status in _STOPS else ""
    message = f"the destination answered {status}{hint}"
    return Classification(verdict, reason=code or f"http_{status}", message=message)


def _done(call: Call, body: Any, lists: Sequence[RefusedList]) -> Classification:
    """All is written but what the lists name; UNCONFIRMED where an entry names nobody of the call."""
    found = [one for declared in lists for one in _refusals(call, body, declared)]
    if not found:
        return ALL_APPLIED
    if None in found:
        message = "the answer lists something as refused that is not in the call"
        return Classification(Verdict.UNCONFIRMED, reason="refusal_unknown", message=message)
    by_place = {(one.target, one.key): one for one in found if one is not None}
    people = {target for target, key in by_place if not key}
    refused = (one for (target, key), one in by_place.items() if not key or target not in people)
    return Classification(Verdict.DONE, tuple(refused), names_values=True)


def _refusals(call: Call, body: Any, declared: RefusedList) -> Iterator[Refusal | None]:
    entries = value_at(body, declared.list)
    for entry in entries if isinstance(entries, list) else ():
        target = _target(call, entry, declared)
        if target is None:
            yield None
            continue
        key = value_at(entry, declared.attribute) if declared.attribute else ""
        reason = _word(value_at(entry, declared.reason)) if declared.reason else ""
        known = key if key in call.targets[target].keys else ""
        yield Refusal(target, known, reason or "rejected", _LISTED)


def _target(call: Call, entry: Any, declared: RefusedList) -> int | None:
    """Which person of the call an entry is about."""
    if declared.index is not None:
        index = value_at(entry, declared.index)
        is_index = isinstance(index, int) and not isinstance(index, bool)
        return index if is_index and 0 <= index < len(call.targets) else None
    named = value_at(entry, declared.distinct_id or ".")
    return next((n for n, target in enumerate(call.targets) if target.distinct_id == named), None)


def _word(value: Any) -> str:
    """A code as an API writes it; a sentence could repeat a value, so it is dropped."""
    return value if isinstance(value, str) and re.fullmatch("[A-Za-z][A-Za-z0-9_.-]{0,63}", value) else ""
