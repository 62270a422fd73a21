"""Copies the table of outcomes of a run into a folder or an object store, beside those of other runs.

    DIR/outcome=applied/chunk-000001.RUN.parquet

The name ends with the run's id, so a resumed run replaces what it copied when it was stopped.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from importer.core.errors import StateError
from importer.core.package import install_command
from importer.source.errors import read_errors
from importer.source.object_store import URL, obstore, store_of
from importer.storage import atomic_files


def export(table: Path, run_id: str, target: str) -> None:
    """Copies the table; what `target` has of this run and is no longer in the table is deleted.

    StateError where that is not possible.
    """
    wanted = {f"{path.parent.name}/{path.stem}.{run_id}.parquet": path for path in _files(table)}
    try:
        (_to_store if URL.match(target) else _to_folder)(wanted, run_id, target)
    except ModuleNotFoundError:
        raise _not_copied(table, target, f"first: {install_command('cloud')}") from None
    except Exception as error:  # noqa: BLE001 - the library's own errors have no common class
        raise _not_copied(table, target, type(error).__name__) from None


def _files(table: Path) -> Iterator[Path]:
    return (path for path in sorted(table.glob("outcome=*/*.parquet")))


def copies(target: Path, run_id: str) -> list[Path]:
    """The files that a run has copied into a folder."""
    return [path for path in _files(target) if path.name.partition(".")[2] == f"{run_id}.parquet"]


def _to_folder(wanted: dict[str, Path], run_id: str, target: str) -> None:
    folder = Path(target)
    for name, path in wanted.items():
        atomic_files.make_folder((folder / name).parent)
        with path.open("rb") as source, atomic_files.replacing(folder / name) as copy:
            shutil.copyfileobj(source, copy)
    for path in copies(folder, run_id):
        if str(path.relative_to(folder)) not in wanted:
            path.unlink()


def _to_store(wanted: dict[str, Path], run_id: str, target: str) -> None:
    library = obstore()
    store, folder = store_of(target.rstrip("/") + "/")
    with read_errors(target):
        for name, path in wanted.items():
            library.put(store, folder + name, path)
        for listed in library.list(store, folder or None):
            for key in (str(one["path"]) for one in listed):
                name = key.removeprefix(folder)
                if key.endswith(f".{run_id}.parquet") and _is_copy(name, run_id) and name not in wanted:
                    library.delete(store, key)


def _is_copy(name: str, run_id: str) -> bool:
    return name.startswith("outcome=") and name.rpartition("/")[2].partition(".")[2] == f"{run_id}.parquet"


def _not_copied(table: Path, target: str, why: str) -> StateError:
    return StateError(
        f"{target}: the table of outcomes could not be copied there ({why}). It is whole in {table}; copy "
        "its folders from there."
    )
