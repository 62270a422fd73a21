"""Calls refused as a whole in a row: delayed, then rejected, or left to be sent again."""

import pytest

from importer.core.models import ALL_APPLIED, Call, Classification, Refusal, Settled, Target, Verdict
from importer.send.refusals import LONGEST, DelayedRefusal, RefusalStreak

REFUSED = Classification(Verdict.REFUSED, reason="http_400")
PERSON = Classification(Verdict.DONE, (Refusal(0, "", "no_such_person"),))
ONE_VALUE = Classification(Verdict.DONE, (Refusal(0, "a", "bad"),))
ALL_VALUES = Classification(Verdict.DONE, (Refusal(0, "a", "bad"), Refusal(0, "b", "bad")))


def answer(classification: Classification, person: str = "p", status: int = 400) -> Settled:
    target = Target(0, person, "set", ("a", "b"))
    return Settled(Call("POST", "/", b"", (target,)), classification, status, 1, 0.0)


class Play:
    """A row, and what became of each person in it."""

    def __init__(self, *again: str) -> None:
        self.streak = RefusalStreak(again)
        self.settled: list[str] = []
        self.released: list[str] = []

    def refuse(self, person: str) -> bool:
        one = answer(REFUSED, person)
        assert self.streak.counts(one)
        settle, release = lambda: self.settled.append(person), lambda: self.released.append(person)
        return self.streak.delay(DelayedRefusal(one, settle, release)) is not None


@pytest.mark.parametrize(
    ("classification", "status", "counts"),
    [
        (REFUSED, 400, True),
        (REFUSED, 999, True),
        (REFUSED, 200, True),
        (PERSON, 200, True),
        (ONE_VALUE, 400, False),
        (ALL_VALUES, 400, True),
        (ALL_VALUES, 200, False),  # the destination names each value: it is the values
        (ALL_APPLIED, 200, False),
        (Classification(Verdict.RETRY), 500, False),
        (Classification(Verdict.UNCONFIRMED), 200, False),
    ],
)
def test_a_call_counts_where_all_of_it_was_refused(
    classification: Classification, status: int, counts: bool
) -> None:
    assert RefusalStreak().counts(answer(classification, status=status)) is counts


def test_a_streak_is_calm_where_an_accepted_call_changes_nothing() -> None:
    play = Play()
    assert not play.streak.is_calm  # nothing is known to be accepted yet
    play.streak.accept(answer(ALL_APPLIED))
    assert play.streak.is_calm
    play.refuse("p1")
    assert not play.streak.is_calm
    play.streak.accept(answer(ALL_APPLIED))
    assert not play.streak.is_calm  # what is delayed is to be settled
    play.streak.settle()
    assert play.streak.is_calm


def test_a_row_of_ten_stops_and_leaves_them_to_be_sent_again() -> None:
    play = Play()
    assert [play.refuse(f"p{n}") for n in range(LONGEST)] == [False] * (LONGEST - 1) + [True]
    assert "http_400: 10 calls in a row" in str(play.streak.stopped_at)
    people = [f"p{n}" for n in range(LONGEST)]
    assert play.streak.release() == people
    assert (play.settled, play.released) == ([], people)


def test_an_accepted_call_ends_the_row_and_then_the_refused_are_rejected() -> None:
    play, finished = Play(), list[str]()
    for n in range(LONGEST - 1):
        play.refuse(f"p{n}")
    play.streak.finish(lambda: finished.append("job"))
    assert finished == []
    assert play.streak.accept(answer(ALL_APPLIED, status=200))
    play.streak.settle()
    assert (len(play.settled), finished) == (LONGEST - 1, ["job"])
    assert not play.refuse("next"), "the row begins from the start"


def test_what_is_unconfirmed_neither_counts_nor_ends_a_row() -> None:
    assert not RefusalStreak().accept(answer(Classification(Verdict.RETRY), status=0))


def test_who_was_in_a_row_before_does_not_count_again() -> None:
    streak = RefusalStreak(["p1"])
    assert not streak.counts(answer(REFUSED, "p1"))
    assert streak.counts(answer(REFUSED, "p2"))


def test_an_id_that_is_unknown_for_the_second_time_counts() -> None:
    streak, unknown = RefusalStreak(), answer(Classification(Verdict.UNKNOWN_ID, reason="code_55108"), "p1")
    assert [streak.counts(unknown), streak.counts(unknown)] == [False, True]
    assert not streak.accept(unknown)


def test_finishing_waits_for_nothing_where_nothing_is_held_back() -> None:
    finished: list[str] = []
    RefusalStreak().finish(lambda: finished.append("job"))
    assert finished == ["job"]
