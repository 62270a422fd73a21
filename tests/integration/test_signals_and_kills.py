"""A run that is ended from outside, by a signal or a kill: nobody is called twice, nobody is lost."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from tests.support.disturbed_runs import (
    GROUP,
    PATIENT,
    assert_whole,
    faults,
    kill_when,
    nothing_pending,
    people,
    playing,
    run_until,
    started,
    until,
)
from tests.support.oracle.program import Result


def test_killed_again_and_again_it_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    with playing(tmp_path, 1500, {"latency": 0.005}, requests_per_second=400) as (setting, server):
        attempts = 0
        for share in (0.0, 0.2, 0.5, 0.8):
            command = ("resume", "r") if attempts else ("run", setting.config, "--run-id", "r")
            context = kill_when(setting, *command, end=partial(_has_more, server, share * 1500))
            assert context.code == -signal.SIGKILL, context.err
            attempts += 1
        (tmp_path / "list.csv").unlink()
        setting.config.unlink()
        result = setting.resume()
        assert result.code == 0, result.err
        assert server.stored == setting.expected
        summary = result.summary("r")
        assert summary["values"]["applied"] == summary["values"]["read"] == 6000
        repeated = server.stats.requests - 1500
        assert repeated <= attempts * (16 + 400 * GROUP), "in flight, and one group commit"


def _has_more(server: SandboxServer, people: float) -> bool:
    return server.stats.people > people


@pytest.mark.parametrize("client", ["httpx", "fast"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_nobody_is_called_twice(number: int, client: str, tmp_path: Path) -> None:
    with playing(tmp_path, 600, {"latency": 0.01}, **PATIENT, http_client=client) as (setting, server):
        command = ("run", setting.config, "--run-id", "r")
        context = run_until(setting, *command, end=lambda: server.stats.people > 100, number=number)
        assert context.code == 128 + number, context.err
        assert "importer resume r" in context.err
        assert 100 < server.stats.people < 600
        assert_whole(setting.resume(), setting, server)
        assert server.stats.requests == server.stats.writes == 600


def test_a_signal_does_not_wait_for_ever(tmp_path: Path) -> None:
    """The deadline of a drain is the drain's, not that of a server that never answers."""
    with playing(tmp_path, 100, faults("hang@20-:times=0"), read_timeout=300.0) as (setting, server):
        command = ("run", setting.config, "--run-id", "r")
        began = time.monotonic()
        context = run_until(setting, *command, end=lambda: server.stats.requests >= 21, number=signal.SIGTERM)
        assert context.code == 143, context.err
        assert time.monotonic() - began < 120, "the server's answer would be waited for 300 s"
        server.change(SandboxOptions())
        assert_whole(setting.resume(), setting, server)


def test_a_second_signal_stops_at_once_and_loses_nothing(tmp_path: Path) -> None:
    with playing(tmp_path, 100, faults("hang@20-:times=0"), read_timeout=300.0) as (setting, server):
        with started("run", setting.config, "--run-id", "r", cwd=tmp_path) as process:
            until(lambda: server.stats.requests >= 21)
            os.kill(process.pid, signal.SIGINT)
            until(lambda: nothing_pending(process.pid))
            began = time.monotonic()
            os.kill(process.pid, signal.SIGINT)
            process.communicate(timeout=10)
        assert process.returncode == 130
        assert time.monotonic() - began < 10
        server.change(SandboxOptions())
        assert_whole(setting.resume(), setting, server)
        assert server.stats.writes - 100 <= 30 - 19 + 16


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_while_reading(number: int, tmp_path: Path) -> None:
    with playing(tmp_path, 30_000, {}) as (setting, server):
        spool = tmp_path / ".importer/runs/r/spool"
        command = ("run", setting.config, "--run-id", "r")
        context = run_until(setting, *command, end=spool.exists, number=number)
        assert context.code in (-signal.SIGKILL, 143), context.err
        assert server.stats.requests == 0
        (tmp_path / "list.csv").write_text("id,plan,tags,age,name\np0,pro,a|b,0,Name 0\n")
        result = setting.resume()
        assert result.code == 0, result.err
        assert server.stored == people(1)


def test_killed_while_reporting(tmp_path: Path) -> None:
    with playing(tmp_path, 300, {}) as (setting, server):
        command = ("run", setting.config, "--run-id", "r")
        report = tmp_path / ".importer/runs/r/rejects.part"
        done = tmp_path / ".importer/runs/r/rejects.csv"
        context = kill_when(setting, *command, end=lambda: report.exists() or done.exists())
        over = (tmp_path / ".importer/runs/r/summary.json").exists()
        result = Result(0, "", context.err, tmp_path / ".importer") if over else setting.resume()
        assert_whole(result, setting, server)
        assert server.stats.requests <= 300 + 16


def test_a_run_killed_while_it_is_made_blocks_no_name(tmp_path: Path) -> None:
    """The folder appears whole, by one rename; what an earlier version left empty is taken over."""
    with playing(tmp_path, 3, {}) as (setting, server):
        (tmp_path / ".importer/runs/r").mkdir(parents=True)
        assert_whole(setting.run(), setting, server)
        taken = setting.run()
        assert taken.code == 2
        assert "there is a run r already" in taken.err
        assert sorted(p.name for p in (tmp_path / ".importer").iterdir()) == [
            ".gitignore",
            "imports",
            "locks",
            "runs",
            "snapshots",
        ]
