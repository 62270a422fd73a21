"""What every destination does alike with an answer."""

import json

import pytest

from importer.core.models import Verdict
from importer.destinations.responses import UNREADABLE, contradiction, json_answer, json_of, unreadable


def test_a_json_answer_says_what_it_is_and_takes_more_headers() -> None:
    answer = json_answer(201, {"name": "Müller"}, {"retry-after": "2"})
    assert (answer.status, answer.body) == (201, '{"name": "Müller"}'.encode())
    assert answer.headers == {"content-type": "application/json", "retry-after": "2"}


@pytest.mark.parametrize("value", [{"a": [1, None, True]}, [], "é", 0, 1.5])
def test_a_body_is_read_with_and_without_a_byte_order_mark(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False).encode()
    assert json_of(text) == json_of(b"\xef\xbb\xbf" + text) == value


@pytest.mark.parametrize(
    "body", [b"", b" ", b"<html></html>", b'{"a":', b'"\xff"', b"[" * 100_000, b"9" * 5000, b"{} {}"]
)
def test_a_body_that_is_no_json_is_none(body: bytes) -> None:
    assert json_of(body) is None


def test_what_is_unreadable_is_sent_again_and_what_contradicts_is_not_believed() -> None:
    first, second = unreadable("no code"), contradiction("too many")
    assert (first.verdict, first.reason, first.message) == (Verdict.RETRY, UNREADABLE, "no code")
    assert (second.verdict, second.reason, second.message) == (
        Verdict.CONTRADICTION,
        "answer_contradicts",
        "too many",
    )
