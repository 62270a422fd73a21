"""How the rows, values and people of a chunk ended, in numbers."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Tally:
    """How rows and values ended, by the words of `summary.json`; adds up over chunks."""

    rows: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    people: Counter[str] = field(default_factory=Counter)
    trimmed: int = 0
    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    diff: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Adds another chunk's counts to these."""
        self.rows += other.rows
        self.values += other.values
        self.people += other.people
        self.trimmed += other.trimmed
        self.reasons += other.reasons
        self.diff += other.diff

    def dump(self) -> dict[str, object]:
        """As JSON, for the journal."""
        reasons = [[*key, count] for key, count in self.reasons.items()]
        return {
            "rows": self.rows,
            "values": self.values,
            "people": self.people,
            "trimmed": self.trimmed,
            "reasons": reasons,
            "diff": self.diff,
        }

    @classmethod
    def load(cls, data: dict[str, Any]) -> "Tally":
        """What `dump` wrote."""
        reasons = Counter({(stage, reason, key): n for stage, reason, key, n in data["reasons"]})
        rows, values, people = (Counter(data[name]) for name in ("rows", "values", "people"))
        return cls(rows, values, people, data["trimmed"], reasons, Counter(data["diff"]))
