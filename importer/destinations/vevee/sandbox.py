"""A simulator of Vevee as its pages describe it."""

import json
import math
from collections.abc import Mapping
from typing import Any

from importer.core.models import Answer
from importer.destinations import simulator
from importer.destinations.base import Definition
from importer.destinations.responses import json_answer
from importer.destinations.simulator import Request
from importer.destinations.vevee.destination import (
    BATCH,
    VALUES,
    Destination,
    Settings,
    _json,
    _result,
    _text,
)


class Sandbox(simulator.Sandbox):
    """Vevee as documented: definitions, choices, subset of multi_choice, archived keys, read-back."""

    simulated_faults = frozenset({"applied_too_high", "foreign_key"})

    def answer(self, request: Request) -> Answer:
        """The answer of one endpoint; 404 for any other path."""
        refused = self._refuse_key(request)
        if refused:
            return refused
        endpoint = _ENDPOINTS.get((request.method, request.path))
        return self._wrapped(endpoint(self, request)) if endpoint else _error(404, "not_found")

    def _wrapped(self, answer: Answer) -> Answer:
        """In the envelope, where the configuration names one: without it, the SDK's shape is the wire's."""
        if not self._envelope or answer.status != _OK:
            return answer
        body = b"{%s:%s}" % (_text(self._envelope).encode(), answer.body)
        return Answer(_OK, answer.headers, body)

    @property
    def _own(self) -> Settings:
        return self.settings if isinstance(self.settings, Settings) else Settings()

    @property
    def _envelope(self) -> str:
        return self._own.envelope if "envelope" in self._own.model_fields_set else ""

    def documented_error(self, name: str) -> Answer | None:
        """`quota` is Vevee's monthly limit: 429 with a code that waiting cannot cure.

        No code is documented for throttling or for a gateway's errors, so those have none here.
        """
        documented = _FAULTS.get(name)
        return _error(*documented) if documented else None

    def simulate(self, name: str, answer: Answer) -> Answer | None:
        """`applied_too_high` counts one too many; `foreign_key` rejects a key nobody sent, the sum right."""
        result = dict(_result(_json(answer.body), self._envelope))
        if answer.status != _OK or "applied" not in result:
            return None
        applied, rejected = result["applied"], result["rejected"]
        if name == "applied_too_high":
            false = {"applied": applied + 1}
        else:
            foreign = {"key": "never_sent", "reason": _INVALID}
            false = {"applied": max(0, applied - 1), "rejected": [*rejected, foreign]}
        return self._wrapped(json_answer(_OK, result | false))

    def distinct_ids(self, request: Request) -> tuple[str, ...]:
        """The one person of a request: in the body, or in the query of a read."""
        person = request.query.get("distinctid") or _field(_json(request.body), "distinctId")
        return (person,) if isinstance(person, str) else ()

    def _refuse_key(self, request: Request) -> Answer | None:
        """A public key reads; it never writes in bulk, and one by one only where the workspace allows it."""
        given = request.headers.get(self._own.auth_header.lower(), "")
        scheme, _, key = given.rpartition(" ")
        if scheme != self._own.auth_scheme:
            return _error(401, "invalid_key")
        if key.startswith("pk_"):
            return _refuse_public_key(request)
        return None if key == self.key else _error(401, "invalid_key")

    def _batch(self, request: Request) -> Answer:
        body = _read_body(request)
        person, attributes = _field(body, "distinctId"), _field(body, "attributes")
        if not _is_distinct_id(person) or not isinstance(attributes, dict):
            return _error(400, "invalid_request")
        verdicts = {key: self._verdict(key, value) for key, value in attributes.items()}
        rejected = [{"key": k, "reason": v} for k, v in verdicts.items() if isinstance(v, str)]
        kept = {k: v[0] for k, v in verdicts.items() if not isinstance(v, str)}
        if kept:
            self.stored.setdefault(person, {}).update(kept)
        result = {"personId": _person_id(person), "applied": len(kept), "rejected": rejected}
        return json_answer(200, result)

    def _single(self, request: Request) -> Answer:
        body = _read_body(request)
        person, key = _field(body, "distinctId"), _field(body, "attribute")
        if not _is_distinct_id(person) or not isinstance(key, str):
            return _error(400, "invalid_request")
        verdict = self._verdict(key, _field(body, "value"))
        if isinstance(verdict, str):
            return _error(400, verdict)
        self.stored.setdefault(person, {})[key] = verdict[0]
        return json_answer(200, {"personId": _person_id(person), "attribute": key, "value": verdict[0]})

    def _read(self, request: Request) -> Answer:
        person = request.query.get("distinctid", "")
        if not _is_distinct_id(person):
            return _error(400, "invalid_request")
        hidden = {key for key, d in self.definitions.items() if d.archived}
        wanted = request.query.get("keys", "").split(",") if request.query.get("keys") else None
        values = {k: v for k, v in self.stored.get(person, {}).items() if k not in hidden}
        if wanted is not None:
            values = {k: v for k, v in values.items() if k in wanted}
        return json_answer(200, {"personId": _person_id(person), "attributes": values})

    def _clear(self, request: Request) -> Answer:
        body = _read_body(request)
        person, key = _field(body, "distinctId"), _field(body, "attribute")
        if not _is_distinct_id(person) or not isinstance(key, str):
            return _error(400, "invalid_request")
        problem = self._undefined(key)
        if problem:
            return _error(400, problem)
        values = self.stored.get(person, {})
        cleared = values.pop(key, None) is not None
        if cleared and not values:
            del self.stored[person]
        return json_answer(200, {"personId": _person_id(person), "attribute": key, "cleared": cleared})

    def _undefined(self, key: str) -> str | None:
        definition = self.definitions.get(key)
        if definition is None:
            return "attribute_not_defined"
        return "attribute_archived" if definition.archived else None

    def _verdict(self, key: str, value: Any) -> str | tuple[Any]:
        """A refusal's reason, or the value that is stored in a tuple of one."""
        problem = self._undefined(key)
        if problem:
            return problem
        return _CHECKS[self.definitions[key].type](self.definitions[key], value)


