"""One person a call: the body, its answer, and the search for the value at fault."""

import json
from collections.abc import Mapping
from dataclasses import asdict

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
)
from importer.destinations import bisect
from importer.destinations.attentive.endpoints import (
    BAD_REQUEST,
    CUSTOM,
    MULTIPLE_CHOICES,
    NOT_FOUND,
    OK,
    classify_failure,
)
from importer.destinations.bisect import Bisection
from importer.destinations.responses import contradiction, json_of

_VALUE_REFUSED = "refused, alone, with 400 and no reason; most likely its type or its list of values"
_PERSON_REFUSED = (
    "every value was refused, each alone, so it is the person: no such user, or not one to write"
)
_PROPERTIES = b',"properties":{'


def person_call(user: str, update: Update, part: Part) -> Call:
    """The first call of one person. `user` is the JSON of the user object."""
    search = bisect.begin(part.keys, update.doubtful)
    if search.testing == part.keys:
        target = Target(update.person, update.distinct_id, "set", part.keys)
        return Call("POST", CUSTOM, _body(user, part.members), (target,), context=part.members)
    members = dict(zip(part.keys, part.members.split(SEPARATOR), strict=True))
    return _search_call(search, user, members, update.person, update.distinct_id)


def first_value_call(user: str, members: str) -> Call:
    """A call that writes `members` of one person and settles nothing: it has no targets."""
    return Call("POST", CUSTOM, _body(user, members), ())


def _body(user: str, members: str) -> bytes:
    return b'{"user":' + user.encode() + _PROPERTIES + members.replace(SEPARATOR, ",").encode() + b"}}"


def classify_person_call(call: Call, answer: Answer) -> Classification:
    """A 2xx applies what the call carries; after a 400 the search for the value at fault goes on."""
    if OK <= answer.status < MULTIPLE_CHOICES:
        if not _is_plain_success(answer.body):
            return contradiction("the answer is not the API's, or speaks of an error")
        return _settle(call, answer.status, accepted=True)
    failure = classify_failure(answer)
    if failure:
        return failure
    if answer.status == NOT_FOUND and call.targets:
        unknown = ("", "person_not_found", "the destination knows no such user", NOT_FOUND)
        return Classification(Verdict.DONE, tuple(Refusal(n, *unknown) for n in range(len(call.targets))))
    return _settle(call, answer.status, accepted=False)


def _is_plain_success(body: bytes) -> bool:
    """A 200 has no documented body: empty, or JSON that names no error."""
    if not body.strip():
        return True
    data = json_of(body)
    return data is not None and not (isinstance(data, dict) and (data.get("error") or data.get("errors")))


def _settle(call: Call, status: int, *, accepted: bool) -> Classification:
    """What an accepted or refused call tells of its values, and the call that goes out next."""
    if not call.targets or (accepted and not call.context.startswith("{")):
        return (
            ALL_APPLIED
            if accepted
            else Classification(Verdict.REFUSED, reason=f"http_{status}", message="refused")
        )
    search, members = _search_of(call)
    step = bisect.after(search, accepted=accepted)
    follow_up: tuple[Call, ...] = ()
    if step.next is not None:
        user = call.body[len(b'{"user":') : call.body.index(_PROPERTIES)].decode()
        target = call.targets[0]
        follow_up = (_search_call(step.next, user, members, target.person, target.distinct_id),)
    if not step.applied and not step.refused:
        return Classification(Verdict.CONTINUE, follow_up=follow_up)
    if step.person:
        return Classification(Verdict.DONE, (Refusal(0, "", "person_refused", _PERSON_REFUSED, status),))
    at = BAD_REQUEST if accepted else status  # a value that failed alone before, and is settled only now
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
    any_accepted = bool(data["any_accepted"])
    search = Bisection(
        tuple(data["testing"]), tuple(data["suspects"]), groups, tuple(data["failed"]), any_accepted
    )
    return search, data["members"]


def _search_call(
    search: Bisection, user: str, members: Mapping[str, str], person: int, distinct_id: str
) -> Call:
    """The next call of a search. Its answer also settles the values that failed alone before.

    Its second target holds the values that the search has still to send: without a usable answer they end
    with this call.
    """
    settles = (*search.testing, *search.failed)
    later = (*search.suspects, *(key for group in search.rest for key in group))
    left = {key: members[key] for key in (*settles, *later)}
    body = _body(user, SEPARATOR.join(members[key] for key in search.testing))
    targets = tuple(Target(person, distinct_id, "set", keys) for keys in (settles, later) if keys)
    context = json.dumps({**asdict(search), "members": left})
    return Call("POST", CUSTOM, body, targets, context=context)
