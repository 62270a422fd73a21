"""What each fault makes of an answer, and which request gets it; test_server.py meets them over a socket."""

import pytest

from importer.core.models import Answer
from importer.destinations.responses import json_answer
from importer.destinations.simulator import Request
from importer.destinations.vevee.sandbox import Sandbox
from importer.sandbox.faults import Fault, FaultPicker, answer_instead, parse_fault, spoil, status_answer

VENDOR = Sandbox({}, "sk_test")
GOOD = json_answer(201, {"applied": 1})


def request(number: int) -> Request:
    return Request("POST", "/", {}, {}, b"%d" % number)


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("503", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("503/3", [3, 6]),
        ("503@2,5-6", [2, 5, 6]),
        ("503@7-", [7, 8]),
        ("503@8-,6-", [6, 7, 8]),
        ("503:0.5", []),
    ],
)
def test_some_numbers_are_hit_for_certain(text: str, hit: list[int]) -> None:
    assert [number for number in range(1, 9) if parse_fault(text).names(number)] == hit


def test_an_exact_number_comes_before_a_share() -> None:
    picker = FaultPicker((Fault("slow", share=1.0), Fault("500", at=frozenset({2}))), seed=0)
    found = [picker.choose(number, request(number)) for number in (1, 2, 3)]
    assert [fault.kind if fault else "" for fault in found] == ["slow", "500", "slow"]


def test_without_faults_no_request_is_hit() -> None:
    assert FaultPicker((), seed=0).choose(1, request(1)) is None


def test_a_documented_status_has_the_vendors_body_and_another_a_gateways_text() -> None:
    assert status_answer(VENDOR, "500", None) == VENDOR.documented_error("500")
    other = status_answer(VENDOR, "503", "2")
    assert (other.status, other.body) == (503, b"sandbox: 503\n")
    assert other.headers == {"content-type": "text/plain; charset=utf-8", "retry-after": "2"}


def test_a_redirect_names_another_place() -> None:
    assert status_answer(VENDOR, "307", None).headers["location"] == "/elsewhere"


def test_what_keeps_a_request_from_being_stored_has_an_answer_of_its_own() -> None:
    page = answer_instead(VENDOR, Fault("html"))
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.body.startswith(b"<!DOCTYPE html>")
    assert answer_instead(VENDOR, Fault("reset_before")) == Answer(0, {}, b"")
    assert answer_instead(VENDOR, Fault("quota")) == VENDOR.documented_error("quota")


def test_a_good_answer_breaks_off_or_says_something_else() -> None:
    broken = spoil("wrong_json", GOOD)
    assert (broken.status, broken.body) == (200, GOOD.body[: len(GOOD.body) // 2])
    assert spoil("wrong_json", Answer(200, {}, b"")).body == b"{"
    assert spoil("wrong_shape", GOOD) == json_answer(200, ["unexpected"])


@pytest.mark.parametrize("kind", ["reset_after", "truncate", "huge", "slow", "hang"])
def test_a_fault_of_the_connection_leaves_the_answer_as_it_is(kind: str) -> None:
    assert spoil(kind, GOOD) is GOOD
