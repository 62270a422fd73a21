"""EngageLab: ids are registered a hundred at a time, a call writes one person's properties of one operation.

Sources, read 2026-11-24 (own words; what is not documented is a setting); below
https://www.engagelab.com/docs/marketing-automation/
set attributes   rest-api/attribu-setup                operations, codes; 0 is all of a call or part of it
get euid         rest-api/get-euid                     100 ids of 256 characters; 0 is all of them or part
overview         rest-api/overview-guide               hosts
contribute       console/data-management/contribute    types
"""

import base64
import binascii
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import Any, ClassVar, Literal

from importer.destinations import base
from importer.destinations.base import (
    TRANSIENT_STATUS,
    Definition,
    IdentityField,
    Request,
    contradiction,
    json_answer,
    json_of,
)
from importer.models import (
    ALL_APPLIED,
    SEPARATOR,
    Answer,
    Call,
    Decision,
    Encoding,
    Judgement,
    Part,
    Refusal,
    RunWarning,
    Target,
    Update,
)

REGISTER = "/v1/user/register"
PROPERTY = "/v1/user/property"

IDS_PER_CALL = 100
EUID_MAX = (1 << 63) - 1
HOSTS: Mapping[str, str] = {
    "singapore": "https://ma-api.engagelab.com",
    "virginia": "https://ma-api-usva.engagelab.com",
}
"""A project lives in one of the two data centres."""

NAME = re.compile(r"[a-z][a-z0-9_]*")
"""What a sister product asks of a name; EngageLab says only that there are rules."""

_MEMBERS = '"properties":{'
_BETWEEN = ",\n"
"""Stands between the properties of a body. JSON text holds no raw line break, so it can be taken apart."""


class Settings(base.Settings):
    """What names a person, where the project is, and what the documentation leaves open about the wire.

    `euid` names the column of EngageLab's own number, where the list has it: nothing is resolved then.
    `properties_per_call` 0 = all of one operation together. `delete_value` is sent where a property is
    deleted, since an empty value is refused.
    """

    identity_name: Literal["user_id", "anonymous_id", "registration_id"] = "user_id"
    euid: str = ""
    data_center: Literal["singapore", "virginia"] = "singapore"
    datetime_format: str = "%Y-%m-%d %H:%M:%S"
    date_format: str = "%Y-%m-%d 00:00:00"
    booleans: Literal["true_false", "one_zero"] = "true_false"
    delete_value: str = "delete"
    properties_per_call: int = 0


_STOPS: Mapping[int, str] = {
    40050: "the destination does not accept this key; check the API key and secret",
    50031: "the project id is invalid; check the API key and secret",
    50034: "there is no such project; check the API key and secret, and that the project was not deleted",
    50074: "there is no such API data source; check the API key and secret, and that it was not deleted",
    55106: "the destination does not know this identity_name",
}
_SPLITS: Mapping[int, str] = {
    55102: "the destination refuses this property's name",
    55103: "the destination takes this value for empty",
}
"""One property at fault, and the answer does not say which."""

_UNADDRESSED: Mapping[int, str] = {
    40007: "the destination takes the euid for empty",
    55108: "the destination does not know this euid",
}
_REFUSES: Mapping[int, str] = {
    55004: "the destination calls the request's fields invalid",
    55101: "the destination calls these too many ids",
    55105: "the destination calls the id longer than 256 characters",
    55107: "the destination calls the id empty",
}
_INTERNAL = -1

_STATUS_STOPS: Mapping[int, str] = {
    401: "the destination does not accept this key; check the API key and secret",
    403: "this key is not allowed to write; check the data source it belongs to",
}


