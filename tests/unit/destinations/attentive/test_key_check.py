"""The answer to the check of a key: only the API's own success lets the run begin."""

import pytest

from importer.core.models import ALL_APPLIED, Answer, Verdict
from importer.destinations.attentive.key_check import classify_key_check
from importer.destinations.responses import json_answer


@pytest.mark.parametrize("status", [200, 204])
def test_a_json_object_with_a_2xx_is_a_key_that_works(status: int) -> None:
    assert classify_key_check(json_answer(status, {"companyId": "c"})) == ALL_APPLIED


@pytest.mark.parametrize("body", [b"", b"[]", b'"ok"', b"<html>sign in</html>", b'{"companyId"'])
def test_a_2xx_without_a_json_object_is_not_the_api(body: bytes) -> None:
    found = classify_key_check(Answer(200, {}, body))
    assert found.verdict is Verdict.CONTRADICTION
    assert found.message == "an answer that is not the API's; check base_url"


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "the destination does not accept this key; check that it is right and not revoked"),
        (403, "this key is not allowed to be used here; check the app's scopes"),
        (404, "there is no Attentive API at this address; check base_url"),
    ],
)
def test_a_key_or_an_address_that_is_wrong_stops_the_run(status: int, sentence: str) -> None:
    found = classify_key_check(json_answer(status, {}))
    assert (found.verdict, found.reason, found.message) == (Verdict.STOP, f"http_{status}", sentence)


@pytest.mark.parametrize("status", [408, 429, 500, 503, 599])
def test_a_server_in_trouble_is_asked_again(status: int) -> None:
    found = classify_key_check(json_answer(status, {}))
    assert (found.verdict, found.reason) == (Verdict.RETRY, f"http_{status}")


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (302, "the destination answered 302; check base_url"),
        (418, "the check of the key was answered 418"),
    ],
)
def test_any_other_status_is_a_refusal_that_names_it(status: int, sentence: str) -> None:
    found = classify_key_check(json_answer(status, {}))
    assert (found.verdict, found.reason, found.message) == (Verdict.REFUSED, f"http_{status}", sentence)
