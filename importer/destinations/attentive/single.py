"""One person a call: the body, its answer, and the search for the value at fault."""

from functools import partial

from importer.core.models import (
    ALL_APPLIED,
    SEPARATOR,
    Answer,
    Call,
    Classification,
    Part,
    Refusal,
    Update,
    Verdict,
)
from importer.destinations import value_search
from importer.destinations.attentive.endpoints import (
    CUSTOM,
    MULTIPLE_CHOICES,
    NOT_FOUND,
    OK,
    classify_failure,
)
from importer.destinations.responses import contradiction, json_of

_MESSAGES = value_search.Messages(
    "refused, alone, with 400 and no reason; most likely its type or its list of values",
    "every value was refused, each alone, so it is the person: no such user, or not one to write",
)
_PROPERTIES = b',"properties":{'


def person_call(user: str, update: Update, part: Part) -> Call:
    """The first call of one person. `user` is the JSON of the user object."""
    return value_search.first_call(update, part, partial(first_value_call, user))


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
    """What an accepted or refused call tells of its values; one without targets has none."""
    if not call.targets:
        refused = Classification(Verdict.REFUSED, reason=f"http_{status}", message="refused")
        return ALL_APPLIED if accepted else refused
    user = call.body[len(b'{"user":') : call.body.index(_PROPERTIES)].decode()
    return value_search.settle(call, status, _MESSAGES, partial(first_value_call, user), accepted=accepted)
