"""`outcomes/`: one row per value of a run, as Parquet, a folder for each outcome.

It is written part by part: the values that the check refused, those that the snapshot left out, those that a
later value replaced, and those of each chunk when it ends. A part has the same name in every attempt, so a
resumed run replaces what an earlier attempt has written.
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl

from importer.core.models import Outcome
from importer.core.outcome_table import OUTCOME_COLUMNS
from importer.core.row_order import ROW_OF, SOURCE_OF
from importer.storage import atomic_files
from importer.storage.disk_errors import state_errors
from importer.storage.run_folder import RunFolder


class OutcomeFiles:
    """Writes the parts of one run."""

    def __init__(self, run: RunFolder) -> None:
        self._run_id = run.run_id
        self.folder = run.outcomes

    def begin(self) -> None:
        """Deletes what an attempt has left that did not read the whole list."""
        with state_errors(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)
        atomic_files.make_folder(self.folder)

    def put(self, part: str, values: pl.DataFrame, sources: Sequence[str]) -> None:
        """The values of one part, in place of what an earlier attempt has written under its name.

        `values` have `order`, `outcome` and those of OUTCOME_COLUMNS that are known; `sources` are the paths
        of the sources, in the order read.
        """
        for outcome in Outcome:
            path = self._path(outcome, part)
            found = values.filter(outcome=str(outcome))
            if found.height:
                self._write(path, found, sources)
            elif path.exists():
                with state_errors(path):
                    path.unlink()

    def put_superseded(self, part: str, values: pl.DataFrame, sources: Sequence[str]) -> None:
        """Values that later ones replace (see OnSuperseded); they are decided before anything is sent."""
        if values.height:
            renamed = values.rename({"id": "distinct_id"})
            self._write(self._path(Outcome.SUPERSEDED, part), renamed, sources)

    def _path(self, outcome: Outcome, part: str) -> Path:
        return self.folder / f"outcome={outcome}" / f"{part}.parquet"

    def _write(self, path: Path, values: pl.DataFrame, sources: Sequence[str]) -> None:
        paths = pl.Series(sources, dtype=pl.String)
        values = values.with_columns(
            run_id=pl.lit(self._run_id),
            source=paths.gather(values.select(SOURCE_OF).to_series()),
            row=ROW_OF,
            fingerprint=pl.col("fingerprint").reinterpret(signed=True),
        )
        lacking = [pl.lit(None, kind).alias(n) for n, kind in OUTCOME_COLUMNS.items() if n not in values]
        atomic_files.make_folder(path.parent)
        table = values.with_columns(lacking).select(
            pl.col(name).cast(kind) for name, kind in OUTCOME_COLUMNS.items()
        )
        with atomic_files.replacing(path) as file:
            table.write_parquet(file, compression="snappy")

    def counts(self) -> Counter[str]:
        """How many values the files have, by outcome; from their footers."""
        return Counter({str(outcome): _rows(self._path(outcome, "*")) for outcome in Outcome})

    def differing(self, expected: Mapping[str, int]) -> Iterable[str]:
        """The outcomes of which the files have another number of values than the summary."""
        counts = self.counts()
        return [str(o) for o in Outcome if counts[str(o)] != expected.get(str(o), 0)]


def _rows(pattern: Path) -> int:
    files = sorted(pattern.parent.glob(pattern.name))
    if not files:
        return 0
    return int(pl.scan_parquet(files, glob=False).select(pl.len()).collect().item())
