"""The base of a simulator: what a vendor has unless its folder says otherwise."""

import pytest

from importer.core.models import Answer
from importer.destinations.simulator import Request, Sandbox


class Plain(Sandbox):
    """The least that a vendor's side has to say."""

    def answer(self, request: Request) -> Answer:
        return Answer(204, {}, b"")


REQUEST = Request("GET", "/", {}, {}, b"")


def test_a_simulator_begins_empty_and_shares_nothing_with_another() -> None:
    one, other = Plain({}, "k"), Plain({}, "k")
    one.stored["p"] = {"age": 1}
    assert (other.stored, other.limit) == ({}, 0.0)


def test_no_error_is_documented_and_no_fault_is_known_unless_the_vendor_says_so() -> None:
    vendor = Plain({}, "k")
    assert (vendor.documented_error("quota"), vendor.documented_error("429")) == (None, None)
    assert (vendor.simulate("any", vendor.answer(REQUEST)), vendor.distinct_ids(REQUEST)) == (None, ())
    assert (vendor.simulated_faults, vendor.demo_faults, vendor.demo_lacks) == (frozenset(), (), "undefined")
    assert vendor.default_key == "sk_test_sandbox"


def test_people_can_be_added_only_where_ids_are_resolved() -> None:
    with pytest.raises(NotImplementedError):
        Plain({}, "k").add_person("ann", 1)
