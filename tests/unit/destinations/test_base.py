"""What a destination is unless it says otherwise, and when two values are the same."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from importer.core.models import ALL_APPLIED, Answer, Call, Classification, Update, Verdict
from importer.destinations.base import Destination, Settings, is_same


class Plain(Destination):
    """The least that a vendor has to say."""

    name = "plain"
    confirms = "call"
    default_base_url = "https://plain.example"
    distinct_id_max = 10
    people_per_call = 3

    def headers(self, key: str) -> Mapping[str, str]:
        return {"Authorization": key}

    def calls(self, updates: Sequence[Update]) -> Sequence[Call]:
        return ()

    def classify(self, call: Call, answer: Answer) -> Classification:
        return ALL_APPLIED


PLAIN = Plain(Settings(), ())
NOBODY = Update(0, "p0", ())
CALL, ANSWER = Call("GET", "/", b"", ()), Answer(200, {}, b"")


def test_a_destination_that_says_no_more_has_no_problems_and_nothing_beside_its_calls() -> None:
    assert (list(PLAIN.problems()), list(PLAIN.warnings()), PLAIN.key_problem("k")) == ([], [], None)
    assert (PLAIN.identity_fields(), PLAIN.prepare([NOBODY]), PLAIN.id_scope("k")) == ((), (), ())
    assert (PLAIN.check_key(), PLAIN.first_value(NOBODY), PLAIN.read_back(NOBODY)) == (None, None, None)
    assert (PLAIN.rate_hint(ANSWER), PLAIN.job_deadline) == (None, math.inf)
    assert PLAIN.base_url() == "https://plain.example"


def test_without_a_call_that_reads_nothing_is_readable() -> None:
    assert PLAIN.read(CALL, ANSWER) == Classification(Verdict.REFUSED, reason="not_readable")


@pytest.mark.parametrize(
    ("people", "clears", "calls"), [(0, 0, 0), (1, 0, 1), (3, 0, 1), (4, 0, 2), (6, 5, 7)]
)
def test_the_forecast_counts_full_calls_and_one_for_each_value_to_clear(
    people: int, clears: int, calls: int
) -> None:
    assert PLAIN.calls_at_most(people, clears) == calls


def test_an_unknown_key_is_an_error_that_does_not_show_its_value() -> None:
    with pytest.raises(ValidationError) as failure:
        Settings.model_validate({"secret": "hidden-text"})
    assert "secret" in str(failure.value)
    assert "hidden-text" not in str(failure.value)


@pytest.mark.parametrize(
    ("sent", "stored", "same"),
    [
        (1, Decimal("1.0"), True),
        (Decimal("0.1"), Decimal("0.10"), True),
        (1, True, False),
        (True, True, True),
        (0, False, False),
        (1, "1", False),
        ("a", "a", True),
        ("a", "A", False),
        (["a", "b"], ["b", "a"], True),
        (["a", "a"], ["a"], False),
        (["1"], [1], False),
        ([True], [1], False),
        (["a"], "a", False),
        ("a", None, False),
    ],
)
def test_values_are_the_same_as_json_has_them(sent: Any, stored: Any, same: bool) -> None:
    assert is_same(sent, stored) is same
    assert PLAIN.is_stored(sent, stored) is same
