"""The sandbox's limit at its edges; tests/unit/sandbox/test_server.py meets it over a socket."""

import pytest

from importer.sandbox.rate_window import RateWindow


def test_without_a_rate_every_request_is_let_through() -> None:
    window = RateWindow(0, 1.0)
    assert all(window.admits(0.0) for _ in range(100))


def test_the_window_slides_and_does_not_begin_again() -> None:
    window = RateWindow(2, 1.0)
    passed = [now for now in (0.0, 0.5, 0.75, 1.0, 1.25, 1.5) if window.admits(now)]
    assert passed == [0.0, 0.5, 1.0, 1.5]


def test_what_is_refused_does_not_count() -> None:
    window = RateWindow(1, 1.0)
    assert [window.admits(now) for now in (0.0, 0.5, 0.9, 1.0)] == [True, False, False, True]


@pytest.mark.parametrize("window", [0.0, 0.1])
def test_a_window_too_short_for_one_request_lets_no_burst_through(window: float) -> None:
    limit = RateWindow(4, window)
    assert [limit.admits(now) for now in (0.0, 0.0, 0.24, 0.25, 0.5)] == [True, False, False, True, True]
