"""What every endpoint of Attentive answers alike."""

import pytest

from importer.core.models import Verdict
from importer.destinations.attentive.endpoints import BULK_STOPS, classify_failure, stop, transient
from importer.destinations.responses import json_answer


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507, 599])
def test_a_limit_or_a_server_in_trouble_is_tried_again(status: int) -> None:
    found = classify_failure(json_answer(status, {}))
    assert found == transient(json_answer(status, {}))
    assert (found.verdict, found.reason) == (Verdict.RETRY, f"http_{status}")
    assert found.message == f"the destination answered {status}"


@pytest.mark.parametrize(
    ("status", "words"), [(401, "not revoked"), (403, "needs the scope attributes:write")]
)
def test_a_key_that_is_refused_stops_the_run(status: int, words: str) -> None:
    found = classify_failure(json_answer(status, {}))
    assert found is not None
    assert (found.verdict, found.reason) == (Verdict.STOP, f"http_{status}")
    assert words in found.message


@pytest.mark.parametrize("status", [0, 199, 301, 307])
def test_another_address_is_named_as_the_cause(status: int) -> None:
    found = classify_failure(json_answer(status, {}))
    assert found is not None
    assert (found.verdict, found.message) == (
        Verdict.REFUSED,
        f"the destination answered {status}; check base_url",
    )


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
def test_the_other_refusals_may_be_a_values_fault(status: int) -> None:
    assert classify_failure(json_answer(status, {})) is None


def test_a_job_needs_more_scopes_than_a_single_call() -> None:
    message = stop(json_answer(403, {}), BULK_STOPS).message
    assert "attributes:write and subscriptions:write" in message
    assert message != stop(json_answer(403, {})).message
