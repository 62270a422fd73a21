"""The state folder, and the runs in it: `<state-dir>/runs/<run-id>/`. It is its owner's alone."""

import errno
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from importer.config.schema import NAME, Config
from importer.core.errors import ConfigError, StateError, command
from importer.core.text import did_you_mean, printable
from importer.storage import account, atomic_files, foreign_folder, run_folder
from importer.storage.disk_errors import state_errors
from importer.storage.locks import holder_of, short_lock
from importer.storage.run_folder import RunFolder
from importer.storage.staging import folder_of

_NEW = ".new-"
"""Begins the name of a run's folder that is not whole yet."""

_DELETED = ".gone-"
"""Begins the name of a run's folder that is being deleted."""

_FOLDERS_LOCK = "runs"
"""The short lock under which folders of these two names are made and deleted."""


def prepare(state_dir: Path) -> None:
    """Makes the state folder, closed to others and to git.

    StateError where that is not possible, or where the folder is not ours alone.
    """
    atomic_files.make_folder(state_dir)
    foreign_folder.refuse(state_dir)
    for name in ("runs", "locks"):
        atomic_files.make_folder(state_dir / name)
    ignore = state_dir / ".gitignore"
    if not ignore.exists():
        with state_errors(ignore), suppress(FileExistsError), atomic_files.create(ignore) as file:
            file.write(b"*\n")  # another run may have been first


def new_run(state_dir: Path, run_id: str | None) -> RunFolder:
    """The folder of a new run, not there yet; ConfigError where the id is not one, or another run has it."""
    run_id = run_folder.new_run_id() if run_id is None else require_run_id(run_id)
    folder = RunFolder(state_dir / "runs" / run_id)
    if folder.meta.exists():
        raise _id_is_used(run_id)
    return folder


def require_run_id(run_id: str) -> str:
    """The same id; ConfigError where it is none."""
    if not NAME.fullmatch(run_id):
        raise ConfigError(
            "--run-id: expected a letter or digit, then up to 63 of A-Z a-z 0-9 . _ -, found "
            f'"{printable(run_id)}"'
        )
    return run_id


def create(folder: RunFolder, meta: Mapping[str, Any]) -> None:
    """Makes a new run's folder, whole or not at all: a kill never leaves one that is no run yet.

    ConfigError where another process has just used the id.
    """
    state_dir = folder.path.parent.parent
    with short_lock(state_dir, _FOLDERS_LOCK), state_errors(state_dir):
        _delete_unfinished(state_dir)
        whole = RunFolder(Path(tempfile.mkdtemp(prefix=_NEW, dir=state_dir)))
        try:
            whole.write_meta(meta)
            whole.path.rename(folder.path)  # replaces an empty folder, no other
        except OSError as error:
            shutil.rmtree(whole.path, ignore_errors=True)
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise _id_is_used(folder.run_id) from None
            raise
        except StateError:
            shutil.rmtree(whole.path, ignore_errors=True)
            raise


def _delete_unfinished(state_dir: Path) -> None:
    """Deletes what a kill has left of folders that were being made or deleted; under the short lock."""
    for pattern in (f"{_NEW}*", f"{_DELETED}*"):
        for path in state_dir.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)


def _id_is_used(run_id: str) -> ConfigError:
    return ConfigError(f"--run-id: there is a run {run_id} already; choose another id.")


def find(
    state_dir: Path, run_id: str | None, *, wanted: Callable[[RunFolder], bool] = lambda _: True
) -> RunFolder:
    """The run of this id, or the newest one that is wanted; ConfigError where there is none."""
    runs = all_runs(state_dir)
    if run_id is None:
        fitting = [folder for folder in runs if wanted(folder)]
        if not fitting:
            what = "no run of this kind here" if runs else "no run here yet"
            listing = command("runs", state_dir=state_dir)
            raise ConfigError(f"{state_dir}: {what}; start one with: importer run CONFIG, see: {listing}")
        return fitting[-1]
    for folder in runs:
        if folder.run_id == run_id:
            return folder
    listing = command("runs", state_dir=state_dir)
    guess = did_you_mean(run_id, [folder.run_id for folder in runs])
    if not guess and Path(run_id).is_file():
        guess = " A run stands before a file: importer retry RUN FILE."
    raise ConfigError(f"{state_dir}: no run {run_id} here.{guess} List them with: {listing}")


def all_runs(state_dir: Path) -> list[RunFolder]:
    """Every run, oldest first; StateError where one is not readable, or the folder is not ours alone."""
    foreign_folder.refuse(state_dir)
    folders = [RunFolder(p) for p in (state_dir / "runs").glob("*") if (p / "run.json").exists()]
    return sorted(folders, key=lambda f: (f.read_meta()["started_at"], f.run_id))


def prune(state_dir: Path, seconds: float, needed: Callable[[RunFolder], bool]) -> Iterator[str]:
    """Deletes the runs that began longer ago, with all that they hold of people; yields their ids.

    A run that has the lock of its import at this moment stays, and so does one that is `needed`. Each is
    deleted whole: a kill leaves no half run.
    """
    before = datetime.now(UTC) - timedelta(seconds=seconds)
    for folder in all_runs(state_dir):
        meta = folder.read_meta()
        if datetime.fromisoformat(meta["started_at"]) >= before or needed(folder):
            continue
        if holder_of(state_dir, meta) != folder.run_id:
            with short_lock(state_dir, _FOLDERS_LOCK), state_errors(folder.path):
                folder.path.rename(state_dir / f"{_DELETED}{folder.run_id}")
            _drop_staged(folder, meta)
            yield folder.run_id
    with short_lock(state_dir, _FOLDERS_LOCK):
        _delete_unfinished(state_dir)


def supersede(state_dir: Path, config: Config, by: RunFolder) -> None:
    """Closes the unfinished earlier runs of this import: a late `resume` must never write old over new.

    Their journals stay, the rows of people that they still hold are deleted.
    """
    for folder in all_runs(state_dir):
        meta, summary = folder.read_meta(), folder.read_summary()
        same = meta["identity"] == account.import_id(config) and meta["mode"] != "check"
        if (
            not same
            or folder.run_id == by.run_id
            or run_folder.state_of(meta, summary) in ("finished", "superseded")
        ):
            continue
        folder.write_meta({**meta, "superseded_by": by.run_id})
        if summary:
            folder.write_summary({**summary, "state": "superseded"})
        folder.drop_temporary()
        shutil.rmtree(folder.kept, ignore_errors=True)  # a superseded run is not retried
        _drop_staged(folder, meta)


def _drop_staged(folder: RunFolder, meta: Mapping[str, Any]) -> None:
    """Deletes what a cluster has left of a run on a disk; in an object store it is the user's to delete."""
    if staged := folder_of(meta.get("staging"), folder.run_id):
        shutil.rmtree(staged, ignore_errors=True)
