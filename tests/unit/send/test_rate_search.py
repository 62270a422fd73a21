"""One step of the search for the rate at a time; test_rate_limiter.py lets it meet whole servers."""

import pytest

from importer.send.rate_search import SLOWEST, RateSearch, Slot


def answered(search: RateSearch, count: int, latency: float, now: float) -> None:
    """So many answers since the last look, then the next look, with a call that waits for the rate."""
    for _ in range(count):
        search.answered(latency)
    search.is_wanted = True
    search.review(now)


def test_at_the_start_the_rate_doubles_but_not_beyond_twice_what_comes_back() -> None:
    search = RateSearch(10.0)
    answered(search, 20, 0.01, 1.0)
    assert search.rate == pytest.approx(20.0)
    answered(search, 12, 0.01, 2.0)
    assert search.rate == pytest.approx(24.0)


def test_a_rate_that_nobody_waits_for_stays() -> None:
    search = RateSearch(10.0)
    search.answered(0.01)
    search.review(1.0)
    assert search.rate == 10.0


def test_a_rate_known_from_before_grows_in_small_steps() -> None:
    search = RateSearch(10.0, known=True)
    assert not search.never_refused
    answered(search, 20, 0.01, 1.0)
    assert search.rate == pytest.approx(10.3)


def test_the_next_look_is_no_sooner_than_a_tenth_of_a_second_or_a_latency() -> None:
    quick, slow = RateSearch(10.0), RateSearch(10.0)
    answered(quick, 5, 0.01, 1.0)
    answered(slow, 5, 0.5, 1.0)
    assert (quick.review_at, slow.review_at) == pytest.approx((1.1, 1.5))
    assert slow.longest_normal == pytest.approx(1.05)


def test_a_refusal_cuts_the_rate_to_just_under_what_was_let_through() -> None:
    search = RateSearch(100.0)
    search.refused(Slot(5.0, 80), 5.0, 1.0)
    assert search.rate == pytest.approx(0.97 * 79 / 1.015)
    assert (search.known, search.never_refused) == (True, False)


def test_calls_from_before_the_cut_tell_nothing_new() -> None:
    search = RateSearch(100.0)
    search.refused(Slot(5.0, 80), 5.0, 1.0)
    rate = search.rate
    for at in (4.0, 4.5, 5.0):
        search.refused(Slot(at, 10), 5.1, 1.0)
    assert search.rate == rate


def test_the_rate_never_falls_below_the_slowest() -> None:
    search = RateSearch(1.0)
    for second in range(20):
        search.refused(Slot(float(second), 1), second + 0.1, 0.0)
    search.at_most(0.0)
    assert search.rate == SLOWEST


def test_what_the_destination_says_is_left_only_lowers_the_rate() -> None:
    search = RateSearch(10.0)
    search.at_most(50.0)
    assert search.rate == 10.0
    search.at_most(4.0)
    assert search.rate == 4.0


def test_answers_that_have_become_slow_lower_the_rate_but_not_a_single_hiccup() -> None:
    search = RateSearch(100.0)
    for look in range(4):
        answered(search, 10, 0.01, 1.0 + look / 10)
    before = search.rate
    answered(search, 10, 1.0, 1.4)
    assert search.rate == before
    answered(search, 10, 1.0, 1.5)
    assert search.rate == pytest.approx(90.0), (
        "ten answers in a tenth of a second came back, and a little less"
    )