def _error(status: int, code: str) -> Answer:
    return json_answer(status, {"error": {"code": code, "message": f"sandbox: {code}"}})


def _refuse_public_key(request: Request) -> Answer | None:
    if request.method == "GET":
        return None
    bulk = request.path == BATCH
    return _error(403, "requires_secret_key" if bulk else "client_attribute_writes_disabled")


def _read_body(request: Request) -> Any:
    """The body as strict JSON: NaN and halves of surrogate pairs, which Python would take, make it None."""
    try:
        body = json.loads(request.body, parse_constant=_refuse_constant)
        if b"\\u" in request.body:
            json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return body


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _field(body: Any, name: str) -> Any:
    return body.get(name) if isinstance(body, dict) else None


def _is_distinct_id(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= Destination.distinct_id_max


def _person_id(distinct_id: str) -> str:
    return f"person_{distinct_id}"


_OK = 200
_INVALID = "attribute_value_invalid"

_FAULTS: Mapping[str, tuple[int, str]] = {
    "quota": (429, "workspace_limit_reached"),
    "401": (401, "invalid_key"),
    "403": (403, "client_attribute_writes_disabled"),
    "404": (404, "not_found"),
    "500": (500, "internal_error"),
    "501": (501, "not_implemented"),
}
"""The documented codes (docs/errors) that the sandbox can be asked for."""


def _check_text(definition: Definition, value: Any) -> str | tuple[Any]:
    if not isinstance(value, str) or not value:
        return _INVALID
    if definition.max_length and len(value) > definition.max_length:
        return "attribute_value_too_long"
    return (value,)


def _check_single(definition: Definition, value: Any) -> str | tuple[Any]:
    known = isinstance(value, str) and (definition.allow_custom or value in definition.options)
    return _check_text(definition, value) if known else _INVALID


def _check_multi(definition: Definition, value: Any) -> str | tuple[Any]:
    """Off-list options are dropped without a word; with none left the value is invalid.

    Vevee does not document an empty list: here it is stored.
    """
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        return _INVALID
    kept = [v for v in value if definition.allow_custom or v in definition.options]
    return (kept,) if kept or not value else _INVALID


def _check_number(definition: Definition, value: Any) -> str | tuple[Any]:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return _INVALID
    low, high = definition.min, definition.max
    fits = (low is None or value >= low) and (high is None or value <= high)
    fits = fits and abs(value) != math.inf  # 1e999 is valid JSON
    return (value,) if fits else _INVALID


def _check_boolean(definition: Definition, value: Any) -> str | tuple[Any]:
    return (value,) if isinstance(value, bool) else _INVALID


_CHECKS = {
    "free_text": _check_text,
    "single_choice": _check_single,
    "multi_choice": _check_multi,
    "number": _check_number,
    "boolean": _check_boolean,
    "date": _check_text,
    "datetime": _check_text,
}

_ENDPOINTS = {
    ("POST", BATCH): Sandbox._batch,
    ("POST", VALUES): Sandbox._single,
    ("GET", VALUES): Sandbox._read,
    ("DELETE", VALUES): Sandbox._clear,
}
SANDBOX = Sandbox
