"""The fingerprints of a snapshot in the staging folder, where executors read them.

They lie there as pieces that no seal names, so they go with the other pieces that do not count.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from importer.pipeline.open_snapshot import compares_with, snapshot_of
from importer.pipeline.run_spec import RunSpec
from importer.spark.piece import Job, local_folder
from importer.storage import atomic_files
from importer.storage.snapshot import Snapshot
from importer.storage.snapshot_exports import EXPORT_COLUMNS, fingerprints, temporary_folder
from importer.storage.staging import staging_of

PIECE_PEOPLE = 1_000_000
"""About so many people are in one piece."""

_FILE = "fingerprints.parquet"


def snapshot_to_compare(spec: RunSpec) -> Snapshot | None:
    """The snapshot by which executors can leave out unchanged people; None where everybody is staged.

    Where columns name people to the destination, those of all people are compared with each other.
    """
    if spec.config.identity_fields:
        return None
    snapshot = snapshot_of(spec.state_dir, spec.config)
    return None if snapshot.is_empty or not compares_with(spec, snapshot) else snapshot


def put_fingerprints(snapshot: Snapshot, job: Job, state_dir: Path) -> None:
    """Stages the fingerprints of everybody who is known; StateError where that is not possible."""
    staging = staging_of(job.location, job.run_id)
    for number, people in enumerate(_pieces(fingerprints(snapshot, job.run_id))):
        with temporary_folder(state_dir) as folder:
            people.write_parquet(atomic_files.make_empty(folder / _FILE))
            staging.publish(folder, f"{_prefix(job)}{number:05d}")


def _pieces(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same people, in fewer frames."""
    waiting = [pl.DataFrame(schema=EXPORT_COLUMNS)]
    for frame in frames:
        waiting.append(frame)
        if sum(one.height for one in waiting) >= PIECE_PEOPLE:
            yield pl.concat(waiting)
            waiting = waiting[:1]
    if len(waiting) > 1:
        yield pl.concat(waiting)


def fingerprint_pieces(job: Job) -> list[str]:
    """The names of the staged pieces."""
    names = staging_of(job.location, job.run_id).pieces()
    return [name for name in names if name.startswith(_prefix(job))]


def read_fingerprints(job: Job, name: str) -> pl.DataFrame:
    """The people of one piece, as EXPORT_COLUMNS."""
    folder = Path(tempfile.mkdtemp(prefix="importer-known-", dir=local_folder()))
    try:
        staging_of(job.location, job.run_id).fetch(name, folder / "piece")
        return pl.read_parquet(folder / "piece" / _FILE, glob=False, memory_map=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prefix(job: Job) -> str:
    return f"{job.token}-known-"
