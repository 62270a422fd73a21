"""The client on httpx2: the default, and the only one that goes through a proxy."""

import asyncio
import select
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import httpcore2
import httpx2

from importer.core.models import Answer, Call
from importer.transport.client import IDLE, Endpoint
from importer.transport.environment import proxy_for, tls_context
from importer.transport.errors import (
    BROKEN,
    LATE,
    MAX_ANSWER,
    MAX_BODY,
    NO_CONNECTION,
    NO_HOST,
    TLS,
    TOO_LONG,
    TransportError,
    is_out_of_files,
    no_connection,
)
from importer.transport.headers import Headers

_NO_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
"""The rate limiter bounds the calls in flight, and so the connections."""

_FAILURES = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
)
_UNCONNECTED = (httpcore2.ConnectError, httpcore2.ConnectTimeout, httpcore2.ProxyError)
_URLS = 256  # parsed URLs that are kept: one for each path


@asynccontextmanager
async def open_httpx(endpoint: Endpoint) -> AsyncIterator["HttpxClient"]:
    """A client for as long as it is needed."""
    is_tls = urlsplit(endpoint.base_url).scheme == "https"
    pool = _pool(tls_context() if is_tls else None, proxy_for(endpoint.base_url))
    client = HttpxClient(pool.create_connection, endpoint)
    try:
        yield client
    finally:
        await client.aclose()


def _pool(tls: ssl.SSLContext | None, proxy: str | None) -> httpcore2.AsyncConnectionPool:
    """Opens connections to a destination, through a proxy where there is one."""
    options: dict[str, Any] = {
        "ssl_context": tls,
        "keepalive_expiry": IDLE,
        "network_backend": _BoundedBackend(httpcore2.AnyIOBackend(), MAX_ANSWER),
    }
    if proxy is None:
        return httpcore2.AsyncConnectionPool(**options)
    named = httpx2.Proxy(proxy)
    return httpcore2.AsyncHTTPProxy(_url(named.url), named.raw_auth, **options)


class HttpxClient:
    """Sends calls to one origin by the connections of httpx2, which are those of its engine, httpcore2.

    The layers above a connection take half of a call's processor time, and nothing of them is wanted here:
    httpx2's client merges headers, keeps cookies, follows redirects and calls hooks for each request; the
    pool goes through all requests and all connections twice for each call. The connection used last is used
    first, so that the others may be closed when fewer are needed.
    """

    def __init__(
        self,
        new_connection: Callable[[httpcore2.Origin], httpcore2.AsyncConnectionInterface],
        endpoint: Endpoint,
    ) -> None:
        self._new_connection = new_connection
        self._base_url = endpoint.base_url
        own = {"Accept": "*/*", "Connection": "keep-alive", **endpoint.all_headers}
        host = httpx2.URL(endpoint.base_url).netloc
        self._headers = [(b"Host", host), *((k.encode(), v.encode()) for k, v in own.items())]
        timeout = httpx2.Timeout(endpoint.read_timeout, connect=endpoint.connect_timeout)
        self._extensions = {"timeout": timeout.as_dict()}
        self._request_timeout = endpoint.request_timeout
        self._urls: dict[str, httpcore2.URL] = {}
        self._idle: deque[httpcore2.AsyncConnectionInterface] = deque()

    async def send(self, call: Call) -> Answer:
        """The answer to one request, its body cut at MAX_BODY; TransportError where none came."""
        answered = False
        try:
            async with asyncio.timeout(self._request_timeout):
                request = self._request(call)
                connection = await self._connection(request.url.origin)
                response = await connection.handle_async_request(request)
                answered = True
                try:
                    body = await read_body(response.aiter_stream(), MAX_BODY)
                finally:
                    await response.aclose()
                if connection.is_idle():
                    self._idle.append(connection)
                return Answer(response.status, Headers(response.headers), body)
        except (*_FAILURES, TimeoutError) as error:
            raise transport_error(error, answered=answered) from None

    async def _connection(self, origin: httpcore2.Origin) -> httpcore2.AsyncConnectionInterface:
        """The connection used last, or a new one; the one not used for the longest time may be closed."""
        while self._idle:
            connection = self._idle.pop()
            if self._idle and self._idle[0].has_expired():
                await self._idle.popleft().aclose()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return self._new_connection(origin)

    def _request(self, call: Call) -> httpcore2.Request:
        url = self._urls.get(call.path)
        if url is None:
            if len(self._urls) >= _URLS:
                self._urls.clear()
            url = self._urls[call.path] = _url(httpx2.URL(self._base_url + call.path))
        headers = self._headers
        if call.body or call.method != "GET":
            headers = [*headers, (b"Content-Length", b"%d" % len(call.body))]
        return httpcore2.Request(
            call.method, url, headers=headers, content=call.body, extensions=self._extensions
        )

    async def aclose(self) -> None:
        """Closes the connections that nothing is sent by."""
        while self._idle:
            await self._idle.pop().aclose()


