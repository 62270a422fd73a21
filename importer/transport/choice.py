"""Which HTTP client sends the calls of an import."""

from importlib.util import find_spec
from typing import Literal

from importer.config.schema import DestinationConfig
from importer.core.errors import ConfigError
from importer.core.package import install_command
from importer.transport.environment import check_environment, proxy_for

ClientName = Literal["httpx", "fast"]
ClientChoice = Literal["auto", "httpx", "fast"]

HTTPX_CEILING = 200.0
"""Calls a second up to which `auto` takes httpx2: it keeps that pace with a small part of one processor."""

_MANY_CALLS = 10_000
"""With so many the fast client saves some seconds: a call of httpx2 takes 0.6 ms of a processor."""

_NEEDED = ("aiohappyeyeballs", "httptools")


def client_of(section: DestinationConfig) -> ClientName:
    """The client for the calls of an import; ConfigError as `choose_client`."""
    return choose_client(section.http_client, section.base_url, section.requests_per_second or 0)


def choose_client(choice: ClientChoice, base_url: str, requests_per_second: float) -> ClientName:
    """The client to use; `requests_per_second` is the import's ceiling, 0 = none.

    `auto` is httpx2 up to HTTPX_CEILING, and wherever a proxy is used, which the fast client does not know;
    beyond, it is the fast client, where that is installed. ConfigError where `fast` is asked for and missing.
    """
    if choice == "fast" and not is_fast_installed():
        raise ConfigError(
            'destination.http_client: "fast" needs packages that are not installed; install them, or take '
            f'"auto": {install_command("fast")}'
        )
    if choice == "httpx" or proxy_for(base_url):
        return "httpx"
    if choice == "fast":
        return "fast"
    return "fast" if _is_beyond_httpx(requests_per_second) and is_fast_installed() else "httpx"


def check_connection(section: DestinationConfig) -> None:
    """ConfigError where the environment or `http_client` asks for what cannot be used."""
    check_environment(section.base_url)
    client_of(section)


def advice(section: DestinationConfig, calls: int) -> str | None:
    """A sentence for a person where `auto` would take the fast client, and it is not installed.

    None where so few calls are left that it would save no time to speak of.
    """
    beyond = _is_beyond_httpx(section.requests_per_second or 0)
    wanted = section.http_client == "auto" and beyond and not proxy_for(section.base_url)
    if calls < _MANY_CALLS or not wanted or is_fast_installed():
        return None
    return (
        f"more than {HTTPX_CEILING:.0f} calls a second may need the fast client, which is not installed: "
        f"{install_command('fast')}"
    )


def _is_beyond_httpx(requests_per_second: float) -> bool:
    return not 0 < requests_per_second <= HTTPX_CEILING


def is_fast_installed() -> bool:
    """Whether the packages of the extra `fast` can be imported; uvloop, which Windows lacks, aside."""
    return all(find_spec(name) is not None for name in _NEEDED)
