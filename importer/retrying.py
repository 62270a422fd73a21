"""`importer retry`: what a run did not get through, again, and nothing else.

A value goes out only where the run (and every later run of the same import) left it rejected or unconfirmed,
or never saw it. What is already written is `unchanged`; what a later row or a later run has replaced is
`superseded`, so that an old value never comes back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from importer.intake import SOURCE_OF
from importer.journal import Held, Journal
from importer.models import Outcome
from importer.reconciler import OpenChunk
from importer.runs import RunFolder

_OPEN = (Outcome.REJECTED, Outcome.UNCONFIRMED)


@dataclass(frozen=True, slots=True)
class Withheld:
    """Decides value by value what is not sent again.

    `places` maps a row of the corrected file to its place in the run it corrects, as source orders; it is
    empty where the rows cannot be matched one by one with certainty.
    """

    run: RunFolder
    later: Sequence[RunFolder]
    places: Mapping[int, int]

    def prepare(self, opened: OpenChunk) -> None:
        """Settles, without a call, every value of the chunk that must not be sent again."""
        people = opened.chunk.people["id"].to_list()
        held, later = _held(self.run, people), [_held(run, people) for run in self.later]
        for update in list(opened.chunk.updates()):
            for part in update.parts:
                for key in part.keys:
                    if any(key in known.get(update.distinct_id, {}) for known in later):
                        outcome: Outcome | None = Outcome.SUPERSEDED
                    else:
                        known = held.get(update.distinct_id, {}).get(key)
                        outcome = self._outcome(known, opened.origin(update.person, key))
                    if outcome:
                        opened.leave_out(update, part.operation, key, outcome)

    def _outcome(self, known: Held | None, order: int) -> Outcome | None:
        """How the value is settled without a call, None = it is to be sent."""
        if known is None:
            return None
        if known.state in (Outcome.UNCHANGED, Outcome.SUPERSEDED):
            return Outcome(known.state)
        place = self.places.get(order)
        if place is None:
            return None if known.state in _OPEN else Outcome.UNCHANGED
        if place < known.origin:
            return Outcome.SUPERSEDED
        if place > known.origin or known.state in _OPEN:
            return None
        return Outcome.UNCHANGED


def _held(run: RunFolder, people: Sequence[str]) -> dict[str, dict[str, Held]]:
    journal = Journal(run.journal)
    try:
        return journal.held(people)
    finally:
        journal.close()


def align(rows: pl.DataFrame, kept: pl.DataFrame) -> dict[int, int]:
    """Row of the corrected file → its place in the run, or nothing where that is not certain.

    `rows` are the file's rows (`order`, `id`), `kept` those that the run kept (`order`, `id`, null where the
    id could not be read). They match one by one where a source kept exactly as many rows as the file has, and
    every id that could be read stands in the same place.
    """
    for _, source in kept.group_by(SOURCE_OF, maintain_order=True):
        if source.height != rows.height:
            continue
        same = pl.DataFrame({"then": source["id"], "now": rows["id"]})
        if same.select((pl.col("then").is_null() | (pl.col("then") == pl.col("now"))).all()).item():
            return dict(zip(rows["order"].to_list(), source["order"].to_list(), strict=True))
    return {}
