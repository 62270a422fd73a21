"""What a run has spent so far: requests and seconds, over all its lives."""

import time
from dataclasses import dataclass, field

from importer.send.sender import Counts
from importer.storage.journal import Journal


@dataclass
class RunStats:
    """`counts` are the requests; `seconds` is by `reading`, `sending` and `total`, all lives added.

    `several`: one call may be about several people.
    """

    several: bool
    counts: Counts = field(default_factory=Counts)
    seconds: dict[str, float] = field(default_factory=lambda: {"reading": 0.0, "sending": 0.0, "total": 0.0})
    _began: float = field(default_factory=time.monotonic)

    def begin(self) -> None:
        """A life of the run begins now."""
        self._began = time.monotonic()

    def end(self) -> None:
        """The life has come to its end."""
        self.seconds["total"] += time.monotonic() - self._began

    def take_over(self, journal: Journal) -> None:
        """Adds what former lives of the run sent; a killed one left only its answers to tell."""
        self.counts.sent, self.counts.retried = self._answered(journal)
        former = journal.fact("counts")
        if isinstance(former, dict):
            # Besides the answers that stand in the journal: the one that stopped the run, say.
            self.counts.sent += int(former["sent_besides"])
            self.counts.retried += int(former["retried_besides"])
            self.counts.throttled = int(former["throttled"])
            self.seconds = {name: float(former.get(name, 0.0)) for name in self.seconds}

    def leave(self, journal: Journal) -> None:
        """Sets it down for a later life."""
        sent, retried = self._answered(journal)
        besides = {"sent_besides": self.counts.sent - sent, "retried_besides": self.counts.retried - retried}
        journal.remember("counts", {"throttled": self.counts.throttled, **besides, **self.seconds})

    def _answered(self, journal: Journal) -> tuple[int, int]:
        return journal.attempts(several=self.several)
