"""What stops a run from outside: which reason is kept, who hears of it, and how long is waited."""

import asyncio
import signal

import pytest

from importer.core.durations import Deadline
from importer.core.errors import OutOfTimeError, RefusedError
from importer.send import shutdown
from importer.send.shutdown import Stop, StopRequest, until


def test_a_stop_is_set_by_an_error_or_a_signal() -> None:
    stop = Stop()
    assert not stop.is_set
    stop.because(RefusedError("no"))
    assert stop.is_set
    other = Stop()
    other.by_signal(signal.SIGTERM)
    assert (other.is_set, other.signal, other.error) == (True, signal.SIGTERM, None)


def test_of_several_errors_the_one_with_the_most_useful_next_step_is_kept() -> None:
    refused, late = RefusedError("4"), OutOfTimeError("8")
    for errors in ([late, refused], [refused, late]):
        stop = Stop()
        for error in errors:
            stop.because(error)
        assert stop.error is refused


def test_a_fault_of_ours_comes_before_all_others() -> None:
    stop, fault = Stop(), ValueError("ours")
    stop.because(RefusedError("4"))
    stop.because(fault)
    stop.because(RefusedError("4"))
    assert stop.error is fault


def test_a_listener_is_called_once_for_errors_and_at_once_where_it_comes_late() -> None:
    stop, called = Stop(), list[str]()
    stop.when_set(lambda: called.append("early"))
    assert called == []
    stop.because(RefusedError("4"))
    stop.because(RefusedError("4"))
    stop.when_set(lambda: called.append("late"))
    assert called == ["early", "late"]


def test_to_abandon_the_calls_in_flight_is_heard_apart_from_the_stop() -> None:
    stop, called = Stop(), list[str]()
    stop.when_abandoned(lambda: called.append("abandoned"))
    stop.by_signal(signal.SIGINT)
    assert called == []
    stop.abandon()
    assert called == ["abandoned"]


# --- requests


def test_a_request_while_nothing_is_sent_stops_nothing_and_is_remembered() -> None:
    request = StopRequest()
    assert request.asked == 0
    assert request.ask(signal.SIGTERM) is False
    assert request.asked == signal.SIGTERM


@pytest.mark.asyncio
async def test_a_request_is_heard_while_calls_are_sent_and_not_after() -> None:
    request, stop = StopRequest(), Stop()
    with request.heard_by(stop):
        assert request.ask(signal.SIGTERM) is True
        await asyncio.sleep(0)
        assert stop.signal == signal.SIGTERM
    assert request.ask() is False


@pytest.mark.asyncio
async def test_a_request_from_before_is_heard_as_soon_as_calls_are_sent() -> None:
    request, stop = StopRequest(), Stop()
    request.ask(signal.SIGINT)
    with request.heard_by(stop):
        await asyncio.sleep(0)
        assert stop.signal == signal.SIGINT


@pytest.mark.asyncio
async def test_a_request_may_come_from_another_thread() -> None:
    request, stop, heard = StopRequest(), Stop(), asyncio.Event()
    stop.when_set(heard.set)
    with request.heard_by(stop):
        assert await asyncio.to_thread(request.ask, signal.SIGINT) is True
        await asyncio.wait_for(heard.wait(), 1)
    assert stop.signal == signal.SIGINT


@pytest.mark.asyncio
async def test_the_second_request_cancels_the_task() -> None:
    request, stop = StopRequest(), Stop()

    async def send() -> None:
        with request.heard_by(stop):
            request.ask()
            request.ask()
            await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(send())


@pytest.mark.asyncio
async def test_after_a_signal_the_calls_in_flight_are_given_up_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutdown, "DRAIN_SECONDS", 0.01)
    request, stop, abandoned = StopRequest(), Stop(), asyncio.Event()
    stop.when_abandoned(abandoned.set)
    with request.heard_by(stop):
        request.ask()
        await asyncio.wait_for(abandoned.wait(), 1)


# --- the deadline


@pytest.mark.asyncio
async def test_at_the_deadline_the_run_stops_and_later_the_calls_in_flight_are_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutdown, "DRAIN_SECONDS", 0.01)
    stop, abandoned, order = Stop(), asyncio.Event(), list[str]()
    stop.when_set(lambda: order.append("stop"))
    stop.when_abandoned(lambda: order.append("abandoned"))
    stop.when_abandoned(abandoned.set)
    with until(Deadline(0.0, "--max-duration 1s", clock=lambda: 5.0), stop):
        await asyncio.wait_for(abandoned.wait(), 1)
    assert order == ["stop", "abandoned"]
    assert isinstance(stop.error, OutOfTimeError)
    assert str(stop.error).startswith("--max-duration 1s: the time is up")


@pytest.mark.asyncio
@pytest.mark.parametrize("deadline", [None, Deadline(0.005, "--stop-by 06:00", clock=lambda: 0.0)])
async def test_a_run_that_ends_before_its_deadline_is_not_stopped(deadline: Deadline | None) -> None:
    stop = Stop()
    with until(deadline, stop):
        assert not stop.is_set
    await asyncio.sleep(0.01)
    assert not stop.is_set
