"""A state folder of somebody else, or one that others may write to, is refused."""

import os
from pathlib import Path

import pytest

from importer.core.errors import StateError
from importer.storage import foreign_folder, state_folder


def seen_as(monkeypatch: pytest.MonkeyPatch, uid: int, gid: int = 4711) -> None:
    """The process as that of another user."""
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(os, "getegid", lambda: gid)
    monkeypatch.setattr(os, "getgroups", lambda: [gid])


def owned(monkeypatch: pytest.MonkeyPatch, path: Path, uid: int, gid: int) -> None:
    """The folder as that of somebody else, and its entries as they are."""
    plain = Path.stat

    def stat(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = plain(self, follow_symlinks=follow_symlinks)
        if self != path:
            return found
        values = list(found)
        values[4:6] = [uid, gid]
        return os.stat_result(values)

    monkeypatch.setattr(Path, "stat", stat)
    monkeypatch.setattr(Path, "lstat", lambda self: stat(self, follow_symlinks=False))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    state_folder.prepare(tmp_path / "state")
    return tmp_path / "state"


def test_our_own_folder_is_fine(folder: Path) -> None:
    foreign_folder.refuse(folder)
    foreign_folder.refuse(folder / "not there yet")


@pytest.mark.parametrize("uid", [os.geteuid() + 1, os.geteuid() + 1000])
def test_a_folder_of_another_user_is_refused(folder: Path, uid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    owned(monkeypatch, folder, uid, 0)
    with pytest.raises(StateError, match=rf"belongs to another user .uid {uid}.*chown") as refused:
        foreign_folder.refuse(folder)
    assert refused.value.exit_code == 7


@pytest.mark.parametrize("mode", [0o777, 0o702, 0o1777])
def test_a_folder_that_everybody_may_write_to_is_refused(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    with pytest.raises(StateError, match=r"others may write to it.*chmod go-w"):
        foreign_folder.refuse(folder)


def test_our_folder_that_a_group_may_write_to_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.chmod(0o770)
    owned(monkeypatch, folder, 1000, 1000)
    seen_as(monkeypatch, 1000, 1000)
    with pytest.raises(StateError, match="others may write to it"):
        foreign_folder.refuse(folder)


@pytest.mark.parametrize(("gid", "is_ours"), [(4711, True), (4712, False)])
def test_roots_folder_with_our_groups_write_is_a_volume_of_a_container(
    folder: Path, gid: int, is_ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.chmod(0o2775)
    owned(monkeypatch, folder, 0, gid)
    seen_as(monkeypatch, 1000, 4711)
    if is_ours:
        foreign_folder.refuse(folder)
    else:
        with pytest.raises(StateError, match="others may write to it"):
            foreign_folder.refuse(folder)


@pytest.mark.parametrize("name", ["locks", "snapshots", "runs/night"])
def test_a_symbolic_link_inside_is_refused(folder: Path, name: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = folder / name
    if path.exists():
        path.rmdir()
    path.symlink_to(elsewhere)
    with pytest.raises(StateError, match=f"{name}: is a symbolic link"):
        foreign_folder.refuse(folder)
    with pytest.raises(StateError):
        state_folder.all_runs(folder)


def test_a_link_of_our_own_to_our_folder_is_fine(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    foreign_folder.refuse(tmp_path / "link")
