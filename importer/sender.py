"""Sends calls: in flight, paced, retried; the only module that knows the HTTP client.

The calm path is one request and one judgement. The retry machinery (tenacity) is entered only when an answer
asks for it, with exponential waits and full jitter, bounded in attempts and in total time.
"""

import asyncio
import email.utils
import socket
import ssl
import time
import urllib.request
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import aiohttp
import tenacity
from yarl import URL

from importer.errors import ImporterError, RefusedError, UnreachableError
from importer.models import ALL_APPLIED, Answer, Call, Decision, Judgement, Settled
from importer.pacing import Pacer

MAX_BODY = 1 << 20
"""Longest answer that is read, in bytes; what is longer is cut, and then judged as it stands."""

RETRY_AFTER_MAX = 600.0
"""Longest `Retry-After` that is waited for, in seconds; a longer one is a stop, not a pause."""

FIRST_REFUSALS = 20
"""So many first answers, each refusing the request itself, mean that every one will."""

USER_AGENT = "customer-importer/1.0"


@dataclass(frozen=True, slots=True)
class Limits:
    """How calls go out; times in seconds."""

    base_url: str
    headers: Mapping[str, str]
    max_in_flight: int = 8
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    retry_attempts: int = 8
    retry_seconds: float = 300.0


@dataclass(slots=True)
class Counts:
    """`sent` counts every request that went out, `retried` those that repeat one, `throttled` the 429s."""

    sent: int = 0
    retried: int = 0
    throttled: int = 0


@dataclass(slots=True)
class Stop:
    """Why no further call is begun; set once, by whoever comes first."""

    error: Exception | None = None
    signal: int = 0

    @property
    def is_set(self) -> bool:
        """Whether anything asked for a stop."""
        return self.error is not None or self.signal != 0

    def because(self, error: Exception) -> None:
        """Stops with this error, unless another came first."""
        if not self.is_set:
            self.error = error


class Judge(Protocol):
    """What the sender needs of a destination."""

    def judge(self, call: Call, answer: Answer) -> Judgement:
        """What `answer` means for `call`."""


class Job(NamedTuple):
    """Calls that go out one after another: all calls of a person are in one job.

    `settle` takes each call's end; `finish` is called once, when the last one is settled, follow-ups included.
    A job cut short by a stop is never finished.
    """

    calls: Sequence[Call]
    settle: Callable[[Settled], None]
    finish: Callable[[], None]


Jobs = AsyncIterator[Job]

_TRANSIENT = (Decision.RETRY, Decision.CONTRADICTION)


@dataclass(frozen=True, slots=True)
class _Try:
    """One request: its judgement, its status (0 = no answer) and the seconds the answer asks to wait."""

    judgement: Judgement
    status: int = 0
    wait: float = 0.0


class _StopWhen(tenacity.stop.stop_base):
    """No further attempt once `asked` says so."""

    def __init__(self, asked: Callable[[], bool]) -> None:
        self._asked = asked

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        return self._asked()


def _wait_asked_for(state: tenacity.RetryCallState) -> float:
    last: _Try = state.outcome.result() if state.outcome else _Try(ALL_APPLIED)
    return last.wait


_NETWORK_ERRORS = (aiohttp.ClientError, OSError, TimeoutError, ssl.SSLError)


