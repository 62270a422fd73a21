"""The tables of a snapshot: their columns, and how one layer is laid over another.

Columns are `id`, `hash`, `print`, `values`, perhaps `identity`, and one per attribute; see `snapshot` for
what stands in them.
"""

from collections.abc import Sequence

import polars as pl
import polars_hash as plh

from importer.storage.partitions import PARTITIONS

CLEARED = ""
UNKNOWN = "?"
STALE = "\x01"

IDENTITY = "identity"
"""The hash of what named a person to the destination, where it has columns for that; not in version 0.1.0."""

META = {"id": pl.String, "hash": pl.UInt64, "print": pl.UInt64, "values": pl.UInt32}
"""The columns that are no attribute's."""

_ABOVE = "\x00above"


def column(key: str) -> str:
    """The column of an attribute in a frame of the snapshot."""
    return f"v:{key}"


def hashed() -> pl.Expr:
    """The hash of a person by which the spool spreads people, as the column `hash`."""
    return plh.col("id").nchash.xxhash64().alias("hash")


def complete(frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The frame with a column for each of these attributes, null where it had none."""
    lacking = [pl.lit(None, pl.String).alias(column(k)) for k in keys if column(k) not in frame.columns]
    return frame.with_columns(lacking)


def over(below: pl.DataFrame, above: pl.DataFrame) -> pl.DataFrame:
    """One layer laid over another: of each value the upper one, where there is one."""
    if not above.height:
        return below
    joined = below.join(
        above.with_columns(pl.lit(value=True).alias(_ABOVE)),
        on="id",
        how="full",
        coalesce=True,
        suffix=_ABOVE,
    )
    both = [c for c in above.columns if c in below.columns and c != "id"]
    columns = [
        pl.when(_ABOVE).then(pl.col(c + _ABOVE)).otherwise(pl.col(c)).alias(c)
        if c in ("print", "values")
        else pl.coalesce(c + _ABOVE, c).alias(c)
        for c in both
    ]
    return joined.with_columns(columns).drop(_ABOVE, *(c + _ABOVE for c in both))


def between(frame: pl.DataFrame, first: int, end: int) -> pl.DataFrame:
    """The people of the partitions [first, end)."""
    if (first, end) == (0, PARTITIONS):
        return frame
    return frame.filter((pl.col("hash") % PARTITIONS).is_between(first, end - 1))


def stale(frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The values of these attributes as sent under another declaration."""
    values = [pl.col(column(k)) for k in keys if column(k) in frame.columns]
    return frame.with_columns(
        pl.when((value == UNKNOWN) | value.str.starts_with(STALE))
        .then(value)
        .otherwise(pl.lit(STALE) + value)
        .name.keep()
        for value in values
    )


def sent_values(sent: pl.DataFrame) -> pl.DataFrame:
    """Every value a delta sends: `id`, `key`."""
    found = [pl.DataFrame(schema={"id": pl.String, "key": pl.String})]
    found += [
        sent.filter(pl.col(name).is_not_null()).select("id", key=pl.lit(name[2:]))
        for name in sent.columns
        if name not in (*META, IDENTITY)
    ]
    return pl.concat(found)


def without(sent: pl.DataFrame, failed: pl.DataFrame) -> pl.DataFrame:
    """What was sent, with the failed values (`id`, `key`) as UNKNOWN and no fingerprint for their people."""
    if not failed.height:
        return sent
    for (key,), part in failed.group_by("key"):
        name = column(str(key))
        is_failed = pl.col("id").is_in(part["id"].implode())
        sent = sent.with_columns(pl.when(is_failed).then(pl.lit(UNKNOWN)).otherwise(pl.col(name)).alias(name))
    lost = pl.col("id").is_in(failed["id"].implode())
    return sent.with_columns(pl.when(~lost).then("print").alias("print"))
