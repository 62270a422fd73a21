"""What httpcore2's errors mean, and the bound of an answer that it has not itself."""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator

import httpcore2
import httpx2
import pytest

from importer.core.models import Call
from importer.transport import httpx_client
from importer.transport.client import Endpoint
from importer.transport.errors import BROKEN, LATE, NO_CONNECTION, NO_FILES, NO_HOST, TLS, TOO_LONG
from importer.transport.httpx_client import (
    BoundedTransport,
    _is_readable,
    open_httpx,
    read_body,
    transport_error,
)


def caused_by(error: Exception, *causes: BaseException) -> Exception:
    """`error` with a chain of causes, as httpcore2 raises it: its own, the operating system's."""
    at: BaseException = error
    for cause in causes:
        at.__cause__ = cause
        at = cause
    return error


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "refused")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (caused_by(httpcore2.ConnectError("x"), ssl.SSLCertVerificationError("x")), TLS),
        (caused_by(httpcore2.ConnectError("x"), OSError("all"), socket.gaierror(-2, "x")), NO_HOST),
        (caused_by(httpcore2.ConnectError("x"), REFUSED), NO_CONNECTION),
        (caused_by(httpcore2.ConnectError("x"), ExceptionGroup("x", [REFUSED, ssl.SSLError("x")])), TLS),
        (httpcore2.ConnectTimeout("x"), LATE),
        (httpcore2.ProxyError("403"), NO_CONNECTION),
    ],
)
def test_where_no_connection_came_about_nothing_arrived(error: Exception, sentence: str) -> None:
    found = transport_error(error, answered=False)
    assert (str(found), found.connected, found.answered, found.hopeless) == (sentence, False, False, False)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_without_a_free_file_trying_again_is_hopeless(number: int) -> None:
    error = caused_by(httpcore2.ConnectError("x"), ExceptionGroup("x", [REFUSED, OSError(number, "x")]))
    found = transport_error(error, answered=False)
    assert (str(found), found.connected, found.hopeless) == (NO_FILES, False, True)


@pytest.mark.parametrize("error", [TimeoutError(), httpcore2.ReadTimeout("x"), httpcore2.WriteTimeout("x")])
def test_what_is_late_may_have_arrived(error: Exception) -> None:
    found = transport_error(error, answered=False)
    assert (str(found), found.connected) == (LATE, True)


@pytest.mark.parametrize(
    ("error", "answered", "begun"),
    [
        (httpcore2.ReadError("x"), False, False),
        (httpcore2.ReadError("x"), True, True),
        (httpcore2.WriteError("x"), False, False),
        (httpcore2.RemoteProtocolError("Server disconnected without sending a response."), False, False),
        (httpcore2.RemoteProtocolError("illegal status line"), False, True),
    ],
)
def test_a_connection_that_broke_tells_whether_an_answer_had_begun(
    error: Exception, answered: bool, begun: bool
) -> None:
    found = transport_error(error, answered=answered)
    assert (str(found), found.connected, found.answered) == (BROKEN, True, begun)


def test_no_sentence_quotes_what_the_library_says() -> None:
    for kind in (
        httpcore2.ConnectError,
        httpcore2.ReadError,
        httpcore2.RemoteProtocolError,
        httpcore2.ReadTimeout,
    ):
        assert "key-in-the-text" not in str(transport_error(kind("key-in-the-text"), answered=False))


