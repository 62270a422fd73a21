"""Hostile answers: whatever the destination says, nothing is wrong and nothing is counted twice."""

import random
from pathlib import Path

from tests.support.trouble import ATTEMPTS, BEFORE, RunResult, World
from tests.torture.attempts import go_on
from tests.torture.figures import Figures
from tests.torture.holding import assert_as_undisturbed, assert_in_words, assert_nothing_doubled, undisturbed
from tests.torture.imports import Import, comparable, generate, prepared
from tests.torture.proxy import Plan
from tests.torture.spoils import BROKEN, FALSE

_CODES = (0, 1, 4, 5)
_BROKEN_TIMES = 2
_ENOUGH_ATTEMPTS = 2 * _BROKEN_TIMES + 1
"""A spoiled answer that looks whole costs two attempts: the next one may go out on its closing connection."""


def answers(chance: random.Random, folder: Path, figures: Figures) -> None:
    """A run under hostile answers, then the rest of it in peace."""
    what = generate(chance)
    base, _ = undisturbed(what, folder / "base")
    is_broken, seed = chance.random() < 0.6, str(chance.random())
    plan = Plan(
        seed, BROKEN if is_broken else FALSE, chance.choice((0.05, 0.3)), _BROKEN_TIMES if is_broken else 9
    )
    client = chance.choice(("httpx", "fast"))
    figures.note(f"{what}; {client}, {'broken' if is_broken else 'false'} answers, {plan.share:.0%}")
    more = {"http_client": client, "retry_attempts": _ENOUGH_ATTEMPTS if is_broken else ATTEMPTS}
    with prepared(what, folder / "hit", through=plan.in_front, **more) as here:
        plan.is_on = True
        done = go_on(here)
        figures.count("hostile answers", plan.used.total())
        figures.note(f"{dict(plan.used)}: exit {done.code} {done.err.strip()[-160:]}")
        assert_in_words(done, _CODES)
        assert_nothing_doubled(here, base, what)
        plan.is_on = False
        if here.result().state != "finished":
            done = go_on(here)
        assert_in_words(done, (0, 1))
        _assert_ended(here, base, what, is_broken)


def _assert_ended(here: World, base: RunResult, what: Import, is_broken: bool) -> None:
    """Broken answers change nothing in the end. False ones may be believed, but nothing wrong is stored.

    Where a call that never arrived was believed to be answered, what was there before stays.
    """
    if is_broken:
        assert_as_undisturbed(here, base, what)
        return
    assert_nothing_doubled(here, base, what)
    found, right = here.result(), comparable(what, base.stored)
    for person, values in comparable(what, found.stored).items():
        for key, value in values.items():
            assert value in (right.get(person, {}).get(key), BEFORE), f"{person}, {key}: stored {value!r}"
