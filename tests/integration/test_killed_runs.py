"""A run that was killed and resumed reports what one does that was never disturbed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importer.config import loader as configuration
from importer.sandbox import faults
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions

KEY = "sk_test_killed"
PEOPLE = 120

CONFIG = """
name = "killed"
[source]
path = "people.csv"
[identity]
column = "id"
[destination]
type = "vevee"
api_key = "env:KILLED_KEY"
account = "test"
requests_per_second = 200
max_in_flight = 4
retry_wait = "5ms"
[run]
changed_only = true
[attributes.plan]
type = "single_choice"
options = ["pro", "free"]
[attributes.city]
type = "free_text"
[attributes.age]
type = "number"
"""

TIMES = ("started_at", "finished_at", "seconds", "requests_per_second", "peak_rss_bytes", "run_id")
"""What two runs never share; and `calls`, of which a killed run makes more."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    (folder / "import.toml").write_text(CONFIG)
    rows = (
        f"p{n},{'gold' if n % 11 == 0 else 'pro'},City {n % 5},{n if n % 7 else 'x'}" for n in range(PEOPLE)
    )
    (folder / "people.csv").write_text("id,plan,city,age\n" + "\n".join(rows) + "\np3,free,,\n")
    return folder


def _options() -> SandboxOptions:
    """`city` is unknown to the server, so the destination rejects too; each fifth call fails at first."""
    every = faults.parse_fault("500/5")
    return SandboxOptions(undefined=frozenset({"city"}), faults=(every,), latency=0.004)


def _start(folder: Path, state: Path, url: str, *words: str) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "importer",
        *words,
        "--state-dir",
        str(state),
        "--base-url",
        url,
        "--quiet",
    ]
    environment = os.environ | {"KILLED_KEY": KEY}
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)


def _summary(state: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((state / "runs" / "r" / "summary.json").read_text())
    return found


def _lines(state: Path) -> pl.DataFrame:
    frame = pl.read_csv(state / "runs" / "r" / "rejects.csv", infer_schema=False)
    return frame.drop("at", "attempts")


def _without_times(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in summary.items() if name not in (*TIMES, "calls")}


def _undisturbed(folder: Path, state: Path) -> None:
    with sandbox.running(configuration.load(folder / "import.toml"), _options(), KEY) as server:
        assert _start(folder, state, server.url, "run", "import.toml", "--run-id", "r").wait(60) == 1


def _killed(folder: Path, state: Path, kills: list[int]) -> int:
    """Kills the run after so many calls of each attempt, then lets it end; returns the calls received."""
    words = ["run", "import.toml", "--run-id", "r"]
    with sandbox.running(configuration.load(folder / "import.toml"), _options(), KEY) as server:
        for calls in kills:
            process, before = _start(folder, state, server.url, *words), server.stats.requests
            while server.stats.requests < before + calls and process.poll() is None:
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
            process.wait(30)
            words = ["resume", "r"]
        code = _start(folder, state, server.url, *words).wait(60)
        assert code in (1, 2), "2: the last kill came after the end of the run"
        return server.stats.requests


@pytest.mark.slow
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.integers(1, 60), min_size=1, max_size=3))
def test_a_killed_and_resumed_run_reports_as_an_undisturbed_one(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, kills: list[int]
) -> None:
    calm, disturbed = (tmp_path_factory.mktemp("state") for _ in range(2))
    _undisturbed(folder, calm)
    received = _killed(folder, disturbed, kills)
    assert _without_times(_summary(disturbed)) == _without_times(_summary(calm))
    assert _lines(disturbed).equals(_lines(calm))
    sent = _summary(disturbed)["calls"]["sent"]
    assert received <= sent <= received + 4 * len(kills), "a call that is counted may be killed on its way"
