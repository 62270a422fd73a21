"""A simulator of Attentive as its pages describe it."""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from importer.core.models import Answer
from importer.destinations import simulator
from importer.destinations.attentive.destination import Destination
from importer.destinations.attentive.endpoints import (
    ACCEPTED,
    BAD_REQUEST,
    BULK,
    BULK_ATTRIBUTES_MAX,
    CUSTOM,
    JOB,
    ME,
    NAME_MAX,
    NOT_FOUND,
    OK,
    RECORD_MAX,
    USERS_MAX,
)
from importer.destinations.attentive.fields import FIELDS
from importer.destinations.responses import json_answer, json_of
from importer.destinations.simulator import Request

# ---------------------------------------------------------------- the other side


RESULTS = "/bulk-results/"
POLLS = 2
"""The sandbox's jobs are done when they are asked for the second time."""


@dataclass
class _Job:
    records: list[Any]
    polls: int = 0
    lines: list[Any] = field(default_factory=list)


@dataclass
class Sandbox(simulator.Sandbox):
    """Attentive as documented: types fixed by the first value, refusals without a word, jobs that take time.

    People are stored under their client user id, else under what names them. A `single_choice` of the
    configuration is a name made in Attentive's own pages, with a fixed list of values; an archived one has a
    list that none of ours is in.
    """

    demo_lacks: ClassVar[Literal["undefined", "archived"]] = "archived"
    simulated_faults: ClassVar[frozenset[str]] = frozenset({"job_open", "results_lost"})

    _names: dict[tuple[str, str], str] = field(default_factory=dict)
    _types: dict[str, str] = field(default_factory=dict)
    _jobs: dict[str, _Job] = field(default_factory=dict)
    _second: tuple[int, int] = (0, 0)

    def answer(self, request: Request) -> Answer:
        """The answer of one endpoint; 404 for any other path."""
        answer = self._answer(request)
        return replace(answer, headers={**answer.headers, **self._limits()})

    def _answer(self, request: Request) -> Answer:
        if request.path.startswith(RESULTS):
            return self._results(request)
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return _error(401)
        if request.path.startswith(JOB):
            return self._status(request)
        endpoint = _ENDPOINTS.get((request.method, request.path))
        return endpoint(self, request) if endpoint else _error(NOT_FOUND)

    def _limits(self) -> Mapping[str, str]:
        """The limit and what is left of this second, where one is in force."""
        if not self.limit:
            return {}
        now, (second, count) = int(time.time()), self._second
        self._second = (now, count + 1 if now == second else 1)
        left = max(0, int(self.limit) - self._second[1])
        return {"x-ratelimit-limit": str(int(self.limit)), "x-ratelimit-remaining": str(left)}

    def documented_error(self, name: str) -> Answer | None:
        """The documented statuses; how a used-up quota is answered is not documented."""
        return _error(int(name)) if name.isdecimal() and int(name) in _STATUS_WORDS else None

    def simulate(self, name: str, answer: Answer) -> Answer | None:
        """`job_open`: a finished job is said to go on. `results_lost`: half of the results are missing."""
        if name == "results_lost":
            lines = answer.body.splitlines(keepends=True)
            is_results = answer.headers.get("content-type") == _LINES
            return replace(answer, body=b"".join(lines[::2])) if is_results else None
        body = json_of(answer.body)
        if not isinstance(body, dict) or body.get("status") != "COMPLETED":
            return None
        return json_answer(OK, body | {"status": "IN_PROGRESS", "url": ""})

    def distinct_ids(self, request: Request) -> tuple[str, ...]:
        """The people of a request, by the names they are stored under."""
        body = json_of(request.body)
        if not isinstance(body, dict):
            return ()
        users = body.get("users")
        if not isinstance(users, list):
            return tuple(map(self._person, filter(None, [_names_of(body.get("user"))])))
        named = (_names_of(r.get("identifiers"), bulk=True) for r in users if isinstance(r, dict))
        return tuple(map(self._person, filter(None, named)))

    def _person(self, names: Sequence[tuple[str, str]]) -> str:
        """What somebody is stored under: as one of their names is known, else by the best of them."""
        return next(self._known(names), dict(names).get("clientUserId") or names[0][1])

    def _known(self, names: Sequence[tuple[str, str]]) -> Iterator[str]:
        return (self._names[name] for name in names if name in self._names)

    def _me(self, _: Request) -> Answer:
        return json_answer(OK, {"companyName": "Sandbox"})

    def _set(self, request: Request) -> Answer:
        body = json_of(request.body)
        if not isinstance(body, dict) or set(body) != {"properties", "user"}:
            return _error(BAD_REQUEST)
        names = _names_of(body["user"])
        if names is None or not isinstance(body["properties"], dict):
            return _error(BAD_REQUEST)
        if not any(kind in ("phone", "email") or (kind, text) in self._names for kind, text in names):
            return _error(NOT_FOUND)  # an external id that was never seen beside a phone or an e-mail
        return json_answer(OK, {}) if self._store(names, body["properties"]) else _error(BAD_REQUEST)

    def _store(self, names: Sequence[tuple[str, str]], properties: Mapping[str, Any]) -> bool:
        """All of them, or none."""
        kinds = {name: _kind(value) for name, value in properties.items()}
        if not all(self._takes(name, value, kinds[name]) for name, value in properties.items()):
            return False
        for name, kind in kinds.items():
            self._types.setdefault(name, str(kind))
        person = self._person(names)
        self._names |= dict.fromkeys(names, person)
        self.stored.setdefault(person, {}).update(properties)
        return True

    def _takes(self, name: str, value: Any, kind: str | None) -> bool:
        if kind is None or not 0 < len(name) <= NAME_MAX:
            return False
        declared = self.definitions.get(name)
        if declared and declared.archived:
            return False
        if declared and declared.type == "single_choice" and not declared.allow_custom:
            return value in declared.options
        return self._types.get(name, kind) in (kind, "text")

    def _read(self, request: Request) -> Answer:
        asked = [(kind, request.query[kind]) for kind in ("phone", "email") if kind in request.query]
        if len(asked) != 1:
            return _error(BAD_REQUEST)
        person = next(self._known(asked), None)
        if person is None:
            return _error(NOT_FOUND)
        return json_answer(OK, [{"name": k, "value": _as_text(v)} for k, v in self.stored[person].items()])

    def _submit(self, request: Request) -> Answer:
        body = json_of(request.body)
        users = body.get("users") if isinstance(body, dict) and set(body) == {"users"} else None
        if not isinstance(users, list) or not 0 < len(users) <= USERS_MAX:
            return _error(BAD_REQUEST)
        job = f"job-{len(self._jobs) + 1:06}"
        self._jobs[job] = _Job(users)
        return json_answer(ACCEPTED, {"message": "Accepted", "batchJobId": job})

    def _status(self, request: Request) -> Answer:
        name = request.path.removeprefix(JOB)
        job = self._jobs.get(name)
        if job is None or request.method != "GET":
            return _error(NOT_FOUND)
        job.polls += 1
        if job.polls == POLLS:
            job.lines = [{"request": r, "response": {"status": self._write(r)}} for r in job.records]
        done = job.polls >= POLLS
        url = f"http://{request.headers.get('host', '')}{RESULTS}{name}" if done else ""
        status = "COMPLETED" if done else "IN_PROGRESS"
        total = len(job.records)
        return json_answer(OK, {"bulkJobId": name, "status": status, "totalRecords": total, "url": url})

    def _write(self, record: Any) -> int:
        """The status of one record."""
        if len(json.dumps(record, ensure_ascii=False).encode()) > RECORD_MAX:
            return 413
        names = _names_of(record.get("identifiers") if isinstance(record, dict) else None, bulk=True)
        attributes = record.get("attributes") if isinstance(record, dict) else None
        if names is None or not isinstance(attributes, dict):
            return BAD_REQUEST
        custom = attributes.get("custom", {})
        if not isinstance(custom, dict) or len(custom) > BULK_ATTRIBUTES_MAX:
            return BAD_REQUEST
        named = self._named(attributes)
        if named is None or not self._store(names, custom):
            return BAD_REQUEST
        self.stored.setdefault(self._person(names), {}).update(named)
        return OK

    def _named(self, attributes: Mapping[str, Any]) -> dict[str, Any] | None:
        """The standard fields of a record by the keys of their attributes; None where one does not fit."""
        keys = {d.field: key for key, d in self.definitions.items() if d.field}
        found: dict[str, Any] = {}
        for name, value in _flat({k: v for k, v in attributes.items() if k != "custom"}):
            is_right = isinstance(value, int) if name == "demographic.age" else isinstance(value, str)
            if name not in FIELDS or not is_right:
                return None
            found[keys.get(name, name)] = value
        return found

    def _results(self, request: Request) -> Answer:
        """As a store of files behind a signed address: it refuses a request that brings a key."""
        job = self._jobs.get(request.path.removeprefix(RESULTS))
        if job is None or not job.lines:
            return _error(NOT_FOUND)
        if "authorization" in request.headers:
            return _error(BAD_REQUEST)
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in job.lines)
        return Answer(OK, {"content-type": _LINES}, text.encode())


