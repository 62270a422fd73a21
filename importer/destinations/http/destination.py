"""A declared HTTP API: the configuration says how a call looks and what its answers mean.

A call that is refused as a whole goes out again in parts, first of people, then of one person's values, until
the one at fault is found: the declaration says nothing of what a refusal is about.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

from importer.core.models import (
    SEPARATOR,
    Answer,
    Call,
    Classification,
    Encoding,
    Part,
    Target,
    Update,
    Verdict,
)
from importer.destinations import base, value_search
from importer.destinations.http import answers, template
from importer.destinations.http.settings import Settings

_PEOPLE_SEPARATOR = "\x1e"
"""Stands between the members of two people in a call's context. JSON text holds no raw control character."""

_MESSAGES = value_search.Messages(
    "refused, alone, without a reason that the configuration declares",
    "every value was refused, each alone, so it is the person or the form of the call",
)


class Destination(base.Destination):
    """An API by its declaration: `done` confirms a call, but for what the answer lists as refused."""

    name = "http"
    confirms = "call"
    default_base_url = ""
    distinct_id_max = 255
    requests_per_second = 10
    splits = True
    settings_type: ClassVar[type[base.Settings]] = Settings

    def __init__(self, settings: base.Settings, definitions: Sequence[base.Definition]) -> None:
        super().__init__(settings, definitions)
        assert isinstance(settings, Settings)
        self._own = settings
        self.people_per_call = settings.people_per_call
        self.clears = settings.clear_as is not None
        self.distinct_id_max = settings.distinct_id_max  # type: ignore[misc] # known only with the settings
        self.encoding = Encoding(
            date=settings.date_format,
            datetime=settings.datetime_format,
            datetime_utc=settings.datetime_utc_format,
        )
        self._body = template.compiled(settings.body)
        self._person = None if settings.person is None else template.compiled(settings.person)

    def problems(self) -> Iterable[str]:
        """A declared API sets values, and clears them where it is declared how."""
        yield from (f"destination.{problem}" for problem in self._own.problems())
        structure = self._own.body if self._own.person is None else self._own.person
        neighbours = template.neighbours(structure)
        for d in self.definitions:
            if d.operation != "set":
                yield f'attributes.{d.key}.operation: http has "set" only'
            if d.blank == "clear" and not self.clears:
                yield f'attributes.{d.key}.blank: needs destination.clear_as, which says how; or take "skip"'
            if d.key in neighbours:
                yield f"attributes.{d.key}: the declared call has another member of this name beside it"

    def key_problem(self, key: str) -> str | None:
        """The scheme Basic takes a name and a password."""
        if self._is_basic and ":" not in key:
            return "expected a name and a password, joined by a colon, for auth_scheme = Basic."
        return None

    @property
    def _is_basic(self) -> bool:
        return self._own.auth_scheme.lower() == "basic"

    def headers(self, key: str) -> Mapping[str, str]:
        """The key in its header, the declared headers that hold no secret, JSON both ways."""
        shown = base64.b64encode(key.encode()).decode() if self._is_basic else key
        plain = {k: v for k, v in self._own.headers.items() if k not in self._own.secret_headers}
        return {
            self._own.auth_header: f"{self._own.auth_scheme} {shown}".strip(),
            "Content-Type": "application/json",
            "Accept": "application/json",
            **plain,
        }

    def secret_headers(self) -> Mapping[str, str]:
        """The declared headers that are references."""
        return self._own.secret_headers

    def calls_at_most(self, people: int, clears: int) -> int:
        """What is cleared goes out in calls of its own."""
        groups = -(-people // self.people_per_call)
        return groups + min(groups, clears)

    def calls(self, updates: Sequence[Update]) -> Sequence[Call]:
        """Calls of several people, as far as they fit; one with a doubtful value goes alone.

        What is cleared of the people goes out after that: one call has each person once.
        """
        parts = [(u, part) for u in updates for part in u.parts]
        sets = [(_target(u, p), p.members) for u, p in parts if p.operation == "set" and not u.doubtful]
        alone = [self._alone(u, p) for u, p in parts if p.operation == "set" and u.doubtful]
        clears = [(_target(u, p), self._clearing(p.keys)) for u, p in parts if p.operation == "clear"]
        together, after = ([self._call(group) for group in self._groups(e)] for e in (sets, clears))
        return [*together, *alone, *after]

    def _alone(self, update: Update, part: Part) -> Call:
        return value_search.first_call(update, part, partial(self._carrying, update.distinct_id))

    def _clearing(self, keys: Sequence[str]) -> str:
        """The members that remove the values of these attributes."""
        value = "null" if self._own.clear_as == "null" else '""'
        return SEPARATOR.join(f"{json.dumps(key, ensure_ascii=False)}:{value}" for key in keys)

    def _groups(self, entries: Sequence[tuple[Target, str]]) -> Iterator[Sequence[tuple[Target, str]]]:
        """People in groups, each at most `people_per_call` and about `body_bytes_max` long."""
        group: list[tuple[Target, str]] = []
        room = 0
        for target, members in entries:
            size = len(self._entry(target.distinct_id, members).encode()) + 1
            if group and (len(group) == self.people_per_call or size > room):
                yield group
                group = []
            if not group:
                room = self._own.body_bytes_max - len(self._text("").encode())
            group.append((target, members))
            room -= size
        if group:
            yield group

    def _call(self, people: Sequence[tuple[Target, str]]) -> Call:
        entries = ",".join(self._entry(target.distinct_id, members) for target, members in people)
        context = _PEOPLE_SEPARATOR.join(members for _, members in people)
        return replace(self._sent(entries), targets=tuple(target for target, _ in people), context=context)

    def _carrying(self, distinct_id: str, members: str) -> Call:
        """A call that carries some values of one person; its targets are not set."""
        return self._sent(self._entry(distinct_id, members))

    def _sent(self, entries: str) -> Call:
        return Call(self._own.method, self._own.path, self._text(entries).encode(), ())

    def _text(self, entries: str) -> str:
        """The body; where `person` is not declared, the one entry is the body itself."""
        return self._body.fill({template.PEOPLE: entries}) if self._person else entries

    def _entry(self, distinct_id: str, members: str) -> str:
        values = {
            template.DISTINCT_ID: json.dumps(distinct_id, ensure_ascii=False),
            template.ATTRIBUTES: members.replace(SEPARATOR, ","),
        }
        return (self._person or self._body).fill(values)

    def classify(self, call: Call, answer: Answer) -> Classification:
        """By the declared answers; a refused call goes out again in parts."""
        found = answers.classify(call, answer, self._own)
        if found.verdict is Verdict.REFUSED and len(call.context.split(_PEOPLE_SEPARATOR)) > 1:
            return Classification(
                Verdict.CONTINUE, reason=found.reason, message="", follow_up=self._halves(call)
            )
        is_search = call.context.startswith("{") or found.verdict is Verdict.REFUSED
        if not is_search or found.verdict not in (Verdict.DONE, Verdict.REFUSED):
            return found
        accepted = found.verdict is Verdict.DONE and not found.refused
        build = partial(self._carrying, call.targets[0].distinct_id)
        return value_search.settle(call, answer.status, _MESSAGES, build, accepted=accepted)

    def _halves(self, call: Call) -> tuple[Call, Call]:
        people = list(zip(call.targets, call.context.split(_PEOPLE_SEPARATOR), strict=True))
        middle = (len(people) + 1) // 2
        return self._call(people[:middle]), self._call(people[middle:])


def _target(update: Update, part: Part) -> Target:
    return Target(update.person, update.distinct_id, part.operation, part.keys)


DESTINATION = Destination
