"""The short form: one round of each kind. `python -m tests.torture` plays more of them."""

from pathlib import Path

import pytest

from tests.torture.figures import Figures
from tests.torture.rounds import KINDS, Done, play, total

SEED = 1


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_a_disturbed_run_ends_as_an_undisturbed_one(number: int) -> None:
    done = play(SEED, number)
    assert not done.failure, (done.figures.steps, done.failure)
    assert done.figures.tried.total() or done.kind == "answers"  # a share of no call is no answer


def test_a_failure_is_found_and_the_same_round_fails_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(chance: object, folder: Path, figures: Figures) -> None:
        figures.note("did it")
        raise AssertionError("not as it must be")

    monkeypatch.setitem(KINDS, "kills", fails)
    for _ in range(2):
        done = play(SEED, 0)
        assert "not as it must be" in done.failure
        assert done.figures.steps == ["did it"]
    assert total([done]).startswith("1 rounds, 1 failed")


def test_the_total_counts_what_was_tried() -> None:
    figures = Figures()
    figures.count("kills", 3)
    text = total([Done(0, "kills", figures, "", 1.0), Done(5, "kills", figures, "", 1.0)])
    assert "2 rounds, 0 failed" in text
    assert "6 kills" in text
