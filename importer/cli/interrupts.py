"""SIGINT and SIGTERM on the command line: the calls in flight are waited for, then the run is reported."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from importer.send.shutdown import StopRequest

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_signals(on_request: Callable[[int], None] = lambda _: None) -> Iterator[StopRequest]:
    """Hands the signals to a run while it sends; at any other time they do what they did before.

    `on_request` is called at once with the number of times that a run which sends was asked to stop.

    Outside the main thread nothing is handed on: Python lets no other thread set a signal's handler.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    asked = 0
    before = {int(number): signal.getsignal(number) for number in _NUMBERS}

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        handler = before[number]
        if request.ask(number):
            asked += 1
            on_request(asked)
        elif callable(handler):
            handler(number, frame)

    for number in before:
        signal.signal(number, handle)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
