"""Which addresses may be called: https anywhere, plain http on this machine alone."""

import pytest

from importer.config.urls import is_loopback, url_problem

PLACE = "expected https://HOST, or http:// with a loopback host for tests"
MORE = "expected scheme, host and perhaps a path; no user, password, query or fragment"
PLAIN = "plain http shows the key to the network; use https (http is for loopback only)"
NO_URL = "not a URL; expected https://HOST"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com",
        "https://api.example.com:8443/v1/",
        "http://localhost:8080",
        "http://127.0.0.2",
        "http://[::1]:9000/v1",
    ],
)
def test_https_and_plain_http_to_this_machine_may_be_called(url: str) -> None:
    assert url_problem(url) is None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", PLACE),
        ("api.example.com", PLACE),
        ("ftp://api.example.com", PLACE),
        ("https:///v1", PLACE),
        ("https://user@api.example.com", MORE),
        ("https://:secret@api.example.com", MORE),
        ("https://api.example.com/?key=1", MORE),
        ("https://api.example.com/#top", MORE),
        ("http://api.example.com", PLAIN),
        ("http://10.0.0.1", PLAIN),
        ("http://localhost.example.com", PLAIN),
        ("https://[1::2", NO_URL),
        ("https://api.example.com:https", NO_URL),
        ("https://api.example.com:65536", NO_URL),
    ],
)
def test_any_other_address_is_refused_with_what_is_expected(url: str, problem: str) -> None:
    assert url_problem(url) == problem


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("127.255.0.1", True), ("::1", True)]
    + [(host, False) for host in ("0.0.0.0", "10.0.0.1", "::", "localhost.example.com", "127.0.0", "")],
)
def test_a_loopback_host_is_known_without_looking_its_name_up(host: str, *, expected: bool) -> None:
    assert is_loopback(host) is expected
