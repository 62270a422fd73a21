"""The HTTP client behind the sender: a call goes in, an answer or a `TransportError` comes out.

`httpx_client.py` is httpx2, `fast_client.py` our own; `choice.py` says when which is used. Both behave alike:
HTTP/1.1, no redirects (they may drop the body or the key), no cookies, no decompression (none is asked for,
and a small body may unpack to gigabytes), no `.netrc`, no repeats of their own; the proxy and the CA
certificates are those of the environment.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from importer.core.models import Answer, Call
from importer.core.package import version
from importer.transport.choice import ClientName
from importer.transport.errors import MAX_SECONDS

IDLE = 4.0
"""Seconds after which a connection is not used again: servers close idle ones, some from 5 s on."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where calls go and how long they are waited for; times in seconds.

    `headers` go with every request.
    """

    base_url: str
    headers: Mapping[str, str]
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    client: ClientName = "httpx"

    @property
    def request_timeout(self) -> float:
        """Longest time for one request: an answer that comes byte by byte never meets `read_timeout`."""
        return min(MAX_SECONDS, self.connect_timeout + 2 * self.read_timeout)

    @property
    def all_headers(self) -> dict[str, str]:
        """`headers`, and those of every request of this program."""
        return {"User-Agent": user_agent(), "Accept-Encoding": "identity", **self.headers}


class Client(Protocol):
    """What the sender needs of a client."""

    async def send(self, call: Call) -> Answer:
        """The answer to one request, its body cut at MAX_BODY; TransportError where none came."""


def user_agent() -> str:
    """The name and the version of this program."""
    return f"customer-importer/{version()}"


@asynccontextmanager
async def connect(endpoint: Endpoint) -> AsyncIterator[Client]:
    """A client for as long as it is needed; its connections are closed with it.

    ConfigError where the environment names a proxy or certificates that cannot be used.
    """
    async with _open(endpoint) as client:
        yield client


def _open(endpoint: Endpoint) -> AbstractAsyncContextManager[Client]:
    """Each client is imported where it is used: the packages of the fast one may not be installed."""
    if endpoint.client == "fast":
        from importer.transport.fast_client import open_fast

        return open_fast(endpoint)
    from importer.transport.httpx_client import open_httpx

    return open_httpx(endpoint)
