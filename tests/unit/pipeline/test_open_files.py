"""A limit under which libraries abort the process is refused in words."""

import pytest

from importer.core.errors import ConfigError
from importer.pipeline import open_files
from importer.pipeline.open_files import LEAST, require_open_files


@pytest.mark.parametrize("limit", [None, LEAST, 1024])
def test_enough_files_are_enough(limit: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_files, "open_file_limit", lambda: limit)
    require_open_files()


def test_too_few_files_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_files, "open_file_limit", lambda: LEAST - 1)
    with pytest.raises(ConfigError, match=r"may open 31 files at once; an import needs at least 32"):
        require_open_files()
