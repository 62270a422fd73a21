"""`importer retry`: sends again what a run could not apply, and nothing else.

A value is sent only where the run rejected it or left it unconfirmed, or never had it. What is already
written is `unchanged`. Where a later row or a later run has another value, it is `superseded`, also if that
one could not be written, so that an old value never comes back: a retry of the later run sends that one.

Values that go into a sum or union do not replace each other, so each is looked up by its own row: in the run
that is corrected, in the runs that it corrected itself, and in every other correction of any of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from importer.chunk.aggregation import TAKES_ALL
from importer.chunk.fields import Field
from importer.config.schema import Config
from importer.core.models import Outcome
from importer.core.row_order import ORDER_SHIFT, SOURCE_OF
from importer.reconcile.reconciler import OpenChunk
from importer.storage import account, state_folder
from importer.storage.journal import Journal
from importer.storage.journal_records import KnownValue
from importer.storage.run_folder import RunFolder
from importer.validate.validator import ValidatedBatch

_OPEN = (Outcome.REJECTED, Outcome.UNCONFIRMED)


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """Decides value by value what is not sent again.

    `places` maps a row of the corrected file to its place in the run it corrects, as source orders; it is
    empty where the rows cannot be matched one by one with certainty. `by_time`: the place of a row does not
    decide which is newer, so a value that came from another row is never replaced.
    """

    run: RunFolder
    later: Sequence[RunFolder]
    places: Mapping[int, int]
    by_time: bool = False
    _open: dict[str, Journal] = field(default_factory=dict)

    def _written(self, run: RunFolder, people: Sequence[str]) -> dict[str, dict[str, KnownValue]]:
        """What a run has written for these people; its journal is opened once."""
        if run.run_id not in self._open:
            self._open[run.run_id] = Journal(run.journal)
        return self._open[run.run_id].known_values(people)

    def close(self) -> None:
        """Closes the journals."""
        for journal in self._open.values():
            journal.close()

    def prepare(self, opened: OpenChunk) -> None:
        """Ends, without a call, every value of the chunk that must not be sent again."""
        people = opened.chunk.people["id"].to_list()
        written, later = self._written(self.run, people), [self._written(run, people) for run in self.later]
        for update in list(opened.chunk.updates()):
            for part in update.parts:
                for key in part.keys if part.operation not in TAKES_ALL else ():
                    if any(key in known.get(update.distinct_id, {}) for known in later):
                        outcome: Outcome | None = Outcome.SUPERSEDED
                    else:
                        known = written.get(update.distinct_id, {}).get(key)
                        outcome = self._outcome(known, opened.origin(update.person, key))
                    if outcome:
                        opened.leave_out(update, part.operation, key, outcome)

    def _outcome(self, known: KnownValue | None, order: int) -> Outcome | None:
        """How the value ends without a call, None = it is to be sent."""
        if known is None:
            return None
        if known.state in (Outcome.UNCHANGED, Outcome.SUPERSEDED):
            return Outcome(known.state)
        place = self.places.get(order)
        if place is None:
            return None if known.state in _OPEN else Outcome.UNCHANGED
        if place < known.origin or (self.by_time and place != known.origin):
            return Outcome.SUPERSEDED
        if place > known.origin or known.state in _OPEN:
            return None
        return Outcome.UNCHANGED


@dataclass(frozen=True, slots=True)
class Relative:
    """A run that had the rows that are to be sent now.

    `places` maps a row's source order now to its source order there; a row without an entry was not there.
    None = the rows cannot be matched with certainty.
    """

    run: RunFolder
    places: Mapping[int, int] | None


def relatives(corrected: RunFolder, places: Mapping[int, int], every: Sequence[RunFolder]) -> list[Relative]:
    """`corrected`, the runs it corrected itself, and all other corrections of any of them.

    `places` maps the rows of now to those of `corrected`; `every` are the import's other runs.
    """
    family = [Relative(corrected, places or None)]
    for known in family:  # the loop appends to it
        met = {r.run.run_id for r in family}
        parent = known.run.read_meta().get("corrects")
        for run in every:
            if run.run_id in met or not run.journal.exists():
                continue
            if run.run_id == parent:
                family.append(Relative(run, _then(known.places, _places_of(known.run))))
            elif run.read_meta().get("corrects") == known.run.run_id:
                back = {there: here for here, there in _places_of(run).items()}
                family.append(Relative(run, _then(known.places, back)))
    return family


def _then(first: Mapping[int, int] | None, second: Mapping[int, int]) -> dict[int, int] | None:
    if first is None or not second:
        return None
    return {now: second[there] for now, there in first.items() if there in second}


def _places_of(run: RunFolder) -> dict[int, int]:
    """Row of a run → row of the run that it corrects, as its journal has it."""
    journal = Journal(run.journal)
    try:
        reading = journal.fact("reading")
    finally:
        journal.close()
    places = reading.get("places", {}) if isinstance(reading, dict) else {}
    return {int(here): int(there) for here, there in places.items()}


@dataclass(frozen=True, slots=True)
class RetrySums:
    """Leaves out of sums and unions what was sent already, row by row.

    An `increase` without a usable answer is left out too, and so is one whose row cannot be matched with
    certainty where the person was increased: it may have been counted. The other operations may be repeated.
    """

    family: Sequence[Relative]

    def leave_out(self, rows: pl.DataFrame, fields: Sequence[Field]) -> pl.DataFrame:
        """The rows with those values null, and how they ended in the fields' `left_out`."""
        summed = [f for f in fields if f.takes_all]
        people = rows["id"].unique().to_list()
        verdicts = [list(self._verdicts(relative, rows, summed, people)) for relative in self.family]
        for number, f in enumerate(summed):
            found = {str(i): columns[number] for i, columns in enumerate(verdicts)}
            combined = pl.DataFrame(found).select(
                pl.when(pl.any_horizontal(pl.all() == Outcome.UNCONFIRMED))
                .then(pl.lit(Outcome.UNCONFIRMED.value))
                .when(pl.any_horizontal(pl.all() == Outcome.UNCHANGED))
                .then(pl.lit(Outcome.UNCHANGED.value))
            )
            ended = combined.to_series().set(rows[f.value].is_null(), None)
            value = rows[f.value].set(ended.is_not_null(), None)
            rows = rows.with_columns(value.alias(f.value), ended.alias(f.left_out))
        return rows

    def _verdicts(
        self, relative: Relative, rows: pl.DataFrame, fields: Sequence[Field], people: Sequence[str]
    ) -> Iterator[pl.Series]:
        """Per field, how each row's value ended in one relative: `unchanged`, `unconfirmed`, or null."""
        written = _written(relative.run, people)
        known = relative.places
        place = rows["order"].replace_strict(known or {}, default=None, return_dtype=pl.Int64)
        refused = _refused_by_check(relative.run)
        for number, f in enumerate(fields):
            states = {id_: of[f.key].state for id_, of in written.items() if f.key in of}
            state = rows["id"].replace_strict(states, default=None, return_dtype=pl.String)
            there = refused.filter(pl.col("attribute") == f.key)["order"]
            counted = place.is_not_null() & ~place.is_in(there.implode())
            frame = pl.DataFrame({"state": state, "counted": counted})
            yield frame.select(_ended(f.operation, certain=known is not None).alias(str(number))).to_series()


