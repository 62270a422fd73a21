"""Stands between the importer and the sandbox: passes requests on, and spoils some of the answers.

What it does to an answer follows from the seed, the request and how often that request has come, never from
the order in which requests arrive.
"""

import http.client
import random
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

Spoil = Callable[[random.Random, "Answer"], Iterator[bytes]]
"""The bytes of an answer, instead of the good one; the connection is closed after them."""


@dataclass(frozen=True)
class Answer:
    """What the sandbox has answered."""

    status: int
    body: bytes

    def head(self, *lines: str, status: int = 0) -> bytes:
        """Status line and headers, the content's length among them only where a line says it."""
        first = f"HTTP/1.1 {status or self.status} -"
        return "\r\n".join((first, "content-type: application/json", *lines, "", "")).encode()

    def passed_on(self) -> bytes:
        """As the sandbox has answered; the connection is kept."""
        return self.head(f"content-length: {len(self.body)}") + self.body

    def whole(self, body: bytes | None = None, status: int = 0) -> bytes:
        """A well-formed answer, the last one of its connection."""
        body = self.body if body is None else body
        return self.head(f"content-length: {len(body)}", "connection: close", status=status) + body


@dataclass
class Plan:
    """`spoils` by name; a `share` of the requests is hit, each at most `times` times."""

    seed: str
    spoils: dict[str, Spoil]
    share: float
    times: int
    used: Counter[str] = field(default_factory=Counter)
    seen: Counter[bytes] = field(default_factory=Counter)
    is_on: bool = False

    def choose(self, request: bytes) -> tuple[str, random.Random] | None:
        """What is done to the answer of a request; None: it is passed on."""
        if not self.is_on:
            return None
        chance = random.Random(f"{self.seed} {request!r} {self.seen[request]}")
        self.seen[request] += 1
        if self.seen[request] > self.times or chance.random() >= self.share:
            return None
        name = chance.choice(sorted(self.spoils))
        self.used[name] += 1
        return name, chance

    @contextmanager
    def in_front(self, target: str) -> Iterator[str]:
        """The URL of a proxy in front of `target`."""
        with _Server(target, self) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}"
            finally:
                server.shutdown()
                thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, target: str, plan: "Plan") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target).netloc
        self.plan = plan
        self.lock = threading.Lock()

    def handle_error(self, *_: Any) -> None:
        """A client that leaves is none of ours."""


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        while request := self._read():
            method, path, headers, body = request
            answer = self._pass_on(method, path, headers, body)
            with self.server.lock:
                chosen = self.server.plan.choose(f"{method} {path} ".encode() + body)
            if chosen is None:
                self.wfile.write(answer.passed_on())
                continue
            name, chance = chosen
            with suppress(OSError):  # the importer has had enough
                for data in self.server.plan.spoils[name](chance, answer):
                    self.wfile.write(data)
            return

    def _read(self) -> tuple[str, str, dict[str, str], bytes] | None:
        first = self.rfile.readline().decode("latin-1").split()
        if len(first) != 3:
            return None
        headers = {}
        while line := self.rfile.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return first[0], first[1], headers, self.rfile.read(int(headers.get("content-length", "0")))

    def _pass_on(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self.server.target, timeout=30)
        try:
            connection.request(method, path, body or None, headers)
            found = connection.getresponse()
            return Answer(found.status, found.read())
        finally:
            connection.close()
