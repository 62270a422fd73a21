"""EngageLab: ids are registered a hundred at a time, a call writes one person's properties of one operation.

Sources, read 2026-11-24 (own words; what is not documented is a setting); below
https://www.engagelab.com/docs/marketing-automation/
set attributes   rest-api/attribu-setup                operations, codes; 0 is all of a call or part of it
set contacts     rest-api/contact-setup                e-mail and phones; 0 is all of a call or part of it
get euid         rest-api/get-euid                     100 ids of 256 characters; 0 is all of them or part
overview         rest-api/overview-guide               hosts
contribute       console/data-management/contribute    types
"""

import base64
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from importer.core.models import (
    ALL_APPLIED,
    SEPARATOR,
    Answer,
    Call,
    Classification,
    Encoding,
    Part,
    Refusal,
    RunWarning,
    Target,
    Update,
    Verdict,
)
from importer.destinations import base
from importer.destinations.base import Definition, IdentityField
from importer.destinations.engagelab import contacts
from importer.destinations.engagelab.contacts import CONTACT
from importer.destinations.responses import TRANSIENT_STATUS, contradiction, json_of

REGISTER = "/v1/user/register"
PROPERTY = "/v1/user/property"

IDS_PER_CALL = 100
EUID_MAX = (1 << 63) - 1
HOSTS: Mapping[str, str] = {
    "singapore": "https://ma-api.engagelab.com",
    "virginia": "https://ma-api-usva.engagelab.com",
}
"""A project belongs to one of the two data centres."""

NAME = re.compile(r"[a-z][a-z0-9_]*")
"""The rule for names of another product of the vendor; EngageLab only says that there are rules."""

_MEMBERS: Mapping[str, str] = {PROPERTY: '"properties":{', CONTACT: '"contacts":{'}
"""After this, the values stand in the body of a call to the path."""

_BETWEEN = ",\n"
"""Stands between the values of a body. JSON text holds no raw line break, so it can be taken apart."""


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
    55014: "the destination says that this contact exists already",
}
"""One value at fault, and the answer does not say which."""

