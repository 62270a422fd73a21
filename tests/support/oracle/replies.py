"""A Vevee that only replies: the documented bodies over HTTP/1.1 keep-alive, everything it was asked kept.

It runs in a thread (`with ReplyServer() as server`) or in a process of its own
(`python -m tests.oracle.replies PORT_FILE`), where it counts and keeps nothing, so that its memory is flat.
"""

import argparse
import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

KEY = "sk_live_oracle_5f1d0c"
BATCH = "/api/v1/attributes/values/batch"
VALUES = "/api/v1/attributes/values"

Refuse = Callable[[str, str, Any], str | None]
"""(distinct id, key, value as it arrived) -> the reason for refusing it, or None."""


@dataclass(slots=True)
class Received:
    """One request; `attributes` is None where the body is not the documented one. Times are monotonic."""

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    arrived: float
    distinct_id: str = ""
    attributes: dict[str, Any] | None = None
    cleared: str = ""
    answered: float = 0.0
    status: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """A scripted answer: `body` is sent as it is, or as JSON. Nothing is stored for it."""

    status: int
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0


Script = Callable[[Received], Reply | None]


def error(status: int, code: str, message: str = "no", **headers: str) -> Reply:
    """The vendor's error body."""
    return Reply(status, {"error": {"code": code, "message": message}}, headers)


def at_calls(replies: Mapping[int, Reply]) -> Script:
    """Scripted answers for given call numbers, the first is 1."""
    return lambda call: replies.get(call.number)


def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, refusing one that names a key twice: json would silently keep the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


