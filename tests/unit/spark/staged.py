"""A table staged as a cluster does it, without one: each part of it is a task."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]

from importer.config import loader
from importer.config.options import Options
from importer.pipeline.run_spec import RunSpec
from importer.pipeline.sources import Staged
from importer.spark.piece import Job, Written, write_piece
from importer.spark.seal import seal
from importer.storage.staging import made_with, staging_of


def begun(mapping: dict[str, Any], place: str, options: Options) -> RunSpec:
    """A run whose rows a cluster is about to read."""
    return RunSpec.new(loader.parse(mapping), (Staged(place),), options, "run").with_folder()


def job_of(spec: RunSpec, token: str = "first") -> Job:
    """A job of Spark that begins; those before it have ended."""
    config = json.dumps(spec.config.as_mapping())
    staging_of(str(spec.staging), spec.folder.run_id).begin_job(token)
    return Job(str(spec.staging), spec.folder.run_id, config, made_with(spec.config), token)


def written(
    job: Job, part: pl.DataFrame, partition: int, attempt: int = 0, *, batch_rows: int = 3
) -> Written:
    """One task, as Spark calls it: some batches of its rows."""
    table = part.to_arrow(compat_level=pl.CompatLevel.oldest())
    batches = iter(table.to_batches(max_chunksize=batch_rows))
    return write_piece(batches, table.schema, job, partition, attempt)


def staged(job: Job, parts: Sequence[pl.DataFrame], *, batch_rows: int = 3) -> list[Written]:
    """All tasks, and the commit."""
    pieces = [
        written(job, part, number, 10 + number, batch_rows=batch_rows) for number, part in enumerate(parts)
    ]
    seal(job, pieces)
    return pieces


def names(place: Path) -> list[str]:
    """Everything that is in the staging folder."""
    return sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())


__all__ = ["begun", "job_of", "names", "pa", "staged", "written"]