_LINES = "application/x-ndjson"
_BULK_IDS = ("clientUserId", "shopifyId", "klaviyoId")

_STATUS_WORDS: Mapping[int, str] = {
    400: "Invalid parameter in request query or body",
    401: "Unauthorized",
    403: "Access Denied",
    404: "The specified resource was not found",
    429: "The user has sent too many requests in a given amount of time",
    500: "Internal Server Error",
}


def _error(status: int) -> Answer:
    """The documented word of a status, and never what was wrong."""
    return json_answer(status, {"message": _STATUS_WORDS[status]})


def _flat(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in attributes.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", one) for inner, one in value.items())
        else:
            yield name, value


def _names_of(user: Any, *, bulk: bool = False) -> list[tuple[str, str]] | None:
    """What a user object names, as (kind, text); None where it is not one."""
    if not isinstance(user, dict):
        return None
    ids = user if bulk else user.get("externalIdentifiers", {})
    direct = {"phone", "email", *_BULK_IDS, "customIdentifiers"} if bulk else {"phone", "email"}
    allowed = direct if bulk else {*direct, "externalIdentifiers"}
    if not user or set(user) - allowed or not isinstance(ids, dict):
        return None
    if not bulk and set(ids) - {"clientUserId", "customIdentifiers"}:
        return None
    names = [(kind, user.get(kind)) for kind in ("phone", "email")]
    names += [(kind, ids.get(kind)) for kind in _BULK_IDS]
    name = "key" if bulk else "name"
    for one in ids.get("customIdentifiers", ()):
        if not isinstance(one, dict) or set(one) != {name, "value"}:
            return None
        names.append((f"custom {one[name]}", one["value"]))
    found = [(kind, text) for kind, text in names if text is not None]
    return found if found and all(_is_name(*one) for one in found) else None


def _is_name(kind: str, text: Any) -> bool:
    if not isinstance(text, str) or not 0 < len(text) <= Destination.distinct_id_max:
        return False
    return kind != "phone" or re.fullmatch(r"\+[1-9][0-9]{6,14}", text) is not None


def _kind(value: Any) -> str | None:
    """What a value is taken for, by its content; None where it is no scalar, or empty."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if not isinstance(value, str) or not value:
        return None
    if re.fullmatch(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", value):
        return "number"
    if value.lower() in ("true", "false"):
        return "boolean"
    return "date" if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?", value, re.DOTALL) else "text"


def _as_text(value: Any) -> str:
    return str(value).upper() if isinstance(value, bool) else str(value)


_ENDPOINTS = {
    ("GET", ME): Sandbox._me,
    ("POST", CUSTOM): Sandbox._set,
    ("GET", CUSTOM): Sandbox._read,
    ("POST", BULK): Sandbox._submit,
}
SANDBOX = Sandbox
