"""How an answer leaves the sandbox's socket: as it is, broken in each way, or not at all."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from importer.core.models import Answer
from importer.sandbox.delivery import deliver, response

ANSWER = Answer(207, {"content-type": "application/json", "x-own": "1"}, json.dumps({"a": "b" * 50}).encode())
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

pytestmark = pytest.mark.asyncio


@contextlib.asynccontextmanager
async def connected(
    kind: str, answer: Answer = ANSWER
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server that delivers `answer` as `kind`, after a request was sent."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await deliver(kind, request, answer)

    server = web.Server(
        handle, handler_cancellation=True
    )  # as the sandbox: who leaves ends a hanging request
    runner = web.ServerRunner(server, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(REQUEST)
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        await runner.cleanup()


async def received(kind: str, answer: Answer = ANSWER) -> tuple[list[str], bytes]:
    """The lines of the head, and the bytes after it."""
    async with connected(kind, answer) as (reader, _):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        return head.decode().lower().split("\r\n"), body


@pytest.mark.parametrize("kind", ["", "slow", "html", "wrong_json", "503"])
async def test_an_answer_goes_out_as_it_is(kind: str) -> None:
    head, body = await received(kind)
    assert head[0].startswith("http/1.1 207 ")
    assert {"content-type: application/json", "x-own: 1", f"content-length: {len(ANSWER.body)}"} <= set(head)
    assert body == ANSWER.body


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
async def test_a_reset_is_no_orderly_end(kind: str) -> None:
    async with connected(kind) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_half_of_the_promised_body_comes_and_then_the_end() -> None:
    head, body = await received("truncate")
    assert head[0] == "http/1.1 207 ok"
    assert f"content-length: {len(ANSWER.body)}" in head
    assert body == ANSWER.body[: len(ANSWER.body) // 2]


async def test_an_answer_without_a_body_is_cut_short_too() -> None:
    head, body = await received("truncate", Answer(200, {}, b""))
    assert "content-length: 1" in head
    assert body == b""


async def test_a_huge_answer_begins_with_blanks_and_lets_the_client_go() -> None:
    async with connected("huge") as (reader, _):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"content-length" not in head.lower()
        piece = await reader.readexactly(1 << 16)
    assert piece.rstrip(b"\r\n").endswith(b" ")
    assert set(piece) <= set(b" 0123456789abcdef\r\n"), "blanks, and the sizes of the chunks"


async def test_a_hang_sends_nothing_and_ends_once_the_client_leaves() -> None:
    async with connected("hang") as (reader, _):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)


async def test_the_response_has_the_status_the_headers_and_the_body_of_the_answer() -> None:
    found = response(ANSWER)
    assert isinstance(found, web.Response)
    assert (found.status, found.body, found.headers["x-own"]) == (207, ANSWER.body, "1")
