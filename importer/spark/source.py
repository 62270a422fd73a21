"""The data source `importer` of Spark: pieces of a table are written into it, outcomes are read from it.

Spark calls `write` on executors, once for each attempt of a task, and `commit` or `abort` once, in a Python
process of the driver that is not the caller's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from pyspark import TaskContext
from pyspark.sql.datasource import (
    DataSource,
    DataSourceArrowWriter,
    DataSourceReader,
    InputPartition,
    WriterCommitMessage,
)
from pyspark.sql.types import StructType

from importer.config import loader
from importer.config.schema import Config
from importer.core.errors import ConfigError
from importer.core.outcome_table import OUTCOME_COLUMNS
from importer.pipeline.sources import Table, open_sources
from importer.spark import seal
from importer.spark.known import fingerprint_pieces, read_fingerprints
from importer.spark.piece import Job, Written, write_piece
from importer.storage.run_folder import RunFolder
from importer.storage.snapshot_exports import EXPORT_COLUMNS
from importer.storage.staging import staging_of

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

NAME = "importer"


class ImporterSource(DataSource):
    """The format `importer`.

    To write it takes the options `config`, a configuration file, `staging`, a place for the rows, and `run`,
    the id of the run that will send them; or `job`, a `Job`. To read it takes `state`, a state folder, and
    `run`, the id of a run that has written `outcomes/`; or `known`, a `Job` with staged fingerprints.
    """

    @classmethod
    def name(cls) -> str:
        """The name in `format`."""
        return NAME

    def schema(self) -> str:
        """The columns of a table of outcomes, or of fingerprints."""
        if "known" in self.options:
            return _columns(EXPORT_COLUMNS)
        return f"{_columns(OUTCOME_COLUMNS)}, outcome string"

    def reader(self, schema: StructType) -> DataSourceReader:
        """Reads the outcomes of a run, or staged fingerprints."""
        if "known" in self.options:
            return KnownReader(Job.load(self.options["known"]), schema)
        run = RunFolder(Path(self.options["state"]) / "runs" / self.options["run"])
        return OutcomeReader(run.outcomes, schema)

    def writer(self, schema: StructType, overwrite: bool) -> "PieceWriter":
        """What each task gets."""
        text = self.options.get("job")
        return PieceWriter(Job.load(text) if text else self._begun(schema), schema)

    def _begun(self, schema: StructType) -> Job:
        """A new job by the options; ConfigError where one is missing, or the table lacks a column."""
        if missing := [name for name in ("config", "staging", "run") if not self.options.get(name)]:
            raise ConfigError(f'format("{NAME}"): option "{missing[0]}" is missing.')
        config = loader.load(self.options["config"])
        require_columns(config, schema)
        job = Job.new(config, self.options["staging"], self.options["run"])
        staging_of(job.location, job.run_id).begin_job(job.token)
        return job


def _columns(kinds: Mapping[str, pl.DataType]) -> str:
    names = {pl.String: "string", pl.Int64: "bigint", pl.Int32: "int", pl.Datetime: "timestamp"}
    return ", ".join(f"`{name}` {names[kind.base_type()]}" for name, kind in kinds.items())


@dataclass
class PieceMessage(WriterCommitMessage):
    """What a successful task says to the driver."""

    written: Written


class PieceWriter(DataSourceArrowWriter):
    """Writes a piece for each task attempt."""

    def __init__(self, job: Job, schema: StructType) -> None:
        self._job = job
        self._schema = schema

    def write(self, iterator: "Iterator[pa.RecordBatch]") -> PieceMessage:
        """One attempt of one task."""
        context = TaskContext.get()
        assert context is not None, "a task has a context"
        first = next(iterator, None)  # its timestamps have the zone of the session, which the schema lacks
        schema = arrow_schema(self._schema) if first is None else first.schema
        batches = chain(() if first is None else (first,), iterator)
        return PieceMessage(
            write_piece(batches, schema, self._job, context.partitionId(), context.taskAttemptId())
        )

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        """All tasks have ended: the pieces of the successful attempts become the run."""
        written = [message.written for message in messages if isinstance(message, PieceMessage)]
        seal.seal(self._job, written)

    def abort(self, messages: list[WriterCommitMessage | None]) -> None:
        """The job has failed."""
        seal.abandon(self._job)


def arrow_schema(schema: StructType) -> "pa.Schema":
    """The Arrow schema of a data frame; timestamps are in UTC."""
    from pyspark.sql.pandas.types import to_arrow_schema

    return to_arrow_schema(schema, timezone="UTC")


def require_columns(config: Config, schema: StructType) -> None:
    """SourceError where a data frame lacks a column of the configuration, or has one that cannot be read."""
    open_sources(config, [Table("table", arrow_schema(schema).empty_table())])


class OutcomePart(InputPartition):
    """One file of a table of outcomes."""

    def __init__(self, path: str, outcome: str) -> None:
        self.path = path
        self.outcome = outcome


class OutcomeReader(DataSourceReader):
    """Reads `outcomes/` of a run, file by file."""

    def __init__(self, folder: Path, schema: StructType) -> None:
        self._folder = folder
        self._schema = schema

    def partitions(self) -> list[InputPartition]:
        """The files."""
        files = sorted(self._folder.glob("outcome=*/*.parquet"))
        return [OutcomePart(str(path), path.parent.name.removeprefix("outcome=")) for path in files]

    def read(self, partition: InputPartition) -> "Iterator[pa.RecordBatch]":
        """The values of one file."""
        if isinstance(partition, OutcomePart):  # where there is no file, Spark asks once for nothing
            table = pl.read_parquet(partition.path, glob=False, hive_partitioning=False)
            table = table.with_columns(outcome=pl.lit(partition.outcome))
            yield from table.to_arrow().cast(arrow_schema(self._schema)).to_batches()


class KnownPart(InputPartition):
    """One piece of staged fingerprints."""

    def __init__(self, name: str) -> None:
        self.name = name


class KnownReader(DataSourceReader):
    """Reads the fingerprints that are staged for a call, piece by piece."""

    def __init__(self, job: Job, schema: StructType) -> None:
        self._job = job
        self._schema = schema

    def partitions(self) -> list[InputPartition]:
        """The pieces."""
        return [KnownPart(name) for name in fingerprint_pieces(self._job)]

    def read(self, partition: InputPartition) -> "Iterator[pa.RecordBatch]":
        """The people of one piece."""
        if isinstance(partition, KnownPart):
            table = read_fingerprints(self._job, partition.name)
            yield from table.to_arrow().cast(arrow_schema(self._schema)).to_batches()