class ReplyServer:
    """The server. Everything public may be read once the program under test has ended.

    `calls` is every request in order of arrival; `stored` what a vendor would hold now: id, key, value, with
    decimals as `Decimal`; `peak` the most requests that were unanswered at one time; `overlaps` the people
    who had two at one time. `delay` seconds pass before each answer, `first_delay` before the first.
    """

    def __init__(
        self,
        refuse: Refuse | None = None,
        *,
        script: Script | None = None,
        key: str = KEY,
        wrap: bool = False,
        delay: float = 0.0,
        first_delay: float = 0.0,
        keep: bool = True,
    ) -> None:
        self.refuse = refuse
        self.script = script
        self.key = key
        self.wrap = wrap
        self.delay = delay
        self.first_delay = first_delay
        self.keep = keep
        self.calls: list[Received] = []
        self.stored: dict[str, dict[str, Any]] = {}
        self.count = 0
        self.peak = 0
        self.overlaps: set[str] = set()
        self.faults: list[str] = []
        self.open_now: Counter[str] = Counter()
        self.connections: set[asyncio.Transport] = set()
        self.in_flight = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the reply server did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        if kind is None:
            assert not self.faults, self.faults[:5]

    def erase(self) -> None:
        """Back to an empty log and an empty store, for a second run against the same server."""
        self.calls, self.stored, self.count, self.peak = [], {}, 0, 0

    def writes(self) -> list[Received]:
        """The batch calls only."""
        return [c for c in self.calls if c.method == "POST" and c.path == BATCH]

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            for transport in self.connections:
                transport.abort()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0.01))
            self._loop.close()

    def receive(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[Received, Reply]:
        """One request, logged and answered."""
        self.count += 1
        path = urlsplit(target).path
        call = Received(self.count, method, path, headers, body, time.monotonic())
        self._understand(call, target)
        if self.keep:
            self.calls.append(call)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        self.open_now[call.distinct_id] += 1
        if self.open_now[call.distinct_id] > 1:
            self.overlaps.add(call.distinct_id)
        reply = (self.script(call) if self.script else None) or self._answer(call)
        return call, reply

    def finish(self, call: Received, status: int) -> None:
        """The answer of `call` is on its way."""
        call.answered, call.status = time.monotonic(), status
        self.in_flight -= 1
        self.open_now[call.distinct_id] -= 1
        if not self.open_now[call.distinct_id]:
            del self.open_now[call.distinct_id]

    def wait(self, call: Received, reply: Reply) -> float:
        """Seconds before the answer goes out."""
        return reply.delay or (self.first_delay if call.number == 1 and self.first_delay else self.delay)

    def _understand(self, call: Received, target: str) -> None:
        fields: Any = dict(parse_qsl(urlsplit(target).query))
        if call.body:
            try:
                fields = json.loads(call.body, parse_float=Decimal, object_pairs_hook=no_duplicates)
            except ValueError as problem:
                self.faults.append(f"call {call.number}: not JSON: {problem}")
                return
        if not isinstance(fields, dict):
            return
        person, attributes = fields.get("distinctId"), fields.get("attributes")
        call.distinct_id = person if isinstance(person, str) else ""
        call.attributes = attributes if isinstance(attributes, dict) else None
        call.cleared = str(fields.get("attribute", ""))

    def _answer(self, call: Received) -> Reply:
        given = call.headers.get("authorization", "")
        if given.startswith("Bearer pk_"):
            return error(403, "requires_secret_key")
        if given != f"Bearer {self.key}":
            return error(401, "invalid_key")
        if not 1 <= len(call.distinct_id) <= 200:
            return error(400, "invalid_request")
        if (call.method, call.path) == ("POST", BATCH):
            return self._batch(call)
        if (call.method, call.path) == ("DELETE", VALUES):
            return self._clear(call)
        return error(404, "not_found")

    def _batch(self, call: Received) -> Reply:
        if not call.attributes:
            return error(400, "invalid_request")
        if "json" not in call.headers.get("content-type", ""):
            self.faults.append(f"call {call.number}: no JSON content type")
        rejected = []
        kept = {}
        for key, value in call.attributes.items():
            reason = None if _is_documented(value) else "attribute_value_invalid"
            if reason is None and self.refuse:
                reason = self.refuse(call.distinct_id, key, value)
            if reason:
                rejected.append({"key": key, "reason": reason})
            else:
                kept[key] = value
        if self.keep:
            self.stored.setdefault(call.distinct_id, {}).update(kept)
        return self._ok({"personId": "person_1", "applied": len(kept), "rejected": rejected})

    def _clear(self, call: Received) -> Reply:
        reason = self.refuse(call.distinct_id, call.cleared, None) if self.refuse else None
        if reason:
            return error(400, reason)
        current = self.stored.get(call.distinct_id, {}).pop(call.cleared, None)
        return self._ok({"personId": "person_1", "attribute": call.cleared, "cleared": current is not None})

    def _ok(self, result: dict[str, Any]) -> Reply:
        return Reply(200, {"data": result} if self.wrap else result)


def _is_documented(value: Any) -> bool:
    """string | number | boolean | string[]."""
    if isinstance(value, list):
        return all(isinstance(v, str) for v in value)
    return isinstance(value, (str, bool, int, Decimal))


class _Connection(asyncio.Protocol):
    """One keep-alive connection: a request, its answer, the next request."""

    def __init__(self, server: ReplyServer) -> None:
        self.server = server
        self.buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.transport:
            self.server.connections.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.buffer[:1] == b"\x16" and self.transport:  # a TLS client: what a plain server does is hang up
            self.transport.close()
            return
        while request := self._take():
            call, reply = self.server.receive(*request)
            seconds = self.server.wait(call, reply)
            if seconds:
                asyncio.get_running_loop().call_later(seconds, self._send, call, reply)
            else:
                self._send(call, reply)

    def _take(self) -> tuple[str, str, dict[str, str], bytes] | None:
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if "chunked" in headers.get("transfer-encoding", ""):
            self.server.faults.append("a chunked body; a length was expected")
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return None
        self.buffer = rest[length:]
        method, target, _ = first.split(" ", 2)
        return method, target, headers, rest[:length]

    def _send(self, call: Received, reply: Reply) -> None:
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        names = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        names |= {k.replace("_", "-"): v for k, v in reply.headers.items()}
        head = "".join(f"{k}: {v}\r\n" for k, v in names.items())
        self.server.finish(call, reply.status)
        if self.transport and not self.transport.is_closing():
            self.transport.write(f"HTTP/1.1 {reply.status} X\r\n{head}\r\n".encode() + body)


def refuse_marked(_: str, __: str, value: Any) -> str | None:
    """Refuses every text that begins with `refuse`, so that a list itself says what becomes of it."""
    return "attribute_value_invalid" if isinstance(value, str) and value.startswith("refuse") else None


def main() -> None:
    """Serves until the process is ended; the port stands in PORT_FILE once it is ready."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("port_file", type=Path)
    with ReplyServer(refuse_marked, keep=False) as server:
        path: Path = parser.parse_args().port_file
        path.with_suffix(".new").write_text(str(server.port))
        path.with_suffix(".new").rename(path)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