def _ended(operation: str, *, certain: bool) -> pl.Expr:
    written = pl.col("state").is_in([Outcome.APPLIED, Outcome.UNCHANGED])
    open_ = pl.col("state") == Outcome.UNCONFIRMED
    once = operation == "increase"
    if not certain:
        return pl.when((written | open_) & once).then(pl.lit(Outcome.UNCONFIRMED.value))
    return (
        pl.when(pl.col("counted") & written)
        .then(pl.lit(Outcome.UNCHANGED.value))
        .when(pl.col("counted") & open_ & once)
        .then(pl.lit(Outcome.UNCONFIRMED.value))
    )


def _refused_by_check(run: RunFolder) -> pl.DataFrame:
    """`order` and `attribute` of the values that a run never sent, because they failed its check."""
    summary = run.read_summary()
    if summary is None or not run.rejects.exists():
        return pl.DataFrame(schema={"order": pl.Int64, "attribute": pl.String})
    index = {source["path"]: n << ORDER_SHIFT for n, source in enumerate(summary["sources"])}
    lines = pl.scan_csv(run.rejects, infer_schema=False).filter(pl.col("stage") == "check")
    start = pl.col("file").replace_strict(index, default=None, return_dtype=pl.Int64)
    return lines.select(order=start + pl.col("row").cast(pl.Int64), attribute="attribute").collect()


