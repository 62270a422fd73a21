"""The folder or URL through which a cluster hands over the rows of a run.

    LOCATION/RUN/PIECE/   what one attempt of one task has read: its spool, its rejects, `piece.json` last
    LOCATION/RUN/job-TOKEN   there while the tasks of one job of Spark may leave pieces
    LOCATION/RUN/sealed.json   which pieces are the run, written once all tasks have ended

A piece is there whole or not at all, and is never changed. Whatever the seal does not name is left of a task
that failed or ran twice. Spark does not wait for such tasks when a job ends: they find that `job-TOKEN` is
gone.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from importer.config.schema import Config
from importer.core.errors import StateError
from importer.core.package import install_command, version
from importer.source.errors import read_errors
from importer.source.object_store import URL, obstore, store_of
from importer.storage import atomic_files, checked_files
from importer.storage.checked_files import DamagedError
from importer.storage.disk_errors import state_errors
from importer.storage.spool import FORMAT

SEAL = "sealed.json"
JOB = "job-"
PIECE = "piece.json"
"""The last file of a piece that is written."""

ROW_HASH = "row_hash"
"""A column of the spool of a piece, beside those of every spool; null where rows cannot be compared by it."""


def made_with(config: Config) -> dict[str, str]:
    """What the machines of a cluster and the caller must have alike: version, format, configuration."""
    mapping = config.as_mapping()
    decides = [mapping["source"], mapping["identity"], mapping["attributes"]]
    text = json.dumps([*decides, config.destination.type, config.vendor], sort_keys=True)
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return {"version": version(), "format": FORMAT, "config": digest}


class Staging(Protocol):
    """The place of one run. Every method raises StateError or SourceError where it cannot be used."""

    def begin_job(self, token: str) -> None:
        """Lets the tasks of this job leave pieces, and those of an earlier one no more."""

    def has_job(self, token: str) -> bool:
        """Whether the tasks of this job may leave pieces."""

    def end_job(self, token: str) -> None:
        """No task of this job may leave a piece from here on."""

    def publish(self, piece: Path, name: str) -> None:
        """Makes a copy of a finished piece, a local folder, visible under its name."""

    def fetch(self, name: str, into: Path) -> None:
        """Makes a new local folder with the files of a piece."""

    def pieces(self) -> Sequence[str]:
        """The names of everything that tasks have left here, finished or not."""

    def remove(self, name: str) -> None:
        """Removes a piece."""

    def write_seal(self, seal: Mapping[str, Any]) -> None:
        """Records which pieces are the run."""

    def read_seal(self) -> dict[str, Any] | None:
        """What `write_seal` recorded, None where nothing is sealed."""

    def clear(self) -> None:
        """Removes everything of the run."""


def staging_of(location: str, run_id: str) -> Staging:
    """The place of a run under a folder or URL; StateError where an extra is missing."""
    if not URL.match(location):
        return _FolderStaging(Path(location) / run_id)
    try:
        return _StoreStaging(f"{location.rstrip('/')}/{run_id}/")
    except ModuleNotFoundError:
        raise StateError(f"{location}: needs an extra; first: {install_command('cloud')}") from None


def folder_of(location: str | None, run_id: str) -> Path | None:
    """Where a run's rows are staged on a disk, as its `run.json` names the place; None where nowhere is."""
    if location is None or URL.match(location) or not (Path(location) / run_id).is_dir():
        return None
    return Path(location) / run_id


