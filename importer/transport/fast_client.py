"""The fast client: HTTP/1.1 on asyncio's own transports, parsed by llhttp (httptools). It knows no proxy.

A connection carries one call at a time and is kept for the next one; there are as many as calls in flight. A
connection in doubt is closed: after an answer without a request, bytes behind an answer, a request that was
not sent completely. One task checks the time-outs of all connections, so that a call that is answered in time
sets no timer.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote, urlsplit

import aiohappyeyeballs
import httptools

from importer.core.models import Answer, Call
from importer.transport.client import IDLE, Endpoint
from importer.transport.environment import tls_context
from importer.transport.errors import (
    BROKEN,
    LATE,
    MAX_ANSWER,
    MAX_BODY,
    NO_HOST,
    TLS,
    TOO_LONG,
    TransportError,
    no_connection,
)
from importer.transport.headers import Headers

MAX_HEAD = 1 << 16
"""Longest head of an answer with the interim answers before it, in bytes; a longer one is an error."""

_EYEBALLS = 0.25  # s before the next of a host's addresses is tried beside the first (RFC 8305)
_IN_URL = "/?&=%:@!$'()*+,;~-._[]"
_HEADS = 256  # request heads that are kept: one for each method and path


@dataclass(frozen=True, slots=True)
class Times:
    """How long is waited, in seconds: for a connection, for the next byte, for the whole answer."""

    connect: float
    read: float
    request: float


@asynccontextmanager
async def open_fast(endpoint: Endpoint) -> AsyncIterator["FastClient"]:
    """A client for as long as it is needed."""
    times = Times(endpoint.connect_timeout, endpoint.read_timeout, endpoint.request_timeout)
    tls = tls_context() if urlsplit(endpoint.base_url).scheme == "https" else None
    client = FastClient(endpoint.base_url, endpoint.all_headers, times, tls)
    try:
        yield client
    finally:
        await client.aclose()


class FastClient:
    """Connections to one origin; `tls` None = plain HTTP. `aclose` ends them; waiting calls fail."""

    def __init__(
        self, base_url: str, headers: Mapping[str, str], times: Times, tls: ssl.SSLContext | None
    ) -> None:
        parts = urlsplit(base_url)
        self._host = (parts.hostname or "").encode("idna").decode()
        self._tls = tls
        self._port = parts.port or (443 if tls else 80)
        self._base = parts.path
        name = f"[{self._host}]" if ":" in self._host else self._host
        fields = {"Host": f"{name}:{parts.port}" if parts.port else name, **headers}
        self._fields = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._heads: dict[tuple[str, str], bytes] = {}
        self._times = times
        self._loop = asyncio.get_running_loop()
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()
        self._watcher = asyncio.create_task(self._fail_late_ones())

    async def send(self, call: Call) -> Answer:
        """The answer to one request, its body cut at MAX_BODY; TransportError where none came."""
        method, path, body = call.method, call.path, call.body
        head = self._heads.get((method, path)) or self._head(method, path)
        length = b"%d\r\n\r\n" % len(body)
        connection = self._idle_connection() or await self._connect()
        try:
            return await connection.ask(head + length + body)
        except asyncio.CancelledError:
            connection.abort()
            raise

    def _head(self, method: str, path: str) -> bytes:
        """The request down to the length of its body."""
        if len(self._heads) >= _HEADS:
            self._heads.clear()
        target = quote(self._base + path, safe=_IN_URL)
        text = f"{method} {target} HTTP/1.1\r\n{self._fields}Content-Length: "
        head = self._heads[method, path] = text.encode("ascii")
        return head

    def _idle_connection(self) -> "_Connection | None":
        """The connection used last, if it was not idle for too long."""
        while self._idle:
            connection = self._idle.pop()
            if self._loop.time() - connection.last_byte_at < IDLE:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> "_Connection":
        try:
            async with asyncio.timeout(self._times.connect):
                return await self._reach()
        except ssl.SSLError:
            raise TransportError(TLS, connected=False) from None
        except socket.gaierror as error:
            raise no_connection(error, NO_HOST) from None
        except TimeoutError:
            raise TransportError(LATE, connected=False) from None
        except (OSError, UnicodeError) as error:
            raise no_connection(error) from None

    async def _reach(self) -> "_Connection":
        found = await self._loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        raw = await aiohappyeyeballs.start_connection(found, happy_eyeballs_delay=_EYEBALLS)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = self._host if self._tls else None
        _, connection = await self._loop.create_connection(
            lambda: _Connection(self._idle, self._open), sock=raw, ssl=self._tls, server_hostname=name
        )
        return connection

    async def _fail_late_ones(self) -> None:
        """Ends what takes too long. An answer is late by up to a tenth of `read`, a second at most."""
        times = self._times
        while True:
            await asyncio.sleep(min(1.0, times.read / 10))
            now = self._loop.time()
            for connection in tuple(self._open):
                if connection.waits and (
                    now - connection.last_byte_at >= times.read or now - connection.sent_at >= times.request
                ):
                    connection.fail(LATE)

    async def aclose(self) -> None:
        """Closes every connection."""
        self._watcher.cancel()
        for connection in tuple(self._open):
            connection.abort()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watcher


class _Connection(asyncio.Protocol):
    """One connection, and llhttp's callbacks for the answer it carries."""

    def __init__(self, idle: "list[_Connection]", opened: "set[_Connection]") -> None:
        self._loop = asyncio.get_running_loop()
        self._idle, self._opened = idle, opened
        self._waiter: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self.sent_at = self.last_byte_at = self._loop.time()
        self._begin()

    def _begin(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._room = MAX_BODY
        self._received = 0
        self._in_body = self._complete = self._surplus = self._is_last = False

    @property
    def waits(self) -> bool:
        """Whether a call waits for its answer here."""
        return self._waiter is not None

    def ask(self, request: bytes) -> "asyncio.Future[Answer]":
        """Sends a request; its answer, or TransportError, is the future's."""
        assert self._transport is not None
        self.sent_at = self.last_byte_at = self._loop.time()
        waiter = self._waiter = self._loop.create_future()
        self._transport.write(request)
        return waiter

    def abort(self) -> None:
        """Closes at once; a call that waits gets no answer."""
        if self._transport is not None:
            self._transport.abort()
        self._end(TransportError(BROKEN))

    def fail(self, sentence: str) -> None:
        """Closes at once; a call that waits fails with this sentence."""
        self._end(TransportError(sentence, answered=self._received > 0))
        self.abort()

    def _end(self, error: TransportError) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)

    # ---------------------------------------------------------------- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands, TLS included."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not asyncio's by class
        self._opened.add(self)

    def data_received(self, data: bytes) -> None:
        """Some bytes of an answer."""
        if self._waiter is None:
            self.abort()
            return
        self.last_byte_at = self._loop.time()
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._surplus = True
            if not self._complete:
                self.fail(BROKEN)
        if self._complete:
            self._finish()
        elif self._received > (MAX_ANSWER if self._in_body else MAX_HEAD):
            self.fail(TOO_LONG if self._in_body else BROKEN)

    def connection_lost(self, error: Exception | None) -> None:
        """The other side closed: the end of an answer that names no length, else of one that is cut."""
        self._opened.discard(self)
        if self in self._idle:
            self._idle.remove(self)
        if self._waiter is not None and error is None and self._in_body and self._is_framed_by_close():
            self._finish()
        self._end(TransportError(BROKEN, answered=self._received > 0))

    def _is_framed_by_close(self) -> bool:
        return not {name.lower() for name, _ in self._headers} & {b"content-length", b"transfer-encoding"}

    def _finish(self) -> None:
        """Hands the answer over, and keeps the connection where it is clean."""
        transport, waiter, self._waiter = self._transport, self._waiter, None
        assert transport is not None
        assert waiter is not None
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        answer = Answer(self._parser.get_status_code(), Headers(self._headers), body)
        kept = self._complete and not (self._surplus or self._is_last)
        if kept and not transport.get_write_buffer_size() and not transport.is_closing():
            self._begin()
            self._idle.append(self)
        else:
            transport.abort()
        if not waiter.done():
            waiter.set_result(answer)

    # ---------------------------------------------------------------- llhttp's side

    def on_message_begin(self) -> None:
        """An answer begins: the one waited for, or a second one that was not asked for."""
        self._surplus = self._complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; a trailer, which comes after the head, is not kept."""
        if not self._in_body:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._in_body = True

    def on_body(self, data: bytes) -> None:
        """A piece of the body. At MAX_BODY the answer counts as complete, and the connection is closed."""
        if not self._complete:
            self._body.append(data[: self._room])
            self._room -= len(data)
            self._complete = self._surplus = self._room <= 0

    def on_message_complete(self) -> None:
        """The end of an answer, or of an interim one (1xx) with the real one to follow."""
        if self._parser.get_status_code() < 200:
            self._headers, self._in_body = [], False
        else:
            self._complete = True
            self._is_last = not self._parser.should_keep_alive()  # llhttp knows it here only
