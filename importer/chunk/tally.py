"""How the rows, values and people of a chunk ended, in numbers."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from importer.core.rejects import stage_now
from importer.core.row_order import ORDER_SHIFT, SOURCE_OF


@dataclass(slots=True)
class Tally:
    """How rows and values ended, by the words of `summary.json`; adds up over chunks.

    `rows_by` counts rows by (source, state), `values_by` values by (source, attribute, outcome); sources are
    numbered from 0. They add up to `rows` and `values`. `kept` is how many rows are kept for `retry`.
    """

    rows: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    people: Counter[str] = field(default_factory=Counter)
    adjusted: int = 0
    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    diff: Counter[str] = field(default_factory=Counter)
    rows_by: Counter[tuple[int, str]] = field(default_factory=Counter)
    values_by: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    kept: int = 0

    def count_rows(self, rows: pl.DataFrame, states: pl.Series) -> None:
        """Counts rows by their state; the two are of the same height."""
        found = pl.DataFrame({"source": rows.select(SOURCE_OF).to_series(), "state": states})
        for source, state, count in found.group_by("source", "state").len().iter_rows():
            self.rows[state] += count
            self.rows_by[source, state] += count

    def count_all_rows(self, rows: pl.DataFrame, state: str) -> None:
        """Counts rows that are all in one state; they have their `order`."""
        for source, found in by_source(rows, [pl.len().alias("rows")]):
            self.rows[state] += found["rows"]
            self.rows_by[source, state] += found["rows"]

    def count_values(
        self, counts: "Iterator[tuple[int, Mapping[str, int]]]", outcome: str, sign: int = 1
    ) -> None:
        """Adds (or with `sign` -1 takes away) values by source and attribute."""
        for source, by_key in counts:
            for key, count in by_key.items():
                if count:
                    self.values[outcome] += sign * count
                    self.values_by[source, key, outcome] += sign * count

    def add(self, other: "Tally") -> None:
        """Adds another chunk's counts to these."""
        self.rows += other.rows
        self.values += other.values
        self.people += other.people
        self.adjusted += other.adjusted
        self.reasons += other.reasons
        self.diff += other.diff
        self.rows_by += other.rows_by
        self.values_by += other.values_by
        self.kept += other.kept

    def dump(self) -> dict[str, object]:
        """As JSON, for the journal."""
        reasons = [[*key, count] for key, count in self.reasons.items()]
        return {
            "rows": self.rows,
            "values": self.values,
            "people": self.people,
            "adjusted": self.adjusted,
            "reasons": reasons,
            "diff": self.diff,
            "rows_by": [[*key, count] for key, count in self.rows_by.items()],
            "values_by": [[*key, count] for key, count in self.values_by.items()],
            "kept": self.kept,
        }

    @classmethod
    def load(cls, data: dict[str, Any]) -> "Tally":
        """What `dump` wrote."""
        reasons = Counter({(stage_now(stage), reason, key): n for stage, reason, key, n in data["reasons"]})
        rows, values, people = (Counter(data[name]) for name in ("rows", "values", "people"))
        rows_by = Counter({(source, state): n for source, state, n in data["rows_by"]})
        values_by = Counter({(source, key, outcome): n for source, key, outcome, n in data["values_by"]})
        diff = Counter(data["diff"])
        adjusted = data["adjusted"] if "adjusted" in data else data["trimmed"]  # its name in earlier versions
        kept = data.get("kept", 0)  # version 0.1.0 did not count them
        return cls(rows, values, people, adjusted, reasons, diff, rows_by, values_by, kept)


def by_source(rows: pl.DataFrame, counts: Sequence[pl.Expr]) -> Iterator[tuple[int, Mapping[str, int]]]:
    """(source, count by name) of rows with their `order`; nearly always all rows are of one source."""
    if not rows.height or not counts:
        return
    first, last = (int(str(edge)) >> ORDER_SHIFT for edge in (rows["order"].min(), rows["order"].max()))
    if first == last:
        yield first, rows.select(counts).row(0, named=True)
        return
    for line in rows.group_by(SOURCE_OF.alias("source")).agg(counts).iter_rows(named=True):
        yield int(line.pop("source")), line
