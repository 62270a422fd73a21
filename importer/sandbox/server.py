"""A local HTTP server that answers as any destination would, with faults on request.

It is part of the product: users test their own nightly job with it, and so do our tests. What a vendor
answers is in `destinations/<vendor>.py` as plain data; here are the sockets, the faults and the limits.

    parse_fault("429:0.05")                     5 % of the requests
    parse_fault("reset_after@3,7,20-29")        exactly these requests, the first being 1
    parse_fault("401@50-:times=0")              every one from the 50th on, however often it is repeated
    parse_fault("503/7:retry_after=date:2")     every 7th, with a Retry-After two seconds ahead, as a date
    parse_fault("slow:0.1:seconds=0.3")         a tenth of them answer 0.3 s later

A body is not hit more than `times` (3) requests in a row, so that a bounded retry gets through.
"""

import asyncio
import dataclasses
import ipaddress
import json
import logging
import math
import os
import random
import re
import signal
import socket
import struct
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from aiohttp import web

from importer import destinations
from importer.config.schema import Config
from importer.config.secrets import read_key
from importer.core.errors import ConfigError
from importer.core.models import Answer
from importer.destinations.base import Definition
from importer.destinations.responses import json_answer
from importer.destinations.simulator import Request, Sandbox

CONTROL = "/__sandbox__/"
"""Paths below this belong to the sandbox itself: no key, no faults, not counted."""

MAX_BODY = 16 << 20
"""Largest request body in bytes; a larger one is answered 413."""

KINDS: Mapping[str, str] = {
    "quota": "the vendor's answer to a quota that is used up; nothing is stored",
    "reset_before": "the connection is reset, nothing is stored",
    "reset_after": "stored, then the connection is reset without an answer",
    "truncate": "stored, then half an answer and the end of the connection",
    "wrong_json": "stored, then 200 with JSON that breaks off",
    "wrong_shape": "stored, then 200 with JSON that says something else",
    "huge": "stored, then 200 with a body of 256 MiB",
    "html": "200 with a proxy's page, nothing is stored",
    "slow": "stored, answered `seconds` later",
    "hang": "stored, never answered",
}
"""The faults every destination has, besides the statuses and its own lies."""

_OK = HTTPStatus.OK.value
_PLAIN_FAULTS = frozenset({"reset_before", "html", "quota"})
_LONGEST_RANGE = 1_000_000
_HUGE_CHUNKS = 256
_CHUNK = b" " * (1 << 20)
_REMEMBERED_BODIES = 1 << 16
_GRACE = 0.05  # seconds that a stop leaves to answers under way
_TIMER_BIAS = 0.0005  # s; epoll rounds up to whole milliseconds, so on average it wakes this much too late
_HTML = b"<!DOCTYPE html><html><body><h1>Please sign in to the network</h1></body></html>"
_ACCEPT_TURNS = 5  # turns of the loop in which a socket just accepted becomes a connection
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing sends RST instead of FIN

_STATUS = re.compile(r"[345]\d\d")
_FAULT = re.compile(r"(?P<kind>[a-z0-9_]+)(?P<when>[:@/][\d.,%-]+)?(?P<settings>(?::[a-z_]+=.+)?)")
_RETRY_AFTER = re.compile(r"(date:)?\d+(\.\d+)?")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)(ms|s)?")
_NUMBERS = re.compile(r"(\d+)(?:(-)(\d+)?)?")

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Fault:
    """One switch: what goes wrong (`kind`), and with which requests.

    `share` is a part of all requests, 0 to 1; `at` holds exact request numbers, the first being 1; `every` is
    n for each n-th; `since` is a request number from which on all are hit. `retry_after` goes out with a
    status: seconds (`2`), or `date:2` for an HTTP date so many seconds ahead. `seconds` is the delay of
    `slow`. One body is hit at most `times` requests in a row, 0 = without end.
    """

    kind: str
    share: float = 0.0
    at: frozenset[int] = frozenset()
    every: int | None = None
    since: int | None = None
    retry_after: str | None = None
    seconds: float = 1.0
    times: int = 3

    def names(self, number: int) -> bool:
        """Whether request `number` (the first is 1) is hit for certain, whatever the dice say."""
        return (
            number in self.at
            or (self.every is not None and number % self.every == 0)
            or (self.since is not None and number >= self.since)
        )


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """How the sandbox behaves; ConfigError where something cannot be.

    `latency` is in seconds, from a request's arrival to its answer. `rate_limit` is an unannounced limit in
    requests per second, 0 = none: a sliding window as long as `rate_window` seconds that counts what was let
    through; 0 seconds lets no burst through at all. It answers 429, with `rate_retry_after` as in `Fault`.
    After `quota` stored writes every further one is answered with the vendor's quota. `archived` and
    `undefined` name attributes of the config that the destination shall have archived, or not know at all.
    `log` is how many of the latest requests are remembered. `port` 0 takes any free one.
    """

    faults: tuple[Fault, ...] = ()
    latency: float = 0.0
    rate_limit: float = 0.0
    rate_window: float = 1.0
    rate_retry_after: str | None = None
    quota: int | None = None
    seed: int = 0
    archived: frozenset[str] = frozenset()
    undefined: frozenset[str] = frozenset()
    log: int = 0
    host: str = "127.0.0.1"
    port: int = 0

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ConfigError(f"sandbox: {problem}.")

    def _problems(self) -> Iterator[str]:
        if not _is_loopback(self.host):
            yield "host: expected a loopback address such as 127.0.0.1; the sandbox is not for the network"
        if not 0 <= self.port < 1 << 16:
            yield "port: expected 0 (any free one) to 65535"
        if min(self.latency, self.rate_limit, self.rate_window, self.quota or 0, self.log) < 0:
            yield "latency, rate limit, rate window, quota and log cannot be negative"
        if self.rate_retry_after is not None and not _RETRY_AFTER.fullmatch(self.rate_retry_after):
            yield "rate_retry_after: expected seconds (2) or a date so many seconds ahead (date:2)"
        if sum(f.share for f in self.faults) > 1 + 1e-9:
            yield "the shares of the faults add up to more than 1"


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


