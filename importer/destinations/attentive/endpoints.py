"""Attentive's paths, limits and statuses, and what every endpoint answers alike."""

from collections.abc import Mapping

from importer.core.models import (
    Answer,
    Classification,
    Verdict,
)
from importer.destinations.responses import TRANSIENT_STATUS

ME = "/v1/me"
CUSTOM = "/v1/attributes/custom"
BULK = "/v2/bulk/user/attributes"
JOB = "/v2/bulk/job/"

JOB_TAKES = 12 * 3600.0
"""How long a job of a large list typically takes, in seconds (docs of bulk attributes)."""

NAME_MAX = 200
"""Longest attribute name, in characters."""
USERS_MAX = 256
"""Most records in one bulk call."""
RECORD_MAX = 1 << 20
"""Largest record of a bulk call, in bytes; a person with more takes several records."""
BULK_ATTRIBUTES_MAX = 100
"""Most custom attributes in one record of a bulk call; a person with more takes several records."""


STOPS: Mapping[int, str] = {
    401: "the destination does not accept this key; check that it is right and not revoked",
    403: "this key is not allowed to write attributes; it needs the scope attributes:write",
}

BULK_STOPS: Mapping[int, str] = {
    **STOPS,
    403: "this key is not allowed to hand in bulk jobs; it needs the scopes attributes:write and "
    "subscriptions:write, or attributes:all and subscriptions:all",
}
"""The vendor's pages disagree on the scopes of a bulk write: one names both, another the first alone."""

OK = 200
ACCEPTED = 202
MULTIPLE_CHOICES = 300
BAD_REQUEST = 400
NOT_FOUND = 404


def stop(answer: Answer, stops: Mapping[int, str] = STOPS) -> Classification:
    """An answer of one of the statuses in `stops`: the destination refuses the run."""
    return Classification(Verdict.STOP, reason=f"http_{answer.status}", message=stops[answer.status])


def transient(answer: Answer) -> Classification:
    """An answer after which the same call may be sent again."""
    status = answer.status
    return Classification(
        Verdict.RETRY, reason=f"http_{status}", message=f"the destination answered {status}"
    )


def classify_failure(answer: Answer) -> Classification | None:
    """RETRY, STOP or REFUSED, if the status says so; None if one of the call's values may be at fault."""
    status = answer.status
    if status in TRANSIENT_STATUS or status >= 500:
        # 429 and 500 are documented; the others are inferred: the writes are absolute sets.
        return transient(answer)
    if status in STOPS:
        return stop(answer)
    if status < BAD_REQUEST:
        message = f"the destination answered {status}; check base_url"
        return Classification(Verdict.REFUSED, reason=f"http_{status}", message=message)
    return None
