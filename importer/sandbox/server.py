"""A local HTTP server that answers as any destination would, with faults on request.

Users test their own nightly job with it, and so do our tests. What a vendor answers is plain data and stands
in `destinations/<vendor>/sandbox.py`; the sockets and the limits are here, the faults in `faults.py`.
"""

import asyncio
import dataclasses
import json
import logging
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from importer import destinations
from importer.config.schema import Config
from importer.config.urls import is_loopback
from importer.core.errors import ConfigError
from importer.core.models import Answer
from importer.core.text import did_you_mean
from importer.destinations.base import Definition
from importer.destinations.responses import json_answer
from importer.destinations.simulator import Request, Sandbox
from importer.sandbox.delivery import deliver, response
from importer.sandbox.faults import (
    KINDS,
    NOT_STORED,
    STATUS,
    Fault,
    FaultPicker,
    answer_instead,
    spoil,
    status_answer,
)
from importer.sandbox.options import SandboxOptions
from importer.sandbox.rate_window import RateWindow

CONTROL = "/__sandbox__/"
"""Paths below this belong to the sandbox itself: no key, no faults, not counted."""

MAX_BODY = 16 << 20
"""Largest request body in bytes; a larger one is answered 413."""

_OK = HTTPStatus.OK.value
_GRACE = 0.05  # seconds that a stop leaves to answers under way
_TIMER_BIAS = 0.0005  # s; epoll rounds up to whole milliseconds, so on average it wakes this much too late
_ACCEPT_TURNS = 5  # turns of the loop in which a socket just accepted becomes a connection

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Stats:
    """What the sandbox has counted since it was built, its own `/__sandbox__/` paths left out.

    `by_status` is the answers by status, 0 for requests that got none; `throttled` those refused by
    `rate_limit`; `faults` those injected, by kind; `writes` the requests that were stored; `people` how many
    people have something stored.
    """

    requests: int
    by_status: Mapping[int, int]
    throttled: int
    faults: Mapping[str, int]
    writes: int
    people: int


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request: its number from 1, the people it names, and when it came and was answered.

    `at` and `answered` are `time.monotonic()`; `status` is 0 where no answer went out; `fault` is the kind
    that was injected, `rate_limit`, or empty.
    """

    number: int
    method: str
    path: str
    distinct_ids: tuple[str, ...]
    at: float
    answered: float
    status: int
    fault: str


class _Rules:
    """The options in force and what they remember; replaced as a whole by `SandboxServer.change`."""

    def __init__(self, options: SandboxOptions) -> None:
        self.options = options
        self.window = RateWindow(options.rate_limit, options.rate_window)
        self.picker = FaultPicker(options.faults, options.seed)


class SandboxServer:
    """The server; `start` and `stop` in a running loop, everything else from any thread.

    ConfigError where the options ask for what the vendor has no form of, or name unknown attributes.
    """

    def __init__(self, config: Config, options: SandboxOptions, key: str) -> None:
        kind = destinations.load(config.destination.type)
        self._declared = config.definitions
        self._vendor = destinations.load_sandbox(config.destination.type)(
            definitions={}, key=key, settings=kind.settings_type.model_validate(config.vendor)
        )
        self._lock = threading.Lock()
        self._requests = self._writes = self._throttled = 0
        self._by_status: Counter[int] = Counter()
        self._injected: Counter[str] = Counter()
        self._log: deque[LoggedRequest] = deque(maxlen=options.log)
        self._server: web.Server | None = None
        self._listener: asyncio.Server | None = None
        self._address = (options.host, options.port)
        self.change(options)

    @property
    def url(self) -> str:
        """The base URL, without a final slash; its port is known once the server is started."""
        host, port = self._address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def stats(self) -> Stats:
        """The counts so far."""
        with self._lock:
            return Stats(
                self._requests,
                dict(sorted(self._by_status.items())),
                self._throttled,
                dict(sorted(self._injected.items())),
                self._writes,
                len(self._vendor.stored),
            )

    @property
    def stored(self) -> dict[str, dict[str, Any]]:
        """A copy of all that is stored: distinct id, attribute, value."""
        with self._lock:
            return {person: dict(values) for person, values in self._vendor.stored.items()}

    @property
    def log(self) -> list[LoggedRequest]:
        """The latest `options.log` requests, in the order in which they were answered."""
        with self._lock:
            return list(self._log)

    def change(self, options: SandboxOptions) -> None:
        """Puts other options in force; host and port stay, and so does all that is stored and counted."""
        definitions = _definitions(self._declared, options)
        for problem in _missing_forms(self._vendor, options):
            raise ConfigError(f"sandbox: {problem}.")
        with self._lock:
            self._vendor.definitions = definitions
            self._vendor.limit = options.rate_limit
            self._rules = _Rules(options)
            self._log = deque(self._log, maxlen=options.log)

    async def start(self) -> None:
        """Listens; ConfigError where the port cannot be had."""
        self._server = web.Server(
            self._handle,
            request_factory=self._make_request,
            handler_cancellation=True,  # a client that leaves ends its hanging request
            access_log=None,
            logger=_log,
            tcp_keepalive=False,
        )
        host, port = self._address
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(self._server, host, port, backlog=1024)
        except OSError:
            raise ConfigError(
                f"Port {port} of {host} cannot be used, most likely another program has it; take another "
                "one, or any free one with --port 0."
            ) from None
        self._address = (host, self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stops listening and cuts what is still open; nothing happens where it never started."""
        if self._listener is None or self._server is None:
            return
        await _stop_listening(self._listener)
        open_ends = [c.transport for c in self._server.connections if c.transport]
        self._server.pre_shutdown()
        await self._server.shutdown(_GRACE)
        for transport in open_ends:
            transport.abort()
        await asyncio.sleep(0)  # the loop closes aborted sockets in its next turn
        self._listener = self._server = None

    def _make_request(
        self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any
    ) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        at = time.monotonic()
        if request.path.startswith(CONTROL):
            return self._control(request)
        with self._lock:
            self._requests += 1
            number = self._requests
        try:
            asked = await _read_request(request)
        except web.HTTPRequestEntityTooLarge:
            with self._lock:
                self._by_status[413] += 1
            return response(json_answer(413, {"error": {"code": "body_too_large"}}))
        exchange = self._decide(number, asked, at)
        await self._wait(exchange)
        self._record(exchange, exchange.status)
        return await deliver(exchange.kind, request, exchange.answer)

    def _decide(self, number: int, asked: Request, at: float) -> "_Exchange":
        """What to answer. All that is stored is stored here, at the request's arrival."""
        with self._lock:
            rules = self._rules
            if not rules.window.admits(at):
                self._throttled += 1
                answer = status_answer(self._vendor, "429", rules.options.rate_retry_after)
                return _Exchange(number, asked, at, rules.options.latency, answer, "rate_limit")
            fault = rules.picker.choose(number, asked)
            answer, kind = self._answer(asked, rules.options.quota, fault)
        delay = rules.options.latency + (fault.seconds if fault and kind == "slow" else 0)
        return _Exchange(number, asked, at, delay, answer, kind)

    def _answer(self, asked: Request, quota: int | None, fault: Fault | None) -> tuple[Answer, str]:
        """The answer and the kind of its fault, "" if there is none or it does not apply."""
        if fault and (fault.kind in NOT_STORED or fault.kind.isdecimal()):
            return answer_instead(self._vendor, fault), fault.kind
        answer = self._store(asked, quota)
        if fault is None:
            return answer, ""
        if fault.kind not in self._vendor.simulated_faults:
            return spoil(fault.kind, answer), fault.kind
        changed = self._vendor.simulate(fault.kind, answer)
        return (changed, fault.kind) if changed else (answer, "")

    def _store(self, asked: Request, quota: int | None) -> Answer:
        writing = asked.method not in ("GET", "HEAD")
        if writing and quota is not None and self._writes >= quota:
            return self._vendor.documented_error("quota") or status_answer(self._vendor, "429", None)
        answer = self._vendor.answer(asked)
        if writing and answer.status < HTTPStatus.MULTIPLE_CHOICES:
            self._writes += 1
        return answer

    async def _wait(self, exchange: "_Exchange") -> None:
        """Until `delay` seconds after the arrival; requests wait beside one another."""
        rest = exchange.at + exchange.delay - time.monotonic() - _TIMER_BIAS
        try:
            if exchange.delay and rest > 0:
                await asyncio.sleep(rest)
        except asyncio.CancelledError:  # the client has left, or the sandbox stops
            self._record(exchange, 0)
            raise

    def _record(self, exchange: "_Exchange", status: int) -> None:
        """Counts a request before its bytes go out, so that who has the answer finds it counted."""
        with self._lock:
            self._by_status[status] += 1
            if exchange.kind and exchange.kind != "rate_limit":
                self._injected[exchange.kind] += 1
            if self._log.maxlen:
                self._log.append(exchange.logged(self._vendor, status))

    def _control(self, request: web.BaseRequest) -> web.StreamResponse:
        """What is stored or counted, for a request to a loopback host.

        Under any other name a page of the web could read it: a name may be made to lead to 127.0.0.1.
        """
        if not _is_to_loopback(request.host):
            return response(json_answer(403, {"error": {"code": "host_not_allowed"}}))
        path: str = request.path
        body: Any = None
        if path == f"{CONTROL}stored":
            body = self.stored
        elif path == f"{CONTROL}stats":
            body = dataclasses.asdict(self.stats)
        if body is None:
            return response(json_answer(404, {"error": {"code": "not_found"}}))
        text = json.dumps(body, ensure_ascii=False, sort_keys=True, default=float)
        return response(Answer(_OK, {"content-type": "application/json"}, text.encode()))


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request, the answer it shall get, and what goes wrong with it; `delay` in seconds from `at`."""

    number: int
    asked: Request
    at: float
    delay: float
    answer: Answer
    kind: str

    @property
    def status(self) -> int:
        return 0 if self.kind in ("reset_before", "reset_after", "hang") else self.answer.status

    def logged(self, vendor: Sandbox, status: int) -> LoggedRequest:
        people = vendor.distinct_ids(self.asked)
        asked = self.asked
        return LoggedRequest(
            self.number, asked.method, asked.path, people, self.at, time.monotonic(), status, self.kind
        )


def _definitions(declared: Sequence[Definition], options: SandboxOptions) -> dict[str, Definition]:
    unknown = (options.archived | options.undefined) - {d.key for d in declared}
    if unknown:
        guess = did_you_mean(min(unknown), [d.key for d in declared])
        names = ", ".join(sorted(unknown))
        raise ConfigError(f"sandbox: attributes that the configuration does not have: {names}.{guess}")
    return {
        d.key: dataclasses.replace(d, archived=d.key in options.archived)
        for d in declared
        if d.key not in options.undefined
    }


def _is_to_loopback(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _missing_forms(vendor: Sandbox, options: SandboxOptions) -> Iterator[str]:
    """What the options ask for and this vendor's documentation has no form of."""
    known = {*KINDS, *vendor.simulated_faults}
    for kind in [f.kind for f in options.faults] + ["quota"] * (options.quota is not None):
        if kind == "quota" and vendor.documented_error("quota") is None:
            yield "this destination documents no answer to a quota that is used up"
        elif kind not in known and not STATUS.fullmatch(kind):
            yield f'this destination has no fault "{kind}"; it has {", ".join(sorted(known))} and any status'


