"""Which rows of a data frame are unchanged: the fingerprints of its rows, joined with those of a snapshot.

A row is unchanged where the snapshot has its fingerprint for its person and the person has no other row in
the data frame. All other rows may be due, also those without an id and those that `where` leaves out: the run
counts and reports them as it does without this.
"""

import json
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from importer.config.options import DEFAULTS, Options
from importer.config.schema import Config
from importer.core.errors import ConfigError, command
from importer.pipeline import runner
from importer.pipeline.library import ConfigLike
from importer.pipeline.open_snapshot import snapshot_of
from importer.spark.fingerprints import FINGERPRINT, PERSON, with_fingerprints
from importer.spark.unchanged import UNCHANGED

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_KEY, _KNOWN = "importer_key", "importer_known"


def changed(
    df: "DataFrame", config: ConfigLike, snapshot: "str | DataFrame", options: Options = DEFAULTS
) -> "DataFrame":
    """The rows of a data frame that may be due, by the fingerprints that `importer snapshot export` wrote.

    `snapshot` is the path or URL of that file, as Spark reads it, or a data frame of it. `importer.spark.run`
    does the same by itself where `changed_only` is set, and also counts the rows that are left out.

    ConfigError where the file is of another import or from before a later run, and where this configuration
    needs every row of the list.
    """
    parsed = options.applied_to(runner.as_config(Path(config) if isinstance(config, PathLike) else config))
    _refuse(parsed)
    known = df.sparkSession.read.parquet(snapshot) if isinstance(snapshot, str) else snapshot
    first = known.select("snapshot").head()
    if first is not None and first[0] != snapshot_of(options.state_dir_of(parsed), parsed).version():
        again = command("snapshot", "export", str(parsed.path or "CONFIG"))
        raise ConfigError(
            f"snapshot: the file is of another import, or a run has sent values since; first: {again}"
        )
    rows = marked(df, known, json.dumps(parsed.as_mapping()))
    return rows.where(rows[UNCHANGED].isNull()).drop(UNCHANGED)


def _refuse(config: Config) -> None:
    if config.run.full_every is not None:
        raise ConfigError(
            "run.full_every: a run of a table sends everything then; take it out, and use full_refresh."
        )
    if config.identity_fields:
        raise ConfigError(
            "snapshot: columns name people to the destination, and those of all people are compared; give "
            "importer.spark.run the whole data frame."
        )


def marked(df: "DataFrame", known: "DataFrame", config: str) -> "DataFrame":
    """The rows with UNCHANGED as their last column; `known` has the columns of an export, `config` is JSON.

    The rows of a person come together in one task: each row is moved once, by its person. Rows without one
    are moved by what is in them, so that they do not all come to the same task.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as f
    from pyspark.sql.types import LongType, StringType, StructField, StructType

    names = df.columns  # two of them may be the same
    rows = df.toDF(*(f"c{number}" for number in range(len(names))))
    new = [StructField(PERSON, StringType()), StructField(FINGERPRINT, LongType())]
    found = rows.mapInArrow(
        partial(with_fingerprints, config=config, columns=names), StructType([*rows.schema.fields, *new])
    )
    content = f.concat(f.lit("\0"), f.xxhash64(*_hashable(rows)).cast("string"))
    found = found.withColumn(_KEY, f.coalesce(f.col(PERSON), content))
    joined = found.join(
        known.select(
            f.col("distinct_id").alias(_KEY),
            f.col("fingerprint").alias(_KNOWN),
            f.col("values").alias(UNCHANGED),
        ),
        _KEY,
        "left",
    )
    is_only = f.count(f.lit(1)).over(Window.partitionBy(_KEY)) == 1
    is_same = (f.col(FINGERPRINT) == f.col(_KNOWN)) & is_only
    values = f.when(is_same, f.col(UNCHANGED)).alias(UNCHANGED)
    return joined.select(*rows.columns, values).toDF(*names, UNCHANGED)


def _hashable(rows: "DataFrame") -> "list[Column]":
    """The columns of which Spark makes a hash: it does not of maps."""
    from pyspark.sql import functions as f

    return [f.col(field.name) for field in rows.schema.fields if "map<" not in field.dataType.simpleString()]
