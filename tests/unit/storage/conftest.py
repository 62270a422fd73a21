"""A configuration, and the state folder of tests."""

from pathlib import Path

import pytest

from importer.config.schema import Config
from importer.storage import state_folder
from tests.support.mappings import config_of


@pytest.fixture
def config() -> Config:
    return config_of()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder that is made."""
    state_folder.prepare(tmp_path / "state")
    return tmp_path / "state"
