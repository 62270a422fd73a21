"""The locks pin all that the project asks for, with hashes, and agree with each other."""

import re
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-spark.lock")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _pins(lock: str) -> dict[str, str]:
    """Package → its pin with marker and hashes."""
    blocks = re.split(r"\n(?=\S)", "\n" + (ROOT / lock).read_text("utf-8"))
    blocks = [re.sub(r"\s*\n\s+# .*", "", block).strip() for block in blocks]
    return {_normal(block.split("==")[0]): block for block in blocks if block}


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_pins_everything_with_hashes_and_names_no_place(lock: str) -> None:
    pins = _pins(lock)
    assert all(re.match(r"\S+==\S+.*\\\n\s+--hash=sha256:[0-9a-f]{64}", pin) for pin in pins.values())
    assert not re.search(r"://|^-|@ |find-links|\s/", "\n".join(pins.values()), re.MULTILINE)


def _without_marker(pin: str) -> str:
    """What is installed; the platforms on which it is differ between the locks."""
    return re.sub(r" ; .*(?= \\\n)", "", pin)


def _names(*requirements: list[Any]) -> set[str]:
    """What is asked for by name; `{ include-group = … }` names nothing."""
    return {
        _normal(re.split(r"[^A-Za-z0-9._-]", text)[0])
        for text in chain(*requirements)
        if isinstance(text, str)
    }


def test_locks_agree() -> None:
    run, dev, spark = map(_pins, LOCKS)
    assert run.keys() <= dev.keys()
    for lock in (run, spark):
        for name in lock.keys() & dev.keys():
            assert _without_marker(lock[name]) == _without_marker(dev[name])


def test_locks_hold_what_the_project_asks_for() -> None:
    run, dev, spark = map(_pins, LOCKS)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    core = _names(project["project"]["dependencies"], project["build-system"]["requires"])
    extras = {name: _names(needs) for name, needs in project["project"]["optional-dependencies"].items()}
    assert core | extras["fast"] | extras["cloud"] | extras["excel"] | extras["phone"] <= run.keys()
    assert core | extras["spark"] <= spark.keys()
    assert _names(*project["dependency-groups"].values()) <= dev.keys() | spark.keys()
