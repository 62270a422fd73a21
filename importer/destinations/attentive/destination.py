"""Attentive: custom attributes, one person a call, or up to 256 people a job (`mode = "bulk"`).

Sources, read 2026-11-22 (own words; what is not documented is a setting):
custom attributes  https://docs.attentive.com/reference/postcustomattributes   body, types, names, statuses
the vendor's OpenAPI of v1 and v2, snapshot 2026-08-22   user object, `GET /v1/me`, read-back, bulk
bulk attributes    https://docs.attentive.com/reference/postbulkuserattributes   256 people, 1 MiB a record
rate limits        https://docs.attentive.com/docs/api-rate-limits   150 a second, x-ratelimit headers
A refusal (400) has no documented body: neither the value at fault nor a reason is ever named.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Literal, cast
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic import Field as Key

from importer.core.durations import Duration
from importer.core.models import (
    ALL_APPLIED,
    SEPARATOR,
    Answer,
    Call,
    Classification,
    Encoding,
    Part,
    Refusal,
    Target,
    Update,
    Verdict,
)
from importer.destinations import base, bisect
from importer.destinations.base import IdentityField, PaceHint
from importer.destinations.bisect import Bisection
from importer.destinations.responses import TRANSIENT_STATUS, contradiction, json_of

ME = "/v1/me"
CUSTOM = "/v1/attributes/custom"
BULK = "/v2/bulk/user/attributes"
JOB = "/v2/bulk/job/"

NAME_MAX = 200
"""Longest attribute name, in characters."""
USERS_MAX = 256
"""Most records in one bulk call."""
BULK_ATTRIBUTES_MAX = 100
"""Most custom attributes in one record of a bulk call; a person with more takes several records."""


class User(BaseModel):
    """`[destination.user]`: the columns that name a person to Attentive; a person needs one of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    email: str | None = Key(default=None, min_length=1)
    phone: str | None = Key(default=None, min_length=1)
    client_user_id: str | None = Key(default=None, min_length=1)
    custom_identifiers: dict[str, str] = Key(default_factory=dict)
    phone_ignore: str = ""

    @model_validator(mode="after")
    def _names_somebody(self) -> "User":
        if not (self.email or self.phone or self.client_user_id or self.custom_identifiers):
            raise ValueError(
                "expected at least one of email, phone, client_user_id and custom_identifiers, each naming "
                "a column"
            )
        if any(c.isdigit() or c == "+" for c in self.phone_ignore):
            raise ValueError(
                'phone_ignore: expected characters that are no part of a number, such as " ()-."'
            )
        return self


class Settings(base.Settings):
    """Attentive's own keys. `job_deadline` is how long one life of a run polls for one job."""

    mode: Literal["single", "bulk"] = "single"
    user: User
    poll_seconds: Duration = 30.0
    job_deadline: Duration = 12 * 3600.0


_STOPS: Mapping[int, str] = {
    401: "the destination does not accept this key; check that it is right and not revoked",
    403: "this key is not allowed to write attributes; it needs the scope attributes:write",
}
_ME_STOPS: Mapping[int, str] = {
    **_STOPS,
    403: "this key is not allowed to be used here; check the app's scopes",
    404: "there is no Attentive API at this address; check base_url",
}

_OK = 200
_ACCEPTED = 202
_MULTIPLE_CHOICES = 300
_BAD_REQUEST = 400
_NOT_FOUND = 404

_VALUE_REFUSED = "refused, alone, with 400 and no reason; most likely its type or its list of values"
_PERSON_REFUSED = (
    "every value was refused, each alone, so it is the person: no such user, or not one to write"
)


