"""A simulator of a declared API: it reads a call by the declared structure and answers by the declared rules.

It can only show that a declaration agrees with itself. Whether it agrees with the API, its documents say:
`tests/contract/golden/` compares the examples with them.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, cast

from importer.core.models import Answer
from importer.destinations import simulator
from importer.destinations.base import Definition
from importer.destinations.http import template
from importer.destinations.http.destination import Destination
from importer.destinations.http.json_path import with_value
from importer.destinations.http.settings import AnswerRule, RefusedList, Settings
from importer.destinations.responses import json_answer, json_of
from importer.destinations.simulator import Request

Person = tuple[str, Mapping[str, Any]]
"""A distinct id and its attributes."""


class Sandbox(simulator.Sandbox):
    """Stores what fits the declared attributes. A value that does not fit is refused as `refused` declares.

    Without such a list it refuses the whole call with 400.
    """

    default_key: ClassVar[str] = "sandbox:key"

    @property
    def _own(self) -> Settings:
        return cast(Settings, self.settings)

    def answer(self, request: Request) -> Answer:
        """404 for another method or path, 401 for another key, 400 for a body of another structure."""
        if (request.method, request.path) != (self._own.method, self._own.path):
            return json_answer(404, {"error": "not_found"})
        if not self._has_key(request):
            return json_answer(401, {"error": "unauthorized"})
        people = self._people(json_of(request.body))
        if people is None:
            return json_answer(400, {"error": "malformed"})
        bad = [
            (n, key) for n, (_, values) in enumerate(people) for key in values if not self._fits(key, values)
        ]
        if bad and not self._own.refused:
            return json_answer(400, {"error": "invalid"})
        names_values = bool(bad) and self._own.refused[0].attribute is not None
        for n, (distinct_id, values) in enumerate(people):
            self._store(distinct_id, values, {key for at, key in bad if at == n}, names_values=names_values)
        return _answer(self._own, people, bad)

    def _has_key(self, request: Request) -> bool:
        expected = Destination(self._own, ()).headers(self.key)[self._own.auth_header]
        return request.headers.get(self._own.auth_header.lower()) == expected

    def _people(self, body: Any) -> list[Person] | None:
        """The people of a body; None where it is not of the declared structure."""
        if self._own.person is None:
            entries: Any = [body]
            structure = self._own.body
        else:
            entries = (template.read(self._own.body, body) or {}).get(template.PEOPLE)
            structure = self._own.person
        if not isinstance(entries, list) or not 1 <= len(entries) <= self._own.people_per_call:
            return None
        found = [template.read(structure, entry) for entry in entries]
        people = [(f[template.DISTINCT_ID], f[template.ATTRIBUTES]) for f in found if f is not None]
        whole = all(isinstance(person, str) and isinstance(values, dict) for person, values in people)
        return people if whole and len(people) == len(entries) else None

    def _fits(self, key: str, values: Mapping[str, Any]) -> bool:
        definition = self.definitions.get(key)
        if definition is None or definition.archived:
            return False
        return self._is_clear(values[key]) or _is_of(definition, values[key])

    def _is_clear(self, value: Any) -> bool:
        """Whether it stands for a value that is to be removed."""
        return (self._own.clear_as, value) in (("null", None), ("empty_text", ""))

    def _store(
        self, distinct_id: str, values: Mapping[str, Any], bad: set[str], *, names_values: bool
    ) -> None:
        """All values of a person but the bad ones, or none where the API refuses whole people."""
        kept = {key: value for key, value in values.items() if key not in bad}
        if not kept or (bad and not names_values):
            return
        stored = self.stored.setdefault(distinct_id, {})
        stored.update(kept)
        for key in [key for key, value in kept.items() if self._is_clear(value)]:
            del stored[key]

    def distinct_ids(self, request: Request) -> tuple[str, ...]:
        """The people of a body."""
        return tuple(person for person, _ in self._people(json_of(request.body)) or ())


def _is_of(definition: Definition, value: Any) -> bool:
    """Whether a value has the JSON type of its declaration, and is one of its options."""
    if definition.type == "boolean":
        return isinstance(value, bool)
    if definition.type == "number" and definition.send_as != "text":
        return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    if definition.type == "multi_choice" and definition.join is None:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    free = definition.type != "single_choice" or definition.allow_custom
    return isinstance(value, str) and (free or value in definition.options)


def _answer(settings: Settings, people: Sequence[Person], bad: Sequence[tuple[int, str]]) -> Answer:
    """A success by the first rule that declares one; with `bad`, by the one that shows the list."""
    done = [rule for rule in settings.answers if rule.means == "done"]
    if not bad:
        plain = next((rule for rule in done if rule.compares or rule.path is None), done[0])
        return json_answer(_status(plain), _body(plain))
    declared = settings.refused[0]
    rule = next((rule for rule in done if rule.path == declared.list), done[0])
    body = with_value(_body(rule), declared.list, list(_entries(declared, people, bad)))
    return json_answer(_status(rule), body)


def _status(rule: AnswerRule) -> int:
    return int(rule.status[0].replace("xx", "00"))


def _body(rule: AnswerRule) -> Any:
    return with_value({}, rule.path, rule.equals if rule.compares else []) if rule.path else {}


def _entries(
    declared: RefusedList, people: Sequence[Person], bad: Sequence[tuple[int, str]]
) -> Iterator[Any]:
    """An entry for each bad value, or for each person where the list names no values."""
    places = bad if declared.attribute else [(n, "") for n in dict.fromkeys(n for n, _ in bad)]
    for n, key in places:
        entry: Any = {}
        if declared.index is not None:
            entry = with_value(entry, declared.index, n)
        elif declared.distinct_id is not None:
            entry = with_value(entry, declared.distinct_id, people[n][0])
        if declared.attribute:
            entry = with_value(entry, declared.attribute, key)
        if declared.reason:
            entry = with_value(entry, declared.reason, "invalid")
        yield entry


SANDBOX = Sandbox