def _url(url: httpx2.URL) -> httpcore2.URL:
    """A URL as httpcore2 takes it: its parts, written as they go out."""
    return httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


async def read_body(pieces: AsyncIterable[bytes], most: int) -> bytes:
    """The body as it comes, cut at `most` bytes."""
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) >= most:
            break
    return bytes(body[:most])


def transport_error(error: Exception, *, answered: bool) -> TransportError:
    """What an error of httpcore2 means; `answered`: the head of the answer had come."""
    causes = list(_causes(error))
    if any(isinstance(cause, _TooLongError) for cause in causes):
        return TransportError(TOO_LONG, answered=True)
    connected = not isinstance(error, _UNCONNECTED)
    if isinstance(error, TimeoutError | httpcore2.TimeoutException):
        return TransportError(LATE, connected=connected)
    if connected:
        garbled = isinstance(error, httpcore2.RemoteProtocolError) and "disconnected" not in str(error)
        return TransportError(BROKEN, answered=answered or garbled)
    return _connect_error(causes)


def _connect_error(causes: Iterable[BaseException]) -> TransportError:
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return TransportError(TLS, connected=False)
        if isinstance(cause, socket.gaierror):
            return no_connection(cause, NO_HOST)
        if is_out_of_files(cause):
            return no_connection(cause)
    return TransportError(NO_CONNECTION, connected=False)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):  # each of a host's addresses failed in its own way
            for one in error.exceptions:
                yield from _causes(one)
        error = error.__cause__ or error.__context__


class BoundedTransport(httpx2.AsyncHTTPTransport):
    """httpx2's transport; an answer of more than `most` bytes, head and trailers included, is an error."""

    def __init__(self, most: int, tls: ssl.SSLContext, proxy: str | None) -> None:
        super().__init__(verify=tls, trust_env=False, limits=_NO_LIMITS, proxy=proxy)
        # httpx2 takes no network backend, and neither it nor h11 bounds interim answers.
        pool: Any = self._pool
        pool._network_backend = _BoundedBackend(pool._network_backend, most)  # noqa: SLF001


class _TooLongError(httpcore2.ReadError):
    """More bytes of one answer than are read."""


class _BoundedBackend(httpcore2.AsyncNetworkBackend):
    def __init__(self, backend: httpcore2.AsyncNetworkBackend, most: int) -> None:
        self._backend = backend
        self._most = most

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore2.AsyncNetworkStream:
        return _BoundedStream(await self._backend.connect_tcp(*args, **kwargs), self._most)

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


class _BoundedStream(httpcore2.AsyncNetworkStream):
    """Counts the bytes read since the last write, which is the end of the request.

    What is written leaves when the answer is read: httpcore2 writes head and body of a request one after the
    other, and each piece that leaves costs a turn of the event loop.
    """

    def __init__(self, stream: httpcore2.AsyncNetworkStream, most: int) -> None:
        self._stream = stream
        self._most = most
        self._read = 0
        self._request = b""
        self._write_timeout: float | None = None
        self._socket: socket.socket | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's
        if self._request:
            request, self._request = self._request, b""
            with suppress(httpcore2.WriteError):  # the server may have answered before it closed
                await self._stream.write(request, self._write_timeout)
        data = await self._stream.read(max_bytes, timeout)
        self._read += len(data)
        if self._read > self._most:
            raise _TooLongError(TOO_LONG)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's
        self._read = 0
        self._request += buffer
        self._write_timeout = timeout

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(self, *args: Any, **kwargs: Any) -> httpcore2.AsyncNetworkStream:
        return _BoundedStream(await self._stream.start_tls(*args, **kwargs), self._most)

    def get_extra_info(self, info: str) -> Any:
        if info != "is_readable" or not hasattr(select, "poll"):
            return self._stream.get_extra_info(info)
        # Asked of each idle connection before each call; anyio looks up all facts about the socket for it.
        self._socket = self._socket or self._stream.get_extra_info("socket")
        return _is_readable(self._socket)


def _is_readable(sock: socket.socket | None) -> bool:
    """Whether an idle connection has something to read, which can only be its end; so has a closed one."""
    if sock is None or sock.fileno() < 0:
        return True
    readable = select.poll()
    readable.register(sock, select.POLLIN)
    return bool(readable.poll(0))
