"""One request of a call, and when a call is not tried again."""

from collections.abc import Callable
from dataclasses import dataclass

import tenacity

from importer.core.models import ALL_APPLIED, Classification, Verdict

TRANSIENT = (Verdict.RETRY, Verdict.CONTRADICTION)
OK = 200


@dataclass(frozen=True, slots=True)
class Try:
    """One request: its classification, its status (0 = no answer), how many seconds it took.

    `acted_on` is false where the destination certainly did nothing with it: there was no connection, or it
    said that there were too many. `counts` is false for a failure that only shows that the destination is
    down, which is no fault of the call.
    """

    classification: Classification
    status: int = 0
    seconds: float = 0.0
    acted_on: bool = True
    counts: bool = True

    @property
    def is_transient(self) -> bool:
        """Whether the call may be sent again."""
        return self.classification.verdict in TRANSIENT


APPLIED_AT_ONCE = Try(ALL_APPLIED, OK)
"""What nearly every request comes to."""


class StopWhen(tenacity.stop.stop_base):
    """No further attempt once `asked`, given the seconds spent waiting so far, says so."""

    def __init__(self, asked: Callable[[float], bool]) -> None:
        self._asked = asked

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        """Asked by tenacity after each attempt."""
        return self._asked(retry_state.idle_for)