def kinds() -> list[str]:
    """The kinds of faults by name, every destination's own included; any status 300 to 599 is one too."""
    lies = {lie for name in destinations.names() for lie in destinations.load_sandbox(name).lies}
    return [*KINDS, *sorted(lies)]


def parse_seconds(text: str) -> float:
    """`50ms`, `0.05` or `0.05s` as seconds; ConfigError for anything else."""
    match = _SECONDS.fullmatch(text)
    if not match:
        raise ConfigError(f'"{text}": expected a time such as 50ms or 0.05 (seconds).')
    return float(match[1]) / (1000 if match[2] == "ms" else 1)


def parse_fault(text: str) -> Fault:
    """One fault as the command line writes it (see the top of this module).

    `KIND` alone hits every request; `KIND:SHARE`, `KIND@N,N-N,N-`, `KIND/N` some of them. Settings follow:
    `:retry_after=2`, `:seconds=0.3`, `:times=0`. ConfigError says what was expected.
    """
    match = _FAULT.fullmatch(text)
    if not match or not (_STATUS.fullmatch(match["kind"]) or match["kind"] in kinds()):
        raise ConfigError(
            f'fault "{text}": expected KIND:SHARE, KIND@N,N or KIND/N, and KIND a status from 300 to 599 or '
            f"one of {', '.join(kinds())}."
        )
    try:
        fields = _parse_when(match["when"] or "/1") | _parse_settings(match["settings"])
    except ValueError as error:
        raise ConfigError(f'fault "{text}": {error}.') from None
    return Fault(match["kind"], **fields)


def _parse_when(text: str) -> dict[str, Any]:
    mark, rest = text[0], text[1:]
    if mark == "@":
        return _parse_numbers(rest)
    if mark == "/":
        if not rest.isdecimal() or int(rest) < 1:
            raise ValueError("expected a whole number from 1 after the /")
        return {"every": int(rest)}
    share = re.fullmatch(r"(\d*\.?\d+)(%?)", rest)
    value = float(share[1]) / (100 if share[2] else 1) if share else 2.0
    if value > 1:
        raise ValueError("expected a share from 0 to 1, or a percentage")
    return {"share": value}


def _parse_numbers(text: str) -> dict[str, Any]:
    numbers: set[int] = set()
    since: int | None = None
    for part in text.split(","):
        match = _NUMBERS.fullmatch(part)
        if not match or int(match[1]) < 1:
            raise ValueError("expected request numbers from 1 such as 3,7,20-29 or 50-")
        first = int(match[1])
        if match[2] and not match[3]:
            since = min(first, since or first)
        else:
            numbers.update(_number_range(first, int(match[3] or first)))
    return {"at": frozenset(numbers), "since": since}


def _number_range(first: int, last: int) -> range:
    if not first <= last < first + _LONGEST_RANGE:
        raise ValueError(f"expected a range that goes up, over at most {_LONGEST_RANGE:,} requests")
    return range(first, last + 1)


def _parse_settings(text: str) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for setting in re.split(r":(?=[a-z_]+=)", text)[1:]:
        name, _, value = setting.partition("=")
        settings[name] = _parse_setting(name, value)
    return settings


