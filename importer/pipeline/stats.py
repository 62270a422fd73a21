"""How many requests and seconds a run has taken so far, over all its attempts."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from importer.send.job import Counts
from importer.storage.call_counts import open_counts
from importer.storage.journal import Journal
from importer.storage.run_folder import RunFolder


def _number(place: int) -> Any:
    """A count that stands in the mapped file and nowhere else."""

    def count(counts: "_KeptCounts") -> int:
        return int(counts.numbers[place])

    def change(counts: "_KeptCounts", value: int) -> None:
        counts.numbers[place] = value

    return property(count, change)


class _KeptCounts(Counts):
    """Counts that are in a mapped file with each change, so that a killed attempt's are known."""

    sent, retried, throttled = _number(0), _number(1), _number(2)

    def __init__(self, numbers: memoryview) -> None:
        self.numbers = numbers


@dataclass
class RunStats:
    """`counts` are the requests; `seconds` is by `reading`, `sending` and `total`, all attempts added.

    `several`: one call may be about several people. A killed attempt leaves its requests and not its seconds,
    so the rate is that of the other attempts.
    """

    several: bool
    counts: Counts = field(default_factory=Counts)
    seconds: dict[str, float] = field(default_factory=lambda: {"reading": 0.0, "sending": 0.0, "total": 0.0})
    _began: float = field(default_factory=time.monotonic)
    _timed: int = 0
    _before: int = 0

    def begin(self) -> None:
        """The attempt begins now."""
        self._began = time.monotonic()

    def end(self) -> None:
        """The attempt has ended."""
        self.seconds["total"] += time.monotonic() - self._began

    @property
    def requests_per_second(self) -> float:
        """Requests a second while calls were sent, 0.0 before the first one."""
        return self._timed_requests() / max(self.seconds["sending"], 0.001)

    def _timed_requests(self) -> int:
        """The requests of the attempts of which the seconds are known."""
        return self._timed + self.counts.sent - self._before

    @contextmanager
    def kept_in(self, folder: RunFolder, journal: Journal) -> Iterator[None]:
        """Goes on from what earlier attempts took, and keeps each request's count on disk meanwhile.

        Of a run that an earlier version began, only its answers are known.
        """
        earlier = journal.fact("counts")
        earlier = earlier if isinstance(earlier, dict) else {}
        self.seconds = {name: float(earlier.get(name, 0.0)) for name in self.seconds}
        sent, retried = journal.attempts(several=self.several)
        sent, retried = (
            sent + int(earlier.get("sent_besides", 0)),
            retried + int(earlier.get("retried_besides", 0)),
        )
        answered = (sent, retried, int(earlier.get("throttled", 0)))
        with open_counts(folder.call_counts, answered) as numbers:
            self.counts = _KeptCounts(numbers)
            self._before = self.counts.sent
            known = earlier.get("sent_timed", self._before if self.seconds["sending"] else 0)
            self._timed = int(known)
            try:
                yield
            finally:
                self.counts = Counts(*numbers)

    def save(self, journal: Journal) -> None:
        """Stores the seconds, and the requests sent in them, for a later attempt."""
        journal.remember("counts", {**self.seconds, "sent_timed": self._timed_requests()})
