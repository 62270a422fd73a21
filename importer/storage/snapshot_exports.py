"""The fingerprints of a snapshot as one Parquet file, which other engines can join with a list.

    <state folder>/exports/IMPORT.parquet   or in a folder or object store of the user's
    <state folder>/exports/places.json      every place outside of the state folder, so that `erase` and
                                            `prune` find the files

An export is of use until the next run: `snapshot` tells whether a run has changed the snapshot since.
"""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import polars as pl
from polars.io.plugins import register_io_source

from importer.core.errors import ConfigError, StateError
from importer.core.package import install_command
from importer.source.object_store import URL, obstore, store_of
from importer.storage import atomic_files, checked_files
from importer.storage.checked_files import DamagedError
from importer.storage.disk_errors import state_errors
from importer.storage.locks import short_lock
from importer.storage.snapshot import Snapshot

EXPORT_COLUMNS: Mapping[str, pl.DataType] = {
    "distinct_id": pl.String(),
    "fingerprint": pl.Int64(),
    "values": pl.Int32(),
    "snapshot": pl.String(),
}
"""`fingerprint` is that of `outcomes/`, null where the person is due whatever the row says; `values` counts
the values of that row; `snapshot` is the version of the snapshot, the same in all rows."""

_ROW_GROUP = 1 << 17
"""Rows that are compressed together; about so many are in memory at a time."""

_LOCK = "exports"
_PLACES = "places.json"


def fingerprints(snapshot: Snapshot, run_id: str = "") -> Iterator[pl.DataFrame]:
    """Everybody whom a snapshot knows, as EXPORT_COLUMNS, some thousand people at a time.

    `run_id` is the run that they are for, if any.
    """
    version = snapshot.version(run_id)
    for frame in snapshot.read_fingerprints():
        yield frame.select(
            distinct_id="id",
            fingerprint=pl.col("print").reinterpret(signed=True),
            values=pl.col("values").cast(pl.Int32),
            snapshot=pl.lit(version),
        )


def export(snapshot: Snapshot, state_dir: Path, place: str | None) -> str:
    """Writes the file into a folder or URL, by default into the state folder; the path or URL of the file.

    StateError where the disk or the store does not take it.
    """
    name = f"{snapshot.folder.name}.parquet"
    if place is None:
        path = _folder(state_dir) / name
        _write(path, fingerprints(snapshot))
        return str(path)
    target = f"{place.rstrip('/')}/{name}" if URL.match(place) else str(Path(place).absolute() / name)
    _remember(state_dir, target)  # first: a file that a kill leaves is found, too
    if URL.match(target):
        _upload(target, state_dir, fingerprints(snapshot))
    else:
        _write(Path(target), fingerprints(snapshot))
    return target


def _write(path: Path, frames: Iterator[pl.DataFrame]) -> None:
    atomic_files.make_folder(path.parent)
    with atomic_files.replacing(path) as file:
        _sink(_streamed(frames), file)


def _streamed(frames: Iterator[pl.DataFrame]) -> pl.LazyFrame:
    """The frames as polars reads them one by one; it asks for all rows and columns once."""

    def read(*_: object) -> Iterator[pl.DataFrame]:
        return frames

    return register_io_source(read, schema=dict(EXPORT_COLUMNS), is_pure=True)


def _sink(rows: pl.LazyFrame, file: IO[bytes]) -> None:
    rows.sink_parquet(file, compression="zstd", row_group_size=_ROW_GROUP, maintain_order=True)


def _upload(url: str, state_dir: Path, frames: Iterator[pl.DataFrame]) -> None:
    with temporary_folder(state_dir) as folder:
        _write(folder / "export.parquet", frames)
        _put(url, folder / "export.parquet")


@contextmanager
def temporary_folder(state_dir: Path) -> Iterator[Path]:
    """A folder for a file that goes elsewhere; what a kill leaves there, `erase` and `prune` find."""
    atomic_files.make_folder(_folder(state_dir))
    with state_errors(_folder(state_dir)):
        folder = Path(tempfile.mkdtemp(prefix="upload-", dir=_folder(state_dir)))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put(url: str, path: Path) -> None:
    try:
        library = obstore()
        store, key = store_of(url)
        library.put(store, key, path)
    except ConfigError:
        raise StateError(f"{url}: needs an extra; first: {install_command('cloud')}") from None
    except Exception as error:  # noqa: BLE001 - the library's own errors have no common class
        raise StateError(
            f"{url}: the store did not take the file ({type(error).__name__}); check the URL and the "
            "credentials."
        ) from None


# ---------------------------------------------------------------- what was written


def erase_from_exports(state_dir: Path, person: str) -> tuple[int, set[str]]:
    """Takes a person out of every file on a disk; how many had the person, and the URLs of the others.

    StateError where a file cannot be used. What a kill has left half written is deleted.
    """
    for folder in _folder(state_dir).glob("upload-*"):
        shutil.rmtree(folder, ignore_errors=True)
    places = _places(state_dir)
    erased = sum(_erase_from(path, person) for path in _files_on_disk(state_dir, places))
    return erased, {place for place in places if URL.match(place)}


def _erase_from(path: Path, person: str) -> bool:
    is_person = pl.col("distinct_id") == person
    try:
        rows = pl.scan_parquet(path, glob=False)
        if not rows.select(is_person.any()).collect().item():
            return False
        with atomic_files.replacing(path) as file:
            _sink(rows.filter(~is_person), file)
    except pl.exceptions.PolarsError:
        raise StateError(f"{path}: damaged, or no export of a snapshot; delete this file.") from None
    return True


def prune_exports(state_dir: Path, before: float) -> int:
    """Deletes the files on a disk that were written before this Unix time; how many."""
    places = _places(state_dir)
    old = [path for path in _files_on_disk(state_dir, places) if path.stat().st_mtime < before]
    for path in old:
        with state_errors(path):
            path.unlink()
    for folder in _folder(state_dir).glob("upload-*"):
        if folder.stat().st_mtime < before:
            shutil.rmtree(folder, ignore_errors=True)
    if places:
        with short_lock(state_dir, _LOCK):
            _save(state_dir, [p for p in _places(state_dir) if URL.match(p) or Path(p).exists()])
    return len(old)


def _files_on_disk(state_dir: Path, places: Iterable[str]) -> Iterator[Path]:
    """The exports in the state folder, and those of `places` that are still there."""
    yield from sorted(_folder(state_dir).glob("*.parquet"))
    elsewhere = (Path(place) for place in places if not URL.match(place))
    yield from (path for path in elsewhere if path.exists())


def _folder(state_dir: Path) -> Path:
    return state_dir / "exports"


def _remember(state_dir: Path, place: str) -> None:
    atomic_files.make_folder(_folder(state_dir))
    with short_lock(state_dir, _LOCK):
        _save(state_dir, sorted({*_places(state_dir), place}))


def _places(state_dir: Path) -> list[str]:
    """Where files were written outside of the state folder."""
    path = _folder(state_dir) / _PLACES
    try:
        return [str(place) for place in checked_files.read_json(path)["places"]]
    except FileNotFoundError:
        return []
    except (OSError, KeyError, DamagedError):
        raise StateError(
            f"{path}: damaged or not readable, so it is not known where fingerprints were exported to; "
            "delete those files, then this one."
        ) from None


def _save(state_dir: Path, places: list[str]) -> None:
    checked_files.write_json(_folder(state_dir) / _PLACES, {"places": places})