def _parse_setting(name: str, value: str) -> str | float:
    if name == "retry_after" and _RETRY_AFTER.fullmatch(value):
        return value
    if name == "seconds" and _SECONDS.fullmatch(value):
        return parse_seconds(value)
    if name == "times" and value.isdecimal():
        return int(value)
    raise ValueError("expected retry_after=2, retry_after=date:2, seconds=0.3 or times=3 after the fault")


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _retry_after(text: str | None) -> dict[str, str]:
    """The header. A date has whole seconds, so it is rounded up: never sooner than asked for."""
    if text is None:
        return {}
    kind, _, seconds = text.rpartition(":")
    if kind == "date":
        return {"retry-after": formatdate(math.ceil(time.time() + float(seconds)), usegmt=True)}
    return {"retry-after": seconds}


def _status_answer(vendor: Sandbox, kind: str, retry_after: str | None) -> Answer:
    """The vendor's answer with this status where it documents one, else what a gateway says: plain text."""
    answer = vendor.fault(kind)
    if answer is None:
        text = f"sandbox: {kind}\n".encode()
        answer = Answer(int(kind), {"content-type": "text/plain; charset=utf-8"}, text)
    headers = dict(answer.headers) | _retry_after(retry_after)
    if kind.startswith("3"):
        headers["location"] = "/elsewhere"
    return Answer(answer.status, headers, answer.body)


class _Window:
    """The unannounced limit: at most `capacity` requests let through in any sliding `span` seconds."""

    def __init__(self, rate: float, window: float) -> None:
        capacity = max(1, math.floor(rate * window))
        self._span = capacity / rate if rate else 0.0
        self._passed: deque[float] = deque(maxlen=capacity)

    def admits(self, now: float) -> bool:
        passed = self._passed
        if not self._span:
            return True
        if len(passed) == passed.maxlen and now - passed[0] < self._span:
            return False
        passed.append(now)
        return True


class _Dice:
    """Which request gets which fault: exact numbers first, then one draw shared by all the shares."""

    def __init__(self, faults: Sequence[Fault], seed: int) -> None:
        self._faults = faults
        self._random = random.Random(seed)
        self._hits: OrderedDict[int, int] = OrderedDict()

    def choose(self, number: int, request: Request) -> Fault | None:
        if not self._faults:
            return None
        fault = self._due(number)
        body = hash((request.method, request.path, *request.query.items(), request.body))
        hits = self._hits.pop(body, 0)
        if fault is None or (fault.times and hits >= fault.times):
            return None
        self._hits[body] = hits + 1
        if len(self._hits) > _REMEMBERED_BODIES:
            self._hits.popitem(last=False)
        return fault

    def _due(self, number: int) -> Fault | None:
        draw = self._random.random()  # always, so that an exact number does not shift the others
        exact = next((f for f in self._faults if f.names(number)), None)
        if exact:
            return exact
        for fault in self._faults:
            draw -= fault.share
            if draw < 0:
                return fault
        return None


class _Rules:
    """The options in force and what they remember; replaced as a whole by `SandboxServer.change`."""

    def __init__(self, options: SandboxOptions) -> None:
        self.options = options
        self.window = _Window(options.rate_limit, options.rate_window)
        self.dice = _Dice(options.faults, options.seed)


