"""Attributes that are at fault again and again: they are sent apart from the others."""

from collections.abc import Sequence
from dataclasses import dataclass, field

_DOUBT_FROM = 3
_DOUBT_SHARE = 0.25  # sent apart costs one call a person, found by splitting about four
_DOUBT_MEMORY = 64


@dataclass(slots=True)
class DoubtfulAttributes:
    """Attributes at fault again and again, where the destination's refusals do not name the value.

    Counts, from an attribute's first fault on, the people it was sent for and those where it was at fault.
    Both counts are halved from time to time, so that old faults weigh little.
    """

    _sent: dict[str, int] = field(default_factory=dict)
    _faults: dict[str, int] = field(default_factory=dict)
    now: tuple[str, ...] = ()

    def note(self, keys: Sequence[str], refused: Sequence[str]) -> None:
        """Counts one person's values: they were answered, and those of `refused` were at fault."""
        if not refused and not self._sent:
            return
        for key in refused:
            self._faults[key] = self._faults.get(key, 0) + 1
            self._sent.setdefault(key, 0)
        for key in self._sent.keys() & set(keys):
            self._sent[key] += 1
            if self._sent[key] >= _DOUBT_MEMORY:
                self._sent[key] //= 2
                self._faults[key] //= 2
        worst = sorted(self._faults, key=lambda key: -self._faults[key])
        self.now = tuple(key for key in worst if self._is_doubtful(key))

    def _is_doubtful(self, key: str) -> bool:
        faults = self._faults[key]
        return faults >= _DOUBT_FROM and faults >= _DOUBT_SHARE * self._sent[key]
