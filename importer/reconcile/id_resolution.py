"""The rounds of a chunk at a destination that resolves ids before it writes.

First the distinct ids that are not known yet are resolved to ids of the destination, then everybody is
written. Where the destination does not know such an id, it is resolved once more and written again; then a
refusal is final.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from importer.core.models import Call, Classification, Refusal, Settled, Target, Update, Verdict
from importer.destinations.base import Destination
from importer.reconcile.reconciler import OpenChunk
from importer.storage.id_cache import AMBIGUOUS, IdCache

NOT_RESOLVED = "identity_not_resolved"
IS_AMBIGUOUS = "identity_ambiguous"

_MISSING = "the destination gave no id of its own for this id"
_SHARED = (
    "the destination has the same id of its own for several of your ids, or several for this one; if you no "
    "longer use the other id: importer erase ID"
)

ROUNDS = 2


@dataclass
class IdResolution:
    """One chunk's people and their resolved ids, through at most two rounds of resolving and writing."""

    opened: OpenChunk
    destination: Destination
    cache: IdCache
    _known: dict[str, str] = field(default_factory=dict)
    _unknown: dict[str, Update] = field(default_factory=dict)
    _stale: set[str] = field(default_factory=set)
    _round: int = 0

    def __post_init__(self) -> None:
        self._look_up()

    def _look_up(self) -> None:
        left = {u.distinct_id: u for u in self.opened.jobs()}
        self._known = self.cache.lookup(left)
        self._unknown = {id_: u for id_, u in left.items() if id_ not in self._known}
        for id_ in [i for i, resolved_id in self._known.items() if resolved_id == AMBIGUOUS]:
            self._reject(left[id_], IS_AMBIGUOUS, _SHARED)

    def begin(self) -> bool:
        """Whether there is another round; ids that were unknown in the last one are removed."""
        if self._round and (not self._stale or self._round >= ROUNDS):
            return False
        if self._stale:
            self.cache.erase(self._stale)
            self._look_up()
        self._stale = set()
        self._round += 1
        return True

    def calls(self, most: int | None) -> Sequence[Call]:
        """The calls that resolve the people who are not known yet, or at most so many of them."""
        return self.destination.prepare(list(self._unknown.values())[:most]) if self._unknown else ()

    def resolved(self, settled: Settled) -> None:
        """Records how a call that resolves ids ended; an id that it does not resolve is rejected."""
        classification, targets = settled.classification, settled.call.targets
        if classification.verdict is Verdict.STOP:
            return
        asked = {t.distinct_id: self._unknown.pop(t.distinct_id) for t in targets}
        given = {id_: a for id_, a in classification.resolved_ids.items() if id_ in asked}
        self.cache.remember({id_: a for id_, a in given.items() if a})
        self._known |= given | self.cache.lookup(id_ for id_, a in given.items() if a)
        for id_, update in asked.items():
            resolved_id = self._known.get(id_)
            if resolved_id is None:
                reason, message = classification.reason or NOT_RESOLVED, classification.message or _MISSING
                self._reject(update, reason, message, settled)
            elif resolved_id == AMBIGUOUS:
                self._reject(update, IS_AMBIGUOUS, _SHARED, settled)

    def updates(self) -> Iterator[Update]:
        """The people who can be written, with their resolved ids."""
        for update in self.opened.jobs():
            resolved_id = self._known.get(update.distinct_id)
            if resolved_id:
                yield replace(update, resolved_id=resolved_id)

    def settle(self, settled: Settled) -> None:
        """Records how a call that writes ended: an unknown id is resolved once more, then refused."""
        classification = settled.classification
        if classification.verdict is not Verdict.UNKNOWN_ID:
            self.opened.settle(settled)
        elif self._round < ROUNDS:
            self.opened.release(settled.call)
            self._stale.update(t.distinct_id for t in settled.call.targets)
        else:
            final = Classification(
                Verdict.REFUSED, reason=classification.reason, message=classification.message
            )
            self.opened.settle(replace(settled, classification=final))

    def _reject(self, update: Update, reason: str, message: str, settled: Settled | None = None) -> None:
        person, id_ = update.person, update.distinct_id
        targets = tuple(Target(person, id_, part.operation, part.keys) for part in update.parts)
        refused = tuple(Refusal(n, "", reason, message) for n in range(len(targets)))
        answered = (settled.status, settled.attempts, settled.at) if settled else (0, 0, time.time())
        self.opened.settle(
            Settled(Call("", "", b"", targets), Classification(Verdict.DONE, refused), *answered)
        )
