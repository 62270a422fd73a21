"""Waiting for what another process does."""

import subprocess
import time
from collections.abc import Callable

PATIENCE = 600.0
"""Seconds until a test gives up waiting; a machine that has much else to do is ten times slower."""


def until(reached: Callable[[], bool], what: str, process: "subprocess.Popen[bytes] | None" = None) -> None:
    """Returns as soon as `reached` says so, as long as the process is there."""
    end = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < end, f"waited {PATIENCE:.0f} s in vain: {what}"
        assert process is None or process.poll() is None, f"the process has ended before: {what}"
        time.sleep(0.005)
