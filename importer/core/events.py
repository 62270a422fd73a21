"""What happens in a run, as events for an observer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run: `text` is a sentence, `fields` the same for a program.

    `kind` is `waiting`, `began`, `read`, `cost`, `heartbeat`, `finishing`, `ended`, `notified`,
    `not_notified`, `not_written` (a report), `journal_lost` or `progress`. No event has a value of a person.

    `progress` comes often while a list is read, without a text of use to a log: `bytes` of `total_bytes`
    (null where the size says nothing, as of a compressed list) and `rejects` so far.
    """

    kind: str
    text: str
    fields: Mapping[str, object] = field(default_factory=dict)


class Observer(Protocol):
    """An observer of a run, such as a progress bar. `reading` and `sending` may be called often."""

    def tell(self, event: Event) -> None:
        """Something happened that a person or a log should know."""

    def reading(self, rows: int) -> None:
        """So many rows are read so far."""

    def sending(self, rows: int, total: int, rejects: int) -> None:
        """So many of `total` rows are done, with so many values and rows rejected."""


class Silent:
    """An observer that ignores everything."""

    def tell(self, event: Event) -> None:
        """Nothing."""

    def reading(self, rows: int) -> None:
        """Nothing."""

    def sending(self, rows: int, total: int, rejects: int) -> None:
        """Nothing."""
