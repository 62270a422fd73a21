"""The headers of an answer, by name in any case."""

from importer.transport.headers import Headers

FIELDS = [(b"Retry-After", b"3"), (b"X-Odd", b"\xff\xfe"), (b"retry-after", b"9"), (b"X-Odd", b"plain")]


def test_a_name_is_found_in_any_case_and_of_a_repeated_one_the_first_counts() -> None:
    headers = Headers(FIELDS)
    assert headers["retry-after"] == headers["RETRY-AFTER"] == "3"
    assert headers.get("x-none") is None


def test_a_value_that_is_not_ascii_counts_as_absent() -> None:
    assert dict(Headers(FIELDS)) == {"retry-after": "3", "x-odd": "plain"}
    assert len(Headers(FIELDS[1:2])) == 0
