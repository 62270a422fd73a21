"""Trouble at every request of a run, the long way: `python -m pytest -m slow -s tests/long/test_trouble.py`

Every case, every way, every request, one call after another and several in flight; each refusal for every
person; and both together at every request. IMPORTER_TROUBLE_STEP takes only every n-th request (1).
"""

import os
import sys
from pathlib import Path

import pytest

from tests.integration.test_one_person_in_trouble import (
    FLIGHT,
    REFUSALS,
    WAYS,
    Base,
    base,
    refused,
    refused_and_ended,
    stopped_by_limit,
)
from tests.support.trouble import CASES, PEOPLE, world

__all__ = ["base"]  # a fixture

PADDING = 2_200_000
"""Characters; a row that takes up a chunk alone."""

STEP = int(os.environ.get("IMPORTER_TROUBLE_STEP", "1"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CASES)
def test_every_request(name: str, way: str, base: Base, tmp_path: Path) -> None:
    for number in range(1, base(name)[1] + 1, STEP):
        folder = tmp_path / str(number)
        folder.mkdir()
        with world(folder, CASES[name], max_in_flight=1) as here:
            WAYS[way](here, base(name), way, number)
    sys.stdout.write(f"\n{name}, {way}: {base(name)[1]} requests")


@pytest.mark.parametrize("what", REFUSALS)
def test_every_person(what: str, base: Base, tmp_path: Path) -> None:
    name = REFUSALS[what][0]
    for number in (n for n in range(0, PEOPLE, STEP) if n != 1):  # one of their values is refused anyway
        for check, flight in ((refused, FLIGHT), (stopped_by_limit, 1)):
            folder = tmp_path / f"{check.__name__}-{number}"
            folder.mkdir()
            with world(folder, CASES[name], max_in_flight=flight) as here:
                check(here, base(name), what, number)


@pytest.mark.parametrize("way", ["term", "stop", "kill_before", "kill_after", "term_before"])
@pytest.mark.parametrize("what", REFUSALS)
def test_both_at_every_request(what: str, way: str, base: Base, tmp_path: Path) -> None:
    name = REFUSALS[what][0]
    for at in range(1, base(name)[1] + 1, STEP):
        folder = tmp_path / str(at)
        folder.mkdir()
        with world(folder, CASES[name], max_in_flight=1 if at % 2 else FLIGHT) as here:
            refused_and_ended(here, base(name), what, (2 + 7 * at) % PEOPLE, way, at)
