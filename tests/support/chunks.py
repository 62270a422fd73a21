"""A small import, its list as the reader would hand it on, and its chunks."""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from hypothesis import strategies as st

from importer.chunk.chunk import Chunk
from importer.chunk.chunker import Chunker
from importer.config import loader as configuration
from importer.core.models import Encoding
from importer.source.batch import Batch
from importer.storage.spool import Spool, SpoolWriter
from importer.validate.validator import Validator

CONFIG = configuration.parse(
    {
        "name": "fold",
        "source": {"path": "none.csv"},
        "identity": {"column": "id"},
        "destination": {"type": "vevee", "api_key": "env:NONE"},
        "attributes": {
            "plan": {"type": "single_choice", "options": ["a", "b"]},
            "age": {"type": "number"},
            "note": {"type": "free_text", "blank": "clear"},
        },
    }
)


Row = tuple[str, str, str, str]


rows = st.tuples(
    st.sampled_from(["p1", "p2", "p3", "Ü-4", ""]),
    st.sampled_from(["a", "b", "off", ""]),
    st.sampled_from(["1", "2", "x", ""]),
    st.sampled_from(["hello", 'say "hi"\n', "", "ü"]),
)


def batches(table: list[Row], size: int) -> Iterator[Batch]:
    """The table as the reader would hand it on, so many rows at a time."""
    for start in range(0, len(table), size):
        part = table[start : start + size]
        cells = pl.DataFrame(
            part, schema=dict.fromkeys(("id", "plan", "age", "note"), pl.String), orient="row"
        )
        numbers = pl.Series(range(start + 1, start + len(part) + 1), dtype=pl.Int64)
        raw = pl.Series([json.dumps(row) for row in part])
        nothing = {
            "row": pl.Int64,
            "line": pl.Int64,
            "raw": pl.Binary,
            "reason": pl.String,
            "message": pl.String,
        }
        yield Batch(cells, numbers, numbers, raw, pl.DataFrame(schema=nothing))


def parse(_: int, frame: pl.DataFrame) -> pl.DataFrame:
    """The cells of spooled rows."""
    cells = [json.loads(raw) for raw in frame["raw"].to_list()]
    return pl.DataFrame(cells, schema=dict.fromkeys(("id", "plan", "age", "note"), pl.String), orient="row")


def chunks(folder: Path, table: list[Row], size: int) -> tuple[Validator, list[Chunk]]:
    """The table through gate, spool and chunker."""
    validator, writer = Validator(CONFIG, 200), SpoolWriter(folder)
    for batch in batches(table, size):
        taken = validator.validate(batch, 0)
        if taken.rows.height:
            writer.add(taken.rows, 0)
    writer.finish()
    again = Spool.open(folder)
    chunker = Chunker(CONFIG, Encoding(), parse)
    return validator, [chunker.build(plan, again.read(plan)) for plan in again.plan()]
