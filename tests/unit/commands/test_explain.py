"""How explain shows what it found."""

from pathlib import Path

import pytest

from importer.commands import explain
from importer.errors import ConfigError
from importer.storage import state_folder
from importer.storage.snapshot_frames import CLEARED, STALE, UNKNOWN


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"pro"', '"pro"'),
        (CLEARED, "cleared"),
        (UNKNOWN, "unknown: sent or to be sent, and not acknowledged; due"),
        (f'{STALE}"pro"', '"pro", under another declaration of the attribute; due'),
    ],
)
def test_what_the_snapshot_knows_in_words(value: str, text: str) -> None:
    assert explain._known_text(value) == text


def test_a_cell_moves_no_cursor() -> None:
    assert explain.shown("a\x1b[2Jb") == '"a\\u001b[2Jb"'
    assert [explain.shown(cell) for cell in (None, "")] == ["blank", "blank"]


def test_where_there_is_no_run_nobody_is_known(tmp_path: Path) -> None:
    state_folder.prepare(tmp_path)
    with pytest.raises(ConfigError, match="no run here yet"):
        list(explain.explain(tmp_path, "1"))
