"""A simulator of EngageLab as its pages describe it."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import Any

from importer.core.models import Answer
from importer.destinations import base, simulator
from importer.destinations.base import Definition
from importer.destinations.engagelab.contacts import CONTACT, CONTACTS
from importer.destinations.engagelab.destination import (
    EUID_MAX,
    IDS_PER_CALL,
    PROPERTY,
    REGISTER,
    Destination,
    Settings,
)
from importer.destinations.responses import json_answer, json_of
from importer.destinations.simulator import Request

# ------------------------------------------------------------------- the vendor's side

_FIRST_EUID = (1 << 53) + 1
"""The first integer that a float cannot hold: a program that treats an euid as a float fails in tests."""

_STRIDE = 1_000_003
_KEY_HEADER = "authorization"


@dataclass
class Sandbox(simulator.Sandbox):
    """EngageLab as documented: register makes people, one call is one operation, 0 may mean part of it."""

    simulated_faults = frozenset({"drops_one", "refuses_whole", "resolves_part"})
    demo_faults = ("refuses_whole",)
    default_key = "sandbox:secret"
    euids: dict[str, int] = field(default_factory=dict)
    ids: dict[int, str] = field(default_factory=dict)
    _undo: list[tuple[str, str, Any]] = field(default_factory=list)
    _invalid: bool = False

    def answer(self, request: Request) -> Answer:
        """The answer of one endpoint; 404 for any other path, 405 for another method."""
        self._undo, self._invalid = [], False
        if not self._knows_key(request):
            return _coded(40050, 401)
        body = _read_body(request.body)
        if request.path not in (REGISTER, PROPERTY, CONTACT):
            return json_answer(404, {"message": "not found"})
        if request.method != "POST" or not isinstance(body, dict):
            return _coded(55004)
        if request.path == CONTACT:
            return self._contact(body)
        return self._register(body) if request.path == REGISTER else self._property(body)

    def documented_error(self, name: str) -> Answer | None:
        """401 and 500 carry the documented codes; nothing is documented of quotas."""
        documented = {"401": (40050, 401), "500": (-1, 500)}
        return _coded(*documented[name]) if name in documented else None

    def simulate(self, name: str, answer: Answer) -> Answer | None:
        """What the documentation leaves possible and an importer has to live with.

        `drops_one`: one property was not stored, and 0 is answered all the same. `refuses_whole`: one invalid
        property sinks the call. `resolves_part`: an id is left out.
        """
        data = json.loads(answer.body)
        if name == "resolves_part" and data.get("data"):
            return json_answer(answer.status, data | {"data": data["data"][:-1]})
        if name == "drops_one" and self._undo:
            self._store(*self._undo.pop())
            return answer
        if name == "refuses_whole" and self._invalid:
            for written in self._undo:
                self._store(*written)
            return _coded(55102)
        return None

    def distinct_ids(self, request: Request) -> tuple[str, ...]:
        """The people of a call: those to register, or the one whose euid it names."""
        body = json_of(request.body)
        if not isinstance(body, dict):
            return ()
        if request.path == REGISTER:
            values = body.get("identity_values")
            return tuple(values) if isinstance(values, list) else ()
        person = self._person(body.get("euid"))
        return (person,) if person is not None else ()

    def _knows_key(self, request: Request) -> bool:
        scheme, _, text = request.headers.get(_KEY_HEADER, "").partition(" ")
        try:
            return scheme == "Basic" and base64.b64decode(text, validate=True).decode() == self.key
        except (binascii.Error, UnicodeDecodeError):
            return False

    def _register(self, body: Mapping[str, Any]) -> Answer:
        name, values = body.get("identity_name"), body.get("identity_values")
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            return _coded(55004)
        code = _refused_ids(name, values)
        if code:
            return _coded(code)
        found = [{"identity_value": v, "euid": self._euid_of(v)} for v in dict.fromkeys(values)]
        return json_answer(200, {"code": 0, "message": "success", "data": found[::-1]})

    def _euid_of(self, value: str) -> int:
        if value not in self.euids:
            self.add_person(value, _FIRST_EUID + _STRIDE * len(self.euids))
        return self.euids[value]

    def add_person(self, distinct_id: str, resolved_id: int) -> None:
        """A person who is there already."""
        self.euids[distinct_id] = resolved_id
        self.ids[resolved_id] = distinct_id

    def _property(self, body: Mapping[str, Any]) -> Answer:
        euid, kind, properties = body.get("euid"), body.get("type"), body.get("properties")
        if euid is None:
            return _coded(40007)
        person = self._person(euid)
        if person is None:
            return _coded(55108)
        if kind not in _OPERATIONS or not isinstance(properties, dict) or not properties:
            return _coded(55004)
        if any(v in ("", None) or v == [] for v in properties.values()):
            return _coded(55103)
        for key, value in properties.items():
            self._write(person, str(kind), key, value)
        return _coded(0) if self._undo else _coded(55102)

    def _contact(self, body: Mapping[str, Any]) -> Answer:
        """Stores contacts under the keys of their attributes; one that another person has sinks the call."""
        euid, named = body.get("euid"), body.get("contacts")
        if euid is None:
            return _coded(40007)
        person = self._person(euid)
        if person is None:
            return _coded(55108)
        keys = {d.field: key for key, d in self.definitions.items() if d.field}
        if not isinstance(named, dict) or not named.keys() <= keys.keys() & set(CONTACTS) or not named:
            return _coded(55004)
        if not all(isinstance(value, str) and value for value in named.values()):
            return _coded(55004)
        others = [values for one, values in self.stored.items() if one != person]
        contacts = {keys[name]: value for name, value in named.items()}
        if any(values.get(key) == value for key, value in contacts.items() for values in others):
            return _coded(55014)
        for key, value in contacts.items():
            self._undo.append((person, key, self.stored.get(person, {}).get(key)))
            self._store(person, key, value)
        return _coded(0)

    def _person(self, euid: Any) -> str | None:
        """Whose number it is. Where the list brings the numbers, each that could be one is somebody's."""
        if isinstance(euid, bool) or not isinstance(euid, int):
            return None
        settings = self.settings
        brings = isinstance(settings, Settings) and settings.euid and 0 < euid <= EUID_MAX
        return self.ids.get(euid, str(euid) if brings else None)

    def _write(self, person: str, kind: str, key: str, value: Any) -> None:
        """Writes one property, or leaves it alone where its name or its value is invalid."""
        definition = self.definitions.get(key)
        before = self.stored.get(person, {}).get(key)
        after = None
        if definition and not definition.archived:
            after = _OPERATIONS[kind](definition, before, value, self.settings)
        if after is None:
            self._invalid = True
            return
        self._undo.append((person, key, before))
        self._store(person, key, after[0])

    def _store(self, person: str, key: str, value: Any) -> None:
        """Stores a value; None removes it, and a person without values is removed."""
        values = self.stored.setdefault(person, {})
        values[key] = value
        if value is None:
            del values[key]
        if not values:
            del self.stored[person]


