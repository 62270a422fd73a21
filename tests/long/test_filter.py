"""tests/integration/test_filter_agrees.py over many sequences of lists: `IMPORTER_NIGHTS` of them."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.integration import test_filter_agrees
from tests.integration.test_filter_agrees import ATTENTIVE, EUID, VEVEE


@pytest.mark.parametrize("destination", [ATTENTIVE, EUID, VEVEE], ids=["attentive", "euid", "vevee"])
def test_many_sequences_of_lists(
    destination: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPORTER_NIGHTS", os.environ.get("IMPORTER_NIGHTS", "100"))
    test_filter_agrees.test_the_filter_changes_no_result(destination, tmp_path, monkeypatch)
