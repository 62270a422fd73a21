"""The property of tests/integration/test_changed_only.py over many sequences: `IMPORTER_NIGHTS` of them."""

import os

import pytest

from tests.integration import test_changed_only


def test_many_sequences_of_nights(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPORTER_NIGHTS", os.environ.get("IMPORTER_NIGHTS", "300"))
    test_changed_only.test_any_sequence_of_nights(tmp_path_factory)
