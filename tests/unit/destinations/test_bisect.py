"""The search for the values at fault: what it finds, what it costs."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.destinations.bisect import Bisection, after, begin


def search(
    keys: tuple[str, ...], bad: set[str], doubtful: tuple[str, ...] = ()
) -> tuple[int, set[str], set[str], bool]:
    """Calls, applied, refused, and whether it is the person, where any call with one of `bad` is refused."""
    calls, applied, refused, person = 0, set[str](), set[str](), False
    at: Bisection | None = begin(keys, doubtful)
    while at is not None:
        calls += 1
        step = after(at, accepted=not bad & set(at.testing))
        assert not applied & set(step.applied), "a value is written once"
        applied |= set(step.applied)
        refused |= set(step.refused)
        person |= step.person
        at = step.next
    return calls, applied, refused, person


@pytest.mark.parametrize("count", range(1, 41))
def test_one_bad_value_is_found_wherever_it_stands(count: int) -> None:
    keys = tuple(f"k{n}" for n in range(count))
    for bad in keys:
        calls, applied, refused, person = search(keys, {bad})
        assert (applied, refused, person) == (set(keys) - {bad}, {bad}, False)
        if count == 10:
            assert calls <= 8
        assert calls <= 3 + count.bit_length()


def test_two_bad_values_among_ten_cost_less_than_a_call_each() -> None:
    keys = tuple(f"k{n}" for n in range(10))
    for bad in combinations(keys, 2):
        calls, applied, refused, person = search(keys, set(bad))
        assert (applied, refused, person) == (set(keys) - set(bad), set(bad), False)
        assert calls <= 12


@given(st.integers(1, 25).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_exactly_the_bad_ones_are_refused(case: tuple[int, set[int]]) -> None:
    count, places = case
    keys = tuple(f"k{n}" for n in range(count))
    bad = {keys[n] for n in places}
    for doubtful in ((), keys[:2], keys[-1:]):
        calls, applied, refused, person = search(keys, bad, doubtful)
        assert (applied, refused) == (set(keys) - bad, bad)
        assert person == (len(bad) == count > 1)
        assert calls <= 2 * count + 8


def test_a_person_at_fault_costs_few_more_calls_than_values() -> None:
    keys = tuple(f"k{n}" for n in range(10))
    assert search(keys, set(keys))[0] <= 16


def test_a_doubtful_value_costs_one_call_more() -> None:
    keys = tuple(f"k{n}" for n in range(10))
    assert search(keys, {"k7"}, ("k7",))[0] == 2
    assert search(keys, set(), ("k7",))[0] == 2
