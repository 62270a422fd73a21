"""The HTTP client behind the sender's one seam: a call goes in, an answer or a `WireError` comes out.

`fast` is pyreqwest (Rust's reqwest): twice to three times as many calls a second per core as aiohttp here,
see `benchmarks/README.md`. `plain` is httpx2, all Python, for whoever needs to look inside or has no build of
the other. Both are told the same: HTTP/1.1, no redirects (they may drop the body or the key), no cookies, no
decompression (none is asked for, and a small body may unpack to gigabytes), no `.netrc`, no repeating on
their own; the proxy and the CA certificates are those of the environment.
"""

import asyncio
import os
import socket
import ssl
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import urlsplit

from importer.errors import ConfigError
from importer.models import Answer, Call

if TYPE_CHECKING:
    import httpx2
    from pyreqwest.client import Client as Pyreqwest
    from pyreqwest.exceptions import RequestError
    from pyreqwest.http import HeaderMap
    from pyreqwest.response import ResponseBodyReader

MAX_BODY = 1 << 20
"""Longest answer that is read, in bytes; what is longer is cut, and then judged as it stands."""

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


class WireError(Exception):
    """No usable answer. `str` is our own sentence: the client's may quote the request.

    `connected` is false only where nothing can have reached the destination; `answered` where an answer had
    begun and broke off.
    """

    def __init__(self, sentence: str, *, connected: bool = True, answered: bool = False) -> None:
        super().__init__(sentence)
        self.connected = connected
        self.answered = answered


class Client(Protocol):
    """What the sender needs of a client."""

    async def send(self, call: Call) -> Answer:
        """The answer to one request, its body cut at MAX_BODY; WireError where none came."""


@asynccontextmanager
async def connect(endpoint: Endpoint) -> AsyncIterator[Client]:
    """A client for as long as it is needed; its connections are closed with it."""
    opened = _fast if endpoint.client == "fast" else _plain
    async with opened(endpoint) as client:
        yield client


_TLS = "the destination's TLS certificate was not accepted"
_NO_HOST = "the destination's host name was not found"
_LATE = "the destination did not answer in time"
_NO_CONNECTION = "no connection to the destination"
_BROKEN = "the connection broke before the answer was complete"


# ---------------------------------------------------------------- fast


@asynccontextmanager
async def _fast(endpoint: Endpoint) -> AsyncIterator[Client]:
    from pyreqwest.client import ClientBuilder
    from pyreqwest.proxy import ProxyBuilder

    builder = (
        ClientBuilder()
        .default_headers({"Accept-Encoding": "identity", **endpoint.headers})
        .user_agent(USER_AGENT)
        .follow_redirects(enable=False)
        .connect_timeout(timedelta(seconds=endpoint.connect_timeout))
        .read_timeout(timedelta(seconds=endpoint.read_timeout))
        .timeout(timedelta(seconds=endpoint.request_timeout))
        .no_proxy()  # the environment's own is found by hand, the same way for both clients
    )
    for decompress in (builder.gzip, builder.brotli, builder.zstd, builder.deflate):
        builder = decompress(enable=False)
    proxy = proxy_for(endpoint.base_url)
    if proxy:
        builder = builder.proxy(ProxyBuilder.all(proxy))
    for certificates in _extra_certificates():
        builder = builder.add_root_certificate_pem(certificates)
    async with builder.build() as client:
        yield _Fast(client, endpoint.base_url)


class _Fast:
    def __init__(self, client: "Pyreqwest", base_url: str) -> None:
        from pyreqwest.exceptions import RequestError

        self._client = client
        self._base_url = base_url
        self._errors = RequestError

    async def send(self, call: Call) -> Answer:
        url = self._base_url + call.path
        request = self._client.request(call.method, url).body_bytes(call.body).build_streamed()
        try:
            async with request as response:
                body = await _bounded(response.body_reader, response.get_header("content-length"))
                return Answer(response.status, _Headers(response.headers), body)
        except self._errors as error:
            raise _wire_error(error) from None


async def _bounded(reader: "ResponseBodyReader", length: str | None) -> bytes:
    """The body, cut at MAX_BODY. A short one, as nearly all are, comes in one piece."""
    first = await reader.read(MAX_BODY)
    if first is None:
        return b""
    if str(len(first)) == length:
        return bytes(first)
    body = bytearray(first)
    while len(body) < MAX_BODY and (piece := await reader.read(MAX_BODY)) is not None:
        body += bytes(piece)
    return bytes(body[:MAX_BODY])


class _Headers(Mapping[str, str]):
    """The headers without looking at them: nearly no answer's are ever read.

    One whose value is not ASCII is taken as absent.
    """

    __slots__ = ("_map",)

    def __init__(self, headers: "HeaderMap") -> None:
        self._map = headers

    def __getitem__(self, name: str) -> str:
        try:
            return self._map[name]
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._map)

    def __len__(self) -> int:
        return len(self._map)


def _wire_error(error: "RequestError") -> WireError:
    """What pyreqwest says, by its causes: its classes call a connection that broke later a ConnectError too.

    A cause that is not known counts as "connected": then the request may have arrived.
    """
    from pyreqwest.exceptions import DecodeError

    causes = [str(cause["message"]) for cause in (error.details or {}).get("causes") or ()]
    connected = "client error (Connect)" not in causes
    if isinstance(error, TimeoutError):
        return WireError(_LATE, connected=connected)
    if connected:
        return WireError(_BROKEN, answered=isinstance(error, DecodeError))
    if any("certificate" in cause for cause in causes):
        return WireError(_TLS, connected=False)
    return WireError(_NO_HOST if "dns error" in causes else _NO_CONNECTION, connected=False)


# ---------------------------------------------------------------- plain


@asynccontextmanager
async def _plain(endpoint: Endpoint) -> AsyncIterator[Client]:
    import httpx2

    timeout = httpx2.Timeout(endpoint.read_timeout, connect=endpoint.connect_timeout, pool=None)
    async with httpx2.AsyncClient(
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **endpoint.headers},
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


def _plain_error(error: Exception, *, answered: bool) -> WireError:
    import httpx2

    connected = not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError)
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return WireError(_LATE, connected=connected)
    if connected:
        garbled = isinstance(error, httpx2.RemoteProtocolError) and "disconnected" not in str(error)
        return WireError(_BROKEN, answered=answered or garbled)
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return WireError(_TLS, connected=False)
    unknown = any(isinstance(cause, socket.gaierror) for cause in causes)
    return WireError(_NO_HOST if unknown else _NO_CONNECTION, connected=False)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# ---------------------------------------------------------------- both


def context() -> ssl.SSLContext:
    """What certificates are accepted: the system's, and those of SSL_CERT_FILE."""
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