_UNKNOWN_IDS: Mapping[int, str] = {
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
    requests_per_second = 50  # no limit is documented; another product of the vendor allows 100
    operations = frozenset({"set", "increase", "add", "remove", "delete"})
    whole_operations = frozenset({"increase"})
    dead_reasons = frozenset({"code_55102"})
    settings_type: ClassVar[type[base.Settings]] = Settings
    takes_fields = True

    def __init__(self, settings: base.Settings, definitions: Sequence[Definition]) -> None:
        super().__init__(settings, definitions)
        assert isinstance(settings, Settings)
        self._own = settings
        self.resolves = not settings.euid
        true, false = ("true", "false") if settings.booleans == "true_false" else ("1", "0")
        moment = settings.datetime_format
        self.encoding = Encoding(true, false, settings.date_format, moment, moment, empty_list=False)
        self._delete_value = json.dumps(settings.delete_value, ensure_ascii=False)
        self._contacts = {d.key: d.field for d in definitions if d.field is not None}

    def problems(self) -> Iterable[str]:
        """Settings that could never be sent, or that contradict one another."""
        if self._own.euid and "identity_name" in self._own.model_fields_set:
            yield "destination.identity_name: not with euid, which names people by EngageLab's own number"
        if not self._own.delete_value:
            yield "destination.delete_value: an empty value is refused by EngageLab (55103)"
        if self._own.properties_per_call < 0:
            yield "destination.properties_per_call: expected 0 for all together, or a number from 1"
        yield from contacts.problems(self.definitions)

    def can_clear(self, key: str) -> bool:
        """Properties only: no page says how a contact is removed."""
        return key not in self._contacts

    def warnings(self) -> Iterable[RunWarning]:
        """Names that the destination may refuse."""
        for d in self.definitions:
            if d.field is None and not NAME.fullmatch(d.key):
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

    def id_scope(self, key: str) -> Sequence[str]:
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
        """A call for each operation of a person, or for each few properties of it, and those that resolve.

        The contacts of a person take one more.
        """
        size = self._own.properties_per_call or len(self.definitions)
        operations = Counter(d.operation for d in self.definitions if d.field is None)
        each = sum(math.ceil(count / size) for count in operations.values()) + bool(self._contacts)
        return people * each + clears + (math.ceil(people / IDS_PER_CALL) if self.resolves else 0)

    def calls(self, updates: Sequence[Update]) -> Sequence[Call]:
        """One call for each operation of a person, or several where few properties go into one.

        The contacts that a person's first part sets go out in a call after that part's.
        """
        return [call for u in updates for part in u.parts for call in self._part_calls(u, part)]

    def _part_calls(self, update: Update, part: Part) -> Iterable[Call]:
        fields = [self._contacts.get(key) for key in part.keys] if part.operation == "set" else []
        if not any(fields):
            yield from self._property_calls(update, part)
            return
        left = contacts.without_contacts(part, self._contacts)
        if left.keys:
            yield from self._property_calls(update, left)
        keys, members = contacts.renamed(part, fields)
        target = Target(update.person, update.distinct_id, part.operation, keys)
        yield _value_call(CONTACT, f'{{"euid":{self._euid_of(update)},{_MEMBERS[CONTACT]}', members, target)

    def _euid_of(self, update: Update) -> str:
        return update.user[0] if self._own.euid else update.resolved_id

    def _property_calls(self, update: Update, part: Part) -> Iterable[Call]:
        kind = "delete" if part.operation == "clear" else part.operation
        members = part.members.split(SEPARATOR)
        if kind == "delete":
            members = [f"{json.dumps(k, ensure_ascii=False)}:{self._delete_value}" for k in part.keys]
        size = self._own.properties_per_call or len(members)
        head = f'{{"euid":{self._euid_of(update)},"type":"{kind}",{_MEMBERS[PROPERTY]}'
        for n in range(0, len(members), size):
            target = Target(update.person, update.distinct_id, part.operation, part.keys[n : n + size])
            yield _value_call(PROPERTY, head, members[n : n + size], target)

    def classify(self, call: Call, answer: Answer) -> Classification:
        """By the body's code, whatever the status; a code of 0 counts only with a status of success."""
        body = json_of(answer.body)
        code = body.get("code") if isinstance(body, dict) else None
        if isinstance(code, bool) or not isinstance(code, int):
            return _classify_status(answer.status)
        if code != 0:
            return self._classify_code(call, code)
        if not 200 <= answer.status < 300:
            return contradiction(f"the code says success, the status says {answer.status}")
        if call.path == REGISTER:
            return _classify_register(call, body.get("data"))
        return ALL_APPLIED

    def _classify_code(self, call: Call, code: int) -> Classification:
        reason = f"code_{code}"
        if code in _STOPS:
            return Classification(Verdict.STOP, reason=reason, message=_STOPS[code])
        if code == _INTERNAL:
            return Classification(Verdict.RETRY, reason="internal_error", message="answered code -1")
        if call.path == REGISTER:
            return self._classify_refused_ids(call, code)
        if code in _UNKNOWN_IDS:
            verdict = Verdict.UNKNOWN_ID if self.resolves else Verdict.REFUSED
            return Classification(verdict, reason=reason, message=_UNKNOWN_IDS[code])
        if code in _SPLITS:
            return _split(call, Refusal(0, call.targets[0].keys[0], reason, _SPLITS[code]))
        message = _REFUSES.get(code, f"the destination answered code {code}")
        return Classification(Verdict.REFUSED, reason=reason, message=message)

    def _classify_refused_ids(self, call: Call, code: int) -> Classification:
        """One id may have sunk the whole call, so it is asked again in halves."""
        targets, reason = call.targets, f"code_{code}"
        message = _REFUSES.get(code, f"the destination answered code {code}")
        if len(targets) == 1 or code not in _REFUSES:
            return Classification(Verdict.REFUSED, reason=reason, message=message)
        half = len(targets) // 2
        halves = (self._register(targets[:half]), self._register(targets[half:]))
        return Classification(Verdict.CONTINUE, reason=reason, message=message, follow_up=halves)


def _up_to(largest: str) -> str:
    """A regular expression of the numbers from 1 to `largest`, without leading zeros."""
    shorter = f"[1-9][0-9]{{0,{len(largest) - 2}}}"
    smaller = (
        f"{largest[:n]}[{int(n == 0)}-{int(digit) - 1}][0-9]{{{len(largest) - n - 1}}}"
        for n, digit in enumerate(largest)
        if int(digit) > int(n == 0)
    )
    return "|".join([shorter, *smaller, largest])


def _value_call(path: str, head: str, members: Sequence[str], target: Target) -> Call:
    """A body from its head, up to the values, and its members. An increase counts whenever it is sent."""
    body = f"{head}{_BETWEEN.join(members)}}}}}"
    return Call("POST", path, body.encode(), (target,), repeatable=target.operation != "increase")


def _split(call: Call, at_fault: Refusal) -> Classification:
    """The call again in halves; a single value is the one at fault."""
    target = call.targets[0]
    if len(target.keys) == 1:
        return Classification(Verdict.DONE, (at_fault,))
    text = call.body.decode()
    start = text.index(_MEMBERS[call.path]) + len(_MEMBERS[call.path])
    members, half = text[start:-2].split(_BETWEEN), len(target.keys) // 2
    halves = tuple(
        _value_call(call.path, text[:start], part, replace(target, keys=keys))
        for part, keys in ((members[:half], target.keys[:half]), (members[half:], target.keys[half:]))
    )
    return Classification(
        Verdict.CONTINUE, reason=at_fault.reason, message=at_fault.message, follow_up=halves
    )


def _classify_status(status: int) -> Classification:
    """An answer without a code: not the destination's own, or a gateway's."""
    reason, message = f"http_{status}", f"answered {status} without a code"
    if status in _STATUS_STOPS:
        return Classification(Verdict.STOP, reason=reason, message=_STATUS_STOPS[status])
    if status in TRANSIENT_STATUS:  # nothing is documented of limits or outages
        return Classification(Verdict.RETRY, reason=reason, message=message)
    if 200 <= status < 300:
        return contradiction("the answer holds no code")
    return Classification(Verdict.REFUSED, reason=reason, message=message)


def _classify_register(call: Call, data: Any) -> Classification:
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
    return Classification(Verdict.DONE, resolved_ids=found)


def _euid(value: Any) -> str:
    """A positive integer of 64 bits as text, "" for anything else; some servers write it as a string."""
    if isinstance(value, str) and re.fullmatch("[0-9]{1,19}", value):
        value = int(value)
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= EUID_MAX
    return str(value) if fits else ""


DESTINATION = Destination
