"""The snapshot of an import that sends one attribute, night by night."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from importer.config.schema import Config
from importer.storage.journal_records import Entry
from importer.storage.partitions import PARTITIONS
from importer.storage.snapshot import Snapshot
from importer.storage.snapshot_frames import META, column

Values = dict[str, str]


NOTHING_FAILED = pl.DataFrame(schema={"id": pl.String, "key": pl.String})


def opened(state: Path, config: Config, entries: Sequence[Entry] = ()) -> Snapshot:
    def answers(_: str) -> Iterable[Entry]:
        return entries

    return Snapshot(state, config, answers)


def sent(values: Values, key: str = "plan") -> pl.DataFrame:
    """What a chunk sends of one attribute."""
    schema = {name: META[name] for name in ("id", "print", "values")} | {column(key): pl.String}
    return pl.DataFrame([(id_, n, 1, v) for n, (id_, v) in enumerate(values.items())], schema, orient="row")


def night(state: Path, config: Config, run: str, *chunks: Values, failed: Sequence[str] = ()) -> None:
    """A run that sends these chunks and comes to its end."""
    it = opened(state, config)
    it.begin(run)
    for number, values in enumerate(chunks):
        it.record(number, 0, PARTITIONS, sent(values))
        lost = [(id_, "plan") for id_ in values if id_ in failed]
        it.settle(number, pl.DataFrame(lost, NOTHING_FAILED.schema, orient="row"))
    it.finish(full_at=None)
