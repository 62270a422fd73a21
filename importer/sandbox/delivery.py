"""How an answer, or a fault, reaches the client over the connection."""

import asyncio
import socket
import struct

from aiohttp import web

from importer.core.models import Answer

_HUGE_CHUNKS = 256
_CHUNK = b" " * (1 << 20)
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing sends RST instead of FIN


class _NoAnswer(web.StreamResponse):
    """Tells aiohttp that the connection is gone, or has had its bytes: nothing more is written."""

    async def prepare(self, request: web.BaseRequest) -> None:
        raise ConnectionResetError


async def deliver(kind: str, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    """Sends `answer` as the fault `kind` treats the connection; most faults and "" send it as it is."""
    treat = _CONNECTION_FAULTS.get(kind)
    return await treat(request, answer) if treat else response(answer)


def response(answer: Answer) -> web.StreamResponse:
    """The answer as aiohttp sends it."""
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


async def _reset(request: web.BaseRequest, _: Answer) -> web.StreamResponse:
    """RST, not FIN: the client meets a reset connection whatever it was doing."""
    transport = request.transport
    if isinstance(transport, asyncio.Transport):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    return _NoAnswer()


async def _truncate(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    """Half of what Content-Length promises, then FIN."""
    head = (
        f"HTTP/1.1 {answer.status} OK\r\ncontent-type: application/json\r\n"
        f"content-length: {max(1, len(answer.body))}\r\n\r\n"
    )
    if isinstance(request.transport, asyncio.Transport):
        request.transport.write(head.encode() + answer.body[: len(answer.body) // 2])
    return _NoAnswer()


async def _huge(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    """The answer after 256 MiB of blanks: valid JSON that nobody should want to hold."""
    stream = web.StreamResponse(headers={"content-type": "application/json"})
    try:
        await stream.prepare(request)
        for _ in range(_HUGE_CHUNKS):
            await stream.write(_CHUNK)
        await stream.write(answer.body)
    except ConnectionError:  # the client has had enough
        return _NoAnswer()
    return stream


async def _hang(_: web.BaseRequest, __: Answer) -> web.StreamResponse:
    """Nothing, until the client leaves or the sandbox stops: either cancels this."""
    await asyncio.get_running_loop().create_future()
    return _NoAnswer()


_CONNECTION_FAULTS = {
    "reset_before": _reset,
    "reset_after": _reset,
    "truncate": _truncate,
    "huge": _huge,
    "hang": _hang,
}
