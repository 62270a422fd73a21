"""A server that answers every request with one body, so many seconds late."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.machine import free_port, pinned, wait_for


class _Late(asyncio.Protocol):
    """Answers a request, known by its length, when the time has come."""

    def __init__(self, answer: bytes, seconds: float) -> None:
        self._answer, self._seconds = answer, seconds
        self._read = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's is one too

    def data_received(self, data: bytes) -> None:
        """A piece of a request."""
        self._read += data
        head, found, body = self._read.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if found and len(body) >= length:
            self._read = b""
            loop = asyncio.get_running_loop()
            loop.call_later(self._seconds, self._transport.write, self._answer)


async def _serve(port: int, body: bytes, seconds: float) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Late(head + body, seconds), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


@contextmanager
def late(seconds: float, body: str, *cpus: int) -> Iterator[str]:
    """The server in a process of its own on these processors; yields its URL."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.slow", str(port), body, str(seconds)]
    with subprocess.Popen(pinned(command, *cpus)) as server:  # noqa: S603
        try:
            wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1]), sys.argv[2].encode(), float(sys.argv[3])))
