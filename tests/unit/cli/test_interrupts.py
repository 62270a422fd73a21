import os
import signal

import pytest

from importer.cli.interrupts import stop_on_signals


def test_while_nothing_is_sent_a_signal_does_what_it_did_before() -> None:
    with pytest.raises(KeyboardInterrupt), stop_on_signals():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_while_calls_are_sent_each_request_is_counted_at_once() -> None:
    asked: list[int] = []
    with stop_on_signals(asked.append) as request:
        request._hear = lambda _: None
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert asked == [1, 2]
    assert request.asked == signal.SIGINT
