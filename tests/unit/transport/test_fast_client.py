"""The fast client's connections: kept where they are clean, closed where there is any doubt."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from importer.core.models import Answer, Call
from importer.transport import fast_client
from importer.transport.client import Endpoint, connect
from importer.transport.errors import TransportError

CALL = Call("POST", "/people", b"{}", ())
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers the n-th request over all connections with the n-th of `answers`, and counts connections."""

    def __init__(self, listener: socket.socket, answers: Sequence[Sequence[bytes]]) -> None:
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.connections = 0
        self.requests: list[bytes] = []
        self.was_asked = threading.Event()
        self._listener = listener
        self._answers = iter(answers)

    def serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._answer, args=(peer,), daemon=True).start()

    def _answer(self, peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):  # the client may close while we write
            while request := peer.recv(65536):
                self.requests.append(request)
                pieces = next(self._answers, ())
                self.was_asked.set()
                for piece in pieces:
                    peer.sendall(piece)


@contextmanager
def serving(*answers: Sequence[bytes]) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(listener, answers)
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def ask(url: str, calls: Sequence[Call] = (CALL, CALL), pause: float = 0.0) -> list[Answer]:
    async def send() -> list[Answer]:
        found = []
        async with connect(Endpoint(url, {}, read_timeout=0.5, client="fast")) as client:
            for call in calls:
                found.append(await client.send(call))
                await asyncio.sleep(pause)
        return found

    return asyncio.run(send())


def test_a_clean_connection_carries_the_next_call_too() -> None:
    with serving([OK], [OK], [OK]) as server:
        assert [a.body for a in ask(server.url, [CALL] * 3)] == [b"{}"] * 3
    assert server.connections == 1


@pytest.mark.parametrize(
    "first",
    [
        [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"],
        [b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"],
        [OK + b"rubbish"],
        [OK + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"],
    ],
    ids=["last one", "http 1.0", "bytes behind it", "an answer nobody asked for"],
)
def test_a_connection_in_doubt_is_closed(first: list[bytes]) -> None:
    with serving(first, [OK]) as server:
        assert [a.body for a in ask(server.url)] == [b"{}", b"{}"]
    assert server.connections == 2


def test_bytes_that_come_while_nobody_waits_close_the_connection() -> None:
    late = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n[late]"
    with serving([OK, b"", late], [OK]) as server:
        assert [a.body for a in ask(server.url, pause=0.1)] == [b"{}", b"{}"]
    assert server.connections == 2


def test_a_rested_connection_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_client, "IDLE", 0.05)
    with serving([OK], [OK]) as server:
        ask(server.url, pause=0.1)
    assert server.connections == 2


def test_interim_answers_and_chunks_are_read_through() -> None:
    pieces = [
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Enc",
        b"oding: chunked\r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\n1\r\n{\r\n1\r",
        b"\n}\r\n0\r\n\r\n",
    ]
    with serving(pieces, [OK]) as server:
        first, second = ask(server.url)
    assert (first.status, first.body, first.headers.get("x-twice")) == (200, b"{}", "1")
    assert first.headers.get("link") is None
    assert (second.status, server.connections) == (200, 1)


def test_a_head_without_end_is_cut_off() -> None:
    endless = [b"HTTP/1.1 200 OK\r\n"] + [b"X-Pad: " + b"x" * 1000 + b"\r\n"] * 100
    with serving(endless) as server, pytest.raises(TransportError, match="connection broke"):
        ask(server.url)


def test_an_answer_that_trickles_is_given_up_in_time() -> None:
    with serving([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"]) as server:
        with pytest.raises(TransportError, match="did not answer in time") as failure:
            ask(server.url)
        assert failure.value.answered


def test_what_cannot_stand_in_a_url_is_escaped() -> None:
    with serving([OK]) as server:
        ask(server.url, [Call("POST", "/a b/%20?q=Zoë\r\nX: y", b"", ())])
    assert server.requests[0].startswith(b"POST /a%20b/%20?q=Zo%C3%AB%0D%0AX:%20y HTTP/1.1\r\n")


def test_a_call_given_up_leaves_no_answer_for_the_next() -> None:
    async def send(server: Server) -> Answer:
        async with connect(Endpoint(server.url, {}, client="fast")) as client:
            given_up = asyncio.ensure_future(client.send(CALL))
            assert await asyncio.to_thread(server.was_asked.wait, 30)
            given_up.cancel()
            await asyncio.gather(given_up, return_exceptions=True)
            return await client.send(CALL)

    with serving([b""], [OK]) as server:
        assert asyncio.run(send(server)).body == b"{}"
    assert server.connections == 2