@pytest.mark.parametrize(
    ("most", "taken"), [(4, b"abcd"), (6, b"abcdef"), (7, b"abcdefg"), (99, b"abcdefghi")]
)
def test_a_body_is_read_to_its_bound_and_no_further_piece_is_asked_for(most: int, taken: bytes) -> None:
    asked: list[bytes] = []

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"abc", b"def", b"ghi"):
            asked.append(piece)
            yield piece

    async def read() -> bytes:
        return await read_body(pieces(), most)

    assert asyncio.run(read()) == taken
    assert len(asked) == min(3, -(-most // 3))


async def serve(answer: bytes, answers: int = 1) -> asyncio.Server:
    """A server on loopback that gives each request without a body `answer`, so often on one connection."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(answers):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(talk, "127.0.0.1", 0)


def url_of(server: asyncio.Server) -> str:
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.asyncio
async def test_the_bound_counts_the_bytes_of_one_answer_and_begins_again_with_the_next() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with (
        await serve(OK, answers=3) as server,
        httpx2.AsyncClient(transport=BoundedTransport(len(OK), tls, None)) as client,
    ):
        assert [(await client.get(url_of(server))).content for _ in range(3)] == [b"{}"] * 3


@pytest.mark.asyncio
async def test_one_byte_more_than_the_bound_is_an_error_of_its_own() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with (
        await serve(OK) as server,
        httpx2.AsyncClient(transport=BoundedTransport(len(OK) - 1, tls, None)) as client,
    ):
        with pytest.raises(httpx2.ReadError) as failure:
            await client.get(url_of(server))
    assert isinstance(failure.value.__cause__, httpcore2.ReadError)
    found = transport_error(failure.value.__cause__, answered=False)
    assert (str(found), found.answered) == (TOO_LONG, True)


@pytest.mark.asyncio
async def test_a_call_comes_back_with_its_status_headers_and_body() -> None:
    async with await serve(OK) as server, open_httpx(Endpoint(url_of(server), {})) as client:
        answer = await client.send(Call("GET", "/v1/me", b"", ()))
    assert (answer.status, answer.headers.get("content-length"), answer.body) == (200, "2", b"{}")


@pytest.mark.asyncio
async def test_head_and_body_of_a_request_leave_in_one_piece() -> None:
    pieces: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pieces.append(await reader.read(1 << 16))
        writer.write(OK)
        await writer.drain()
        writer.close()

    async with (
        await asyncio.start_server(talk, "127.0.0.1", 0) as server,
        open_httpx(Endpoint(url_of(server), {})) as client,
    ):
        await client.send(Call("POST", "/v1/me", b'{"a":1}', ()))
    assert pieces[0].endswith(b'\r\n\r\n{"a":1}')


@pytest.mark.asyncio
async def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again() -> None:
    answered: asyncio.Queue[None] = asyncio.Queue()
    closed: asyncio.Queue[None] = asyncio.Queue()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await answered.get()
        writer.close()
        await writer.wait_closed()
        closed.put_nowait(None)

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server, open_httpx(Endpoint(url_of(server), {})) as client:
        for _ in range(3):
            assert (await client.send(Call("GET", "/", b"", ()))).status == 200
            answered.put_nowait(None)
            await closed.get()


class Counted:
    """A server that counts the calls of each connection; the first three calls wait for each other."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.open: set[int] = set()
        self._three = asyncio.Event()
        self._one_closed = asyncio.Event()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.calls)
        self.calls.append(0)
        self.open.add(number)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.calls[number] += 1
                if len(self.calls) == 3:
                    self._three.set()
                await self._three.wait()
                writer.write(OK)
        except asyncio.IncompleteReadError:
            self.open.discard(number)
            self._one_closed.set()
        finally:
            writer.close()

    async def closed(self, but: int = -1) -> None:
        """Waits until every connection `but` one is closed."""
        async with asyncio.timeout(30):
            while self.open - {but}:
                self._one_closed.clear()
                await self._one_closed.wait()


@pytest.mark.asyncio
async def test_the_connection_used_last_is_used_next() -> None:
    counted, call = Counted(), Call("GET", "/", b"", ())
    async with (
        await asyncio.start_server(counted.talk, "127.0.0.1", 0) as server,
        open_httpx(Endpoint(url_of(server), {})) as client,
    ):
        await asyncio.gather(*(client.send(call) for _ in range(3)))
        for _ in range(5):
            await client.send(call)
        assert sorted(counted.calls) == [1, 1, 6]
        assert len(counted.open) == 3
        await client.aclose()
        await counted.closed()


@pytest.mark.asyncio
async def test_a_connection_that_was_idle_for_long_is_closed_and_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(httpx_client, "IDLE", 0.01)
    counted, call = Counted(), Call("GET", "/", b"", ())
    async with (
        await asyncio.start_server(counted.talk, "127.0.0.1", 0) as server,
        open_httpx(Endpoint(url_of(server), {})) as client,
    ):
        await asyncio.gather(*(client.send(call) for _ in range(3)))
        await asyncio.sleep(0.05)
        await client.send(call)
        assert counted.calls == [1, 1, 1, 1]
        await counted.closed(but=3)
        await client.aclose()
        await counted.closed()


def test_a_socket_is_readable_where_it_has_something_to_read_or_is_closed() -> None:
    ours, theirs = socket.socketpair()
    assert not _is_readable(ours)
    theirs.close()
    assert _is_readable(ours)
    ours.close()
    assert _is_readable(ours)
    assert _is_readable(None)