class _FolderStaging:
    """A folder that all machines see. A piece appears by one rename."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin_job(self, token: str) -> None:
        atomic_files.make_folder(self._folder)
        with state_errors(self._folder):
            for path in self._folder.glob(f"{JOB}*"):
                path.unlink(missing_ok=True)
            (self._folder / f"{JOB}{token}").touch(atomic_files.OWNER_FILE)

    def has_job(self, token: str) -> bool:
        return (self._folder / f"{JOB}{token}").exists()

    def end_job(self, token: str) -> None:
        with state_errors(self._folder):
            (self._folder / f"{JOB}{token}").unlink(missing_ok=True)

    def publish(self, piece: Path, name: str) -> None:
        part = self._folder / f".part-{name}"
        atomic_files.make_folder(self._folder)
        with state_errors(self._folder):
            shutil.copytree(piece, part)
            part.rename(self._folder / name)

    def fetch(self, name: str, into: Path) -> None:
        with state_errors(self._folder / name):
            shutil.copytree(self._folder / name, into, copy_function=_link_or_copy)

    def pieces(self) -> Sequence[str]:
        return sorted(path.name for path in self._folder.glob("*") if path.is_dir())

    def remove(self, name: str) -> None:
        shutil.rmtree(self._folder / name, ignore_errors=True)

    def write_seal(self, seal: Mapping[str, Any]) -> None:
        atomic_files.make_folder(self._folder)
        checked_files.write_json(self._folder / SEAL, seal, durable=True)

    def read_seal(self) -> dict[str, Any] | None:
        path = self._folder / SEAL
        try:
            return checked_files.read_json(path)
        except FileNotFoundError:
            return None
        except (OSError, DamagedError):
            raise _damaged(path) from None

    def clear(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def _link_or_copy(source: str, target: str) -> None:
    """Both are of the same file where the disk can do that; neither is ever written to."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


class _StoreStaging:
    """A folder of an object store. A piece is there when its `piece.json` is, which is written last."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._library = obstore()
        self._store, self._prefix = store_of(url)

    def begin_job(self, token: str) -> None:
        with read_errors(self._url):
            if earlier := [key for key in self._keys("") if key.startswith(self._prefix + JOB)]:
                self._library.delete(self._store, earlier)
            self._library.put(self._store, f"{self._prefix}{JOB}{token}", b"")

    def has_job(self, token: str) -> bool:
        with read_errors(self._url):
            try:
                self._library.head(self._store, f"{self._prefix}{JOB}{token}")
            except FileNotFoundError:
                return False
            return True

    def end_job(self, token: str) -> None:
        with read_errors(self._url), suppress(FileNotFoundError):
            self._library.delete(self._store, f"{self._prefix}{JOB}{token}")

    def publish(self, piece: Path, name: str) -> None:
        files = sorted((path for path in piece.rglob("*") if path.is_file()), key=lambda p: p.name == PIECE)
        with read_errors(self._url):
            for path in files:
                self._library.put(self._store, f"{self._prefix}{name}/{path.relative_to(piece)}", path)

    def fetch(self, name: str, into: Path) -> None:
        with read_errors(self._url):
            for key in self._keys(f"{name}/"):
                path = into / key.removeprefix(f"{self._prefix}{name}/")
                atomic_files.make_folder(path.parent)
                with atomic_files.create(path) as file:
                    for data in self._library.get(self._store, key).stream():
                        file.write(data)

    def pieces(self) -> Sequence[str]:
        with read_errors(self._url):
            names = (key.removeprefix(self._prefix).partition("/") for key in self._keys(""))
            return sorted({name for name, slash, _ in names if slash})

    def _keys(self, under: str) -> list[str]:
        listed = self._library.list(self._store, self._prefix + under)
        return [str(one["path"]) for page in listed for one in page]

    def remove(self, name: str) -> None:
        self._delete(f"{name}/")

    def _delete(self, under: str) -> None:
        with read_errors(self._url):
            if keys := self._keys(under):
                self._library.delete(self._store, keys)

    def write_seal(self, seal: Mapping[str, Any]) -> None:
        with read_errors(self._url):
            self._library.put(self._store, self._prefix + SEAL, checked_files.json_bytes(seal))

    def read_seal(self) -> dict[str, Any] | None:
        with read_errors(self._url):
            try:
                data = bytes(self._library.get(self._store, self._prefix + SEAL).bytes())
            except FileNotFoundError:
                return None
        try:
            return checked_files.parse_json(data)
        except DamagedError:
            raise _damaged(self._url + SEAL) from None

    def clear(self) -> None:
        self._delete("")


def _damaged(place: object) -> StateError:
    return StateError(f"{place}: damaged or not readable; stage the table again under another run id.")
