"""One request of a call: which outcome is tried again, and when tenacity stops."""

import pytest
import tenacity

from importer.core.models import ALL_APPLIED, Classification, Verdict
from importer.send.request import APPLIED_AT_ONCE, StopWhen, Try


@pytest.mark.parametrize(
    ("verdict", "transient"),
    [(verdict, verdict in (Verdict.RETRY, Verdict.CONTRADICTION)) for verdict in Verdict],
)
def test_only_a_retry_and_a_contradiction_are_sent_again(verdict: Verdict, transient: bool) -> None:
    assert Try(Classification(verdict)).is_transient == transient


def test_without_an_answer_the_status_is_0_and_the_call_may_have_been_acted_on() -> None:
    one = Try(Classification(Verdict.RETRY))
    assert (one.status, one.seconds, one.acted_on, one.counts) == (0, 0.0, True, True)


def test_what_nearly_every_request_comes_to_is_a_200_that_applies_all() -> None:
    assert (APPLIED_AT_ONCE.status, APPLIED_AT_ONCE.classification) == (200, ALL_APPLIED)
    assert not APPLIED_AT_ONCE.is_transient


def test_attempts_end_once_the_waits_add_up_to_what_is_asked() -> None:
    asked, waited, attempts = list[float](), list[float](), 0

    def is_enough(idle: float) -> bool:
        asked.append(idle)
        return idle >= 4.0

    def attempt() -> None:
        nonlocal attempts
        attempts += 1
        raise OSError

    again = tenacity.Retrying(stop=StopWhen(is_enough), wait=tenacity.wait_fixed(2.0), sleep=waited.append)
    with pytest.raises(tenacity.RetryError):
        again(attempt)
    assert asked == sorted(asked)
    assert asked[-1] >= 4.0 > asked[-2]
    assert (attempts, waited) == (len(asked), [2.0] * (attempts - 1))
