"""Read: the pieces that a cluster has read and checked, joined into the run's own spool and reports.

Nothing is parsed or checked again: files are moved, counts are added. The pieces come in the order of the
partitions, which says nothing about the rows: a table of a cluster has no order.
"""

import shutil
from collections.abc import Mapping
from typing import Any

import polars as pl

from importer.chunk.fields import fields
from importer.core.errors import SourceError, StateError
from importer.core.models import RunWarning
from importer.pipeline.attempt import Attempt
from importer.pipeline.run_spec import RunSpec
from importer.pipeline.source_reader import warnings_of
from importer.report.reject_files import RejectFiles
from importer.storage import atomic_files, checked_files, spool
from importer.storage.checked_files import DamagedError
from importer.storage.counted_lists import ContentHash
from importer.storage.disk_errors import state_errors
from importer.storage.run_folder import RunFolder
from importer.storage.spool import Spool, SpoolWriter
from importer.storage.staging import PIECE, ROW_HASH, made_with, staging_of
from importer.validate.read_result import ReadResult, ReadSource
from importer.validate.validator import Validator
from importer.validate.value_shapes import ValueShapes


class StagedReader:
    """Joins the pieces of a sealed run. `shapes` are those of the values that the check refused.

    `known` is the version of the snapshot with which the run compares, "" where it sends everything.
    """

    def __init__(
        self, spec: RunSpec, reports: RejectFiles, writer: SpoolWriter, attempt: Attempt, known: str = ""
    ) -> None:
        assert spec.staging is not None
        self._spec = spec
        self._staging = staging_of(spec.staging, spec.folder.run_id)
        self._reports = reports
        self._writer = writer
        self._attempt = attempt
        self._known = known
        self._validator = Validator(spec.config, spec.destination.distinct_id_max)
        self._content = ContentHash()
        self.shapes = ValueShapes()
        self._result = ReadResult(counts=self._validator.counts)

    def read(self) -> ReadResult:
        """All rows of all pieces.

        SourceError where nothing is sealed, StateError where a piece is damaged or of another version.
        """
        seal = self._seal()
        columns: list[str] = []
        for piece in seal["pieces"]:
            self._stop_where_asked()
            columns = self._take(str(piece["name"])) or columns
            self._attempt.observer.reading(self._validator.counts.rows_read)
        return self._finished(seal, columns)

    def _seal(self) -> dict[str, Any]:
        seal, run_id = self._staging.read_seal(), self._spec.folder.run_id
        if seal is None:
            raise SourceError(
                f"{self._spec.staging}: the table of run {run_id} was not staged to its end; call "
                f'importer.spark.run with the same table and Options(run_id="{run_id}").'
            )
        if seal["made_with"] != made_with(self._spec.config):
            raise StateError(
                f"{self._spec.staging}: run {run_id} was staged with another configuration or version of the "
                "importer; stage the table again under another run id."
            )
        if seal.get("snapshot", "") not in ("", self._known):
            raise StateError(
                f"{self._spec.staging}: run {run_id} was staged without the people who were unchanged then; "
                "now the run sends everything, or another run has sent values since. Stage the table again "
                "under another run id."
            )
        return seal

    def _stop_where_asked(self) -> None:
        if self._attempt.request.asked:
            raise KeyboardInterrupt
        if error := self._attempt.out_of_time():
            raise error

    def _take(self, name: str) -> list[str]:
        """Moves the files of one piece into the run's folder and adds its counts; the columns of its rows."""
        local = RunFolder(self._spec.folder.work / "piece")
        shutil.rmtree(local.path, ignore_errors=True)
        self._staging.fetch(name, local.path)
        try:
            known = checked_files.read_json(local.path / PIECE)
        except (OSError, DamagedError):
            raise StateError(
                f"{self._spec.staging}: piece {name} is damaged; stage the table again under another run id."
            ) from None
        self._writer.take(local.spool)
        self._take_rejects(local)
        self._take_outcomes(local, name)
        self._absorb(known)
        shutil.rmtree(local.path)
        return [str(column) for column in known["columns"]]

    def _take_rejects(self, local: RunFolder) -> None:
        """Numbers the parts of the reports on from those of the pieces before."""
        first = len(self._result.edges)
        for place in ("work", "kept"):
            for path in (local.path / place).glob("batch-*.parquet"):
                number = first + int(path.stem.removeprefix("batch-"))
                with state_errors(self._spec.folder.path):
                    path.replace(self._spec.folder.path / place / f"batch-{number:06d}.parquet")

    def _take_outcomes(self, local: RunFolder, name: str) -> None:
        """The outcomes of rows that were left out as unchanged, under the name of their piece."""
        for path in local.outcomes.glob("outcome=*/*.parquet") if self._spec.writes_outcomes else ():
            folder = self._spec.folder.outcomes / path.parent.name
            atomic_files.make_folder(folder)
            with state_errors(folder):
                path.replace(folder / f"{path.stem}-{name}.parquet")

    def _absorb(self, known: Mapping[str, Any]) -> None:
        piece = ReadResult.load(known["reading"])
        self._result.edges += piece.edges
        self._validator.counts.add(piece.counts)
        self._validator.data_quality.absorb(known["data_quality"])
        if self._validator.inference:
            self._validator.inference.absorb(known["inference"])
        self.shapes.absorb(known["shapes"])
        self._content.absorb(*piece.contents.values())

    def _finished(self, seal: Mapping[str, Any], columns: list[str]) -> ReadResult:
        rows, result = self._validator.counts.rows_read, self._result
        if rows != seal["rows"]:
            raise StateError(
                f"{self._spec.staging}: the pieces have {rows:,} rows where {seal['rows']:,} were sealed; "
                "stage the table again under another run id."
            )
        result.sources = [ReadSource("table", "parquet", rows, None, b"", b"\n")]
        if self._content.rows:
            result.contents = {"table": str(self._content)}
        ignored = self._spec.config.source.ignore
        result.warnings = list(warnings_of(self._validator, [c for c in columns if c not in ignored], ()))
        if not rows:
            result.warnings.append(RunWarning("source_without_rows", "table", 0))
        if self._validator.inference:
            result.mixed = self._validator.inference.mixed()
        return result


def refuse_several_rows(rows: Spool, spec: RunSpec) -> None:
    """SourceError where people have several rows that differ, and nothing says which is the newest."""
    if spec.config.source.latest_by or all(f.takes_all for f in fields(spec.config)):
        return
    people = sum(_differing(rows, plan) for plan in rows.plan())
    if people:
        staging_of(str(spec.staging), spec.folder.run_id).clear()
        raise SourceError(
            f"table: {people:,} people have several rows that differ, and a table has no order that says "
            "which row is the newest. Nothing was sent; set latest_by under [source], or keep one row of "
            "each person."
        )


def _differing(rows: Spool, plan: spool.ChunkPlan) -> int:
    """How many people of a chunk have rows that do not say the same, by the hashes of their rows.

    Rows of different people have different hashes: where there are as many hashes as people, no one differs.
    """
    hashes = rows.columns(plan, ["id", ROW_HASH])
    people = rows.people([plan])
    if people == plan.rows or (people == hashes[ROW_HASH].n_unique() and not hashes[ROW_HASH].null_count()):
        return 0
    several = hashes.filter(pl.col("id").is_duplicated())
    found = several.group_by("id").agg(n=pl.col(ROW_HASH).n_unique(), n_null=pl.col(ROW_HASH).null_count())
    return found.filter((pl.col("n") > 1) | (pl.col("n_null") > 1)).height
