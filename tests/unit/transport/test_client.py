"""Both HTTP clients over real sockets: the same answer, the same sentence for the same failure."""

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
import trustme

from importer.core.errors import ConfigError
from importer.core.models import Answer, Call
from importer.core.package import version
from importer.transport.choice import choose_client
from importer.transport.client import Endpoint, connect
from importer.transport.errors import MAX_ANSWER, MAX_BODY, TransportError

Kind = Literal["fast", "httpx"]
Behave = Callable[[socket.socket], None]
BODY = b'{"name":"M\xc3\xbcller"}'

pytestmark = pytest.mark.parametrize("kind", ["fast", "httpx"])


@contextmanager
def server(behave: Behave, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """A loopback server that lets `behave` loose on each connection; yields its host and port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                    with context.wrap_socket(peer, server_side=True) if context else peer as peer:
                        behave(peer)
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def request_from(peer: socket.socket) -> bytes:
    """Head and body: a client may send them in two pieces."""
    request = b""
    while not request.endswith((BODY, b"\r\n\r\n") if b"CONNECT" in request else BODY):
        piece = peer.recv(65536)
        if not piece:
            break
        request += piece
    return request


def answering(text: bytes, seen: list[bytes] | None = None) -> Behave:
    def behave(peer: socket.socket) -> None:
        request = request_from(peer)
        if seen is not None:
            seen.append(request)
        peer.sendall(text)

    return behave


def reset(peer: socket.socket) -> None:
    request_from(peer)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silent(peer: socket.socket) -> None:
    while peer.recv(65536):
        pass


def ask(url: str, kind: Kind, method: str = "POST", headers: dict[str, str] | None = None) -> Answer:
    async def send() -> Answer:
        endpoint = Endpoint(
            url, headers or {}, connect_timeout=2.0, read_timeout=0.3, client=choose_client(kind, url, 0)
        )
        async with connect(endpoint) as client:
            return await client.send(Call(method, "/v1/people?a=%20b", BODY, ()))

    return asyncio.run(send())


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRetry-After: 3\r\nX-Odd: \xff\xfe\r\n\r\n{}"


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_call_goes_out_as_it_is_and_its_answer_comes_back(kind: Kind, method: str) -> None:
    seen: list[bytes] = []
    with server(answering(OK, seen)) as host:
        answer = ask(f"http://{host}/base", kind, method, {"Authorization": "Bearer k"})
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert body == BODY
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == f"{method.lower()} /base/v1/people?a=%20b http/1.1"
    assert {
        "authorization: bearer k",
        "accept-encoding: identity",
        f"user-agent: customer-importer/{version()}",
    } <= set(lines)
    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.headers.get("retry-after") == answer.headers.get("Retry-After") == "3"
    assert answer.headers.get("x-none") is None


@pytest.mark.parametrize(
    ("behave", "sentence", "answered"),
    [
        (reset, "connection broke", False),
        (answering(b""), "connection broke", False),
        (answering(b"rubbish\r\n\r\n"), "connection broke", True),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), "connection broke", True),
        (silent, "did not answer in time", False),
    ],
    ids=["reset", "closed", "rubbish", "cut", "silent"],
)
def test_what_breaks_later_may_have_arrived(
    kind: Kind, behave: Behave, sentence: str, answered: bool
) -> None:
    with server(behave) as host, pytest.raises(TransportError, match=sentence) as failure:
        ask(f"http://{host}", kind)
    assert (failure.value.connected, failure.value.answered) == (True, answered)


def test_where_nobody_listens_nothing_arrived(kind: Kind) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(TransportError, match="no connection") as failure:
            ask(url, kind)
    assert not failure.value.connected


def test_an_unknown_host_is_named_as_such(kind: Kind) -> None:
    with pytest.raises(TransportError, match="host name was not found") as failure:
        ask("https://nobody.invalid", kind)
    assert not failure.value.connected


@pytest.mark.parametrize("framing", [b"Content-Length: 9000000", b"Connection: close"])
def test_a_huge_body_is_read_to_its_bound(kind: Kind, framing: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n"
    with server(answering(head + b"x" * 9_000_000)) as host:
        assert len(ask(f"http://{host}", kind).body) == MAX_BODY


def test_a_redirect_is_an_answer_and_not_followed(kind: Kind) -> None:
    seen: list[bytes] = []
    text = b"HTTP/1.1 307 Moved\r\nLocation: /other\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    with server(answering(text, seen)) as host:
        assert ask(f"http://{host}", kind).status == 307
    assert len(seen) == 1


def test_a_cookie_is_neither_kept_nor_sent(kind: Kind) -> None:
    seen: list[bytes] = []
    text = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"

    async def send_twice(endpoint: Endpoint) -> None:
        async with connect(endpoint) as client:
            for _ in range(2):
                answer = await client.send(Call("POST", "/v1/people", BODY, ()))
                assert answer.headers.get("set-cookie") == "a=b; Path=/"

    with server(answering(text, seen)) as host:
        asyncio.run(send_twice(Endpoint(f"http://{host}", {}, client=kind)))
    assert len(seen) == 2
    assert [b"cookie:" in request.lower() for request in seen] == [False, False]


def test_a_certificate_is_checked_and_the_environment_may_add_its_own(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with server(answering(OK), context) as host:
        with pytest.raises(TransportError, match="certificate was not accepted") as failure:
            ask(f"https://{host}", kind)
        assert not failure.value.connected
        named = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(named))
        monkeypatch.setenv("SSL_CERT_FILE", str(named))
        assert ask(f"https://{host}", kind).status == 200


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_broken_certificate_file_is_a_mistake_in_the_setup(
    kind: Kind, content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "ca.pem"
    if content is not None:
        named.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(named))
    with pytest.raises(ConfigError, match="SSL_CERT_FILE"):
        ask("https://127.0.0.1:9", kind)


def test_the_proxy_of_the_environment_is_used(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    with server(answering(OK, seen)) as host:
        monkeypatch.setenv("http_proxy", f"http://{host}")
        monkeypatch.setenv("no_proxy", "")
        assert ask("http://somewhere.invalid", kind).status == 200
        assert seen[0].startswith(b"POST http://somewhere.invalid/v1/people?a=%20b HTTP/1.1")
        monkeypatch.setenv("no_proxy", "somewhere.invalid")
        with pytest.raises(TransportError, match="host name was not found"):
            ask("http://somewhere.invalid", kind)


def test_a_proxy_that_refuses_the_tunnel_means_that_nothing_arrived(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    with server(answering(refusal)) as host:
        monkeypatch.setenv("https_proxy", f"http://{host}")
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(TransportError, match="no connection") as failure:
            ask("https://somewhere.invalid", kind)
    assert not failure.value.connected


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"


@pytest.mark.parametrize(
    ("head", "endless"),
    [
        (CHUNKED + b"0\r\n", b"X-Trailer: " + b"x" * 1000 + b"\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: <" + b"x" * 1000 + b">\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"X-Pad: " + b"x" * 1000 + b"\r\n"),
        (CHUNKED, b"1;" + b"x" * 1000 + b"\r\n \r\n"),
    ],
    ids=["trailers", "interim answers", "headers", "chunk extensions"],
)
def test_an_endless_answer_is_cut_off_at_its_bound(kind: Kind, head: bytes, endless: bytes) -> None:
    sent = 0

    def behave(peer: socket.socket) -> None:
        nonlocal sent
        request_from(peer)
        peer.sendall(head)
        while True:  # until the client has closed the connection
            peer.sendall(endless * 50)
            sent += len(endless) * 50

    with server(behave) as host, pytest.raises(TransportError) as failure:
        ask(f"http://{host}", kind)
    assert failure.value.answered
    assert not failure.value.hopeless
    assert sent < MAX_ANSWER + (8 << 20), "what the sockets buffer aside, no more was read"


def test_the_time_of_an_answer_is_bounded_whatever_the_time_outs_are(kind: Kind) -> None:
    slow = Endpoint("https://x.invalid", {}, connect_timeout=100.0, read_timeout=3600.0, client=kind)
    assert slow.request_timeout == 120.0
    quick = Endpoint("https://x.invalid", {}, connect_timeout=1.0, read_timeout=2.0, client=kind)
    assert quick.request_timeout == 5.0
