"""Recognises network file systems, on which SQLite's log is not safe (sqlite.org/wal.html)."""

import re
from collections.abc import Iterator
from pathlib import Path

from importer.core.errors import StateError

_TYPES = re.compile(
    r"nfs4?|cifs|smb3|smbfs|afs|fuse|fuse\.(?:s3fs|gcsfuse|goofys|blobfuse2?|rclone|sshfs|juicefs)"
)
"""Types of network file systems and of FUSE mounts of object stores; some have the bare type `fuse`."""

_MOUNTS = Path("/proc/self/mountinfo")
"""Linux lists its mounts here (proc_pid_mountinfo(5)); elsewhere nothing is recognised."""


def refuse(state_dir: Path, mounts: Path = _MOUNTS) -> None:
    """StateError where the folder, or the one in which it will be, is known to be on such a file system."""
    if not mounts.exists():
        return
    path = state_dir.resolve()
    inside = [(mount, kind) for mount, kind in _mounted(mounts) if path.is_relative_to(mount)]
    mount, kind = max(inside, key=lambda one: len(one[0].parts), default=(path, ""))
    if _TYPES.fullmatch(kind):
        raise StateError(
            f"{state_dir}: {mount} is a network file system ({kind}), on which the journal is not safe; "
            "choose a --state-dir on a disk of this machine."
        )


def _mounted(mounts: Path) -> Iterator[tuple[Path, str]]:
    """Mount point and type of each mount, a later one above an earlier one of the same place."""
    for line in reversed(mounts.read_text("utf-8", "surrogateescape").splitlines()):
        fields, _, more = line.partition(" - ")
        place = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields.split(" ")[4])
        yield Path(place), more.split(" ")[0]
