"""A state folder that others may write to is refused: what stands in it decides what is sent, and where to.

Ours is one that belongs to us or to root, that others may not write to, and whose folders are no symbolic
links. Root's with the write permission of a group of ours is how containers are given a volume. Windows
keeps no such permissions; there every folder is accepted.
"""

import os
import stat
import sys
from pathlib import Path

from importer.core.errors import StateError
from importer.storage.disk_errors import state_errors


def refuse(state_dir: Path) -> None:
    """StateError where the folder, one inside of it or one of a run is not ours alone."""
    if sys.platform == "win32" or not os.path.lexists(state_dir):
        return
    with state_errors(state_dir):
        _refuse_owner(state_dir, state_dir.lstat())  # of the link, where the folder is reached by one
        found = state_dir.stat()
        _refuse_owner(state_dir, found)
        _refuse_writers(state_dir, found)
        for path in (*state_dir.iterdir(), *(state_dir / "runs").glob("*")):
            if path.is_symlink():
                raise StateError(
                    f"{path}: is a symbolic link, and the importer makes none; look who has put it there, "
                    "or choose another --state-dir."
                )


def _refuse_owner(path: Path, found: os.stat_result) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        raise StateError(
            f"{path}: belongs to another user (uid {found.st_uid}), who could change what is sent; choose "
            "another --state-dir, or have the folder given to you with chown."
        )


def _refuse_writers(path: Path, found: os.stat_result) -> None:
    group_is_ours = found.st_uid == 0 and found.st_gid in (os.getegid(), *os.getgroups())
    by_group = found.st_mode & stat.S_IWGRP and not group_is_ours
    if by_group or found.st_mode & stat.S_IWOTH:
        raise StateError(
            f"{path}: others may write to it, and could change what is sent; where nobody has, run: "
            f"chmod go-w {path}"
        )
