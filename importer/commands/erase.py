"""`importer erase`: takes one person out of everything that is kept, snapshot, runs and caches alike.

Of a run stays what says nothing about the person: its counts, and a call of nobody in the place of each of
theirs, so that the journal is still whole. A run that can be resumed still has rows of everybody: it has to
come to its end first.
"""

import re
import shutil
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from importer.core.errors import ConfigError, StateError
from importer.report import html_report, reject_lines
from importer.report.outcome_export import copies
from importer.report.reject_files import RejectFiles
from importer.source.object_store import URL
from importer.storage import atomic_files, checked_files, locks, run_folder, sqlite_errors, state_folder
from importer.storage.checked_files import DamagedError
from importer.storage.disk_errors import state_errors
from importer.storage.journal import Journal
from importer.storage.run_folder import RunFolder
from importer.storage.snapshot import erase_person
from importer.storage.snapshot_exports import erase_from_exports
from importer.storage.sqlite_errors import id_cache_errors
from importer.storage.staging import folder_of
from importer.validate.read_result import ReadResult


@dataclass(slots=True)
class Erased:
    """In how many snapshots, runs, caches and exports the person stood.

    `elsewhere` are the URLs at which there are exports, or where runs have left tables of outcomes or rows
    that were never sent.
    """

    snapshots: int = 0
    runs: int = 0
    caches: int = 0
    exports: int = 0
    elsewhere: set[str] = field(default_factory=set)


def erase(state_dir: Path, person: str) -> Erased:
    """Erases the person of this distinct id, everywhere in a state folder.

    ConfigError where a run is not at its end, StateError where one is going on or a file cannot be used.
    """
    if not person:
        raise ConfigError("erase: expected a distinct id, found it blank.")
    folders, found = state_folder.all_runs(state_dir), Erased()
    for folder in folders:
        _refuse_open(state_dir, folder)
    for snapshot in sorted((state_dir / "snapshots").glob("*")):
        found.snapshots += erase_person(snapshot, person)
    for folder in folders:
        found.runs += _from_run(folder, person)
        found.elsewhere |= _elsewhere(folder)
    for cache in sorted((state_dir / "addresses").glob("*.sqlite")):
        found.caches += _from_cache(cache, person)
    found.exports, urls = erase_from_exports(state_dir, person)
    found.elsewhere |= urls
    return found


def _refuse_open(state_dir: Path, folder: RunFolder) -> None:
    holder = locks.holder_of(state_dir, folder.read_meta())
    if holder:
        raise StateError(f"Run {holder} is going on; wait for it to end, then erase.")
    if run_folder.is_resumable(folder) and (folder.spool.exists() or _is_staged(folder)):
        raise ConfigError(
            f"Run {folder.run_id} can be resumed and still has the rows of everybody; first: "
            f"importer resume {folder.run_id}, or importer run, which closes it."
        )


def _is_staged(folder: RunFolder) -> bool:
    """Whether a cluster has left the rows of the run on a disk."""
    return folder_of(folder.read_meta().get("staging"), folder.run_id) is not None


def _elsewhere(folder: RunFolder) -> set[str]:
    """The URLs at which the run may have left values of people."""
    meta = folder.read_meta()
    staging = meta.get("staging") if run_folder.is_resumable(folder) else None
    return {url for url in (_outcomes_target(folder), staging) if url and URL.match(url)}


def _from_run(folder: RunFolder, person: str) -> bool:
    """Takes a person out of one run's journal, reports and kept rows; whether they stood in any."""
    found = [_from_frame(path, person) for path in sorted(folder.previous_values.glob("*.arrow"))]
    kept = [_from_kept(path, person) for path in sorted(folder.kept.glob("*.parquet"))]
    outcomes = [_from_outcomes(path, person) for path in _outcome_files(folder)]
    lines = _from_rejects(folder.rejects, person)
    _delete_copies(folder)
    answers = False
    if folder.journal.exists():
        with closing(Journal(folder.journal)) as journal:
            answers = journal.erase(person)
            reading = journal.fact("reading")
        if any(kept) and isinstance(reading, dict):
            known = ReadResult.load(reading)
            RejectFiles(folder).write_rows(known.edges, [source.original() for source in known.sources])
    summary = folder.read_summary()
    if (lines or any(kept)) and summary and folder.html_report.exists():  # it shows damaged rows, too
        html_report.write(folder, summary)
    return answers or lines or any(found) or any(kept) or any(outcomes)


