"""`-` as a source."""

import io
from pathlib import Path
from typing import Any

import pytest

from importer.core.errors import SourceError
from importer.pipeline import standard_input
from importer.storage.run_folder import RunFolder


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def test_it_is_read_once_and_its_copy_takes_its_place(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"id\n\xff\0\n")))
    copy = folder.path / "standard-input.csv"
    for _ in range(2):
        assert standard_input.copied(folder, ["a.csv", "-"]) == ["a.csv", str(copy)]
        assert copy.read_bytes() == b"id\n\xff\0\n"
    standard_input.remove(folder)
    standard_input.remove(folder)
    assert list(folder.path.iterdir()) == []


def test_other_sources_leave_it_alone(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert standard_input.copied(folder, ["a.csv"]) == ["a.csv"]


@pytest.mark.parametrize("stream", [None, _Terminal()])
def test_a_terminal_is_no_list(stream: Any, folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", stream)
    with pytest.raises(SourceError, match="standard input is a terminal; send a list into it"):
        standard_input.copied(folder, ["-"])
    assert list(folder.path.iterdir()) == []


def test_a_list_that_is_cut_off_by_an_error_leaves_no_copy(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(Broken(b"id\n")))
    with pytest.raises(KeyboardInterrupt):
        standard_input.copied(folder, ["-"])
    assert list(folder.path.iterdir()) == []