@dataclass
class Sender:
    """Sends jobs, several at a time, and hands each call's end back in the order of the answers."""

    limits: Limits
    judge: Judge
    pacer: Pacer
    stop: Stop = field(default_factory=Stop)
    counts: Counts = field(default_factory=Counts)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    first_sent: float = 0.0
    _urls: dict[str, URL] = field(default_factory=dict)
    _refused_first: int = 0
    _unanswered: int = 0
    _any_answer: bool = False

    async def run(self, jobs: Jobs) -> None:
        """Sends all jobs, or what was begun until `stop` is set; the first job goes alone.

        Never raises for the network or an answer: those end in `settle` or in `stop`.
        """
        async with self._session() as session:
            self._session_ = session
            await self._work(jobs, once=True)
            await asyncio.gather(*(self._work(jobs) for _ in range(self.limits.max_in_flight)))

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        limits = self.limits
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=limits.connect_timeout, sock_read=limits.read_timeout
        )
        connector = aiohttp.TCPConnector(limit=0, family=socket.AF_UNSPEC)
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **limits.headers}
        # trust_env stays off: it would read .netrc too. The proxy of the environment is found by hand.
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=_proxy(limits.base_url),
        ) as session:
            yield session

    async def _work(self, jobs: Jobs, *, once: bool = False) -> None:
        try:
            async for job in jobs:
                await self._do(job)
                if once or self.stop.is_set:
                    return
        except ImporterError as error:  # the disk, say: what is in flight is still waited for
            self.stop.because(error)

    async def _do(self, job: Job) -> None:
        waiting = deque(job.calls)
        while waiting:
            if self.stop.is_set:
                return
            settled = await self._deliver(waiting.popleft())
            waiting.extendleft(reversed(settled.judgement.follow_up))
            self._note(settled)
            job.settle(settled)
        job.finish()

    async def _deliver(self, call: Call) -> Settled:
        await self.pacer.slot()
        first = await self._attempt(call)
        if first.judgement.decision in _TRANSIENT:
            return await self._retry(call, first)
        return Settled(call, first.judgement, first.status, 1, time.time())

    async def _attempt(self, call: Call) -> _Try:
        self.counts.sent += 1
        try:
            answer = await self._request(call)
        except _NETWORK_ERRORS as error:
            return _Try(Judgement(Decision.RETRY, reason="no_answer", message=_network_sentence(error)))
        if answer.status == 429:
            self.counts.throttled += 1
        judgement = self.judge.judge(call, answer)
        wait = 0.0 if judgement is ALL_APPLIED else retry_after(answer.headers, time.time())
        if wait and judgement.decision is Decision.RETRY:
            self.pacer.hold(min(wait, RETRY_AFTER_MAX))
        return _Try(judgement, answer.status, wait)

    async def _request(self, call: Call) -> Answer:
        url = self._urls.get(call.path)
        if url is None:
            url = self._urls[call.path] = URL(self.limits.base_url + call.path, encoded=True)
        async with self._session_.request(
            call.method, url, data=call.body, allow_redirects=False
        ) as response:
            body = await _bounded(response)
            return Answer(response.status, response.headers, body)

    async def _retry(self, call: Call, first: _Try) -> Settled:
        """The same call again while its answers are transient; what stays so is left unconfirmed."""
        tries = [first]

        async def again() -> _Try:
            if len(tries) == 1 and retrying.statistics["attempt_number"] == 1:
                return first  # tenacity counts the calm first try as its own first attempt
            await self.pacer.slot()
            self.counts.retried += 1
            tries.append(await self._attempt(call))
            return tries[-1]

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_result(lambda t: t.judgement.decision in _TRANSIENT),
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self.limits.retry_attempts),
                tenacity.stop_before_delay(self.limits.retry_seconds),
                _StopWhen(lambda: self.stop.is_set),
            ),
            wait=tenacity.wait_combine(
                _wait_asked_for, tenacity.wait_random_exponential(multiplier=0.5, max=30)
            ),
            sleep=self.sleep,
            retry_error_callback=lambda _: tries[-1],
        )
        last: _Try = await retrying(again)
        return Settled(call, last.judgement, last.status, len(tries), time.time())

    def _note(self, settled: Settled) -> None:
        """Watches for what no single answer shows: every call refused, or none answered at all."""
        judgement = settled.judgement
        if judgement.decision is Decision.STOP:
            self.stop.because(RefusedError(f"{judgement.reason}: {judgement.message}."))
        elif judgement.decision is Decision.RETRY and not settled.status:
            self._unanswered += 1
            if not self._any_answer or self._unanswered >= self.limits.max_in_flight:
                self.stop.because(UnreachableError(f"{judgement.message}; it was tried again for a while."))
        else:
            self._unanswered = 0
            self._watch_first(judgement)
        self._any_answer |= settled.status > 0

    def _watch_first(self, judgement: Judgement) -> None:
        if self._refused_first < 0:
            return
        if judgement.decision is not Decision.REFUSED:
            self._refused_first = -1
            return
        self._refused_first += 1
        if self._refused_first >= FIRST_REFUSALS:
            self.stop.because(
                RefusedError(
                    f"{judgement.reason}: the first {FIRST_REFUSALS} calls were all refused, so the rest "
                    "would be too; check base_url and the destination's settings."
                )
            )


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """The body, cut at MAX_BODY. A short one, as nearly all are, comes in one piece."""
    length = response.content_length
    if length is not None and length <= MAX_BODY:
        return await response.read()
    body = bytearray()
    async for piece in response.content.iter_chunked(1 << 16):
        body += piece
        if len(body) > MAX_BODY:
            response.close()
            break
    return bytes(body[:MAX_BODY])


def _proxy(base_url: str) -> str | None:
    """The proxy the environment names for this host (HTTPS_PROXY, NO_PROXY, ...)."""
    parts = urlsplit(base_url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Seconds to wait by a `Retry-After` header, given in seconds or as an HTTP date; 0 = none."""
    text = headers.get("Retry-After", "") or headers.get("retry-after", "")
    if not text:
        return 0.0
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError):
        return 0.0


def _network_sentence(error: Exception) -> str:
    """What happened on the wire, without the text of the client, which may quote the request."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLError):
        return "the destination's TLS certificate was not accepted"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the destination's host name was not found"
    if isinstance(error, TimeoutError):
        return "the destination did not answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "no connection to the destination"
    return "the connection broke before the answer was complete"
