"""Vevee: one call writes many attributes of one person, and names the values it refused.

Sources, read 2026-11-22 (own words; what is not documented is a setting):
setAttributes    https://vevee.org/docs/methods/set-attributes     body, `applied`, `rejected`
setAttribute     https://www.aipricinglab.space/docs/methods/set-attribute     types, id of 1-200 characters
clearAttribute   https://www.aipricinglab.space/docs/methods/clear-attribute   `cleared`
getAttributes    https://www.aipricinglab.space/docs/methods/get-attributes    read-back
errors           https://vevee.org/docs/errors
"""

import json
import re
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, ClassVar, Literal, cast

from importer.core.models import (
    ALL_APPLIED,
    SEPARATOR,
    Answer,
    Call,
    Classification,
    Part,
    Refusal,
    Target,
    Update,
    Verdict,
    member_value,
)
from importer.destinations import base
from importer.destinations.responses import TRANSIENT_STATUS, contradiction, unreadable

BATCH = "/api/v1/attributes/values/batch"
VALUES = "/api/v1/attributes/values"


class Settings(base.Settings):
    """Vevee shows its SDK, not its wire: what is inferred of the wire can be set.

    `envelope` names the member in which an answer may wrap its result, "" = it never does. `mode` is `batch`
    (all values of a person in one call) or `single` (a call a value: its answer shows what is stored).
    """

    auth_header: str = "Authorization"
    auth_scheme: str = "Bearer"
    envelope: str = "data"
    mode: Literal["batch", "single"] = "batch"


_STOPS: Mapping[str, str] = {
    "invalid_key": "the destination does not know this key; check that the key is right and not revoked",
    "requires_secret_key": "this call needs a secret key (sk_...); set one and resume",
    "client_attribute_writes_disabled": "this key may not write attributes; use a secret key (sk_...)",
    "workspace_limit_reached": "the workspace's monthly quota is used up; waiting does not help, raise it",
    "not_implemented": "the destination has not enabled this feature for the workspace",
}
"""Codes that refuse the run, whatever the status they come with (docs/errors)."""

_VALUE_CODES = frozenset(
    {
        "attribute_not_defined",
        "attribute_archived",
        "attribute_value_invalid",
        "attribute_value_too_long",
    }
)
"""Codes of a call for one value that refuse just that value (docs/methods/set-attribute, clear-attribute)."""

_STATUS_STOPS: Mapping[int, str] = {
    401: "the destination does not accept this key; check that the key is right and not revoked",
    403: "this key is not allowed to write attributes; use a secret key (sk_...)",
    501: "the destination has not enabled this feature for the workspace",
}


