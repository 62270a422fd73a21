"""Drops the rows of a list that the snapshot knows, and finds the people who are no longer in the list."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from importer.config.schema import GONE, Config
from importer.core.models import RunWarning
from importer.core.row_order import ORDER_SHIFT
from importer.source import csv_grammar
from importer.validate.change_filter import ChangeFilter
from importer.validate.read_counts import ReadCounts
from importer.validate.read_result import ReadSource
from importer.validate.validator import IdentifiedBatch, Validator
from importer.values.expressions import without_computed
from importer.values.row_hash import RowHasher


@dataclass
class ChangeFiltering:
    """Rows wait on disk until the whole list is read; then those that may be due are yielded.

    `gone_unknown` says why it is not known who has left the list: the configured source is not read as
    a whole. "" = it is known. By attribute of the whole list, `blanks` counts the blank cells, `undeclared`
    the values whose option is allowed, but not declared.
    """

    change_filter: ChangeFilter
    hasher: RowHasher
    gone_unknown: str = ""
    blanks: Counter[str] = field(default_factory=Counter)
    undeclared: Counter[str] = field(default_factory=Counter)

    def add(
        self,
        batch: IdentifiedBatch,
        source_layout: csv_grammar.Layout | None,
        layout: int,
        validator: Validator,
    ) -> None:
        """Takes the rows of a batch; `layout` is the index of the source layout by which they are read."""
        self.blanks.update(validator.blanks(batch.cells))
        self.undeclared.update(validator.undeclared(batch.cells))
        validator.look_at_texts(batch)
        if batch.rows.height:
            prints = self.hasher.of(source_layout, batch.rows, batch.cells)
            self.change_filter.add(batch.rows, prints, layout)

    def due(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """(layout, rows) of all rows that may be due, in source order."""
        return self.change_filter.changed()

    def count(self, counts: ReadCounts) -> None:
        """Once all of `due` is taken: adds what is unchanged."""
        counts.unchanged_rows, counts.unchanged_values = self.change_filter.rows, self.change_filter.values
        counts.values_read += counts.unchanged_values
        counts.by_source += self.change_filter.by_source
        if counts.set_aside > counts.set_aside_free + counts.nobody:
            self.gone_unknown = self.gone_unknown or "rows were set aside"

    def gone(self) -> pl.DataFrame:
        """The people who are known and not in the list: `id`, and what is known of their attributes."""
        found = self.change_filter.gone
        return pl.concat(found, how="diagonal") if found else pl.DataFrame({"id": []})

    def warnings(self, config: Config) -> Sequence[RunWarning]:
        """That nobody is cleared, where this was asked for and it is not known who has left the list."""
        if self.gone_unknown and config.run.on_gone == "clear":
            return [RunWarning("gone_not_known", self.gone_unknown, 0)]
        return []


def gone_rows(config: Config, gone: pl.DataFrame, source: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of our own that clear everything known of these people, and their cells.

    `source` is the number of the source that they belong to.
    """
    rows = gone.select(
        "id",
        order=pl.int_range(1, pl.len() + 1, dtype=pl.Int64) + (source << ORDER_SHIFT),
        line=pl.lit(None, pl.Int64),
    )
    cells = _gone_cells(config, gone)
    return rows.with_columns(cells=cells.to_struct()), cells


def gone_values(config: Config, cells: pl.DataFrame) -> Counter[str]:
    """How many values such rows hold, by attribute; a blank cell is one where it clears."""
    columns = config.columns
    return Counter(
        {
            key: cells.height if a.blank != "skip" else int((cells[columns[key]] == GONE).sum())
            for key, a in config.attributes.items()
        }
    )


def gone_source(rows: int) -> ReadSource:
    """The source that such rows belong to."""
    return ReadSource("gone.parquet", "parquet", rows, None, b"", b"\n")


def _gone_cells(config: Config, gone: pl.DataFrame) -> pl.DataFrame:
    cells = {config.identity.column: pl.col("id")}
    for key, attribute in config.attributes.items():
        known = pl.col(f"v:{key}") if f"v:{key}" in gone.columns else pl.lit(None, pl.String)
        always = attribute.blank == "reject" or attribute.default is not None
        asks = pl.lit(value=True) if always else known.is_not_null() & (known != "")
        cells[config.column_of(key)] = pl.when(asks).then(pl.lit(GONE)).otherwise(pl.lit(""))
    return without_computed(gone.select(**cells)) if config.source.computed else gone.select(**cells)
