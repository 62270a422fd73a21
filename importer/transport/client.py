"""The HTTP client behind the sender's one seam: a call goes in, an answer or a `TransportError` comes out.

`fast` is `wire.py`: a third of the processor time that a call takes in the next best client, see
`benchmarks/README.md`. `plain` is httpx2, for whoever needs to look inside, and for every call that has to go
through a proxy. Both are told the same: HTTP/1.1, no redirects (they may drop the body or the key), no
cookies, no decompression (none is asked for, and a small body may unpack to gigabytes), no `.netrc`, no
repeating on their own; the proxy and the CA certificates are those of the environment.
"""

import asyncio
import os
import socket
import ssl
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import urlsplit

from importer.core.errors import ConfigError
from importer.core.models import Answer, Call
from importer.transport.fast_client import (
    BROKEN,
    LATE,
    MAX_BODY,
    NO_CONNECTION,
    NO_HOST,
    TLS,
    FastClient,
    Times,
    TransportError,
)

__all__ = ["MAX_BODY", "Client", "Endpoint", "TransportError", "connect"]

if TYPE_CHECKING:
    import httpx2

USER_AGENT = "customer-importer/1.0"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where calls go and for how long they are waited for; times in seconds.

    `headers` go with every request.
    """

    base_url: str
    headers: Mapping[str, str]
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    client: Literal["fast", "plain"] = "fast"

    @property
    def request_timeout(self) -> float:
        """Longest time for one request: an answer that comes byte by byte never meets `read_timeout`."""
        return self.connect_timeout + 2 * self.read_timeout


class Client(Protocol):
    """What the sender needs of a client."""

    async def send(self, call: Call) -> Answer:
        """The answer to one request, its body cut at MAX_BODY; TransportError where none came."""


@asynccontextmanager
async def connect(endpoint: Endpoint) -> AsyncIterator[Client]:
    """A client for as long as it is needed; its connections are closed with it."""
    opened = _fast if endpoint.client == "fast" else _plain
    async with opened(endpoint) as client:
        yield client


# ---------------------------------------------------------------- fast


@asynccontextmanager
async def _fast(endpoint: Endpoint) -> AsyncIterator[Client]:
    if proxy_for(endpoint.base_url):
        async with _plain(endpoint) as client:
            yield client
        return
    times = Times(endpoint.connect_timeout, endpoint.read_timeout, endpoint.request_timeout)
    tls = context() if urlsplit(endpoint.base_url).scheme == "https" else None
    wire = FastClient(endpoint.base_url, _headers(endpoint), times, tls)
    try:
        yield wire
    finally:
        await wire.aclose()


# ---------------------------------------------------------------- plain


@asynccontextmanager
async def _plain(endpoint: Endpoint) -> AsyncIterator[Client]:
    import httpx2

    timeout = httpx2.Timeout(endpoint.read_timeout, connect=endpoint.connect_timeout, pool=None)
    async with httpx2.AsyncClient(
        headers=_headers(endpoint),
        timeout=timeout,
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
        trust_env=False,
        proxy=proxy_for(endpoint.base_url),
        verify=context(),
    ) as client:
        yield _Plain(client, endpoint)


class _Plain:
    def __init__(self, client: "httpx2.AsyncClient", endpoint: Endpoint) -> None:
        self._client = client
        self._endpoint = endpoint

    async def send(self, call: Call) -> Answer:
        import httpx2

        url, answered = self._endpoint.base_url + call.path, False
        try:
            async with (
                asyncio.timeout(self._endpoint.request_timeout),
                self._client.stream(call.method, url, content=call.body) as response,
            ):
                answered, body = True, bytearray()
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) >= MAX_BODY:
                        break
                return Answer(response.status_code, response.headers, bytes(body[:MAX_BODY]))
        except (httpx2.TransportError, TimeoutError) as error:
            raise _plain_error(error, answered=answered) from None


def _plain_error(error: Exception, *, answered: bool) -> TransportError:
    import httpx2

    connected = not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError)
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return TransportError(LATE, connected=connected)
    if connected:
        garbled = isinstance(error, httpx2.RemoteProtocolError) and "disconnected" not in str(error)
        return TransportError(BROKEN, answered=answered or garbled)
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return TransportError(TLS, connected=False)
    unknown = any(isinstance(cause, socket.gaierror) for cause in causes)
    return TransportError(NO_HOST if unknown else NO_CONNECTION, connected=False)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# ---------------------------------------------------------------- both


def _headers(endpoint: Endpoint) -> dict[str, str]:
    return {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **endpoint.headers}


def context() -> ssl.SSLContext:
    """What certificates are accepted: the system's, and those of SSL_CERT_FILE. Takes a tenth of a second."""
    context = ssl.create_default_context()
    for certificates in _extra_certificates():
        context.load_verify_locations(cadata=certificates.decode())
    return context


def proxy_for(base_url: str) -> str | None:
    """The proxy the environment names for this host (HTTPS_PROXY, NO_PROXY, ...)."""
    parts = urlsplit(base_url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _extra_certificates() -> Iterator[bytes]:
    """The CA certificates that the environment names, in PEM; ConfigError where there are none."""
    named = os.environ.get("SSL_CERT_FILE")
    if not named:
        return
    try:
        text = Path(named).read_bytes()
    except OSError:
        text = b""
    if b"-----BEGIN CERTIFICATE-----" not in text:
        raise ConfigError(
            "SSL_CERT_FILE: expected a readable file of CA certificates in PEM; mend or unset it."
        )
    yield text
