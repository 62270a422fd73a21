"""The results of a job: which record a line is about, and what became of it."""

import json
import sys
from typing import Any

import pytest

from importer.destinations.attentive.results import is_json_lines, read_results

ANN, BEN = {"email": "ann@example.com"}, {"email": "ben@example.com", "clientUserId": "b"}


def body_of(*lines: object) -> bytes:
    return "\n".join(json.dumps(line) for line in lines).encode()


def read(body: bytes, *records: Any) -> dict[int, tuple[bool, int]]:
    return {index: (one.accepted, one.status) for index, one in read_results(body, records).items()}


@pytest.mark.parametrize(
    "line",
    [
        {"identifiers": BEN, "status": 200},
        {"identifiers": dict(reversed(BEN.items())), "status": 200},
        {"request": {"body": {"user": {"identifiers": BEN}}}, "status": 200},
    ],
)
def test_a_record_is_found_by_its_identifiers_wherever_they_stand(line: object) -> None:
    assert read(body_of(line), ANN, BEN) == {1: (True, 200)}


def test_identifiers_that_stand_too_deep_are_not_looked_for() -> None:
    line = {"a": {"b": {"c": {"d": {"e": {"f": BEN}}}}}, "status": 200}
    assert read(body_of(line), ANN, BEN) == {}


def test_the_order_of_the_lines_is_free() -> None:
    lines = body_of({"identifiers": BEN, "status": 400}, {"identifiers": ANN, "status": 200})
    assert read(lines, ANN, BEN) == {0: (True, 200), 1: (False, 400)}


def test_two_records_of_one_person_come_in_the_order_in_which_they_were_sent() -> None:
    lines = body_of({"identifiers": ANN, "status": 200}, {"identifiers": ANN, "status": 400})
    assert read(lines, ANN, BEN, ANN) == {0: (True, 200), 2: (False, 400)}


def test_a_third_line_about_two_records_tells_nothing() -> None:
    lines = body_of(*({"identifiers": ANN, "status": status} for status in (200, 400, 500)))
    assert read(lines, ANN, ANN) == {0: (True, 200), 1: (False, 400)}


def test_lines_without_identifiers_count_by_position_where_there_is_one_for_each_record() -> None:
    lines = body_of({"status": 200}, {"status": 422})
    assert read(lines, ANN, BEN) == {0: (True, 200), 1: (False, 422)}
    assert read(lines, ANN) == {}
    assert read(lines, ANN, BEN, ANN) == {}


def test_a_position_tells_nothing_where_another_line_has_identifiers() -> None:
    lines = body_of({"identifiers": BEN, "status": 200}, {"status": 422})
    assert read(lines, ANN, BEN) == {1: (True, 200)}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"status": 200}, (True, 200)),
        ({"status": 299}, (True, 299)),
        ({"status": 300}, (False, 300)),
        ({"status": "204"}, (True, 204)),
        ({"status": "404"}, (False, 404)),
        ({"status": "SUCCESS"}, (True, 200)),
        ({"status": "Updated"}, (True, 200)),
        ({"status": "failed"}, (False, 400)),
        ({"statusCode": 202}, (True, 202)),
        ({"responseCode": 500}, (False, 500)),
        ({"code": 400}, (False, 400)),
        ({"success": True}, (True, 200)),
        ({"success": False}, (False, 400)),
        ({"response": {"statusCode": 409}}, (False, 409)),
        ({"result": {"success": True}}, (True, 200)),
        ({"status": "", "code": 200}, (True, 200)),
        ({"status": None, "result": {"status": "ok"}}, (True, 200)),
    ],
)
def test_a_status_is_a_number_or_a_word_in_one_of_several_places(
    told: dict[str, Any], expected: tuple[bool, int]
) -> None:
    assert read(body_of({"identifiers": ANN} | told), ANN) == {0: expected}


@pytest.mark.parametrize("told", [{}, {"status": None}, {"status": []}, {"status": ""}, {"status": 2.5}])
def test_a_line_that_does_not_say_how_its_record_ended_is_no_result(told: dict[str, Any]) -> None:
    assert read(body_of({"identifiers": ANN} | told), ANN) == {}


def test_a_status_of_thousands_of_digits_is_no_success() -> None:
    line = {"identifiers": ANN, "status": "2" * 5000}
    assert read(body_of(line), ANN) == {0: (False, 400)}


def test_a_line_nested_as_deep_as_json_can_be_read_is_no_fault() -> None:
    for depth in range(sys.getrecursionlimit() - 200, sys.getrecursionlimit()):
        deep = b'{"identifiers":{"email":"ann@example.com"},"status":200,"x":%s1%s}' % (
            b"[" * depth,
            b"]" * depth,
        )
        assert read(deep, ANN) in ({}, {0: (True, 200)})


@pytest.mark.parametrize("body", [b"", b"\n\n", b"<html></html>", b"[1]", b'"200"', b"null"])
def test_a_body_that_is_no_results_reports_no_record(body: bytes) -> None:
    assert read(body, ANN) == {}


def test_a_line_that_is_cut_short_is_passed_over() -> None:
    lines = body_of({"identifiers": ANN, "status": 200}, {"identifiers": BEN, "status": 200})
    assert read(lines[:-5], ANN, BEN) == {0: (True, 200)}


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        (b'{"a":1}\n\n  \r\n[]\n', True),
        (b"", True),
        (b'{"a":1}\n{"b"', False),
        (b"<html>\n</html>", False),
    ],
)
def test_whether_each_line_is_json(body: bytes, whole: bool) -> None:
    assert is_json_lines(body) == whole
