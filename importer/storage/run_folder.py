"""The state folder: one folder per run, and the lock that keeps two runs of one import apart.

`<state-dir>/runs/<run-id>/` holds everything known about a run. The state folder is the owner's alone: the
process's umask is set before anything is written, since polars and SQLite create files with the usual rights.
"""

import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import polars as pl

from importer.config.schema import NAME, Config
from importer.core.errors import ConfigError, StateError, command

_TRY_AGAIN = 0.1
"""Seconds between two looks at a lock that is waited for."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of one run."""

    path: Path

    @property
    def run_id(self) -> str:
        """The run's name, which is its folder's."""
        return self.path.name

    def beside(self, run_id: str) -> "RunFolder":
        """The folder of another run in the same state folder."""
        return RunFolder(self.path.parent / run_id)

    @property
    def meta(self) -> Path:
        """What the run was started with."""
        return self.path / "run.json"

    @property
    def summary(self) -> Path:
        """How the run ended; absent while it runs."""
        return self.path / "summary.json"

    @property
    def journal(self) -> Path:
        """What was answered."""
        return self.path / "journal.sqlite"

    @property
    def spool(self) -> Path:
        """The rows, until the run is finished."""
        return self.path / "spool"

    @property
    def work(self) -> Path:
        """Parts of the reports, and other libraries' temporary files."""
        return self.path / "work"

    @property
    def before(self) -> Path:
        """What the snapshot held of what the run sent, for `undo`."""
        return self.path / "snapshot-before"

    @property
    def kept(self) -> Path:
        """The rows with something rejected or unconfirmed, for `retry`."""
        return self.path / "kept"

    @property
    def rejects(self) -> Path:
        """One line per value rejected, unconfirmed or trimmed, and per row set aside."""
        return self.path / "rejects.csv"

    @property
    def html_report(self) -> Path:
        """The report for people who would rather look."""
        return self.path / "report.html"

    @property
    def rejected_rows(self) -> Path:
        """The original rows with something rejected, a file per source."""
        return self.path / "rejected_rows"

    def read_meta(self) -> dict[str, Any]:
        """What the run was started with; StateError where it cannot be read."""
        return _read_json(self.meta)

    def read_summary(self) -> dict[str, Any] | None:
        """How the run ended, None while it runs or where it was killed."""
        return _read_json(self.summary) if self.summary.exists() else None

    def write_json(self, path: Path, value: object) -> None:
        """Writes a file whole or not at all."""
        part = path.with_suffix(".part")
        with state_errors(path):
            part.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
            part.replace(path)

    @contextmanager
    def temporary(self) -> Iterator[None]:
        """Makes the working folders, and has every library's temporary files written there meanwhile."""
        with state_errors(self.path):
            self.work.mkdir(exist_ok=True)
            self.spool.mkdir(exist_ok=True)
        names = ("TMPDIR", "SQLITE_TMPDIR", "POLARS_TEMP_DIR")
        before, folder = {name: os.environ.get(name) for name in names}, tempfile.tempdir
        os.environ.update(dict.fromkeys(names, str(self.work)))
        tempfile.tempdir = str(self.work)
        try:
            yield
        finally:
            tempfile.tempdir = folder
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value

    def drop_temporary(self) -> None:
        """Deletes the spool and the parts: only what the report needs stays."""
        shutil.rmtree(self.spool, ignore_errors=True)
        shutil.rmtree(self.work, ignore_errors=True)


def make_folder(path: Path) -> None:
    """Makes a folder inside the state folder, where it is not there yet."""
    with state_errors(path):
        path.mkdir(parents=True, exist_ok=True)


def write_frame(path: Path, frame: pl.DataFrame) -> None:
    """A table as a file that is there whole or not at all; StateError where the disk does not take it."""
    part = path.with_suffix(".part")
    with state_errors(path):
        frame.write_ipc(part, compression="lz4")
        part.replace(path)


def prepare_state_dir(state_dir: Path) -> None:
    """Makes the state folder, closed to others and to git; StateError where that is not possible."""
    os.umask(0o077)
    with state_errors(state_dir):
        (state_dir / "runs").mkdir(parents=True, exist_ok=True)
        (state_dir / "locks").mkdir(exist_ok=True)
        ignore = state_dir / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")