class Destination(base.Destination):
    """Attentive custom attributes: a 200 confirms a call, a finished job what its results say."""

    name = "attentive"
    confirms = "call"
    default_base_url = "https://api.attentivemobile.com"
    distinct_id_max = 100
    requests_per_second = 150
    clears = False
    fixes_types = True
    splits = True
    reads_back = True
    encoding = Encoding(datetime="%Y-%m-%dT%H:%M:%S", datetime_utc="%Y-%m-%dT%H:%M:%SZ")
    settings_type: ClassVar[type[base.Settings]] = Settings

    def __init__(self, settings: base.Settings, definitions: Sequence[base.Definition]) -> None:
        super().__init__(settings, definitions)
        if self._own.mode == "bulk":
            self.confirms, self.people_per_call, self.requests_per_second = "job", USERS_MAX, 100
        self._fields = tuple(_identity_fields(self._own.user))

    @property
    def _own(self) -> Settings:
        return cast(Settings, self.settings)

    @property
    def patience(self) -> float:
        """`job_deadline`."""
        return self._own.job_deadline

    def identity_fields(self) -> Sequence[IdentityField]:
        """Phone, e-mail, client user id, custom identifiers, as far as the configuration names a column."""
        return self._fields

    def problems(self) -> Iterable[str]:
        """Attentive takes scalars only, has no documented way to clear one, and one operation."""
        for d in self.definitions:
            place = f"attributes.{d.key}"
            if d.operation != "set":
                yield f'{place}.operation: attentive has "set" only'
            if d.blank == "clear":
                yield f'{place}.blank: attentive has no documented way to clear an attribute; take "skip"'
            if d.type == "multi_choice" and d.join is None:
                yield (
                    f"{place}.join: attentive refuses lists; declare what stands between options, such as "
                    'join = ", "'
                )
            if len(d.key) > NAME_MAX:
                yield f"{place}: longer than the {NAME_MAX} characters of an attribute's name"

    def key_problem(self, key: str) -> str | None:
        """No form of key is documented."""
        return None

    def headers(self, key: str) -> Mapping[str, str]:
        """A bearer token, JSON both ways."""
        return {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    def check_key(self) -> Call:
        """`GET /v1/me`."""
        return Call("GET", ME, b"", ())

    def calls(self, updates: Sequence[Update]) -> Sequence[Call]:
        """One call a person, or one job for all of them."""
        if self._own.mode == "bulk":
            return list(self._bulk_calls(updates))
        return [self._first_call(u, part) for u in updates for part in u.parts]

    def first_value(self, update: Update) -> Call:
        """The value in a call of its own, in either mode: a job may take hours."""
        part = update.parts[0]
        return Call("POST", CUSTOM, _body(_user_json(self._fields, update.user), part.members), ())

    def classify(self, call: Call, answer: Answer) -> Classification:
        """By status; only a 2xx that is plainly an API's counts as success."""
        if call.path == ME:
            return _classify_me(answer)
        if call.path == BULK:
            return self._classify_submit(call, answer)
        if call.path.startswith(JOB):
            return self._classify_poll(call, answer)
        if call.path != CUSTOM:
            return self._classify_results(call, answer)
        return _classify_custom(call, answer)

    def pace(self, answer: Answer) -> PaceHint | None:
        """`x-ratelimit-limit` is the limit of a second; with `-remaining` at 0 that second is used up."""
        limit, left = (_number(answer.headers.get(f"x-ratelimit-{n}", "")) for n in ("limit", "remaining"))
        if limit is None and left is None:
            return None
        return PaceHint(limit or None, 0 if left == 0 else None, 1.0)

    def read_back(self, update: Update) -> Call | None:
        """By phone, else by e-mail; nobody else can be read."""
        for index, one in enumerate(self._fields):
            if one.name in ("phone", "email") and update.user[index]:
                text = quote(update.user[index], safe="")
                return Call("GET", f"{CUSTOM}?{one.name}={text}", b"", ())
        return None

    def read(self, call: Call, answer: Answer) -> Mapping[str, Any] | Classification:
        """A list of name and value; every value comes back as text."""
        body = json_of(answer.body)
        if answer.status == _OK and isinstance(body, list):
            named = [v for v in body if isinstance(v, dict) and isinstance(v.get("name"), str)]
            return {v["name"]: v.get("value") for v in named}
        if answer.status in _STOPS:
            return Classification(Verdict.STOP, reason=f"http_{answer.status}", message=_STOPS[answer.status])
        if answer.status in TRANSIENT_STATUS:
            return _transient(answer)
        return Classification(Verdict.REFUSED, reason=f"http_{answer.status}", message="not readable")

    def is_stored(self, sent: Any, stored: Any) -> bool:
        """What is read back is text, whatever was sent."""
        if not isinstance(stored, str):
            return False
        if isinstance(sent, bool):
            return stored.lower() == str(sent).lower()
        if isinstance(sent, str):
            return sent == stored
        try:
            return Decimal(stored) == Decimal(str(sent))
        except InvalidOperation:
            return False

    # ---------------------------------------------------------------- one person a call

    def _first_call(self, update: Update, part: Part) -> Call:
        search = bisect.begin(part.keys, update.doubtful)
        user = _user_json(self._fields, update.user)
        if search.testing == part.keys:
            return Call(
                "POST", CUSTOM, _body(user, part.members), (_target(update, part.keys),), context=part.members
            )
        members = dict(zip(part.keys, part.members.split(SEPARATOR), strict=True))
        return _search_call(search, user, members, update.person, update.distinct_id)

    # ---------------------------------------------------------------- many people a job

    def _bulk_calls(self, updates: Sequence[Update]) -> Iterator[Call]:
        records = [record for update in updates for record in self._records(update)]
        for start in range(0, len(records), USERS_MAX):
            yield _submit(records[start : start + USERS_MAX])

    def _records(self, update: Update) -> Iterator["_Record"]:
        user = _user_json(self._fields, update.user, bulk=True)
        for part in update.parts:
            members = part.members.split(SEPARATOR)
            for start in range(0, len(members), BULK_ATTRIBUTES_MAX):
                end = start + BULK_ATTRIBUTES_MAX
                custom = ",".join(members[start:end])
                text = f'{{"identifiers":{user},"attributes":{{"custom":{{{custom}}}}}}}'
                yield _Record(text, _target(update, part.keys[start:end]))

    def _classify_submit(self, call: Call, answer: Answer) -> Classification:
        """A 202 names the job, which is written down before it is polled."""
        status, body = answer.status, json_of(answer.body)
        if _OK <= status < _MULTIPLE_CHOICES:
            job = body.get("batchJobId") if isinstance(body, dict) else None
            if not isinstance(job, str) or not re.fullmatch(r"[A-Za-z0-9_.:-]{1,200}", job):
                return contradiction("the answer names no job")
            poll = self._poll(call, job)
            return Classification(Verdict.CONTINUE, follow_up=(poll,), durable=True)
        return _classify_failure(answer) or _halve_job(call, status)

    def _poll(self, call: Call, job: str) -> Call:
        records = call.context or _records_of(call.body)
        return Call("GET", JOB + job, b"", call.targets, after=self._own.poll_seconds, context=records)

    def _classify_poll(self, call: Call, answer: Answer) -> Classification:
        """Done only where it says so; what it says that nobody knows is not done."""
        if answer.status in _STOPS:
            return Classification(Verdict.STOP, reason=f"http_{answer.status}", message=_STOPS[answer.status])
        if answer.status == _NOT_FOUND:
            return contradiction("the destination does not know the job any more")
        body = json_of(answer.body)
        if answer.status != _OK or not isinstance(body, dict):
            return _transient(answer)
        status, url = str(body.get("status", "")).upper(), body.get("url")
        if status in _ENDED and isinstance(url, str) and url:
            # A moment's wait makes the fetch a poll: it is asked again for as long as the job is waited for.
            job = call.path.removeprefix(JOB)
            context = json.dumps({"job": job, "records": json.loads(call.context)})
            fetch = Call("GET", url, b"", call.targets, after=_AT_ONCE, context=context)
            return Classification(Verdict.CONTINUE, follow_up=(fetch,))
        if status in _FAILED:
            message = f"the destination ended the job as {status} and left no results"
            return Classification(Verdict.UNCONFIRMED, message=message)
        return Classification(Verdict.CONTINUE, follow_up=(call,))

    def _classify_results(self, call: Call, answer: Answer) -> Classification:
        """The results, record by record; an address that is not good any more is asked for again."""
        context = json.loads(call.context)
        if answer.status != _OK:
            if answer.status in TRANSIENT_STATUS:
                return _transient(answer)
            records = json.dumps(context["records"])
            poll = Call(
                "GET", JOB + context["job"], b"", call.targets, after=self._own.poll_seconds, context=records
            )
            return Classification(Verdict.CONTINUE, follow_up=(poll,))
        said = _read_results(answer.body, context["records"])
        refused = tuple(
            Refusal(index, "", "record_refused", _RECORD_REFUSED, result.status)
            for index, result in sorted(said.items())
            if not result.taken
        )
        unsaid = tuple(index for index in range(len(call.targets)) if index not in said)
        message = "the job is done, but its results do not say what became of this" if unsaid else ""
        return Classification(Verdict.DONE, refused, message=message, unsaid=unsaid)


_ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
_FAILED = frozenset({"FAILED", "CANCELLED"})
"""Of two versions of the documentation. PENDING, IN_PROGRESS, NEEDS_REVIEW and any other: not done yet."""

_AT_ONCE = 0.01
_RECORD_REFUSED = "the job's results say that this person's record was refused; no value is named"


def _identity_fields(user: User) -> Iterator[IdentityField]:
    """Each is written as this vendor documents it: E.164, an address, ids of at most 100 characters."""
    if user.phone:
        expected = "a phone number in E.164, such as +13115552368,"
        yield IdentityField("phone", user.phone, r"^\+[1-9][0-9]{6,14}$", 16, expected, user.phone_ignore)
    if user.email:
        pattern = r"^[^\s@\x00-\x1f,;<>\"]+@[^\s@\x00-\x1f,;<>\"]+\.[^\s@.\x00-\x1f,;<>\"]+$"
        yield IdentityField("email", user.email, pattern, 100, "an e-mail address", fold_case=True)
    names = {"client_user_id": user.client_user_id, **user.custom_identifiers}
    for name, column in names.items():
        if column:
            yield IdentityField(name, column, r"^[^\x00-\x1f]+$", 100, "an id of at most 100 characters")


def _user_json(fields: Sequence[IdentityField], texts: Sequence[str], *, bulk: bool = False) -> str:
    """The user object: of a single call, or the identifiers of a bulk record. Nothing else belongs to it."""
    user: dict[str, Any] = {}
    ids: dict[str, Any] = {}
    for one, text in zip(fields, texts, strict=True):
        if not text:
            continue
        if one.name in ("phone", "email"):
            user[one.name] = text
        elif one.name == "client_user_id":
            ids["clientUserId"] = text
        else:
            named = {"key" if bulk else "name": one.name, "value": text}
            ids.setdefault("customIdentifiers", []).append(named)
    if bulk:
        user |= ids
    elif ids:
        user["externalIdentifiers"] = ids
    return json.dumps(user, ensure_ascii=False, separators=(",", ":"))


_PROPERTIES = b',"properties":{'


def _body(user: str, members: str) -> bytes:
    return b'{"user":' + user.encode() + _PROPERTIES + members.replace(SEPARATOR, ",").encode() + b"}}"


def _target(update: Update, keys: tuple[str, ...]) -> Target:
    return Target(update.person, update.distinct_id, "set", keys)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() else None


def _transient(answer: Answer) -> Classification:
    status = answer.status
    return Classification(
        Verdict.RETRY, reason=f"http_{status}", message=f"the destination answered {status}"
    )


def _classify_failure(answer: Answer) -> Classification | None:
    """What is no matter of one call's values: to be tried again, or the end of the run. None = it may be."""
    status = answer.status
    if status in TRANSIENT_STATUS or status >= 500:
        # 429 and 500 are documented; the others are inferred: the writes are absolute sets.
        return _transient(answer)
    if status in _STOPS:
        return Classification(Verdict.STOP, reason=f"http_{status}", message=_STOPS[status])
    if status < _BAD_REQUEST:
        message = f"the destination answered {status}; check base_url"
        return Classification(Verdict.REFUSED, reason=f"http_{status}", message=message)
    return None


def _classify_me(answer: Answer) -> Classification:
    status = answer.status
    if _OK <= status < _MULTIPLE_CHOICES:
        ours = isinstance(json_of(answer.body), dict)
        return ALL_APPLIED if ours else contradiction("an answer that is not the API's; check base_url")
    if status in _ME_STOPS:
        return Classification(Verdict.STOP, reason=f"http_{status}", message=_ME_STOPS[status])
    return _classify_failure(answer) or Classification(
        Verdict.REFUSED, reason=f"http_{status}", message=f"the check of the key was answered {status}"
    )


def _classify_custom(call: Call, answer: Answer) -> Classification:
    if _OK <= answer.status < _MULTIPLE_CHOICES:
        if not _is_plain_success(answer.body):
            return contradiction("the answer is not the API's, or speaks of an error")
        return _settle(call, answer.status, taken=True)
    failure = _classify_failure(answer)
    if failure:
        return failure
    if answer.status == _NOT_FOUND and call.targets:
        said = ("", "person_not_found", "the destination knows no such user", _NOT_FOUND)
        return Classification(Verdict.DONE, tuple(Refusal(n, *said) for n in range(len(call.targets))))
    return _settle(call, answer.status, taken=False)


def _is_plain_success(body: bytes) -> bool:
    """A 200 has no documented body: empty, or JSON that names no error."""
    if not body.strip():
        return True
    said = json_of(body)
    return said is not None and not (isinstance(said, dict) and (said.get("error") or said.get("errors")))


# ---------------------------------------------------------------- which value was it


def _settle(call: Call, status: int, *, taken: bool) -> Classification:
    """What is known now of the values of a call that was taken or refused, and what goes out next."""
    if not call.targets or (taken and not call.context.startswith("{")):
        return (
            ALL_APPLIED
            if taken
            else Classification(Verdict.REFUSED, reason=f"http_{status}", message="refused")
        )
    search, members = _search_of(call)
    step = bisect.after(search, taken=taken)
    follow_up: tuple[Call, ...] = ()
    if step.next is not None:
        user = call.body[len(b'{"user":') : call.body.index(_PROPERTIES)].decode()
        target = call.targets[0]
        follow_up = (_search_call(step.next, user, members, target.person, target.distinct_id),)
    if not step.applied and not step.refused:
        return Classification(Verdict.CONTINUE, follow_up=follow_up)
    if step.person:
        return Classification(Verdict.DONE, (Refusal(0, "", "person_refused", _PERSON_REFUSED, status),))
    at = _BAD_REQUEST if taken else status  # a value that failed alone before, and is settled only now
    refused = (Refusal(0, key, "value_refused", _VALUE_REFUSED, at) for key in step.refused)
    carried = tuple(range(1, len(call.targets)))
    return Classification(Verdict.DONE, tuple(refused), follow_up=follow_up, carried=carried)


def _search_of(call: Call) -> tuple[Bisection, dict[str, str]]:
    """How the search stands, and the JSON member of each value that is not settled yet."""
    if not call.context.startswith("{"):
        keys = call.targets[0].keys
        return bisect.begin(keys), dict(zip(keys, call.context.split(SEPARATOR), strict=True))
    data = json.loads(call.context)
    groups = tuple(tuple(group) for group in data["rest"])
    taken = bool(data["taken"])
    search = Bisection(tuple(data["testing"]), tuple(data["suspects"]), groups, tuple(data["failed"]), taken)
    return search, data["members"]


def _search_call(
    search: Bisection, user: str, members: Mapping[str, str], person: int, distinct_id: str
) -> Call:
    """The next call of a search. It also speaks for the values that failed alone and are not settled yet.

    Its second target is what the search has still to send: without a usable answer it comes to nothing.
    """
    settles = (*search.testing, *search.failed)
    later = (*search.suspects, *(key for group in search.rest for key in group))
    left = {key: members[key] for key in (*settles, *later)}
    body = _body(user, SEPARATOR.join(members[key] for key in search.testing))
    targets = tuple(Target(person, distinct_id, "set", keys) for keys in (settles, later) if keys)
    context = json.dumps({**asdict(search), "members": left})
    return Call("POST", CUSTOM, body, targets, context=context)


# ---------------------------------------------------------------- jobs


@dataclass(frozen=True, slots=True)
class _Record:
    """One person of a job: the record's JSON, and what it writes."""

    text: str
    target: Target


def _submit(records: Sequence[_Record]) -> Call:
    """One bulk call. Line ends stand between records only: JSON text holds none."""
    body = '{"users":[\n' + ",\n".join(record.text for record in records) + "\n]}"
    return Call("POST", BULK, body.encode(), tuple(record.target for record in records))


def _texts_of(body: bytes) -> list[str]:
    return body.decode().removeprefix('{"users":[\n').removesuffix("\n]}").split(",\n")


def _records_of(body: bytes) -> str:
    """What tells the records of a bulk call apart in its results: their identifiers, as JSON."""
    return json.dumps([json.loads(text)["identifiers"] for text in _texts_of(body)], ensure_ascii=False)


def _halve_job(call: Call, status: int) -> Classification:
    """A job refused before it was one: its halves are handed in, until a record stands alone."""
    if len(call.targets) == 1:
        refusal = Refusal(0, "", "person_refused", "this person's record was refused, alone", status)
        return Classification(Verdict.DONE, (refusal,))
    pairs = [_Record(text, target) for text, target in zip(_texts_of(call.body), call.targets, strict=True)]
    middle = (len(pairs) + 1) // 2
    return Classification(Verdict.CONTINUE, follow_up=(_submit(pairs[:middle]), _submit(pairs[middle:])))


@dataclass(frozen=True, slots=True)
class _Result:
    """What a line of the results says of one record."""

    taken: bool
    status: int


def _read_results(body: bytes, records: Sequence[Any]) -> dict[int, _Result]:
    """By index of the record. How a line is written is not documented, so several forms are understood.

    Its record is found by the identifiers it repeats, wherever they stand in it, or by its position where no
    line repeats any and there are as many lines as records. Its status is a number or a word under `status`,
    `statusCode`, `responseCode` or `code`, or `success` as true or false, at the top or in `response` or
    `result`.
    """
    lines = [json_of(line) for line in body.splitlines() if line.strip()]
    places = _Places(records)
    named = [places.find(line) if isinstance(line, dict) else None for line in lines]
    if lines and all(index is None for index in named) and len(lines) == len(records):
        named = list(range(len(records)))
    found: dict[int, _Result] = {}
    for index, line in zip(named, lines, strict=True):
        result = _result_of(line)
        if index is not None and result is not None and index not in found:
            found[index] = result
    return found


class _Places:
    """Finds the record a line speaks of. A person with two records has them in the order they were sent."""

    def __init__(self, records: Sequence[Any]) -> None:
        self._by_identity: dict[str, list[int]] = {}
        for index, record in enumerate(records):
            self._by_identity.setdefault(_canonical(record), []).append(index)

    def find(self, line: Any, depth: int = 4) -> int | None:
        if isinstance(line, dict) and depth:
            for part in (line, *line.values()):
                waiting = self._by_identity.get(_canonical(part)) if isinstance(part, dict) else None
                if waiting:
                    return waiting.pop(0)
            found = (self.find(part, depth - 1) for part in line.values() if isinstance(part, dict))
            return next((index for index in found if index is not None), None)
        return None


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


_STATUS_NAMES = ("status", "statusCode", "status_code", "responseCode", "code", "success")
_TAKEN_WORDS = frozenset({"success", "succeeded", "ok", "accepted", "completed", "created", "updated"})


def _result_of(line: Any) -> _Result | None:
    """None where a line does not say how its record ended."""
    if not isinstance(line, dict):
        return None
    for place in (line, line.get("response"), line.get("result")):
        for name in _STATUS_NAMES if isinstance(place, dict) else ():
            result = _status_of(place.get(name)) if isinstance(place, dict) else None
            if result:
                return result
    return None


def _status_of(value: Any) -> _Result | None:
    if isinstance(value, bool):
        return _Result(value, _OK if value else _BAD_REQUEST)
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value)
    if isinstance(value, int):
        taken = _OK <= value < _MULTIPLE_CHOICES
        return _Result(taken, value)
    if isinstance(value, str) and value:
        taken = value.lower() in _TAKEN_WORDS
        return _Result(taken, _OK if taken else _BAD_REQUEST)
    return None


DESTINATION = Destination