async def _stop_listening(listener: asyncio.Server) -> None:
    """Accepts no more, lets what was just accepted become a connection, then closes.

    Closed at once, asyncio forgets sockets it is about to wrap, and their clients would wait for ever.
    """
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):  # Windows accepts in another way
        for sock in listener.sockets:
            loop.remove_reader(sock.fileno())
    for _ in range(_ACCEPT_TURNS):
        await asyncio.sleep(0)
    listener.close()


async def _read_request(request: web.BaseRequest) -> Request:
    body = await request.read()
    query = {k.lower(): v for k, v in request.query.items()} if request.query_string else {}
    headers = {k.lower(): v for k, v in request.headers.items()}
    return Request(request.method, request.path, query, headers, body)


@contextmanager
def running(config: Config, options: SandboxOptions, key: str) -> Iterator[SandboxServer]:
    """A sandbox in a thread of its own, for the demo and for tests; ConfigError where it cannot start."""
    server = SandboxServer(config, options, key)
    with _loop_in_thread() as loop:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result()
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result()


@contextmanager
def _loop_in_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sandbox", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(_cancel_others(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def serve(
    config: Config, options: SandboxOptions, key: str, on_ready: Callable[[str], None]
) -> SandboxServer:
    """Serves in the foreground until SIGINT or SIGTERM; `on_ready` gets the URL once it listens.

    Returns the stopped server, with all that was stored and counted. Main thread only.
    """
    server = SandboxServer(config, options, key)
    asyncio.run(_serve(server, on_ready))
    return server


async def _serve(server: SandboxServer, on_ready: Callable[[str], None]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows has no signal handlers in a loop: Ctrl-C raises there
            loop.add_signal_handler(number, stopped.set)
    await server.start()
    try:
        on_ready(server.url)
        await stopped.wait()
    finally:
        await server.stop()
