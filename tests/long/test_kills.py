"""Killed 200 times, it ends as if nothing had happened: `pytest -m slow -s tests/long/test_kills.py`

`importer run`, then `importer resume` again and again, each ended by `kill -9` at a random moment: while it
starts, reads, sends or reports. The sandbox is a process of its own, so what it has stored outlives them all.
After the last attempt every person must be stored exactly as the list says, and the counts must balance. A
kill may repeat the calls in flight, and what was answered since the last commit (a tenth of a
second's work, GROUP). IMPORTER_KILLS is the number of kills (200).
"""

import itertools
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.disturbed_runs import GROUP, Setting, control, own_process, prepared, started
from tests.support.oracle.program import importer

KILLS = int(os.environ.get("IMPORTER_KILLS", "200"))
PER_RUN = 10
PEOPLE, RATE, FLIGHT = 3000, 600, 16


def moments(seed: int) -> Iterator[float]:
    """Seconds until the next kill: a third early (start, reading), the others anywhere in a second or two."""
    dice = random.Random(seed)
    while True:
        yield dice.uniform(0.2, 1.0) if dice.random() < 0.33 else dice.uniform(0.8, 2.2)


def kill_after(setting: Setting, seconds: float, *command: object) -> int:
    """Exit code; minus 9 where the process was still there to be killed."""
    with started(*command, cwd=setting.folder) as process:
        end = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.001)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    return process.returncode


@pytest.mark.parametrize("seed", range(-(-KILLS // PER_RUN)))
def test_every_person_ends_up_as_in_a_run_never_killed(seed: int, tmp_path: Path) -> None:
    setting = prepared(tmp_path, "http://127.0.0.1:1", PEOPLE)
    with own_process(setting, "--latency", "10ms") as url:
        setting = prepared(tmp_path, url, PEOPLE, requests_per_second=RATE, max_in_flight=FLIGHT)
        kills = worst = 0
        folder = tmp_path / ".importer/runs/r"
        for seconds in itertools.islice(moments(seed), PER_RUN):
            begun = (folder / "run.json").exists()
            command = ("resume", "r") if begun else ("run", setting.config, "--run-id", "r")
            before = control(url, "stats")
            code = kill_after(setting, seconds, *command)
            kills += code == -signal.SIGKILL
            assert code in (-signal.SIGKILL, 0, 2 * begun), code  # 2: finished already
            after = control(url, "stats")
            again = (after["requests"] - before["requests"]) - (after["people"] - before["people"])
            worst = max(worst, again)
            assert again <= FLIGHT + RATE * GROUP, "sent again in this attempt: what the one before had lost"
        command = (
            ("resume", "r") if (folder / "run.json").exists() else ("run", setting.config, "--run-id", "r")
        )
        result = importer(*command, cwd=tmp_path)
        assert result.code == 0 or "is finished" in result.err, result.err
        assert control(url, "stored") == setting.expected
        summary = result.summary("r")
        assert summary["values"]["applied"] == summary["values"]["read"] == 4 * PEOPLE
        repeated = control(url, "stats")["requests"] - PEOPLE
        sys.stdout.write(
            f"\nrun {seed}: {kills} kills, {repeated} calls sent again, {worst} at most after one kill"
        )
