"""Errors of the operating system on the state folder, as StateError with the next step."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from importer.core.errors import StateError, command


@contextmanager
def state_errors(path: Path) -> Iterator[None]:
    """Raises StateError in place of the operating system's errors, also of those that polars passes on."""
    try:
        yield
    except FileExistsError:
        if not path.is_dir():
            raise StateError(f"{path}: is a file, expected a folder; choose another --state-dir.") from None
        raise
    except OSError as error:
        if _is_full(error):
            raise disk_full(path) from None
        reason = (error.strerror or "cannot be used").lower()
        raise StateError(f"{path}: {reason}; choose another --state-dir or fix this one.") from None
    except pl.exceptions.PolarsError as error:
        if _is_full(error):
            raise disk_full(path) from None
        raise


def _is_full(error: Exception) -> bool:
    """Whether there is no room left; polars keeps the system's number in its text alone."""
    number = error.errno if isinstance(error, OSError) else None
    full = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)  # Windows has no quota error
    return number in full or any(f"(os error {n})" in str(error) for n in full)


def disk_full(path: Path) -> StateError:
    """The error where a file of the state folder finds no room; what was answered is on disk already."""
    folder = next((p for p in (path, *path.parents) if p.parent.name == "runs"), None)
    next_step = "the same command again"
    if folder:
        next_step = command("resume", folder.name, state_dir=folder.parent.parent)
    return StateError(f"{path}: the disk is full; free some disk space, then: {next_step}")
