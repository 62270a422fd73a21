"""Three imports of one state folder into one account at once, as processes, one of them killed half-way.

    python -m pytest -m slow -s tests/long/test_shared_pace.py

Prints the most calls in any sliding second, when they left and when the server had them, and the share of the
ceiling that was used. A machine that does much else lets calls wait on the way, so only the first must hold.
IMPORTER_PACE_SECONDS is how long they send (20).
"""

import bisect
import os
import time
from array import array
from collections.abc import Sequence
from pathlib import Path

from importer.config import loader as configuration
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from tests.support.shared_pace import DECLARED, KEY, started

SECONDS = float(os.environ.get("IMPORTER_PACE_SECONDS", "20"))
CEILING = 100
HEAD = 4  # numbers of the shared file before the times at which calls left


def most_in_a_second(times: Sequence[float]) -> int:
    return max(bisect.bisect_left(times, at + 1) - n for n, at in enumerate(times))


def test_the_ceiling_is_held_and_used_while_one_of_three_is_killed(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    with sandbox.running(configuration.parse(DECLARED), SandboxOptions(log=1_000_000), KEY) as server:
        processes = [started(tmp_path, name, 100_000, server.url, CEILING) for name in "abc"]
        try:
            while not all(any(p.startswith(name) for p in server.stored) for name in "abc"):
                time.sleep(0.05)
            began = time.monotonic()
            time.sleep(SECONDS / 2)
            processes[0].kill()
            time.sleep(SECONDS / 2)
            ended = time.monotonic()
        finally:
            for process in processes:
                process.kill()
                process.wait()
        arrived = sorted(request.at for request in server.log)
    [shared] = (tmp_path / ".importer" / "locks").glob("*.pace")
    left = sorted(at for at in array("d", shared.read_bytes())[HEAD:] if at)
    used = (bisect.bisect_left(left, ended) - bisect.bisect_left(left, began)) / (CEILING * (ended - began))
    print(  # noqa: T201 - the figures are what the test is run for
        f"\n{CEILING} a second: {most_in_a_second(left)} left, {most_in_a_second(arrived)} arrived in the "
        f"fullest second; {used:.1%} used"
    )
    assert most_in_a_second(left) <= CEILING
    assert used >= 0.95
