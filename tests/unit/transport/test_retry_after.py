"""How long an answer asks to wait: in seconds or as a date, by the answer's own clock."""

import pytest

from importer.transport.retry_after import retry_after


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("0.2", 0.2),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("nan", 0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 99 Foo 1970", 0),
        ("9" * 5000, 1e9),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 - 100),
        ("Fri, 31 Dec 99999 23:59:59 GMT", 0),
        ("\x1b[2J", 0),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str, seconds: float) -> None:
    assert retry_after({"Retry-After": text}, 100.0) == pytest.approx(seconds)


def test_a_date_is_counted_from_the_answers_own_clock() -> None:
    headers = {"Retry-After": "Thu, 01 Jan 1970 00:02:00 GMT", "Date": "Thu, 01 Jan 1970 00:01:57 GMT"}
    assert retry_after(headers, 1e9) == pytest.approx(3)
    assert retry_after({**headers, "Date": "yesterday"}, 100.0) == pytest.approx(20)


def test_without_the_header_nothing_is_waited_for_and_its_name_may_be_lower_case() -> None:
    assert retry_after({}, 100.0) == 0.0
    assert retry_after({"retry-after": " 7 "}, 100.0) == pytest.approx(7)
