"""Results are fetched from public addresses alone, with nothing of ours, and within bounds."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from importer.core.errors import RefusedError
from importer.core.models import Answer
from importer.transport import download
from importer.transport.client import Endpoint
from importer.transport.download import fetch
from importer.transport.errors import TransportError

PUBLIC = Endpoint("https://api.example.com", {"Authorization": "Bearer secret"})


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def answering(text: bytes, seen: list[bytes]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                seen.append(peer.recv(65536))
                peer.sendall(text)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(5)


def get(url: str, endpoint: Endpoint = PUBLIC) -> Answer:
    return asyncio.run(fetch(url, endpoint))


def look_up(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    async def found(host: str, port: int) -> list[str]:
        return list(addresses)

    monkeypatch.setattr(download, "_look_up", found)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "[::1]",
        "[::127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::a00:1]",
        "[2002:7f00:1::]",
        "[2002:a9fe:a9fe::1]",
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
        "[fe80::1%25eth0]",
        "[fd00::1]",
        "224.0.0.1",
        "0.0.0.0",
    ],
)
def test_an_address_that_is_not_public_is_not_asked(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RefusedError, match="not a public https address"):
        get(f"https://{host}/results")
    look_up(monkeypatch, "93.184.216.34", host.strip("[]").replace("%25", "%"))
    with pytest.raises(RefusedError, match="not a public https address"):
        get("https://results.invalid/x")


@pytest.mark.parametrize(
    "url",
    ["http://results.invalid/x", "https://u:p@results.invalid/", "https:///x", "ftp://x/y", "https://[x"],
)
def test_only_plain_https_is_asked(url: str) -> None:
    with pytest.raises(RefusedError, match="not a public https address"):
        get(url)


def test_behind_a_proxy_a_literal_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    with pytest.raises(RefusedError, match="not a public https address"):
        get("https://93.184.216.34/results")
    with pytest.raises(TransportError, match="could not be fetched"):
        get("https://results.invalid/results")


def test_a_file_is_fetched_without_our_headers() -> None:
    seen: list[bytes] = []
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlines", seen) as url:
        answer = get(f"{url}/r?sig=1", Endpoint(url, {"Authorization": "Bearer secret"}))
    assert (answer.status, answer.body) == (200, b"lines")
    assert seen[0].startswith(b"GET /r?sig=1 HTTP/1.1\r\n")
    assert b"secret" not in seen[0]


def test_a_file_is_cut_at_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MAX_FILE", 1000)
    with answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 50_000, []) as url:
        assert len(get(url, Endpoint(url, {})).body) == 1000


def test_a_head_without_end_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"
    monkeypatch.setattr(download, "MAX_FILE", 1000)
    monkeypatch.setattr(download, "_OVERHEAD", 100_000)
    with answering(interim * 20_000, []) as url, pytest.raises(TransportError, match="could not be fetched"):
        get(url, Endpoint(url, {}))
