"""All tests of this folder take minutes: `pytest -m slow tests/long`."""

import faulthandler
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _no_time_limit() -> None:
    """The limit of the other tests (`faulthandler_timeout`) is far too short for these."""
    faulthandler.cancel_dump_traceback_later()
