"""The answer to `GET /v1/me`, which tells whether the key serves."""

from collections.abc import Mapping

from importer.core.models import (
    ALL_APPLIED,
    Answer,
    Classification,
    Verdict,
)
from importer.destinations.attentive.endpoints import MULTIPLE_CHOICES, OK, STOPS, classify_failure
from importer.destinations.responses import contradiction, json_of

_STOPS: Mapping[int, str] = {
    **STOPS,
    403: "this key is not allowed to be used here; check the app's scopes",
    404: "there is no Attentive API at this address; check base_url",
}


def classify_key_check(answer: Answer) -> Classification:
    """DONE for a 2xx with a JSON object; any other verdict ends the run before the first write."""
    status = answer.status
    if OK <= status < MULTIPLE_CHOICES:
        ours = isinstance(json_of(answer.body), dict)
        return ALL_APPLIED if ours else contradiction("an answer that is not the API's; check base_url")
    if status in _STOPS:
        return Classification(Verdict.STOP, reason=f"http_{status}", message=_STOPS[status])
    return classify_failure(answer) or Classification(
        Verdict.REFUSED, reason=f"http_{status}", message=f"the check of the key was answered {status}"
    )