class Destination(base.Destination):
    """EngageLab properties: an answer confirms a call as a whole or in part, and does not say which."""

    name = "engagelab"
    confirms = "call"
    default_base_url = HOSTS["singapore"]
    distinct_id_max = 256
    requests_per_second = 50  # no limit is documented; a sister product allows 100
    operations = frozenset({"set", "increase", "add", "remove", "delete"})
    dead_reasons = frozenset({"code_55102"})
    settings_type: ClassVar[type[base.Settings]] = Settings

    def __init__(self, settings: base.Settings, definitions: Sequence[Definition]) -> None:
        super().__init__(settings, definitions)
        assert isinstance(settings, Settings)
        self._own = settings
        self.resolves = not settings.euid
        true, false = ("true", "false") if settings.booleans == "true_false" else ("1", "0")
        moment = settings.datetime_format
        self.encoding = Encoding(true, false, settings.date_format, moment, moment)
        self._delete_value = json.dumps(settings.delete_value, ensure_ascii=False)

    def problems(self) -> Iterable[str]:
        """Settings that could never be sent, or that contradict one another."""
        if self._own.euid and "identity_name" in self._own.model_fields_set:
            yield "destination.identity_name: not with euid, which names people by EngageLab's own number"
        if not self._own.delete_value:
            yield "destination.delete_value: an empty value is refused by EngageLab (55103)"
        if self._own.properties_per_call < 0:
            yield "destination.properties_per_call: expected 0 for all together, or a number from 1"

    def warnings(self) -> Iterable[RunWarning]:
        """Names that the destination may refuse."""
        for d in self.definitions:
            if not NAME.fullmatch(d.key):
                yield RunWarning("attribute_name_unusual", d.key, 0)

    def base_url(self) -> str:
        """The host of the project's data centre."""
        return HOSTS[self._own.data_center]

    def key_problem(self, key: str) -> str | None:
        """The key is of two parts, which Basic authentication needs both."""
        name, colon, secret = key.partition(":")
        if name and colon and secret:
            return None
        return "expected the API key and the API secret of an API data source, joined by a colon."

    def headers(self, key: str) -> Mapping[str, str]:
        """Basic authentication, JSON both ways."""
        return {
            "Authorization": f"Basic {base64.b64encode(key.encode()).decode()}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    def identity_fields(self) -> Sequence[IdentityField]:
        """The euid, where the list has it; a blank one leaves an earlier row's standing."""
        if not self._own.euid:
            return ()
        expected = f"an integer from 1 to {EUID_MAX} without leading zeros"
        return (IdentityField("euid", self._own.euid, f"^({_up_to(str(EUID_MAX))})$", 19, expected),)

    def address_scope(self, key: str) -> Sequence[str]:
        """An euid belongs to a project, which the public half of the key stands for, and to a kind of id."""
        return (self._own.identity_name, key.partition(":")[0])

    def prepare(self, updates: Sequence[Update]) -> Sequence[Call]:
        """One register call for each hundred people; it makes those who are new."""
        targets = [Target(u.person, u.distinct_id, "resolve", ()) for u in updates]
        starts = range(0, len(targets), IDS_PER_CALL)
        return [self._register(targets[n : n + IDS_PER_CALL]) for n in starts]

    def _register(self, targets: Sequence[Target]) -> Call:
        ids = [t.distinct_id for t in targets]
        body = {"identity_name": self._own.identity_name, "identity_values": ids}
        return Call("POST", REGISTER, json.dumps(body, ensure_ascii=False).encode(), tuple(targets))

    def calls_at_most(self, people: int, clears: int) -> int:
        """A call for each operation of a person, or for each few properties of it, and those that resolve."""
        size = self._own.properties_per_call or len(self.definitions)
        operations = Counter(d.operation for d in self.definitions)
        each = sum(math.ceil(count / size) for count in operations.values())
        return people * each + clears + (math.ceil(people / IDS_PER_CALL) if self.resolves else 0)

    def calls(self, updates: Sequence[Update]) -> Sequence[Call]:
        """One call for each operation of a person, or several where few properties go into one."""
        return [call for u in updates for part in u.parts for call in self._part_calls(u, part)]

    def _part_calls(self, update: Update, part: Part) -> Iterable[Call]:
        kind = "delete" if part.operation == "clear" else part.operation
        members = part.members.split(SEPARATOR)
        if kind == "delete":
            members = [f"{json.dumps(k, ensure_ascii=False)}:{self._delete_value}" for k in part.keys]
        size = self._own.properties_per_call or len(members)
        euid = update.user[0] if self._own.euid else update.address
        head = f'{{"euid":{euid},"type":"{kind}",{_MEMBERS}'
        for n in range(0, len(members), size):
            target = Target(update.person, update.distinct_id, part.operation, part.keys[n : n + size])
            yield _property_call(head, members[n : n + size], target)

    def judge(self, call: Call, answer: Answer) -> Judgement:
        """By the body's code, whatever the status; a code of 0 counts only with a status of success."""
        body = json_of(answer.body)
        code = body.get("code") if isinstance(body, dict) else None
        if isinstance(code, bool) or not isinstance(code, int):
            return _judge_status(answer.status)
        if code != 0:
            return self._judge_code(call, code)
        if not 200 <= answer.status < 300:
            return contradiction(f"the code says success, the status says {answer.status}")
        if call.path == REGISTER:
            return _judge_register(call, body.get("data"))
        return ALL_APPLIED

    def _judge_code(self, call: Call, code: int) -> Judgement:
        reason = f"code_{code}"
        if code in _STOPS:
            return Judgement(Decision.STOP, reason=reason, message=_STOPS[code])
        if code == _INTERNAL:
            return Judgement(Decision.RETRY, reason="internal_error", message="answered code -1")
        if call.path == REGISTER:
            return self._judge_refused_ids(call, code)
        if code in _UNADDRESSED:
            decision = Decision.UNADDRESSED if self.resolves else Decision.REFUSED
            return Judgement(decision, reason=reason, message=_UNADDRESSED[code])
        if code in _SPLITS:
            return _split(call, Refusal(0, call.targets[0].keys[0], reason, _SPLITS[code]))
        message = _REFUSES.get(code, f"the destination answered code {code}")
        return Judgement(Decision.REFUSED, reason=reason, message=message)

    def _judge_refused_ids(self, call: Call, code: int) -> Judgement:
        """One id may have sunk the whole call, so it is asked again in halves."""
        targets, reason = call.targets, f"code_{code}"
        message = _REFUSES.get(code, f"the destination answered code {code}")
        if len(targets) == 1 or code not in _REFUSES:
            return Judgement(Decision.REFUSED, reason=reason, message=message)
        half = len(targets) // 2
        halves = (self._register(targets[:half]), self._register(targets[half:]))
        return Judgement(Decision.CONTINUE, reason=reason, message=message, follow_up=halves)


def _up_to(largest: str) -> str:
    """A regular expression of the numbers from 1 to `largest`, without leading zeros."""
    shorter = f"[1-9][0-9]{{0,{len(largest) - 2}}}"
    smaller = (
        f"{largest[:n]}[{int(n == 0)}-{int(digit) - 1}][0-9]{{{len(largest) - n - 1}}}"
        for n, digit in enumerate(largest)
        if int(digit) > int(n == 0)
    )
    return "|".join([shorter, *smaller, largest])


def _property_call(head: str, members: Sequence[str], target: Target) -> Call:
    """A body from its head, up to the properties, and its members. An increase counts whenever it is sent."""
    body = f"{head}{_BETWEEN.join(members)}}}}}"
    return Call("POST", PROPERTY, body.encode(), (target,), repeatable=target.operation != "increase")


def _split(call: Call, at_fault: Refusal) -> Judgement:
    """The call again in halves; a single property is the one at fault."""
    target = call.targets[0]
    if len(target.keys) == 1:
        return Judgement(Decision.DONE, (at_fault,))
    text = call.body.decode()
    start = text.index(_MEMBERS) + len(_MEMBERS)
    members, half = text[start:-2].split(_BETWEEN), len(target.keys) // 2
    halves = tuple(
        _property_call(text[:start], part, Target(target.person, target.distinct_id, target.operation, keys))
        for part, keys in ((members[:half], target.keys[:half]), (members[half:], target.keys[half:]))
    )
    return Judgement(Decision.CONTINUE, reason=at_fault.reason, message=at_fault.message, follow_up=halves)


def _judge_status(status: int) -> Judgement:
    """An answer without a code: not the destination's own, or a gateway's."""
    reason, message = f"http_{status}", f"answered {status} without a code"
    if status in _STATUS_STOPS:
        return Judgement(Decision.STOP, reason=reason, message=_STATUS_STOPS[status])
    if status in TRANSIENT_STATUS:  # nothing is documented of limits or outages
        return Judgement(Decision.RETRY, reason=reason, message=message)
    if 200 <= status < 300:
        return contradiction("the answer holds no code")
    return Judgement(Decision.REFUSED, reason=reason, message=message)


def _judge_register(call: Call, data: Any) -> Judgement:
    """Code 0 with some of the ids or none, in any order; two euids for one id make it ambiguous ("")."""
    if data is not None and not isinstance(data, list):
        return contradiction("the answer's data is no list")
    asked = {t.distinct_id for t in call.targets}
    found: dict[str, str] = {}
    for entry in data or ():
        named: dict[str, Any] = entry if isinstance(entry, dict) else {}
        value, euid = str(named.get("identity_value")), _euid(named.get("euid"))
        if euid and value in asked:
            found[value] = euid if found.get(value, euid) == euid else ""
    return Judgement(Decision.DONE, addresses=found)


def _euid(value: Any) -> str:
    """A positive integer of 64 bits as text, "" for anything else; some servers write it as a string."""
    if isinstance(value, str) and re.fullmatch("[0-9]{1,19}", value):
        value = int(value)
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= EUID_MAX
    return str(value) if fits else ""


# ------------------------------------------------------------------- the vendor's side

_FIRST_EUID = (1 << 53) + 1
"""The first integer that a float cannot hold, so that whoever takes an euid for one is found out."""

_STRIDE = 1_000_003
_KEY_HEADER = "authorization"


@dataclass
class Sandbox(base.Sandbox):
    """EngageLab as documented: register makes people, one call is one operation, 0 may mean part of it."""

    lies = frozenset({"drops_one", "refuses_whole", "resolves_part"})
    demo = ("refuses_whole",)
    default_key = "sandbox:secret"
    euids: dict[str, int] = field(default_factory=dict)
    ids: dict[int, str] = field(default_factory=dict)
    _undo: list[tuple[str, str, Any]] = field(default_factory=list)
    _invalid: bool = False

    def answer(self, request: Request) -> Answer:
        """The answer of one endpoint; 404 for any other path, 405 for another method."""
        self._undo, self._invalid = [], False
        if not self._knows_key(request):
            return _said(40050, 401)
        body = _read_body(request.body)
        if request.path not in (REGISTER, PROPERTY):
            return json_answer(404, {"message": "not found"})
        if request.method != "POST" or not isinstance(body, dict):
            return _said(55004)
        return self._register(body) if request.path == REGISTER else self._property(body)

    def fault(self, name: str) -> Answer | None:
        """401 and 500 carry the documented codes; nothing is documented of quotas."""
        documented = {"401": (40050, 401), "500": (-1, 500)}
        return _said(*documented[name]) if name in documented else None

    def lie(self, name: str, answer: Answer) -> Answer | None:
        """What the documentation leaves possible and an importer has to live with.

        `drops_one`: one property was not stored, and 0 is answered all the same. `refuses_whole`: one invalid
        property sinks the call. `resolves_part`: an id is left out.
        """
        said = json.loads(answer.body)
        if name == "resolves_part" and said.get("data"):
            return json_answer(answer.status, said | {"data": said["data"][:-1]})
        if name == "drops_one" and self._undo:
            self._store(*self._undo.pop())
            return answer
        if name == "refuses_whole" and self._invalid:
            for written in self._undo:
                self._store(*written)
            return _said(55102)
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
            return _said(55004)
        code = _refused_ids(name, values)
        if code:
            return _said(code)
        found = [{"identity_value": v, "euid": self._euid_of(v)} for v in dict.fromkeys(values)]
        return json_answer(200, {"code": 0, "message": "success", "data": found[::-1]})

    def _euid_of(self, value: str) -> int:
        if value not in self.euids:
            self.know(value, _FIRST_EUID + _STRIDE * len(self.euids))
        return self.euids[value]

    def know(self, value: str, address: int) -> None:
        """A person who is there already."""
        self.euids[value] = address
        self.ids[address] = value

    def _property(self, body: Mapping[str, Any]) -> Answer:
        euid, kind, properties = body.get("euid"), body.get("type"), body.get("properties")
        if euid is None:
            return _said(40007)
        person = self._person(euid)
        if person is None:
            return _said(55108)
        if kind not in _OPERATIONS or not isinstance(properties, dict) or not properties:
            return _said(55004)
        if any(v in ("", None) or v == [] for v in properties.values()):
            return _said(55103)
        for key, value in properties.items():
            self._write(person, str(kind), key, value)
        return _said(0) if self._undo else _said(55102)

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
        """Holds a value; None is none, and a person without any is not held."""
        held = self.stored.setdefault(person, {})
        held[key] = value
        if value is None:
            del held[key]
        if not held:
            del self.stored[person]


def _said(code: int, status: int = 200) -> Answer:
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

DESTINATION = Destination
SANDBOX = Sandbox
