"""Says what the sending waits for, so that a person who watches does not see a bar that stands still."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from importer.core.durations import spoken

AGAIN_AFTER = 10.0
"""Seconds until the same kind of wait is said again."""

LONG = 3.0
"""A wait of so many seconds is said once for each time: there is nothing else to see meanwhile."""

SHORTEST = 1.0
"""A shorter wait, in seconds, is not worth a line."""


@dataclass
class WaitNotice:
    """Hands sentences to `tell`: each kind once in AGAIN_AFTER seconds of `clock`, a LONG wait once each."""

    tell: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _next: dict[str, float] = field(default_factory=dict)

    def throttled(self, status: int, wait: float) -> None:
        """The destination asks for a pause of `wait` seconds."""
        if wait >= SHORTEST:
            text = f"{status}: next call in {spoken(wait)} (Retry-After)"
            self._say("throttled", text, wait if wait >= LONG else AGAIN_AFTER)

    def down(self, sentence: str, failing: float, bound: float) -> None:
        """The destination has not answered for `failing` seconds, and is given up after `bound`."""
        so_far = f"tried for {spoken(failing)}" if failing >= 1 else "trying again"
        self._say("down", f"{sentence}; {so_far}, giving up in {spoken(max(0.0, bound - failing))}")

    def polling(self, jobs: int, seconds: float) -> None:
        """So many jobs are open at the destination, and the next is asked for in `seconds`."""
        if seconds >= SHORTEST:
            what = "1 job" if jobs == 1 else f"{jobs:,} jobs"
            self._say("polling", f"polling {what} of the destination, next in {spoken(seconds)}")

    def _say(self, kind: str, text: str, silent: float = AGAIN_AFTER) -> None:
        now = self.clock()
        if now >= self._next.get(kind, now):
            self._next[kind] = now + silent
            self.tell(text)