def _coded(code: int, status: int = 200) -> Answer:
    """A code as the documentation shows it; with which status it comes is not documented."""
    return json_answer(status, {"code": code, "message": "success" if code == 0 else f"sandbox: {code}"})


def _refused_ids(name: Any, values: Sequence[str]) -> int:
    if name not in ("user_id", "anonymous_id", "registration_id"):
        return 55106
    if len(values) > IDS_PER_CALL:
        return 55101
    if not all(values):
        return 55107
    return 55105 if max(map(len, values), default=0) > Destination.distinct_id_max else 0


def _read_body(body: bytes) -> Any:
    """Strict JSON, numbers exactly as they stand; None where it is not."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        return json.loads(body, parse_float=Decimal, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None


_EXACT = Context(prec=2000)

Stored = tuple[Any] | None
"""What is stored afterwards, None inside where nothing is; None = the value is invalid."""


def _set(definition: Definition, _: Any, value: Any, settings: base.Settings) -> Stored:
    return (value,) if _fits(definition, value, settings) else None


def _fits(definition: Definition, value: Any, settings: base.Settings) -> bool:
    if definition.type == "multi_choice":
        return isinstance(value, list) and all(isinstance(v, str) for v in value)
    if definition.type == "boolean":
        ones = isinstance(settings, Settings) and settings.booleans == "one_zero"
        return value in (0, 1) and isinstance(value, bool) is not ones
    if definition.type == "number":
        return isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    return isinstance(value, str)


def _increase(definition: Definition, before: Any, value: Any, settings: base.Settings) -> Stored:
    fits = definition.type == "number" and _fits(definition, value, settings)
    return (_EXACT.add(Decimal(before or 0), Decimal(value)),) if fits else None


def _add(definition: Definition, before: Any, value: Any, settings: base.Settings) -> Stored:
    fits = definition.type == "multi_choice" and _fits(definition, value, settings)
    return (list(dict.fromkeys([*(before or []), *value])),) if fits else None


def _remove(definition: Definition, before: Any, value: Any, settings: base.Settings) -> Stored:
    fits = definition.type == "multi_choice" and _fits(definition, value, settings)
    return ([v for v in before or [] if v not in value] or None,) if fits else None


def _delete(*_: Any) -> Stored:
    return (None,)


_OPERATIONS: Mapping[str, Callable[[Definition, Any, Any, base.Settings], Stored]] = {
    "set": _set,
    "increase": _increase,
    "add": _add,
    "remove": _remove,
    "delete": _delete,
}
SANDBOX = Sandbox
