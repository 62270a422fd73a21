"""What the rounds tried, for the figures that are printed, and the way of one round, for its failure."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Figures:
    """`tried` counts by kind; `steps` says what was done in the round, in order."""

    tried: Counter[str] = field(default_factory=Counter)
    steps: list[str] = field(default_factory=list)

    def count(self, kind: str, number: int = 1) -> None:
        """So many more were tried."""
        self.tried[kind] += number

    def note(self, step: str) -> None:
        """Something was done."""
        self.steps.append(step)
