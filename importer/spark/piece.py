"""What one task does: its rows through the reader's checks into one finished piece.

It runs on executors, so nothing here sends, opens the state or sees a key.
"""

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from importer.config import loader
from importer.config.schema import Config
from importer.core.errors import SourceError, StateError
from importer.core.events import Silent
from importer.pipeline.source_reader import SourceReader
from importer.pipeline.sources import Table, open_sources
from importer.report.reject_files import RejectFiles
from importer.source.batch import Batch
from importer.source.source import Source
from importer.source.table import ArrowTable
from importer.spark.unchanged import UnchangedRows, without_mark
from importer.storage import checked_files
from importer.storage.run_folder import RunFolder
from importer.storage.spool import SpoolWriter
from importer.storage.staging import PIECE, ROW_HASH, made_with, staging_of
from importer.storage.state_folder import require_run_id
from importer.validate.validator import ValidatedBatch, Validator
from importer.values.row_hash import RowHasher

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

ROWS = 1 << 26
"""Rows of one partition, at most: row n of partition p is row p * ROWS + n of the table."""

PARTITIONS = 1 << 14
"""Partitions of a table, at most; so row numbers stay below 2 ** 40."""


@dataclass(frozen=True, slots=True)
class Job:
    """What each task has to know; `token` tells its pieces from those of another call for the same run.

    `snapshot` is the version of the snapshot by which rows are marked as unchanged, "" = none is marked.
    """

    location: str
    run_id: str
    config: str
    made_with: Mapping[str, str]
    token: str
    snapshot: str = ""

    @classmethod
    def new(cls, config: Config, location: str, run_id: str) -> "Job":
        """The job of a new call for a run; ConfigError where `run_id` is none."""
        text = json.dumps(config.as_mapping())
        return cls(location, require_run_id(run_id), text, made_with(config), secrets.token_hex(4))

    @classmethod
    def load(cls, text: str) -> "Job":
        """What `dump` made."""
        return cls(**json.loads(text))

    def dump(self) -> str:
        """As JSON, for the options of a data source."""
        names = ("location", "run_id", "config", "made_with", "token", "snapshot")
        return json.dumps({name: getattr(self, name) for name in names})


@dataclass(frozen=True, slots=True)
class Written:
    """A finished piece: its name, its partition and how many rows it has read."""

    name: str
    partition: int
    rows: int


def write_piece(
    batches: "Iterator[pa.RecordBatch]", schema: "pa.Schema", job: Job, partition: int, attempt: int
) -> Written:
    """Reads and checks the rows of one task and publishes the piece.

    SourceError where they cannot be read as declared, or where another version of the importer is installed
    here than at the caller. StateError where the job has ended, or is not to be seen from here.
    """
    import pyarrow as pa

    _require_job(job)
    name = f"{job.token}-{partition:05d}-{attempt}"
    folder = Path(tempfile.mkdtemp(prefix="importer-piece-", dir=local_folder()))
    try:
        local = RunFolder(folder / job.run_id)
        config = loader.parse(json.loads(job.config))
        _refuse_other_version(made_with(config), job.made_with)
        unchanged = None
        if job.snapshot:
            unchanged = UnchangedRows(config, local, partition * ROWS + ROWS // 2)
            schema, batches = without_mark(schema), unchanged.left_out(batches)
        table = pa.RecordBatchReader.from_batches(schema, batches)
        rows = _read(table, local, config, partition, unchanged)
        _publish(local.path, name, job)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Written(name, partition, rows)


def local_folder() -> str | None:
    """Spark's own folder for temporary files, which it deletes where an executor is killed; None without one.

    PySpark's `shuffle.py` takes it from the same variable: folders separated by commas.
    """
    folders = os.environ.get("SPARK_LOCAL_DIRS", "").split(",")
    return next((folder for folder in folders if folder and Path(folder).is_dir()), None)


def _publish(piece: Path, name: str, job: Job) -> None:
    """Puts the piece into the staging folder; StateError, and it is not there, where the job has ended.

    So it ends where another attempt of the task was quicker, or another task has failed for good.
    """
    staging = staging_of(job.location, job.run_id)
    staging.publish(piece, name)
    try:
        _require_job(job)
    except StateError:
        staging.remove(name)
        raise


def _require_job(job: Job) -> None:
    if not staging_of(job.location, job.run_id).has_job(job.token):
        raise StateError(
            f"{job.location}: the job of this task is not there. Either it has ended, and the task is not "
            "needed, or this is not the same place on all machines of the cluster."
        )


def _read(
    table: ArrowTable, folder: RunFolder, config: Config, partition: int, unchanged: UnchangedRows | None
) -> int:
    folder.make_folders()
    destination = config.build_destination()
    validator = Validator(config, destination.distinct_id_max)
    writer = SpoolWriter(folder.spool)
    hashed = partial(_hashed, RowHasher(config, destination.encoding))
    reader = SourceReader(validator, RejectFiles(folder), writer, Silent(), spooled=hashed)
    [source] = open_sources(config, [Table("table", table)])
    result = reader.read([_numbered(source, partition)])
    writer.finish()
    if unchanged:
        unchanged.absorbed_by(validator)
    piece: dict[str, Any] = {
        "columns": list(source.columns),
        "reading": result.dump(),
        "data_quality": validator.data_quality.state(),
        "inference": validator.inference.state() if validator.inference else None,
        "shapes": reader.shapes.state(),
    }
    checked_files.write_json(folder.path / PIECE, piece)
    return result.counts.rows_read


def _hashed(hasher: RowHasher, batch: ValidatedBatch) -> pl.DataFrame:
    """The rows of a batch with their hashes, by which the caller compares rows of one person."""
    cells = batch.rows["cells"].struct.unnest()
    return batch.rows.with_columns(hasher.of(None, batch.rows, cells).alias(ROW_HASH))


def _refuse_other_version(here: Mapping[str, str], there: Mapping[str, str]) -> None:
    for name in ("version", "format"):
        if here[name] != there[name]:
            raise SourceError(
                f"table: an executor has importer {here['version']}, the caller has {there['version']}; "
                "install the same version on all machines of the cluster."
            )


def _numbered(source: Source, partition: int) -> Source:
    """The source with row numbers that no other partition has."""
    if partition >= PARTITIONS:
        raise SourceError(
            f"table: more than {PARTITIONS:,} partitions; use df.coalesce({PARTITIONS}) or fewer."
        )
    first = partition * ROWS

    def read(block_bytes: int) -> Iterator[Batch]:
        for batch in source.read(block_bytes):
            if batch.row.len() and int(batch.row[-1]) >= ROWS:
                raise SourceError(f"table: a partition of more than {ROWS:,} rows; use df.repartition first.")
            set_aside = batch.set_aside.with_columns(pl.col("row") + first)
            yield replace(batch, row=batch.row + first, set_aside=set_aside)

    return replace(source, read=read)
