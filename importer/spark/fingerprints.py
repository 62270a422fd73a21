"""The fingerprints of a table's rows, as executors compute them: by the code that a run keeps them with.

Nothing here knows Spark: batches go in, the same batches with two more columns come out.
"""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import polars as pl

from importer.config import loader
from importer.config.schema import Config
from importer.core.row_order import ROW_OF
from importer.pipeline.sources import Table, open_sources
from importer.source.batch import Batch
from importer.validate.validator import Validator
from importer.values.row_hash import RowHasher

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

PERSON, FINGERPRINT = "importer_person", "importer_fingerprint"
"""The new columns: the distinct id, null where the row has none or `where` leaves it out; and the fingerprint
as `importer snapshot export` writes it, null where it cannot be told."""


def with_fingerprints(
    batches: "Iterator[pa.RecordBatch]", config: str, columns: Sequence[str]
) -> "Iterator[pa.RecordBatch]":
    """Each batch with PERSON and FINGERPRINT; `config` is JSON, `columns` are the names in the list.

    SourceError where a row cannot be read as declared.
    """
    import pyarrow as pa

    hasher = _Fingerprints(loader.parse(json.loads(config)))
    for batch in batches:
        found = hasher.of(pa.Table.from_batches([batch]).rename_columns(list(columns)))
        new = [
            pa.array(found["id"].to_arrow().cast(pa.string())),
            pa.array(found["print"].to_arrow().cast(pa.int64())),
        ]
        yield pa.RecordBatch.from_arrays(
            [*batch.columns, *new], names=[*batch.schema.names, PERSON, FINGERPRINT]
        )


class _Fingerprints:
    """Identifies and hashes rows under one configuration."""

    def __init__(self, config: Config) -> None:
        destination = config.build_destination()
        self._config = config
        self._validator = Validator(config, destination.distinct_id_max, keeps_rows=False)
        self._hasher = RowHasher(config, destination.encoding)

    def of(self, table: "pa.Table") -> pl.DataFrame:
        """`id` and `print`, a row for each of the table's."""
        [source] = open_sources(self._config, [Table("table", table)])
        found = [pl.DataFrame(schema={"row": pl.Int64, "id": pl.String, "print": pl.Int64})]
        found += [self._of_batch(batch) for batch in source.batches()]
        rows = pl.DataFrame({"row": pl.int_range(1, table.num_rows + 1, eager=True)})
        return rows.join(pl.concat(found), on="row", how="left", maintain_order="left")

    def _of_batch(self, batch: Batch) -> pl.DataFrame:
        identified = self._validator.identify(batch, 0)
        prints = self._hasher.of(None, identified.rows, identified.cells)
        return identified.rows.select(
            row=ROW_OF.cast(pl.Int64), id="id", print=prints.reinterpret(signed=True)
        )