class Destination(base.Destination):
    """Vevee `setAttributes`: applied and rejected values are confirmed one by one."""

    name = "vevee"
    confirms = "value"
    default_base_url = "https://www.vevee.org"
    distinct_id_max = 200
    requests_per_second = 10  # no limit is documented: start low
    operations = frozenset({"set"})
    reads_back = True
    dead_reasons = frozenset({"attribute_not_defined", "attribute_archived"})
    settings_type: ClassVar[type[base.Settings]] = Settings

    def problems(self) -> Iterable[str]:
        """Vevee has one operation, `set`; clearing is `blank = "clear"`."""
        for d in self.definitions:
            if d.operation != "set":
                yield f'attributes.{d.key}.operation: vevee has "set" only'
            if d.join is not None:
                yield f"attributes.{d.key}.join: vevee takes a multi_choice as a list; take it out"
            if d.send_as is not None:
                yield f"attributes.{d.key}.send_as: vevee takes each type as it is; take it out"

    def key_problem(self, key: str) -> str | None:
        """A public key would be refused for every person, so it is refused before the first call."""
        if key.startswith("pk_"):
            return "this is a public key (pk_...); bulk writes need the workspace's secret key (sk_...)."
        return None if key.startswith("sk_") else "expected a Vevee secret key, which begins with sk_."

    @property
    def _own(self) -> Settings:
        return cast(Settings, self.settings)

    def headers(self, key: str) -> Mapping[str, str]:
        """The key in the configured header, JSON both ways."""
        return {
            self._own.auth_header: f"{self._own.auth_scheme} {key}".strip(),
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    def calls(self, updates: Sequence[Update]) -> Sequence[Call]:
        """All that is set in one call (`single`: a call a value), then a DELETE for each value to clear."""
        return [call for u in updates for part in u.parts for call in self._part_calls(u, part)]

    def _part_calls(self, update: Update, part: Part) -> Sequence[Call]:
        if part.operation == "clear":
            return [_clear(update, key) for key in part.keys]
        if self._own.mode == "batch":
            return (_set_all(update, part),)
        members = zip(part.keys, part.members.split(SEPARATOR), strict=True)
        return [_set_one(update, key, member) for key, member in members]

    def calls_at_most(self, people: int, clears: int) -> int:
        """A call a person, or in the mode `single` one for each value, and one for each value to clear."""
        each = len(self.definitions) if self._own.mode == "single" else 1
        return people * each + clears

    def classify(self, call: Call, answer: Answer) -> Classification:
        """By the vendor's code before the status; a 2xx must account for every attribute that was sent."""
        body = _json(answer.body)
        if not 200 <= answer.status < 300:
            return _classify_error(call, answer.status, _error_code(body, self._own.envelope))
        result = _result(body, self._own.envelope)
        if call.method == "DELETE":
            return _classify_clear(result)
        return _classify_batch(call, result) if call.path == BATCH else _classify_single(call, result)

    def read_back(self, update: Update) -> Call:
        """`getAttributes` of one person, all keys: how `keys` would be written is not documented."""
        path = f"{VALUES}?distinctId={urllib.parse.quote(update.distinct_id, safe='')}"
        return Call("GET", path, b"", ())

    def read(self, call: Call, answer: Answer) -> Mapping[str, Any] | Classification:
        """What is stored; attributes that are not set or archived are absent."""
        body = _json(answer.body)
        if not 200 <= answer.status < 300:
            return _classify_error(call, answer.status, _error_code(body, self._own.envelope))
        stored = _result(body, self._own.envelope).get("attributes")
        return stored if isinstance(stored, dict) else unreadable("the answer holds no attributes")


_text = encode_basestring
"""A text as JSON, with letters beyond ASCII as they are: what `json.dumps(ensure_ascii=False)` calls."""


def _set_all(update: Update, part: Part) -> Call:
    members = part.members.replace(SEPARATOR, ",")
    body = f'{{"distinctId":{_text(update.distinct_id)},"attributes":{{{members}}}}}'
    return Call("POST", BATCH, body.encode(), (Target(update.person, update.distinct_id, "set", part.keys),))


def _set_one(update: Update, key: str, member: str) -> Call:
    value = member_value(key, member)
    body = f'{{"distinctId":{_text(update.distinct_id)},"attribute":{_text(key)},"value":{value}}}'
    return Call("POST", VALUES, body.encode(), (Target(update.person, update.distinct_id, "set", (key,)),))


def _clear(update: Update, key: str) -> Call:
    body = f'{{"distinctId":{_text(update.distinct_id)},"attribute":{_text(key)}}}'
    return Call(
        "DELETE", VALUES, body.encode(), (Target(update.person, update.distinct_id, "clear", (key,)),)
    )


_DECODER = json.JSONDecoder(parse_float=Decimal)
_SHORT = 512  # bytes of an answer that is most likely like another; for reading alone


def _json(body: bytes) -> Any:
    return _known(body) if len(body) <= _SHORT else _parsed(body)


def _parsed(body: bytes) -> Any:
    try:
        return _DECODER.decode(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None


_known = lru_cache(maxsize=64)(_parsed)
"""What answers say that came before; nobody changes what it returns."""


def _result(body: Any, envelope: str) -> Mapping[str, Any]:
    """The result object: at the top level, or wrapped (the envelope is not documented)."""
    if isinstance(body, dict) and envelope and isinstance(body.get(envelope), dict):
        body = body[envelope]
    return body if isinstance(body, dict) else {}


def _classify_batch(call: Call, result: Mapping[str, Any]) -> Classification:
    """`applied` + `rejected` must be exactly what was sent, or the answer is not believed."""
    keys = call.targets[0].keys
    applied, rejected = result.get("applied"), result.get("rejected")
    if applied == len(keys) and rejected == [] and applied is not True:
        return ALL_APPLIED
    if not isinstance(applied, int) or isinstance(applied, bool) or not isinstance(rejected, list):
        return unreadable("the answer does not say what was applied and rejected")
    refused = [r for r in (_refusal(entry) for entry in rejected) if r is not None]
    named = [r.key for r in refused]
    if len(refused) != len(rejected) or len(set(named)) != len(named) or not set(named) <= set(keys):
        return contradiction("the answer rejects attributes that were not sent, or one twice")
    if applied + len(refused) != len(keys):
        return contradiction(f"{len(keys)} values sent, but applied and rejected add up to another number")
    return Classification(Verdict.DONE, tuple(refused))


def _refusal(entry: Any) -> Refusal | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("key"), str):
        return None
    return Refusal(0, entry["key"], _word(entry.get("reason")) or "rejected")


def _classify_single(call: Call, result: Mapping[str, Any]) -> Classification:
    """The answer shows the stored value, "truncated or normalized" perhaps: a difference is reported."""
    key = call.targets[0].keys[0]
    if "value" not in result:
        return unreadable("the answer does not say what is stored")
    if result.get("attribute") != key:
        return contradiction("the answer is about another attribute than the one that was sent")
    sent = json.loads(call.body, parse_float=Decimal)["value"]
    if base.is_same(sent, result["value"]):
        return ALL_APPLIED
    return Classification(Verdict.DONE, normalized=(Refusal(0, key, base.NORMALIZED, base.STORED_OTHERWISE),))


def _classify_clear(result: Mapping[str, Any]) -> Classification:
    """Clearing what is not set is a success too (`cleared: false`)."""
    cleared = result.get("cleared")
    return ALL_APPLIED if isinstance(cleared, bool) else unreadable("the answer does not say `cleared`")


def _error_code(body: Any, envelope: str) -> str:
    """The vendor's code, in any of the shapes an undocumented error body may have."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        body = error
    return _word(error) or _word(_result(body, envelope).get("code"))


def _word(value: Any) -> str:
    """A code or reason as the vendor writes them; anything else could echo the request, so it is dropped."""
    return value if isinstance(value, str) and re.fullmatch("[A-Za-z][A-Za-z0-9_.-]{0,63}", value) else ""


def _classify_error(call: Call, status: int, code: str) -> Classification:
    if code in _STOPS:
        return Classification(Verdict.STOP, reason=code, message=_STOPS[code])
    if code in _VALUE_CODES and call.path == VALUES and call.method != "GET":
        refused = (Refusal(0, call.targets[0].keys[0], code),)
        return Classification(Verdict.DONE, refused, names_values=True)
    if code == "limit_reached":
        # An end user's metering plan is used up; the vendor says not to repeat it.
        return Classification(Verdict.REFUSED, reason=code, message="the person's plan limit is reached")
    if status in TRANSIENT_STATUS or code == "internal_error":
        # 500 is documented as safe to repeat; the others are inferred: the writes are absolute sets.
        return Classification(Verdict.RETRY, reason=code or f"http_{status}", message=f"answered {status}")
    if status in _STATUS_STOPS:
        return Classification(Verdict.STOP, reason=code or f"http_{status}", message=_STATUS_STOPS[status])
    reason = code or f"http_{status}"
    return Classification(Verdict.REFUSED, reason=reason, message=f"the destination answered {status}")


DESTINATION = Destination