def _written(run: RunFolder, people: Sequence[str]) -> dict[str, dict[str, KnownValue]]:
    journal = Journal(run.journal)
    try:
        return journal.known_values(people)
    finally:
        journal.close()


def plan_retry(
    corrected: RunFolder, places: Mapping[int, int], every: Sequence[RunFolder], *, by_time: bool
) -> tuple[RetryPlan, RetrySums]:
    """What keeps a retry of `corrected` from sending twice or replacing newer values.

    `every` are the import's other runs.
    """
    started = corrected.read_meta()["started_at"]
    others = (folder for folder in every if folder.run_id != corrected.run_id)
    later = [folder for folder in others if folder.read_meta()["started_at"] > started]
    return RetryPlan(corrected, later, places, by_time), RetrySums(relatives(corrected, places, every))


def other_runs(state_dir: Path, config: Config, but: RunFolder) -> list[RunFolder]:
    """All runs of the same import that send, without the run `but`."""
    return [
        folder
        for folder in state_folder.all_runs(state_dir)
        if folder.run_id != but.run_id
        and (meta := folder.read_meta())["identity"] == account.import_id(config)
        and meta["mode"] != "check"
        and folder.journal.exists()
    ]


def collect_ids(found: list[pl.DataFrame]) -> Callable[[ValidatedBatch], None]:
    """Appends order and id of every row to `found`; the id is null where it cannot be used."""

    def collect(batch: ValidatedBatch) -> None:
        found.append(batch.rows.select("order", "id"))
        kept = batch.refused.kept
        if kept.height:
            without = kept.filter(pl.col("id").is_null())
            found.append(without.select("order", "id"))

    return collect


def places_in(corrected: RunFolder, ids: Sequence[pl.DataFrame]) -> dict[int, int]:
    """Where the rows of corrected files (`collect_ids`) were in the run they correct.

    StateError where a part of the rows that the run kept is damaged.
    """
    if not ids:
        return {}
    every = _kept_ids(corrected).unique("order").sort("order")
    rows = pl.concat(ids).unique("order").sort("order")
    places: dict[int, int] = {}
    for _, file in rows.group_by(SOURCE_OF, maintain_order=True):
        places |= align(file, every)
    return places


def _kept_ids(run: RunFolder) -> pl.DataFrame:
    """`order` and `id` of the rows that a run kept; the id is null in a part without ids."""
    found = [pl.DataFrame(schema={"order": pl.Int64, "id": pl.String})]
    found += [part.select(pl.col("^order|id$")).collect() for part in run.kept_parts()]
    return pl.concat(found, how="diagonal_relaxed")


def align(rows: pl.DataFrame, kept: pl.DataFrame) -> dict[int, int]:
    """Row of the corrected file → its place in the run, or nothing where that is not certain.

    `rows` are the file's rows (`order`, `id`), `kept` those that the run kept (`order`, `id`, null where the
    id could not be read). They match one by one where a source kept exactly as many rows as the file has, and
    every id that could be read is in the same place.
    """
    for _, source in kept.group_by(SOURCE_OF, maintain_order=True):
        if source.height != rows.height:
            continue
        same = pl.DataFrame({"then": source["id"], "now": rows["id"]})
        if same.select((pl.col("then").is_null() | (pl.col("then") == pl.col("now"))).all()).item():
            return dict(zip(rows["order"].to_list(), source["order"].to_list(), strict=True))
    return {}
