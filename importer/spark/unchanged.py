"""Rows that are marked as unchanged: a task counts them, and stages only the others."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from importer.config.schema import Config
from importer.pipeline.outcome_parts import unchanged_values
from importer.pipeline.sources import Table, open_sources
from importer.report.outcome_files import OutcomeFiles
from importer.storage.run_folder import RunFolder
from importer.validate.read_counts import ReadCounts
from importer.validate.validator import IdentifiedBatch, Validator
from importer.values.row_hash import RowHasher

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

UNCHANGED = "importer_unchanged"
"""The last column of a marked table: how many values an unchanged row has, null where the row may be due."""


class UnchangedRows:
    """Takes the unchanged rows out of the batches of one task.

    `counts` are theirs, once all batches are read. Where the configuration wants a table
    of outcomes, their values are written into that of `folder`. `first` is the number before their first row.
    """

    def __init__(self, config: Config, folder: RunFolder, first: int) -> None:
        destination = config.build_destination()
        self._config = config
        self._validator = Validator(config, destination.distinct_id_max, keeps_rows=False)
        self._hasher = RowHasher(config, destination.encoding)
        self._outcomes = OutcomeFiles(folder) if config.run.outcomes else None
        self._row = first
        self._parts = 0

    @property
    def counts(self) -> ReadCounts:
        """Of the rows that were left out."""
        return self._validator.counts

    def absorbed_by(self, validator: Validator) -> None:
        """Adds to another validator what was seen in the rows that were left out."""
        validator.counts.add(self.counts)
        validator.data_quality.absorb(self._validator.data_quality.state())
        if validator.inference and self._validator.inference:
            validator.inference.absorb(self._validator.inference.state())

    def left_out(self, batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        """The rows that may be due, without the mark."""
        for batch in batches:
            mark = batch.column(batch.num_columns - 1)
            rows = batch.select(list(range(batch.num_columns - 1)))
            if mark.null_count < len(mark):
                self._count(rows.filter(mark.is_valid()), mark.drop_null())
            if mark.null_count:
                yield rows.filter(mark.is_null())

    def _count(self, rows: "pa.RecordBatch", values: "pa.Array") -> None:
        import pyarrow as pa

        [source] = open_sources(self._config, [Table("table", pa.Table.from_batches([rows]))])
        for batch in source.batches():
            identified = self._validator.identify(replace(batch, row=batch.row + self._row), 0)
            self.counts.blanks.update(self._validator.blanks(identified.cells))
            self.counts.undeclared.update(self._validator.undeclared(identified.cells))
            self._validator.look_at_texts(identified)
            if self._outcomes:
                self._put(identified, self._outcomes)
        self._row += rows.num_rows
        self._add(rows.num_rows, sum(values.to_pylist()))

    def _add(self, rows: int, values: int) -> None:
        self.counts.unchanged_rows += rows
        self.counts.unchanged_values += values
        self.counts.values_read += values
        self.counts.by_source[0, "unchanged_rows"] += rows
        self.counts.by_source[0, "unchanged_values"] += values

    def _put(self, identified: IdentifiedBatch, outcomes: OutcomeFiles) -> None:
        prints = self._hasher.of(None, identified.rows, identified.cells)
        values = unchanged_values(self._config, identified.rows, identified.cells, prints)
        outcomes.put(f"unchanged-{self._parts:06d}", values, ["table"])
        self._parts += 1


def without_mark(schema: "pa.Schema") -> "pa.Schema":
    """The schema of the rows that `left_out` yields."""
    return schema.remove(len(schema) - 1)
