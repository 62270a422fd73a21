"""The calls of a search for the value at fault, where a destination refuses a call of one person unexplained.

A destination says how a call looks that carries some values (`Build`). Everything else is in the call's
`context`: at first the members that it carries, during a search how the search stands, as JSON.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

from importer.core.models import (
    ALL_APPLIED,
    SEPARATOR,
    Call,
    Classification,
    Part,
    Refusal,
    Target,
    Update,
    Verdict,
)
from importer.destinations import bisect
from importer.destinations.bisect import Bisection

Build = Callable[[str], Call]
"""Members, joined with SEPARATOR → the call that carries them; its targets and its context are set here."""

_BAD_REQUEST = 400


@dataclass(frozen=True, slots=True)
class Messages:
    """What the report says of a value, and of a person, found to be at fault."""

    value: str
    person: str


def first_call(update: Update, part: Part, build: Build) -> Call:
    """The first call of one person: all values of the part, or a doubtful one alone."""
    search = bisect.begin(part.keys, update.doubtful)
    if search.testing == part.keys:
        target = Target(update.person, update.distinct_id, part.operation, part.keys)
        return replace(build(part.members), targets=(target,), context=part.members)
    members = dict(zip(part.keys, part.members.split(SEPARATOR), strict=True))
    return _next_call(search, members, Target(update.person, update.distinct_id, part.operation, ()), build)


def settle(call: Call, status: int, messages: Messages, build: Build, *, accepted: bool) -> Classification:
    """What an accepted or refused call tells of its values, and the call that goes out next.

    `call` is one of `first_call`, or one that followed it.
    """
    if accepted and not call.context.startswith("{"):
        return ALL_APPLIED
    search, members = _search_of(call)
    step = bisect.after(search, accepted=accepted)
    follow_up: tuple[Call, ...] = ()
    if step.next is not None:
        follow_up = (_next_call(step.next, members, call.targets[0], build),)
    if not step.applied and not step.refused:
        return Classification(Verdict.CONTINUE, follow_up=follow_up)
    if step.person:
        return Classification(Verdict.DONE, (Refusal(0, "", "person_refused", messages.person, status),))
    at = _BAD_REQUEST if accepted else status  # a value that failed alone before, and is settled only now
    refused = (Refusal(0, key, "value_refused", messages.value, at) for key in step.refused)
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


def _next_call(search: Bisection, members: Mapping[str, str], of: Target, build: Build) -> Call:
    """The next call of a search. Its answer also settles the values that failed alone before.

    Its second target holds the values that the search has still to send: without a usable answer they end
    with this call.
    """
    settles = (*search.testing, *search.failed)
    later = (*search.suspects, *(key for group in search.rest for key in group))
    left = {key: members[key] for key in (*settles, *later)}
    targets = tuple(replace(of, keys=keys) for keys in (settles, later) if keys)
    context = json.dumps({**asdict(search), "members": left})
    return replace(
        build(SEPARATOR.join(members[key] for key in search.testing)), targets=targets, context=context
    )
