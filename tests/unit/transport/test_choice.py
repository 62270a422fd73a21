"""Which client an import gets: by its ceiling, the proxy and what is installed."""

import pytest

from importer.config.schema import DestinationConfig
from importer.core.errors import ConfigError
from importer.transport import choice
from importer.transport.choice import ClientChoice, advice, check_connection, choose_client

URL = "https://api.example.com"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def section(client: ClientChoice, ceiling: float) -> DestinationConfig:
    return DestinationConfig(
        type="vevee", base_url=URL, api_key="env:X", http_client=client, requests_per_second=ceiling
    )


def install(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(choice, "find_spec", lambda name: object() if name in names else None)


@pytest.mark.parametrize(
    ("wanted", "ceiling", "client"),
    [
        ("auto", 10, "httpx"),
        ("auto", 200, "httpx"),
        ("auto", 201, "fast"),
        ("auto", 0, "fast"),
        ("httpx", 0, "httpx"),
        ("fast", 10, "fast"),
    ],
)
def test_the_ceiling_decides_where_both_are_installed(
    wanted: ClientChoice, ceiling: float, client: str
) -> None:
    assert choose_client(wanted, URL, ceiling) == client
    assert advice(section(wanted, ceiling), 10_000) is None


@pytest.mark.parametrize("wanted", ["auto", "fast", "httpx"])
def test_a_proxy_is_reached_by_httpx(wanted: ClientChoice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert choose_client(wanted, URL, 0) == "httpx"
    monkeypatch.setenv("no_proxy", "api.example.com")
    assert choose_client("fast", URL, 0) == "fast"


def test_without_the_extra_httpx_serves_and_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "uvloop")
    assert choose_client("auto", URL, 0) == "httpx"
    said = advice(section("auto", 0), 10_000)
    assert said is not None
    assert "pip install" in said
    assert "[fast]" in said
    assert advice(section("auto", 200), 10_000) is None
    assert advice(section("httpx", 0), 10_000) is None
    assert advice(section("auto", 0), 9_999) is None, "a short list takes no longer"


def test_fast_without_the_extra_is_a_mistake_that_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, "httptools")
    with pytest.raises(ConfigError, match=r'destination\.http_client: "fast" .*\[fast\]"'):
        check_connection(section("fast", 10))
    check_connection(section("auto", 0))


def test_uvloop_is_not_needed_for_the_fast_client(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "httptools", "aiohappyeyeballs")
    assert choose_client("fast", URL, 10) == "fast"