def _delete_copies(folder: RunFolder) -> None:
    """Deletes what can be written again, `undo` and `verify` files, and what a kill has left."""
    with state_errors(folder.path):
        for pattern in ("undo.*", "verify.csv", folder.rejects_spreadsheet.name, "*.part", "*/*.part"):
            for path in folder.path.glob(pattern):
                path.unlink()
    shutil.rmtree(folder.path / "verify", ignore_errors=True)
    folder.drop_temporary()


def _from_frame(path: Path, person: str) -> bool:
    """Takes the person out of what the snapshot had before a run."""
    try:
        frame = checked_files.read_frame(path)
    except (OSError, DamagedError):
        raise _unreadable(path) from None
    left = frame.filter(pl.col("id") != person)
    if left.height < frame.height:
        checked_files.write_frame(path, left)
    return left.height < frame.height


def _outcomes_target(folder: RunFolder) -> str | None:
    """Into which folder or URL the run was to copy its table of outcomes."""
    target = folder.read_meta().get("options", {}).get("outcomes")
    return str(target) if target else None


def _outcome_files(folder: RunFolder) -> list[Path]:
    """The files of the run's table of outcomes, and their copies on a disk."""
    own = sorted(folder.outcomes.glob("outcome=*/*.parquet"))
    target = _outcomes_target(folder)
    return own if not target or URL.match(target) else [*own, *copies(Path(target), folder.run_id)]


def _from_outcomes(path: Path, person: str) -> bool:
    """Takes the person's values out of a file of a table of outcomes."""
    try:
        frame = pl.read_parquet(path, glob=False, hive_partitioning=False)
    except (OSError, pl.exceptions.PolarsError):
        raise _unreadable(path) from None
    left = frame.filter(pl.col("distinct_id") != person)
    if left.height < frame.height:
        with atomic_files.replacing(path) as file:
            left.write_parquet(file, compression="snappy")
    return left.height < frame.height


def _from_kept(path: Path, person: str) -> bool:
    """Rows of the person, and damaged ones in which the id stands as a word: whose they are is not known."""
    try:
        frame = checked_files.scan_parquet(path).collect()
    except (OSError, DamagedError):
        raise _unreadable(path) from None
    mine = pl.col("id").eq_missing(person) if "id" in frame.columns else pl.lit(value=False)
    word = rf"(?:^|[^0-9A-Za-z]){re.escape(person)}(?:[^0-9A-Za-z]|$)"
    if "bytes" in frame.columns:
        names = re.compile(word.encode())
        hits = [raw is not None and bool(names.search(raw)) for raw in frame["bytes"].to_list()]
        mine = mine | pl.lit(pl.Series(hits, dtype=pl.Boolean))
    if frame.schema.get("original") == pl.String and "id" in frame.columns:
        mine = mine | (pl.col("id").is_null() & pl.col("original").str.contains(person, literal=True))
    left = frame.filter(~mine)
    if left.height < frame.height:
        checked_files.write_parquet(path, left)
    return left.height < frame.height


def _from_rejects(path: Path, person: str) -> bool:
    """Takes the person's lines out of `rejects.csv`."""
    if not path.exists():
        return False
    found = False
    with state_errors(path), path.open("rb") as old, atomic_files.replacing(path) as new:
        lines = reject_lines.records(old)
        head = next(lines, None)
        if head is None or "distinct_id" not in head.cells:
            raise _unreadable(path)
        new.write(head.raw)
        at = list(head.cells).index("distinct_id")
        for line in lines:
            if line.cells[at : at + 1] == [person]:
                found = True
            else:
                new.write(line.raw)
    return found


def _from_cache(path: Path, person: str) -> bool:
    with id_cache_errors(path), closing(sqlite_errors.connect(path)) as database:
        database.execute("PRAGMA secure_delete = ON")
        erased = database.execute("DELETE FROM addresses WHERE id = ?", (person,)).rowcount
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return erased > 0


def _unreadable(path: Path) -> StateError:
    return StateError(
        f"{path}: damaged or not readable, so the person cannot be taken out of it; delete the run with "
        "importer runs --prune, or this folder: " + str(path.parent)
    )
