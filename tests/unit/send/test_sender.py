"""The sender over real sockets: when it repeats, when it must not, and what may hold a worker."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from importer.core.models import ALL_APPLIED, Answer, Call, Classification, Settled, Target, Verdict
from importer.destinations.base import RateHint
from importer.send.job import Job, Limits
from importer.send.rate_limiter import RateLimiter
from importer.send.sender import Sender
from tests.support.oracle.replies import Received, Reply, ReplyServer


class Toy:
    """A destination of two words: 200 is applied, anything else is to be tried again."""

    def classify(self, call: Call, answer: Answer) -> Classification:
        return ALL_APPLIED if answer.status == 200 else Classification(Verdict.RETRY, reason="busy")

    def rate_hint(self, answer: Answer) -> RateHint | None:
        return RateHint(remaining=0, reset=0.2) if answer.headers.get("X-Left") == "0" else None


def call(person: int, *, repeatable: bool = True) -> Call:
    target = Target(person, f"p{person}", "increase", ("points",))
    return Call("PUT", "/points", b'{"distinctId":"p%d"}' % person, (target,), repeatable)


class Play:
    """Jobs of one call each through a Sender; what was intended and how each ended, in order."""

    client = "fast"

    def __init__(self, url: str, calls: list[Call], **limits: float) -> None:
        self.events: list[tuple[str, str]] = []
        self.settled: list[Settled] = []
        quick = {"connect_timeout": 1.0, "read_timeout": 0.3, "retry_wait": 0.01}
        settings = {"client": self.client} | quick | limits
        self.sender = Sender(Limits(url, {}, **settings), Toy(), RateLimiter())  # type: ignore[arg-type]
        self._calls = calls

    def run(self) -> "Play":
        asyncio.run(self.sender.run(self._jobs()))
        return self

    async def _jobs(self) -> AsyncIterator[Job]:
        for one in self._calls:
            yield Job([one], self._settle, lambda: None, self._intend)

    def _settle(self, settled: Settled) -> None:
        self.settled.append(settled)
        self.events.append((settled.call.targets[0].distinct_id, settled.classification.verdict))

    def _intend(self, one: Call) -> None:
        self.events.append((one.targets[0].distinct_id, "intended"))


@pytest.fixture(autouse=True, params=["fast", "httpx"])
def _either_client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Play, "client", request.param)


@contextmanager
def dripping() -> Iterator[str]:
    """A server that answers one byte a tenth of a second, for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def drip(peer: socket.socket) -> None:
            with peer:
                try:
                    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                    while not over.wait(0.1):
                        peer.sendall(b" ")
                except OSError:
                    return

        def serve() -> None:
            while not over.is_set():
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=drip, args=(peer,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        over.set()


def test_a_calm_first_try_is_one_request() -> None:
    with ReplyServer(script=lambda _: Reply(200, {})) as server:
        play = Play(server.url, [call(n) for n in range(20)], read_timeout=60.0).run()
        assert len(server.calls) == len(play.settled) == play.sender.counts.sent == 20
        assert play.sender.counts.retried == 0


def test_what_is_not_repeatable_is_intended_first_and_sent_once() -> None:
    def script(received: Received) -> Reply:
        return Reply(500) if received.number == 2 else Reply(200, {})

    with ReplyServer(script=script) as server:
        play = Play(server.url, [call(n, repeatable=False) for n in range(3)], max_in_flight=1).run()
        assert len(server.calls) == 3
    assert play.events == [
        ("p0", "intended"),
        ("p0", Verdict.DONE),
        ("p1", "intended"),
        ("p1", Verdict.RETRY),
        ("p2", "intended"),
        ("p2", Verdict.DONE),
    ]
    assert play.settled[1].unconfirmed


def test_what_is_not_repeatable_is_repeated_where_it_was_certainly_not_done() -> None:
    def script(received: Received) -> Reply:
        return Reply(429) if received.number == 1 else Reply(200, {})

    with ReplyServer(script=script) as server:
        play = Play(server.url, [call(0, repeatable=False)]).run()
        assert len(server.calls) == 2
    assert play.settled[0].classification is ALL_APPLIED
    assert play.settled[0].attempts == 2


def test_attempts_are_bounded_and_counted() -> None:
    def script(received: Received) -> Reply:
        return Reply(500) if received.distinct_id == "p1" else Reply(200, {})

    with ReplyServer(script=script) as server:
        play = Play(server.url, [call(n) for n in range(4)], retry_attempts=3).run()
        assert len(server.calls) == 6
    [last] = [s for s in play.settled if s.unconfirmed]
    assert (last.call.targets[0].distinct_id, last.status, last.attempts) == ("p1", 500, 3)
    assert (play.sender.counts.sent, play.sender.counts.retried) == (6, 2)


def test_headers_of_the_limit_are_obeyed() -> None:
    def script(received: Received) -> Reply:
        return Reply(200, {}, {"X-Left": "0" if received.number == 3 else "9"})

    with ReplyServer(script=script) as server:
        Play(server.url, [call(n) for n in range(6)], max_in_flight=1).run()
        arrived = [c.arrived for c in server.calls]
    assert arrived[3] - arrived[2] >= 0.19


def test_a_long_retry_after_is_a_stop() -> None:
    with ReplyServer(script=lambda _: Reply(429, b"", {"Retry_After": "3600"})) as server:
        play = Play(server.url, [call(n) for n in range(5)]).run()
        assert len(server.calls) == 1
    assert play.settled == [], "it was not done, so it is still to be done"
    assert "60 minutes" in str(play.sender.stop.error)


def test_an_answer_that_comes_byte_by_byte_does_not_hold_a_worker() -> None:
    began = time.monotonic()
    with dripping() as url:
        play = Play(url, [call(0)], connect_timeout=0.2, read_timeout=0.3, retry_attempts=1).run()
    assert time.monotonic() - began < 5
    assert play.sender.counts.sent >= 1
    assert play.sender.limits.request_timeout == pytest.approx(0.8)


def test_nobody_there_is_found_out_soon_and_nothing_counts_as_sent() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        play = Play(url, [call(n) for n in range(5)], retry_seconds=0.5).run()
    assert "no connection" in str(play.sender.stop.error)
    assert play.settled == []
