"""Runs the sending of an import in an event loop of its own."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from typing import Any

from importer.core import own_thread
from importer.core.errors import InterruptedRunError, UnreachableError
from importer.transport.errors import NO_FILES, is_out_of_files

_AT_ONCE = "stopped at once; what was answered is in the journal."


def run(
    main: Callable[[], Coroutine[Any, Any, None]],
    on_interrupt: Callable[[BaseException], object],
) -> None:
    """Runs `main()` to its end in a loop and a thread of its own; see `own_thread.call` for `on_interrupt`.

    UnreachableError where the process may open no more files. InterruptedRunError where `main()` is
    cancelled, as a second request to stop does.
    """

    def run_loop() -> None:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(main())

    try:
        own_thread.call(run_loop, on_interrupt)
    except asyncio.CancelledError:
        raise InterruptedRunError(_AT_ONCE, 128 + signal.SIGINT) from None
    except OSError as error:
        if is_out_of_files(error):
            raise UnreachableError(f"{NO_FILES}.") from None
        raise


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """That of uvloop, where it is installed, which takes less of a processor; None = asyncio's own."""
    if sys.platform == "win32" or find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop
