"""A disk that fills up, a folder that cannot be written, a clock that jumps: one sentence, and nothing lost.

A full disk is played twice. For everybody: the kernel lets no file of the process grow past a size
(RLIMIT_FSIZE), put upon it while it runs. Where the test may mount (root, as in CI): a small tmpfs that is
made smaller while the run goes on, and larger again.
"""

import os
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from importer.core.errors import StateError
from importer.sandbox.options import SandboxOptions
from importer.storage.disk_errors import state_errors
from importer.storage.run_folder import RunFolder
from tests.support.disturbed_runs import Setting, assert_whole, playing, started, until
from tests.support.oracle.program import Result, importer

FULL = "the disk is full; free some disk space, then: importer resume r"
WAY_ON = "importer resume r"
IN_FLIGHT, GROUP = 16, 40
"""Calls that may go out again: those in flight, and a tenth of a second's work at 400 a second."""


def ended(process: "subprocess.Popen[bytes]", setting: Setting) -> Result:
    out, err = process.communicate(timeout=60)
    return Result(process.returncode, out.decode(), err.decode(), setting.folder / ".importer")


def one_sentence(err: str) -> bool:
    """What is about to be sent, perhaps; then one sentence, and perhaps the way on as a line of its own."""
    lines = [line for line in err.strip().splitlines() if " calls for " not in line]
    return lines[0].startswith("importer: ") and lines[1:] in ([], [f"  next: {WAY_ON}"])


COVERAGE = ("COVERAGE_PROCESS_CONFIG",)
"""A process that finds no room cannot write which lines it ran: it would fail for that."""


def no_file_grows(pid: int, size: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))


def test_the_journal_finds_no_room(tmp_path: Path) -> None:
    with playing(tmp_path, 800, {"latency": 0.01}, requests_per_second=400) as (setting, server):
        with started("run", setting.config, "--run-id", "r", cwd=tmp_path, without=COVERAGE) as process:
            until(lambda: server.stats.people > 100)
            no_file_grows(process.pid, 4096)
            result = ended(process, setting)
        assert result.code == 7, result.err
        assert FULL in result.err
        assert one_sentence(result.err)
        assert server.stats.requests < 800, "what cannot be recorded is not sent"
        summary = assert_whole(setting.resume(), setting, server)
        assert summary["calls"]["sent"] <= server.stats.requests <= 800 + IN_FLIGHT + GROUP


@pytest.mark.parametrize("command", ["run", "check"])
def test_the_spool_finds_no_room(command: str, tmp_path: Path) -> None:
    with playing(tmp_path, 20_000, {}) as (setting, server):
        with started(command, setting.config, "--run-id", "r", cwd=tmp_path, without=COVERAGE) as process:
            no_file_grows(process.pid, 100_000)
            result = ended(process, setting)
        assert result.code == 7, result.err
        assert "the disk is full" in result.err
        assert one_sentence(result.err)
        assert server.stats.requests == 0
        assert importer("check", setting.config, "--run-id", "again", cwd=tmp_path).code == 0


def test_the_report_finds_no_room(tmp_path: Path) -> None:
    with playing(tmp_path, 3, {}) as (setting, server):
        source = tmp_path / "list.csv"
        bad = "".join(f"p{n},none,none,none,\n" for n in range(3, 3000))
        source.write_text(source.read_text() + bad)
        words = ("--run-id", "r", "--limit", "3000", "--allow", "max_attribute_rejects")
        with started("run", setting.config, *words, cwd=tmp_path, without=COVERAGE) as process:
            no_file_grows(process.pid, 400_000)
            result = ended(process, setting)
        assert result.code == 7, result.err
        assert FULL in result.err
        assert one_sentence(result.err)
        requests = server.stats.requests
        again = setting.resume()
        assert again.code == 1, again.err
        assert server.stats.requests == requests, "what was answered is not sent again"
        assert len(again.reject_lines("r")) == 3 * 2997


