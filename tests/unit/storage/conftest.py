"""A configuration, and the state folder of tests."""

from pathlib import Path
from typing import Any

import pytest

from importer.config import loader
from importer.config.schema import Config
from importer.storage import state_folder


def config_of(name: str = "nightly", **more: Any) -> Config:
    """An import of three attributes; `more` replaces whole tables."""
    return loader.parse(
        {
            "name": name,
            "source": {"path": "people.csv"},
            "identity": {"column": "id"},
            "destination": {"type": "vevee", "api_key": "env:KEY", "account": "test"},
            "attributes": {key: {"type": "free_text"} for key in ("plan", "city", "note")},
            **more,
        }
    )


@pytest.fixture
def config() -> Config:
    return config_of()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder that is made."""
    state_folder.prepare(tmp_path / "state")
    return tmp_path / "state"
