"""When a destination counts as down, and how often it is tried then."""

from importer.send.circuit_breaker import FIRST_PROBE, LAST_PROBE, TRIP, CircuitBreaker

ONE, OTHER = object(), object()


def opened(breaker: CircuitBreaker, at: float = 10.0) -> float:
    """Failures of two calls in turn until it opens at `at`; the wait before the first probe."""
    waits = [breaker.failed(at, (ONE, OTHER)[n % 2], at, alone=False) for n in range(TRIP)]
    assert waits[:-1] == [0.0] * (TRIP - 1)
    return waits[-1]


def test_failures_in_a_row_of_more_than_one_call_open_it() -> None:
    breaker = CircuitBreaker()
    assert opened(breaker) == FIRST_PROBE
    assert breaker.is_open


def test_one_call_alone_does_not_open_it_unless_no_other_is_there() -> None:
    breaker = CircuitBreaker()
    assert [breaker.failed(0.0, ONE, 0.0, alone=False) for _ in range(3 * TRIP)] == [0.0] * 3 * TRIP
    assert not breaker.is_open
    assert breaker.failed(0.0, ONE, 0.0, alone=True) == FIRST_PROBE
    assert breaker.is_open


def test_the_waits_between_probes_double_up_to_the_longest() -> None:
    breaker, now = CircuitBreaker(), 10.0
    waits = [opened(breaker, now)]
    for _ in range(8):
        now += waits[-1]
        waits.append(breaker.failed(now, ONE, now, alone=False))
    assert waits == [FIRST_PROBE * 2**n for n in range(6)] + [LAST_PROBE] * 3


def test_a_call_that_was_sent_before_it_opened_is_no_probe() -> None:
    breaker = CircuitBreaker()
    opened(breaker, 10.0)
    assert breaker.failed(9.9, OTHER, 11.0, alone=False) == 0.0
    assert breaker.failed(11.0, OTHER, 11.0, alone=False) == 2 * FIRST_PROBE


def test_an_answer_counts_from_the_beginning_again() -> None:
    breaker = CircuitBreaker()
    for _ in range(TRIP - 1):
        breaker.failed(1.0, ONE, 1.0, alone=True)
    breaker.close()
    assert breaker.began is None
    assert breaker.failed(2.0, OTHER, 2.0, alone=True) == 0.0
    opened_again = [breaker.failed(2.0, OTHER, 2.0, alone=True) for _ in range(TRIP - 1)]
    assert opened_again[-1] == FIRST_PROBE
    breaker.close()
    assert not breaker.is_open


def test_it_remembers_when_the_first_failure_was_noticed() -> None:
    breaker = CircuitBreaker()
    assert breaker.began is None
    for now in (3.0, 4.0, 5.0):
        breaker.failed(now, ONE, now, alone=False)
    assert breaker.began == 3.0
