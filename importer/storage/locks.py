"""Locks of the state folder: one for an import while a run works on it, one for a short change.

The system drops a lock with the process, so that none is ever left behind. A lock file is never deleted and
never followed where it is a symbolic link.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from importer.config.schema import Config
from importer.core.errors import StateError
from importer.storage import account, atomic_files
from importer.storage.disk_errors import state_errors
from importer.storage.run_folder import RunFolder

_POLL_SECONDS = 0.1
"""Between two attempts to take the lock of an import."""


@contextmanager
def import_lock(
    state_dir: Path,
    config: Config,
    folder: RunFolder,
    timeout: float = 0.0,
    waiting: Callable[[str], None] = lambda _: None,
) -> Iterator[None]:
    """Keeps other runs away from an import.

    Where another run has the lock, this one tries again for `timeout` seconds and calls `waiting` once with
    that run's id. Then StateError, which names it.
    """
    key = account.import_id(config)
    lock = _lock(state_dir, f"{key}.lock")
    until, is_said = time.monotonic() + timeout, False
    while holder := _take(state_dir, key, lock, folder.run_id):
        if time.monotonic() >= until:
            raise StateError(
                f'Import "{config.name}" is in use by run {holder}, which is still going; wait for it to '
                "end, or queue behind it with --lock-timeout 1h."
            )
        if not is_said:
            waiting(holder)
            is_said = True
        time.sleep(min(_POLL_SECONDS, max(0.0, until - time.monotonic())))
    try:
        yield
    finally:
        lock.release()


@contextmanager
def short_lock(state_dir: Path, key: str) -> Iterator[None]:
    """Keeps other processes and threads from changing what is kept under a key; waits until it is free."""
    lock = _lock(state_dir, f"{key}.door")
    with state_errors(Path(lock.lock_file)):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def holder_of(state_dir: Path, meta: Mapping[str, Any]) -> str:
    """The run that has the lock of a run's import at this moment, by the run's `meta`; "" where none has."""
    key = meta["identity"]
    lock = _lock(state_dir, f"{key}.lock")
    if not Path(lock.lock_file).exists():
        return ""
    with short_lock(state_dir, key):
        if not _is_free(lock):
            return _holder(state_dir, key)
        lock.release()
        return ""


def _take(state_dir: Path, key: str, lock: FileLock, run_id: str) -> str:
    """Takes the lock and writes down which run has it: "", or the id of the run that has it already."""
    with short_lock(state_dir, key):
        if not _is_free(lock):
            return _holder(state_dir, key)
        try:
            atomic_files.write_bytes(_holder_file(state_dir, key), run_id.encode())
        except BaseException:
            lock.release()
            raise
        return ""


def _lock(state_dir: Path, name: str) -> FileLock:
    """`is_singleton` and `fallback_to_soft` as here: each use counts, and no file alone makes a lock."""
    return FileLock(
        state_dir / "locks" / name,
        mode=atomic_files.OWNER_FILE,
        thread_local=False,
        is_singleton=False,
        fallback_to_soft=False,
    )


def _is_free(lock: FileLock) -> bool:
    """Takes the lock where nobody has it."""
    with state_errors(Path(lock.lock_file)):
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return False
    return True


def _holder_file(state_dir: Path, key: str) -> Path:
    """Beside the lock file, which Windows lets nobody read while it is locked."""
    return state_dir / "locks" / f"{key}.run"


def _holder(state_dir: Path, key: str) -> str:
    try:
        return _holder_file(state_dir, key).read_text("utf-8")[:100].strip() or "another run"
    except OSError:
        return "another run"