class _NoAnswer(web.StreamResponse):
    """Tells aiohttp that the connection is gone, or has had its bytes: nothing more is written."""

    async def prepare(self, request: web.BaseRequest) -> None:
        raise ConnectionResetError


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
            return self._control(request.path)
        with self._lock:
            self._requests += 1
            number = self._requests
        try:
            asked = await _read_request(request)
        except web.HTTPRequestEntityTooLarge:
            with self._lock:
                self._by_status[413] += 1
            return _response(json_answer(413, {"error": {"code": "body_too_large"}}))
        exchange = self._decide(number, asked, at)
        await self._wait(exchange)
        self._record(exchange, exchange.status)
        return await _DELIVERIES.get(exchange.kind, _deliver)(request, exchange.answer)

    def _decide(self, number: int, asked: Request, at: float) -> "_Exchange":
        """What to answer. All that is stored is stored here, at the request's arrival."""
        with self._lock:
            rules = self._rules
            if not rules.window.admits(at):
                self._throttled += 1
                answer = _status_answer(self._vendor, "429", rules.options.rate_retry_after)
                return _Exchange(number, asked, at, rules.options.latency, answer, "rate_limit")
            fault = rules.dice.choose(number, asked)
            answer, kind = self._answer(asked, rules.options.quota, fault)
        delay = rules.options.latency + (fault.seconds if fault and kind == "slow" else 0)
        return _Exchange(number, asked, at, delay, answer, kind)

    def _answer(self, asked: Request, quota: int | None, fault: Fault | None) -> tuple[Answer, str]:
        """The answer and the kind of fault it suffers; a lie that has no place in this answer is dropped."""
        if fault and (fault.kind in _PLAIN_FAULTS or fault.kind.isdecimal()):
            return _instead(self._vendor, fault), fault.kind
        answer = self._store(asked, quota)
        if fault is None:
            return answer, ""
        if fault.kind not in self._vendor.lies:
            return _spoil(fault.kind, answer), fault.kind
        lie = self._vendor.lie(fault.kind, answer)
        return (lie, fault.kind) if lie else (answer, "")

    def _store(self, asked: Request, quota: int | None) -> Answer:
        writing = asked.method not in ("GET", "HEAD")
        if writing and quota is not None and self._writes >= quota:
            return self._vendor.fault("quota") or _status_answer(self._vendor, "429", None)
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

    def _control(self, path: str) -> web.StreamResponse:
        body: Any = None
        if path == f"{CONTROL}stored":
            body = self.stored
        elif path == f"{CONTROL}stats":
            body = dataclasses.asdict(self.stats)
        if body is None:
            return _response(json_answer(404, {"error": {"code": "not_found"}}))
        text = json.dumps(body, ensure_ascii=False, sort_keys=True, default=float)
        return _response(Answer(_OK, {"content-type": "application/json"}, text.encode()))


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
        raise ConfigError(
            f"sandbox: attributes the configuration does not have: {', '.join(sorted(unknown))}."
        )
    return {
        d.key: dataclasses.replace(d, archived=d.key in options.archived)
        for d in declared
        if d.key not in options.undefined
    }


def _missing_forms(vendor: Sandbox, options: SandboxOptions) -> Iterator[str]:
    """What the options ask for and this vendor's documentation has no form of."""
    known = {*KINDS, *vendor.lies}
    for kind in [f.kind for f in options.faults] + ["quota"] * (options.quota is not None):
        if kind == "quota" and vendor.fault("quota") is None:
            yield "this destination documents no answer to a quota that is used up"
        elif kind not in known and not _STATUS.fullmatch(kind):
            yield f'this destination has no fault "{kind}"; it has {", ".join(sorted(known))} and any status'


def _instead(vendor: Sandbox, fault: Fault) -> Answer:
    """The answer of a fault that keeps the request from being stored."""
    if fault.kind == "html":
        return Answer(_OK, {"content-type": "text/html; charset=utf-8"}, _HTML)
    if fault.kind == "reset_before":
        return Answer(0, {}, b"")
    return _status_answer(vendor, fault.kind, fault.retry_after)


def _spoil(kind: str, answer: Answer) -> Answer:
    """What a fault makes of a good answer; the faults of the connection leave it as it is."""
    if kind == "wrong_json":
        return Answer(_OK, answer.headers, answer.body[: len(answer.body) // 2] or b"{")
    if kind == "wrong_shape":
        return json_answer(_OK, ["unexpected"])
    return answer


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


def _response(answer: Answer) -> web.StreamResponse:
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


async def _deliver(_: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    return _response(answer)


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
    response = web.StreamResponse(headers={"content-type": "application/json"})
    try:
        await response.prepare(request)
        for _ in range(_HUGE_CHUNKS):
            await response.write(_CHUNK)
        await response.write(answer.body)
    except ConnectionError:  # the client has had enough
        return _NoAnswer()
    return response


async def _hang(_: web.BaseRequest, __: Answer) -> web.StreamResponse:
    """Nothing, until the client leaves or the sandbox stops: either cancels this."""
    await asyncio.get_running_loop().create_future()
    return _NoAnswer()


_DELIVERIES = {
    "reset_before": _reset,
    "reset_after": _reset,
    "truncate": _truncate,
    "huge": _huge,
    "hang": _hang,
}
"""How a fault treats the connection; all others deliver their answer as it is."""


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


def key_for(config: Config, environ: Mapping[str, str] = os.environ) -> str:
    """The key the configuration refers to where it can be read, else the vendor's `default_key`."""
    try:
        return read_key(config, environ)
    except ConfigError:
        return default_key(config)


def demo_options(config: Config) -> SandboxOptions:
    """How the vendor's sandbox behaves in the demo: one attribute of the sample list is refused."""
    vendor = destinations.load_sandbox(config.destination.type)
    faults = tuple(Fault(kind, every=1, times=0) for kind in vendor.demo)
    lacking = frozenset({"legacy_score"})
    if vendor.demo_lacks == "archived":
        return SandboxOptions(faults, archived=lacking)
    return SandboxOptions(faults, undefined=lacking)


def default_key(config: Config) -> str:
    """The key that the vendor's sandbox takes where no other is given."""
    return destinations.load_sandbox(config.destination.type).default_key
