"""Rejects in groups of attribute, stage and reason, read from `rejects.csv` in bounded memory."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from importer.core.rejects import EARLIER_STAGES
from importer.report import reject_lines

VALUES_SHOWN = 20
"""So many of a group's most frequent values are shown."""

DISTINCT_VALUES = 100_000
"""A group counts so many different values exactly; past them its most frequent values are approximate."""

DISTINCT_IN_ALL = 500_000
"""The same over all groups."""

EXAMPLES = 2_000
"""So many example rows are kept over all groups."""

EXAMPLES_EACH = 5
"""So many of each group, while there are few groups."""

LONGEST = 160
"""So many characters of a value are kept."""

KEYS = ("attribute", "stage", "reason")
_SHOWN = ("file", "row", "line", "distinct_id", *KEYS, "value", "message")


@dataclass(slots=True)
class RejectGroup:
    """The rejects of one attribute ("" = a whole row or person), stage and reason.

    `values` counts the values, shortened; `approximate`: there were too many different ones to count all of
    them. `examples` are the first rows, each with the columns of `_SHOWN`.
    """

    attribute: str
    stage: str
    reason: str
    count: int = 0
    message: str = ""
    approximate: bool = False
    values: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, str]] = field(default_factory=list)

    def top(self, most: int = VALUES_SHOWN) -> list[tuple[str, int]]:
        """The most frequent values, with their counts."""
        return self.values.most_common(most)

    def forget_rare(self, keep: int) -> None:
        """Keeps the most frequent values alone, from now on approximately."""
        self.values = Counter(dict(self.values.most_common(keep)))
        self.approximate = True


def read_groups(rejects: Path, examples: int = EXAMPLES) -> list[RejectGroup]:
    """All groups of a `rejects.csv`, the largest first; empty where the file has no line."""
    groups: dict[tuple[str, ...], RejectGroup] = {}
    for batch in _batches(rejects):
        _add_counts(groups, batch)
        _add_examples(groups, batch, examples)
        _stay_small(groups)
    return sorted(groups.values(), key=lambda group: -group.count)


def _batches(rejects: Path) -> Iterator[pl.DataFrame]:
    if not rejects.exists():
        return
    short = [
        pl.col("value", "message").str.slice(0, LONGEST + 1),
        pl.col("file", "distinct_id").str.slice(0, 300),
    ]
    for block in reject_lines.blocks(rejects):
        lines = pl.read_csv(block, columns=_SHOWN, infer_schema=False).with_columns(short).fill_null("")
        yield lines.with_columns(pl.col("stage").replace(EARLIER_STAGES))


def _add_counts(groups: dict[tuple[str, ...], RejectGroup], batch: pl.DataFrame) -> None:
    counted = batch.group_by(*KEYS, "value", maintain_order=True).agg(pl.len(), pl.col("message").first())
    for *key, value, count, message in counted.iter_rows():
        group = groups.setdefault(tuple(key), RejectGroup(*key))
        group.count += count
        group.message = group.message or message
        group.values[value] += count


def _add_examples(groups: dict[tuple[str, ...], RejectGroup], batch: pl.DataFrame, most: int) -> None:
    """The first rows of each group; where there are very many groups, fewer of each."""
    each = max(3, min(EXAMPLES_EACH, most // max(1, len(groups))))
    lacking = [key for key, group in groups.items() if len(group.examples) < each]
    if not lacking or sum(len(group.examples) for group in groups.values()) >= most:
        return
    wanted = pl.DataFrame(lacking, schema=list(KEYS), orient="row")
    rows = batch.join(wanted, on=KEYS, how="semi", maintain_order="left")
    for row in rows.group_by(KEYS, maintain_order=True).head(each).iter_rows(named=True):
        group = groups[tuple(row[name] for name in KEYS)]
        if len(group.examples) < each:
            group.examples.append(row)


def _stay_small(groups: dict[tuple[str, ...], RejectGroup]) -> None:
    for group in groups.values():
        if len(group.values) > DISTINCT_VALUES:
            group.forget_rare(DISTINCT_VALUES // 2)
    while sum(len(group.values) for group in groups.values()) > DISTINCT_IN_ALL:
        largest = max(groups.values(), key=lambda group: len(group.values))
        largest.forget_rare(len(largest.values) // 2)


def examples_of(groups: Sequence[RejectGroup], most: int = EXAMPLES) -> list[dict[str, str]]:
    """At most `most` example rows: the first row of each group, then the second of each, and so on."""
    places = range(EXAMPLES_EACH)
    return [row for at in places for group in groups for row in group.examples[at : at + 1]][:most]
