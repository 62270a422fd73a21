"""Pieces in a folder: there whole or not at all, named by a seal, gone at the end."""

from pathlib import Path

import pytest

from importer.errors import StateError
from importer.storage.staging import Staging, staging_of


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return staging_of(str(tmp_path / "place"), "night")


def piece(folder: Path) -> Path:
    (folder / "spool").mkdir(parents=True)
    (folder / "spool" / "segment-00000").write_bytes(b"rows")
    (folder / "piece.json").write_text("{}")
    return folder


def test_a_piece_comes_back_as_it_was(staging: Staging, tmp_path: Path) -> None:
    staging.publish(piece(tmp_path / "local"), "one")
    staging.fetch("one", tmp_path / "fetched")
    assert (tmp_path / "fetched" / "spool" / "segment-00000").read_bytes() == b"rows"
    assert list(staging.pieces()) == ["one"]
    staging.remove("one")
    assert list(staging.pieces()) == []
    assert (tmp_path / "fetched" / "piece.json").exists()


def test_a_copy_keeps_the_mode_where_the_disk_makes_no_links(
    staging: Staging, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr("os.link", refuse)
    local = piece(tmp_path / "local")
    (local / "piece.json").chmod(0o600)
    staging.publish(local, "one")
    staging.fetch("one", tmp_path / "fetched")
    assert (tmp_path / "fetched" / "piece.json").stat().st_mode & 0o777 == 0o600


def test_what_a_killed_task_has_left_is_no_piece_and_can_be_removed(staging: Staging, tmp_path: Path) -> None:
    left = tmp_path / "place" / "night" / ".part-one"
    left.mkdir(parents=True)
    assert list(staging.pieces()) == [".part-one"]
    staging.remove(".part-one")
    assert not left.exists()


def test_a_seal_is_whole_or_refused(staging: Staging, tmp_path: Path) -> None:
    assert staging.read_seal() is None
    staging.write_seal({"rows": 3, "pieces": [{"name": "one", "rows": 3}]})
    assert staging.read_seal() == {"rows": 3, "pieces": [{"name": "one", "rows": 3}]}
    path = tmp_path / "place" / "night" / "sealed.json"
    path.write_bytes(path.read_bytes().replace(b"3", b"4", 1))
    with pytest.raises(StateError, match="damaged or not readable"):
        staging.read_seal()
    staging.clear()
    assert not path.parent.exists()


def test_the_tasks_of_one_job_may_leave_pieces_until_it_ends(staging: Staging) -> None:
    assert not staging.has_job("first")
    staging.begin_job("first")
    assert staging.has_job("first")
    staging.begin_job("second")
    assert (staging.has_job("first"), staging.has_job("second")) == (False, True)
    assert list(staging.pieces()) == []
    for _ in range(2):
        staging.end_job("second")
        assert not staging.has_job("second")