def test_not_even_the_run_finds_room(tmp_path: Path) -> None:
    with playing(tmp_path, 3, {}) as (setting, server):
        (tmp_path / ".importer").mkdir()
        with started("run", setting.config, "--run-id", "r", cwd=tmp_path, without=COVERAGE) as process:
            no_file_grows(process.pid, 0)
            result = ended(process, setting)
        assert result.code == 7, result.err
        assert "the disk is full" in result.err
        assert one_sentence(result.err)
        assert_whole(setting.run(), setting, server)


# --- a disk of our own, where the test may mount one


@contextmanager
def disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not mounted:
        pytest.skip("mounting a small disk needs root; the tests above play the same without")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def resized(folder: Path, size: str) -> bool:
    """Whether the disk has got this size; it cannot be smaller than what is on it."""
    command = ["mount", "-o", f"remount,size={size}", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def filled(folder: Path) -> bool:
    """Leaves no room for another page; False where the run has written more meanwhile."""
    space = os.statvfs(folder)
    return resized(folder, str((space.f_blocks - space.f_bfree) * space.f_frsize))


def test_a_full_disk_while_sending_and_room_again(tmp_path: Path) -> None:
    options = {"latency": 0.01}
    with (
        disk(tmp_path / ".importer", "600m") as state,
        playing(tmp_path, 800, options, requests_per_second=400) as (setting, server),
    ):
        slowly = ("--rate", "40")  # filling the disk takes a busy machine seconds
        words = ("run", setting.config, "--run-id", "r", *slowly)
        with started(*words, cwd=tmp_path, without=COVERAGE) as process:
            until(lambda: server.stats.people > 20)
            until(lambda: filled(state))
            result = ended(process, setting)
        assert result.code == 7, result.err
        assert FULL in result.err
        assert one_sentence(result.err)
        assert setting.resume().code == 7, "still full"
        assert resized(state, "600m")
        assert_whole(setting.resume(), setting, server)
        assert server.stats.requests <= 800 + IN_FLIGHT + GROUP


def test_a_small_disk_is_seen_before_it_is_full(tmp_path: Path) -> None:
    with playing(tmp_path, 3, {}) as (setting, server), disk(tmp_path / ".importer", "20m"):
        result = setting.run()
        assert result.code == 7, result.err
        assert "MiB free" in result.err
        assert server.stats.requests == 0


def test_summary_and_parts_on_a_full_disk(tmp_path: Path) -> None:
    with disk(tmp_path / "runs", "64k") as runs:
        folder = RunFolder(runs / "r")
        folder.path.mkdir()
        folder.write_summary({"state": "stopped"})
        with pytest.raises(StateError, match=r"the disk is full.*importer resume r"):
            folder.write_summary({"state": "x" * 100_000})
        assert folder.read_summary() == {"state": "stopped"}, "whole or not at all"
        frame = pl.DataFrame({"text": [str(n) * 40 for n in range(20_000)]})
        for write in (frame.write_parquet, frame.write_ipc):
            with pytest.raises(StateError, match="the disk is full"), state_errors(folder.work):
                write(runs / "part")


def test_a_read_only_disk(tmp_path: Path) -> None:
    with playing(tmp_path, 3, {}) as (setting, server), disk(tmp_path / ".importer", "600m") as state:
        subprocess.run(["mount", "-o", "remount,ro", str(state)], check=True)
        result = setting.run()
        assert result.code == 7, result.err
        assert "read-only" in result.err
        assert one_sentence(result.err)
        assert server.stats.requests == 0


# --- the clock


def test_a_clock_set_back_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits and pauses are counted by the clock that only goes forward; a date is the answer's own."""
    import importer as library
    from tests.support.oracle.program import KEY_NAME
    from tests.support.oracle.replies import KEY

    monkeypatch.setenv(KEY_NAME, KEY)
    real, began = time.time, time.monotonic()
    monkeypatch.setattr(time, "time", lambda: real() - 86_400 * (time.monotonic() - began > 0.3))
    options = SandboxOptions(latency=0.005)
    with playing(tmp_path, 200, {"latency": options.latency}, requests_per_second=300) as (setting, server):
        summary = library.run(str(setting.config), options=library.Options(run_id="r"))
        assert (summary.exit_code, summary.calls["sent"]) == (0, 200)
        assert server.stored == setting.expected
        assert time.monotonic() - began < 120, "a wait by the date would be a day"
