"""The table of outcomes: one row per value, as Parquet, partitioned by outcome."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from importer.core.errors import ConfigError

OUTCOME_COLUMNS: Mapping[str, pl.DataType] = {
    "run_id": pl.String(),
    "source": pl.String(),
    "row": pl.Int64(),
    "line": pl.Int64(),
    "fingerprint": pl.Int64(),
    "distinct_id": pl.String(),
    "attribute": pl.String(),
    "stage": pl.String(),
    "reason": pl.String(),
    "message": pl.String(),
    "status": pl.Int32(),
    "attempts": pl.Int32(),
    "at": pl.Datetime("ms", "UTC"),
}
"""The columns of a file; `outcome` is the name of its folder. docs/reference/files.md explains each."""


def scan_outcomes(folder: Path) -> pl.LazyFrame:
    """The table in a run's folder: OUTCOME_COLUMNS and `outcome`.

    ConfigError where the run wrote none.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"{folder}: the run wrote no table of outcomes; set outcomes = true under [run] for the next."
        )
    parts = [
        pl.scan_parquet(sorted(of.glob("*.parquet")), glob=False, hive_partitioning=False).with_columns(
            outcome=pl.lit(of.name.removeprefix("outcome="))
        )
        for of in sorted(folder.glob("outcome=*"))
        if any(of.glob("*.parquet"))
    ]
    return pl.concat(parts) if parts else pl.LazyFrame(schema={**OUTCOME_COLUMNS, "outcome": pl.String})
