"""Which values of a chunk are due, and how the snapshot changes when they are sent.

A value is due unless the snapshot knows that the destination has it. Before the first call of a chunk its due
values are marked in the snapshot as unknown, and their known values are written to the run's folder
(`snapshot-before/`), so that `undo` can bring them back. After the last call of the chunk the snapshot knows
what was acknowledged.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from importer.chunk.chunk import Chunk
from importer.chunk.fields import Field
from importer.core.models import Outcome
from importer.reconcile.reconciler import OpenChunk
from importer.storage import atomic_files, checked_files
from importer.storage.snapshot import DIFFABLE, Snapshot
from importer.storage.snapshot_frames import column
from importer.storage.spool import ChunkPlan

SAME = "="
"""In `snapshot-before/`: the value was known and is sent as it was."""

NONE = "\x02"
"""In `snapshot-before/`: this import had never sent the value."""


@dataclass(frozen=True, slots=True)
class Diff:
    """`compares`: what the snapshot knows is left out, else everything is due."""

    snapshot: Snapshot
    before: Path
    compares: bool

    def compare(self, plan: ChunkPlan, rows: pl.DataFrame, fields: Sequence[Field]) -> pl.DataFrame:
        """The chunk's rows with what was known of each value before the run, and whether it is unchanged.

        No value is, where what names the person to the destination has changed: another address may be
        another person there. Where it is not known what named the person before, it counts as the same.

        What an earlier attempt of the run has sent is no known value: its journal says how it ended, and what
        the journal does not have goes out again.
        """
        people = rows.select(pl.col("id").unique())
        known = self.snapshot.read_before(plan.first, plan.end, people)
        values = [pl.col(column(f.key)).alias(f.known) for f in fields if _is_diffed(f)]
        is_known = pl.lit(value=True).alias("is_known")
        before = pl.col("identity") if "identity" in known.columns else pl.lit(None, pl.UInt64)
        known = known.select(
            "id", is_known, pl.col("print").alias("print_known"), before.alias("identity_known"), *values
        )
        rows = rows.join(known, on="id", how="left", maintain_order="left")
        if not self.compares:
            return rows
        moved = (
            pl.col("identity").ne(pl.col("identity_known")).fill_null(value=False)
            if "identity" in rows.columns
            else pl.lit(value=False)
        )
        same = [
            ((pl.col(f.value) == pl.col(f.known)).fill_null(value=False) & ~moved).alias(f.unchanged)
            for f in fields
            if f.known in rows.columns
        ]
        return rows.with_columns(same)

    def counts(self, chunk: Chunk) -> Counter[str]:
        """The diff in numbers: new people, changed and unchanged ones, changes by attribute."""
        if not self.compares:
            return Counter()
        people = chunk.people
        due = pl.any_horizontal(pl.col(f.value).is_not_null() for f in chunk.fields)
        new = pl.col("is_known").is_null()
        counts = people.select(
            new=new.sum(),
            changed=(~new & due).sum(),
            unchanged=(~new & ~due).sum(),
            **{f"attribute:{f.key}": (~new & pl.col(f.value).is_not_null()).sum() for f in chunk.fields},
        )
        return Counter({k: int(n) for k, n in counts.row(0, named=True).items() if n})

    def mark(self, opened: OpenChunk) -> None:
        """Writes down what was known, and marks what is about to be sent, unless an earlier attempt did."""
        plan = opened.chunk.plan
        if self.snapshot.is_recorded(plan.number):
            return
        fields = [f for f in opened.chunk.fields if _is_diffed(f)]
        people = opened.chunk.people
        for f in fields:
            without_call = opened.outcomes.without_call(f.key)
            if without_call:
                kept = ~pl.col("person").is_in(without_call)
                people = people.with_columns(pl.when(kept).then(f.value).alias(f.value))
        due = (
            pl.any_horizontal(pl.col(f.value).is_not_null() for f in fields)
            if fields
            else pl.lit(value=False)
        )
        sent = people.filter(due)
        atomic_files.make_folder(self.before)
        old = sent.select("id", *(_before(f, sent).alias(column(f.key)) for f in fields))
        checked_files.write_frame(self.before / f"{plan.number:06d}.arrow", old)
        fresh = pl.col("print").is_not_null() & pl.col("print").ne_missing(pl.col("print_known"))
        values = [pl.col(f.value).alias(column(f.key)) for f in fields]
        identity = ["identity"] if "identity" in people.columns else []
        if identity:  # what an earlier version has not kept is kept from now on
            fresh |= pl.col("identity").is_not_null() & pl.col("identity_known").is_null()
        frame = people.filter(due | fresh).select("id", "print", "values", *identity, *values)
        self.snapshot.record(plan.number, plan.first, plan.end, frame)

    def settle(self, opened: OpenChunk, codes: pl.DataFrame) -> None:
        """Every call of the chunk has ended: what was not applied stays unknown."""
        failed = [pl.DataFrame(schema={"id": pl.String, "key": pl.String})]
        for f in opened.chunk.fields:
            if _is_diffed(f):
                is_failed = pl.col(f"c{f.index}").is_in(_NOT_KNOWN)
                failed.append(codes.filter(is_failed).select("id", key=pl.lit(f.key)))
        self.snapshot.settle(opened.chunk.plan.number, pl.concat(failed))


_NOT_KNOWN = [str(o) for o in (Outcome.REJECTED, Outcome.UNCONFIRMED, Outcome.NOT_ATTEMPTED)]


def _is_diffed(field: Field) -> bool:
    return field.operation in DIFFABLE


def _before(field: Field, people: pl.DataFrame) -> pl.Expr:
    """What was known of a value that is about to be sent; null where none is."""
    known = pl.col(field.known) if field.known in people.columns else pl.lit(None, pl.String)
    old = pl.when(known == pl.col(field.value)).then(pl.lit(SAME)).otherwise(known.fill_null(NONE))
    return pl.when(pl.col(field.value).is_not_null()).then(old)
