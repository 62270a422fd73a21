"""Kills: each attempt of a run ends just before a file or journal operation, then one comes to its end."""

import random
from pathlib import Path

from tests.torture.attempts import Attempt, go_on
from tests.torture.figures import Figures
from tests.torture.holding import assert_as_undisturbed, assert_in_words, assert_nothing_doubled, undisturbed
from tests.torture.imports import generate, prepared

KILLED = -9


def kills(chance: random.Random, folder: Path, figures: Figures) -> None:
    """One to four kills of one run."""
    what = generate(chance)
    figures.note(str(what))
    base, operations = undisturbed(what, folder / "base")
    with prepared(what, folder / "hit") as here:
        for _ in range(chance.randint(1, 4)):
            at = chance.randint(1, operations)
            done = go_on(here, kill_at=at)
            figures.note(f"operation {at} of {operations}: exit {done.code}")
            if done.code != KILLED:
                break
            figures.count("kills")
            assert_nothing_doubled(here, base, what)
        else:
            done = go_on(here)
        assert_finished(done)
        assert_as_undisturbed(here, base, what)


def assert_finished(done: Attempt) -> None:
    """It came to its end now, or had come to its end before it was killed."""
    assert_in_words(done, (0, 1, 2))
    assert done.code != 2 or "is finished" in done.err, done.err