def name(state_dir: Path, run_id: str | None) -> RunFolder:
    """The folder of a new run, not there yet; ConfigError where the id is not one or is taken."""
    run_id = new_run_id() if run_id is None else run_id
    if not NAME.fullmatch(run_id):
        raise ConfigError("--run-id: expected a letter or digit, then up to 63 of A-Z a-z 0-9 . _ -")
    folder = RunFolder(state_dir / "runs" / run_id)
    if folder.meta.exists():
        raise _taken(run_id)
    return folder


def create(folder: RunFolder, meta: Mapping[str, Any]) -> None:
    """Makes a new run's folder, whole or not at all: a kill never leaves one that is no run yet.

    ConfigError where another process has just taken the id.
    """
    state_dir = folder.path.parent.parent
    with state_errors(state_dir):
        whole = RunFolder(Path(tempfile.mkdtemp(prefix=".new-", dir=state_dir)))
        try:
            whole.write_json(whole.meta, meta)
            whole.path.rename(folder.path)  # replaces an empty folder, no other
        except OSError as error:
            shutil.rmtree(whole.path, ignore_errors=True)
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise _taken(folder.run_id) from None
            raise
        except StateError:
            shutil.rmtree(whole.path, ignore_errors=True)
            raise


def _taken(run_id: str) -> ConfigError:
    return ConfigError(f"--run-id: there is a run {run_id} already; choose another id.")


def new_run_id() -> str:
    """The moment in UTC and a little chance: sorts by time, unique without asking anyone."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


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
    raise ConfigError(f"{state_dir}: no run {run_id} here; list them with: {listing}")


def has_sent(folder: RunFolder) -> bool:
    """Whether a run is one that sends: `run` and `retry`, not `check`."""
    return str(folder.read_meta()["mode"]) != "check"


def is_resumable(folder: RunFolder) -> bool:
    """Whether a run was stopped or killed before its end."""
    state = state_of(folder.read_meta(), folder.read_summary())
    return has_sent(folder) and state not in ("finished", "superseded")


def all_runs(state_dir: Path) -> list[RunFolder]:
    """Every run, oldest first."""
    folders = [RunFolder(p) for p in (state_dir / "runs").glob("*") if (p / "run.json").exists()]
    return sorted(folders, key=lambda f: (f.read_meta()["started_at"], f.run_id))


def prune(state_dir: Path, seconds: float, needed: Callable[[RunFolder], bool]) -> Iterator[str]:
    """Removes the runs that began longer ago, with all that they hold of people; yields their ids.

    Kept is one that holds its import at this moment, and one that is `needed`. Each goes whole: a kill leaves
    no half run.
    """
    before = datetime.now(UTC) - timedelta(seconds=seconds)
    for folder in all_runs(state_dir):
        meta = folder.read_meta()
        if datetime.fromisoformat(meta["started_at"]) >= before or needed(folder):
            continue
        if holder_of(state_dir, meta) != folder.run_id:
            with state_errors(folder.path):
                folder.path.rename(state_dir / f".gone-{folder.run_id}")
            yield folder.run_id
    for gone in state_dir.glob(".gone-*"):
        shutil.rmtree(gone, ignore_errors=True)


def supersede(state_dir: Path, config: Config, by: RunFolder) -> None:
    """Closes the unfinished earlier runs of this import: a late `resume` must never write old over new.

    Their journals stay, the rows of people they still held go.
    """
    for folder in all_runs(state_dir):
        meta, summary = folder.read_meta(), folder.read_summary()
        same = meta["identity"] == identity(config) and meta["mode"] != "check"
        if not same or folder.run_id == by.run_id or state_of(meta, summary) in ("finished", "superseded"):
            continue
        folder.write_json(folder.meta, {**meta, "superseded_by": by.run_id})
        if summary:
            folder.write_json(folder.summary, {**summary, "state": "superseded"})
        folder.drop_temporary()


def state_of(meta: Mapping[str, Any], summary: Mapping[str, Any] | None) -> str:
    """How a run stands: `open` where it is going on or was killed, else the state of its summary."""
    if "superseded_by" in meta:
        return "superseded"
    return str(summary["state"]) if summary else "open"


def identity(config: Config) -> str:
    """What makes two runs the same import: name, destination, base URL and account, as a short digest."""
    section = config.destination
    parts = [config.name, section.type, section.base_url, section.account or ""]
    return f"{config.name}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]}"


def account(destination: Mapping[str, Any]) -> tuple[str, ...]:
    """What tells two accounts apart, from the `[destination]` of a run's configuration."""
    return tuple(str(destination.get(key) or "") for key in ("type", "base_url", "account"))


