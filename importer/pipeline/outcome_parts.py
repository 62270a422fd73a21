"""The parts of `outcomes/` that no chunk has: values that the check refused, and unchanged rows."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from importer.config.schema import Config
from importer.core.models import Outcome
from importer.core.rejects import REJECTS
from importer.core.row_order import SOURCE_OF
from importer.pipeline.run_spec import RunSpec
from importer.reconcile.outcome_rows import lines_by_value
from importer.report.outcome_files import OutcomeFiles
from importer.storage import checked_files
from importer.storage.checked_files import DamagedError
from importer.validate.change_filter import ChangeFilter
from importer.validate.read_result import ReadResult
from importer.values.column_types import cell_rules, has_value, with_computed
from importer.values.row_hash import RowHasher


def put_check_rejects(files: OutcomeFiles, spec: RunSpec, reading: ReadResult) -> None:
    """The values that the check refused, from the parts of `rejects.csv`."""
    hasher = RowHasher(spec.config, spec.destination.encoding)
    for pattern in ("batch-*.parquet", "chunk-late-*.parquet"):
        for path in sorted(spec.folder.work.glob(pattern)):
            mine = _read(path, dict(REJECTS)).filter(stage="check")
            kept = _read(spec.folder.kept / path.name, {"order": pl.Int64()})
            prints = _fingerprints(hasher, reading, kept.join(mine, on="order", how="semi"))
            values = lines_by_value(mine).join(
                mine.select("order", "line", "distinct_id").unique("order"), on="order"
            )
            values = values.join(prints, on="order", how="left")
            files.put(
                f"check-{path.stem}",
                values.with_columns(outcome=pl.lit(str(Outcome.REJECTED))),
                reading.paths,
            )


def _read(path: Path, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """A part of the reports; nothing where it is damaged, which the reports say."""
    try:
        return checked_files.scan_parquet(path).collect()
    except (OSError, DamagedError):
        return pl.DataFrame(schema=schema)


def _fingerprints(hasher: RowHasher, reading: ReadResult, kept: pl.DataFrame) -> pl.DataFrame:
    """`order` and `fingerprint` of rows as `rejected_rows/` keeps them."""
    found = [pl.DataFrame(schema={"order": pl.Int64, "fingerprint": pl.UInt64})]
    for (source,), part in kept.group_by(SOURCE_OF):
        layout = reading.sources[int(str(source))].layout
        name, column = ("original_cells", "cells") if layout is None else ("original", "raw")
        rows = part.select("order", pl.col(name).alias(column))
        cells = reading.cells(int(str(source)), rows)
        found.append(rows.select("order", fingerprint=hasher.of(layout, rows, cells)))
    return pl.concat(found)


def watch_unchanged(change_filter: ChangeFilter, spec: RunSpec, reading: ReadResult) -> None:
    """Has the unchanged rows that the filter leaves out written down, value by value."""
    files, config = OutcomeFiles(spec.folder), spec.config
    hasher = RowHasher(config, spec.destination.encoding)

    def put(number: int, layout: int, rows: pl.DataFrame) -> None:
        cells = reading.cells(layout, rows)
        prints = hasher.of(reading.sources[layout].layout, rows, cells)
        values = unchanged_values(config, rows, cells, prints)
        files.put(f"unchanged-{number:06d}", values, reading.paths)

    change_filter.on_unchanged = put


def unchanged_values(
    config: Config, rows: pl.DataFrame, cells: pl.DataFrame, prints: pl.Series
) -> pl.DataFrame:
    """The values of unchanged rows, as `OutcomeFiles.put` takes them; `prints` are their fingerprints."""
    computed = with_computed(config, cells)
    found = rows.select("order", "line", distinct_id="id", fingerprint=prints)
    values = pl.concat(
        found.filter(has_value(a, cell_rules(config, a), computed[config.column_of(key)])).with_columns(
            attribute=pl.lit(key)
        )
        for key, a in config.attributes.items()
    )
    return values.with_columns(outcome=pl.lit(str(Outcome.UNCHANGED)))
