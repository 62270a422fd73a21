"""The calls of a search for the value at fault, by a destination that is only a list of members."""

import json

import pytest

from importer.core.models import ALL_APPLIED, SEPARATOR, Call, Part, Refusal, Update, Verdict
from importer.destinations.value_search import Messages, first_call, settle

MESSAGES = Messages("this value", "this person")


def build(members: str) -> Call:
    return Call("POST", "/p", ("{" + members.replace(SEPARATOR, ",") + "}").encode(), ())


def begun(*keys: str, doubtful: tuple[str, ...] = ()) -> Call:
    part = Part("set", keys, SEPARATOR.join(f'"{key}":1' for key in keys))
    return first_call(Update(2, "p2", (part,), doubtful=doubtful), part, build)


def test_a_first_call_carries_everything_and_is_applied_as_a_whole() -> None:
    call = begun("a", "b")
    assert json.loads(call.body) == {"a": 1, "b": 1}
    assert [(t.person, t.distinct_id, t.operation, t.keys) for t in call.targets] == [
        (2, "p2", "set", ("a", "b"))
    ]
    assert settle(call, 200, MESSAGES, build, accepted=True) is ALL_APPLIED


def test_a_doubtful_value_goes_first_and_alone() -> None:
    call = begun("a", "b", "c", doubtful=("b",))
    assert json.loads(call.body) == {"b": 1}
    assert [target.keys for target in call.targets] == [("b",), ("a", "c")]
    found = settle(call, 200, MESSAGES, build, accepted=True)
    assert (found.verdict, found.carried) == (Verdict.DONE, (1,))
    assert [json.loads(one.body) for one in found.follow_up] == [{"a": 1, "c": 1}]


@pytest.mark.parametrize("bad", ["a", "c", "e"])
def test_exactly_the_value_at_fault_is_refused(bad: str) -> None:
    waiting, refused = [begun(*"abcde")], list[Refusal]()
    calls = 0
    while waiting:
        call, calls = waiting.pop(), calls + 1
        accepted = bad not in json.loads(call.body)
        found = settle(call, 200 if accepted else 422, MESSAGES, build, accepted=accepted)
        waiting += found.follow_up
        refused += found.refused
    assert [(one.key, one.reason, one.message) for one in refused] == [(bad, "value_refused", "this value")]
    assert calls <= 6


def test_where_every_value_is_refused_it_is_the_person() -> None:
    waiting, refused = [begun("a", "b")], list[Refusal]()
    while waiting:
        found = settle(waiting.pop(), 422, MESSAGES, build, accepted=False)
        waiting += found.follow_up
        refused += found.refused
    assert [(one.key, one.reason, one.message) for one in refused] == [("", "person_refused", "this person")]
