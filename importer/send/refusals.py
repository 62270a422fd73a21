"""Calls that are refused as a whole, one after another: then it is most likely not the people.

Refusals in such a streak are delayed: nothing is rejected yet. A call that is not refused ends the streak,
and what was delayed is rejected. When the streak is LONGEST calls long, the run stops, and what was delayed
goes out again after a resume. A person who is refused again is rejected, and does not count towards a new
streak.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from importer.core.errors import RefusedError
from importer.core.models import ALL_APPLIED, Settled, Verdict

_OF_REQUEST = frozenset({301, 302, 303, 307, 308, 401, 403, 404, 405, 406, 410, 415})
"""Statuses by which a server refuses the address, the key or the form of a request, not its content."""

LONGEST = 10
"""So many calls one after another, each refused as a whole, stop the run."""


@dataclass(frozen=True, slots=True)
class DelayedRefusal:
    """One refused call: `settle` rejects what it carried, `release` leaves that to be sent again."""

    settled: Settled
    settle: Callable[[], None]
    release: Callable[[], None]


class RefusalStreak:
    """Calls refused one after another; `again` are the distinct ids of one in an earlier attempt."""

    def __init__(self, again: Iterable[str] = ()) -> None:
        self.again = frozenset(again)
        self.stopped_at: RefusedError | None = None
        self._delayed: list[DelayedRefusal] = []
        self._finishing: list[Callable[[], None]] = []
        self._length = 0
        self._unknown: set[tuple[str, str]] = set()
        self._any_accepted = False

    def counts(self, settled: Settled) -> bool:
        """Whether a call was refused as a whole, and is not one that was in a row before."""
        if settled.classification is ALL_APPLIED:
            return False
        if not settled.call.targets and self._any_accepted:
            return False
        return self._is_refused(settled) and not self._was_in_a_row(settled)

    def _is_refused(self, settled: Settled) -> bool:
        classification = settled.classification
        if classification.verdict is Verdict.UNKNOWN_ID:
            return self._is_unknown_again(settled)
        if classification.verdict is Verdict.DONE:
            return _refuses_all(settled)
        return classification.verdict is Verdict.REFUSED

    def _is_unknown_again(self, settled: Settled) -> bool:
        """An id that is unknown for the first time is resolved once more; after that it is refused.

        A person has a call for each operation, and each of them may find the id unknown once.
        """
        parts = {(target.distinct_id, target.operation) for target in settled.call.targets}
        again, self._unknown = parts <= self._unknown, self._unknown | parts
        return again

    def _was_in_a_row(self, settled: Settled) -> bool:
        targets = settled.call.targets
        return bool(targets) and all(target.distinct_id in self.again for target in targets)

    def delay(self, one: DelayedRefusal) -> RefusedError | None:
        """Adds a refused call; the error that stops the run where the row is long enough."""
        self._delayed.append(one)
        self._length += 1
        if self._length >= LONGEST and self.stopped_at is None:
            self.stopped_at = _error(one.settled, f"{LONGEST} calls in a row were")
        return self.stopped_at

    def accept(self, settled: Settled) -> bool:
        """Whether a call that does not count ends the row: something that it writes is accepted."""
        accepted = settled.classification.verdict is Verdict.DONE and not _refuses_all(settled)
        if accepted and (settled.call.writes or not (settled.call.targets or settled.call.after)):
            self._any_accepted, self._length = True, 0
            return True
        return False

    @property
    def is_calm(self) -> bool:
        """Whether another accepted call changes nothing here."""
        return self._any_accepted and not self._length and not self._delayed

    @property
    def delays_some(self) -> bool:
        """Whether something is delayed that the next accepted call settles."""
        return bool(self._delayed) and self.stopped_at is None

    def finish(self, then: Callable[[], None]) -> None:
        """Calls `then` when nothing is delayed any more, at once where nothing is."""
        if self._delayed:
            self._finishing.append(then)
        else:
            then()

    def end(self) -> RefusedError | None:
        """No more calls come: the error where all that were sent were refused for the request itself.

        That is no fault of the people, however few they are.
        """
        of_request = [one for one in self._delayed if one.settled.status in _OF_REQUEST]
        if of_request and len(of_request) == len(self._delayed) and not self._any_accepted:
            count = len(of_request)
            what = f"all {count} calls were" if count > 1 else "the only call was"
            self.stopped_at = self.stopped_at or _error(of_request[-1].settled, what)
        return self.stopped_at

    def settle(self) -> None:
        """Rejects what is delayed."""
        delayed, self._delayed = self._delayed, []
        finishing, self._finishing = self._finishing, []
        for one in delayed:
            one.settle()
        for then in finishing:
            then()

    def release(self) -> list[str]:
        """Leaves what is delayed to be sent again; returns the distinct ids in their order."""
        ids = (target.distinct_id for one in self._delayed for target in one.settled.call.targets)
        people = list(dict.fromkeys(ids))
        for one in self._delayed:
            one.release()
        self._delayed, self._finishing = [], []
        return people


def _refuses_all(settled: Settled) -> bool:
    """Whether the answer refuses each person of the call, or by its status each value."""
    targets, refused = settled.call.targets, settled.classification.refused
    if not refused or settled.classification.unreported:
        return False
    people = {refusal.target for refusal in refused if not refusal.key}
    if settled.status >= 300 and not settled.classification.names_values:
        keys = {(refusal.target, refusal.key) for refusal in refused}
        people |= {n for n, target in enumerate(targets) if all((n, key) in keys for key in target.keys)}
    waiting = settled.classification.carried
    return all(n in people or n in waiting for n in range(len(targets)))


def _error(settled: Settled, calls: str) -> RefusedError:
    reasons = [refusal.reason for refusal in settled.classification.refused]
    reason = settled.classification.reason or (reasons[0] if reasons else "refused")
    return RefusedError(
        f"{reason}: {calls} refused with all that they carried, so it is most likely not the people; "
        "check base_url, the key's rights and how the configuration names people. What these "
        "calls carried does not count as rejected: a resume sends it again, and rejects what is refused then."
    )
