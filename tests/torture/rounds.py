"""Rounds one after another: each from the seed and its number alone, so that any can be done again."""

import random
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.torture.answers import answers
from tests.torture.damage import damage
from tests.torture.figures import Figures
from tests.torture.files import files
from tests.torture.kills import kills
from tests.torture.limits import limits

Round = Callable[[random.Random, Path, Figures], None]

KINDS: Mapping[str, Round] = {
    "kills": kills,
    "damage": damage,
    "answers": answers,
    "files": files,
    "limits": limits,
}
"""Round n is of the n-th kind, and then from the first on again."""


@dataclass(frozen=True)
class Done:
    """One round: its number from 0, its kind, what it tried, and its failure or ""."""

    number: int
    kind: str
    figures: Figures
    failure: str
    seconds: float


def play(seed: int, number: int) -> Done:
    """Does round `number` of a seed."""
    kind = list(KINDS)[number % len(KINDS)]
    figures, failure, began = Figures(), "", time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as folder:
        try:
            KINDS[kind](random.Random(f"{seed} {number}"), Path(folder), figures)
        except Exception as error:  # noqa: BLE001 - whatever a round meets is its result, and the next one goes on
            failure = "".join(traceback.format_exception(error, limit=-6))
    return Done(number, kind, figures, failure, time.monotonic() - began)


def rounds(seed: int, until: float) -> Iterator[Done]:
    """Rounds from 0 on, until this moment of `time.monotonic`; the first one in any case."""
    number = 0
    while not number or time.monotonic() < until:
        yield play(seed, number)
        number += 1


def total(done: list[Done]) -> str:
    """The figures of all rounds, a line each."""
    tried: Counter[str] = sum((one.figures.tried for one in done), Counter())
    failed = [one for one in done if one.failure]
    lines = [f"{len(done)} rounds, {len(failed)} failed"]
    for kind in KINDS:
        own = [one for one in done if one.kind == kind]
        passed = sum(not one.failure for one in own)
        lines.append(f"  {kind:<8} {len(own)} rounds, {passed} passed")
    lines += [f"  {count:>7,} {what}" for what, count in sorted(tried.items())]
    return "\n".join(lines)
