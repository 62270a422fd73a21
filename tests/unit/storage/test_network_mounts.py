"""A state folder on a network file system is refused, by the type of the mount in which it is."""

from pathlib import Path

import pytest

from importer.errors import StateError
from importer.storage import network_mounts


def mounts(tmp_path: Path, *mounted: tuple[str, str]) -> Path:
    """A mountinfo of these places and types."""
    lines = [f"{n} 1 0:{n} / {place} rw - {kind} source rw" for n, (place, kind) in enumerate(mounted)]
    path = tmp_path / "mountinfo"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse", "fuse.s3fs"])
def test_a_folder_on_it_is_refused(kind: str, tmp_path: Path) -> None:
    listed = mounts(tmp_path, ("/", "ext4"), (str(tmp_path), kind))
    with pytest.raises(StateError, match=rf"is a network file system \({kind}\)"):
        network_mounts.refuse(tmp_path / "state", listed)


@pytest.mark.parametrize("kind", ["ext4", "overlay", "fuseblk", "fuse.fuse-overlayfs", "tmpfs"])
def test_a_disk_of_this_machine_is_accepted(kind: str, tmp_path: Path) -> None:
    network_mounts.refuse(tmp_path / "state", mounts(tmp_path, ("/", "nfs4"), (str(tmp_path), kind)))


def test_the_innermost_and_the_last_mount_count(tmp_path: Path) -> None:
    place = str(tmp_path / "a b").replace(" ", r"\040")
    listed = mounts(tmp_path, (str(tmp_path), "ext4"), (place, "ext4"), (place, "nfs"))
    with pytest.raises(StateError):
        network_mounts.refuse(tmp_path / "a b" / "state", listed)
    network_mounts.refuse(tmp_path / "c", listed)


def test_a_system_without_the_list_accepts_every_folder(tmp_path: Path) -> None:
    network_mounts.refuse(tmp_path, tmp_path / "none")