@contextmanager
def lock(
    state_dir: Path,
    config: Config,
    folder: RunFolder,
    wait: float = 0.0,
    waiting: Callable[[str], None] = lambda _: None,
) -> Iterator[int]:
    """Holds the import for one run. The kernel drops it with the process, so no stale lock is ever left.

    Yields the open file, which a worker inherits: the import is held until the last of them is gone. Where
    another run holds it, it is tried again for `wait` seconds; `waiting` is told that run's name, once.
    Then StateError, with its name.
    """
    path = state_dir / "locks" / f"{identity(config)}.lock"
    with state_errors(path):
        handle = path.open("a+")
    with handle:
        until, told = time.monotonic() + wait, False
        while holder := _take(state_dir, config, handle, folder.run_id):
            if time.monotonic() >= until:
                raise StateError(
                    f'Import "{config.name}" is held by run {holder}, which is still going; wait for it to '
                    "end, or queue behind it with --lock-timeout 1h."
                )
            if not told:
                waiting(holder)
                told = True
            time.sleep(min(_TRY_AGAIN, max(0.0, until - time.monotonic())))
        yield handle.fileno()


def _take(state_dir: Path, config: Config, handle: IO[str], run_id: str) -> str:
    """Takes the lock and puts the run's name into it: "", or the name of the run that holds it."""
    with door(state_dir, identity(config)):
        handle.seek(0)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return handle.read(100).strip() or "another run"
        handle.truncate(0)
        handle.write(run_id)
        handle.flush()
        return ""


@contextmanager
def door(state_dir: Path, key: str) -> Iterator[None]:
    """Held for a moment by whoever changes what is kept under a key, the lock's name included."""
    path = state_dir / "locks" / f"{key}.door"
    with state_errors(path):
        handle = path.open("a")
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def holder_of(state_dir: Path, meta: Mapping[str, Any]) -> str:
    """The run that holds the import of a run at this moment, by the run's `meta`; "" where none does."""
    path = state_dir / "locks" / f"{meta['identity']}.lock"
    if not path.exists():
        return ""
    with door(state_dir, meta["identity"]), state_errors(path), path.open("r") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return handle.read(100).strip()
        return ""


@contextmanager
def state_errors(path: Path) -> Iterator[None]:
    """The operating system's errors on the state folder as ours, also where polars hands them on."""
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
        raise StateError(f"{path}: {reason}; choose another --state-dir or mend this one.") from None
    except pl.exceptions.PolarsError as error:
        if _is_full(error):
            raise disk_full(path) from None
        raise


def _is_full(error: Exception) -> bool:
    """Whether there is no room left; polars keeps the system's number in its text alone."""
    number = error.errno if isinstance(error, OSError) else None
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return number in full or any(f"(os error {n})" in str(error) for n in full)


def disk_full(path: Path) -> StateError:
    """What to say where a file of the state folder finds no room; what was answered is on disk already."""
    folder = next((p for p in (path, *path.parents) if p.parent.name == "runs"), None)
    way_on = "the same command again"
    if folder:
        way_on = command("resume", folder.name, state_dir=folder.parent.parent)
    return StateError(f"{path}: the disk is full; free some disk space, then: {way_on}")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise StateError(
            f"{path}: missing or damaged, so nothing is known of this run; move {path.parent} away, then the "
            "same command again."
        ) from None
    return dict(value)
