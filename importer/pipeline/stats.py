"""How many requests and seconds a run has taken so far, over all its attempts."""

import time
from dataclasses import dataclass, field

from importer.send.sender import Counts
from importer.storage.journal import Journal


@dataclass
class RunStats:
    """`counts` are the requests; `seconds` is by `reading`, `sending` and `total`, all attempts added.

    `several`: one call may be about several people.
    """

    several: bool
    counts: Counts = field(default_factory=Counts)
    seconds: dict[str, float] = field(default_factory=lambda: {"reading": 0.0, "sending": 0.0, "total": 0.0})
    _began: float = field(default_factory=time.monotonic)

    def begin(self) -> None:
        """The attempt begins now."""
        self._began = time.monotonic()

    def end(self) -> None:
        """The attempt has ended."""
        self.seconds["total"] += time.monotonic() - self._began

    def add_earlier(self, journal: Journal) -> None:
        """Adds what earlier attempts sent; of a killed one only the answers are known."""
        self.counts.sent, self.counts.retried = self._answered(journal)
        earlier = journal.fact("counts")
        if isinstance(earlier, dict):
            # Besides the answers in the journal: the one that stopped the run, for example.
            self.counts.sent += int(earlier["sent_besides"])
            self.counts.retried += int(earlier["retried_besides"])
            self.counts.throttled = int(earlier["throttled"])
            self.seconds = {name: float(earlier.get(name, 0.0)) for name in self.seconds}

    def save(self, journal: Journal) -> None:
        """Stores it for a later attempt."""
        sent, retried = self._answered(journal)
        besides = {"sent_besides": self.counts.sent - sent, "retried_besides": self.counts.retried - retried}
        journal.remember("counts", {"throttled": self.counts.throttled, **besides, **self.seconds})

    def _answered(self, journal: Journal) -> tuple[int, int]:
        return journal.attempts(several=self.several)
