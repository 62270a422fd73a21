"""Every fault of the sandbox met by the real program: what can be repeated is applied, what stops resumes."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from importer.config import loader as configuration
from importer.sandbox import server as sandbox
from importer.sandbox.faults import parse_fault
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from tests.support.oracle.program import ROOT, Result, config_text, environment, importer, start
from tests.support.oracle.reading import Attribute, Declared
from tests.support.oracle.replies import KEY

DECLARED = Declared(
    "id",
    (
        Attribute("plan", "single_choice", options=("free", "pro")),
        Attribute("tags", "multi_choice", options=("a", "b", "c")),
        Attribute("age", "number", min=0, max=120),
        Attribute("name", "free_text"),
    ),
)
QUICK: dict[str, Any] = {"connect_timeout": 2.0, "read_timeout": 0.5, "retry_wait": 0.01, "max_in_flight": 16}
"""Short waits, so that many faults take seconds."""

TRANSIENT = (
    "429/7",
    "429/37:retry_after=0.2",
    "429@13,60:retry_after=date:1",
    "500",
    "502",
    "503",
    "503@13,60:retry_after=1",
    "504",
    "408",
    "425",
    "reset_before",
    "reset_after",
    "truncate",
    "wrong_json",
    "wrong_shape",
    "html",
    "huge@13,60",
    "slow/13:seconds=0.2",
    "hang/19",
    "applied_too_high",
    "foreign_key",
)


@pytest.fixture(autouse=True, params=["httpx", "fast"], scope="module")
def _each_client(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test of this module runs on both HTTP clients."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(QUICK, "http_client", request.param)
        yield


def people(count: int) -> dict[str, dict[str, Any]]:
    """Everybody on the list, as the destination must hold them in the end."""
    return {
        f"p{n}": {"plan": "pro", "tags": ["a", "b"], "age": n % 100, "name": f"Name {n}"}
        for n in range(count)
    }


@dataclass
class Setting:
    """A list, its configuration, and the sandbox it goes to."""

    folder: Path
    config: Path
    expected: dict[str, dict[str, Any]]

    def run(self, *flags: object) -> Result:
        return importer("run", self.config, "--run-id", "r", *flags, cwd=self.folder)

    def resume(self, *flags: object) -> Result:
        return importer("resume", "r", *flags, cwd=self.folder)


def prepared(folder: Path, url: str, count: int, **destination: Any) -> Setting:
    source = folder / "list.csv"
    lines = (f"p{n},pro,a|b,{n % 100},Name {n}\n" for n in range(count))
    source.write_text("id,plan,tags,age,name\n" + "".join(lines), "utf-8")
    config = folder / "import.toml"
    config.write_text(config_text(DECLARED, source, url, destination=QUICK | destination), "utf-8")
    return Setting(folder, config, people(count))


@contextmanager
def playing(
    folder: Path, count: int, options: Mapping[str, Any], **destination: Any
) -> Iterator[tuple[Setting, SandboxServer]]:
    """A list of `count` people and a sandbox with these options."""
    setting = prepared(folder, "http://127.0.0.1:1", count, **destination)
    with sandbox.running(configuration.load(setting.config), SandboxOptions(**options), KEY) as server:
        yield prepared(folder, server.url, count, **destination), server


def faults(*texts: str) -> dict[str, Any]:
    return {"faults": tuple(parse_fault(text) for text in texts)}


def assert_whole(result: Result, setting: Setting, server: SandboxServer) -> dict[str, Any]:
    """Everybody is stored, the counts balance, and every request is counted."""
    assert result.code == 0, result.err
    assert server.stored == setting.expected
    summary = result.summary("r")
    assert (summary["state"], summary["exit_code"]) == ("finished", 0)
    assert summary["values"]["applied"] == summary["values"]["read"] == 4 * len(setting.expected)
    assert summary["people"]["called"] == len(setting.expected)
    return summary


@contextmanager
def started(*command: object, cwd: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """The program in a process of its own, which does not outlive a failing test."""
    with start(*command, cwd=cwd) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


# --- transient


@pytest.mark.parametrize("fault", TRANSIENT)
def test_every_transient_fault_is_overcome(fault: str, tmp_path: Path) -> None:
    text = fault if "/" in fault or "@" in fault else f"{fault}/11"
    with playing(tmp_path, 250, faults(text)) as (setting, server):
        summary = assert_whole(setting.run(), setting, server)
        met = sum(server.stats.faults.values())
        assert met >= 2
        assert summary["calls"]["sent"] == server.stats.requests
        if not fault.startswith("slow"):
            assert summary["calls"]["retried"] == met == server.stats.requests - 250
        assert summary["calls"]["throttled"] == server.stats.by_status.get(429, 0)


def test_all_of_them_at_once(tmp_path: Path) -> None:
    everys = (7, 11, 13, 17, 19, 23, 29, 31, 37, 40)
    kinds = [text.partition("@")[0].partition("/")[0] for text in TRANSIENT]
    texts = [f"{kind}/{everys[n % len(everys)]}" for n, kind in enumerate(dict.fromkeys(kinds))]
    texts = [f"{t}:seconds=0.2" if t.startswith("slow") else t for t in texts if not t.startswith("huge")]
    with playing(tmp_path, 400, faults(*texts, "huge@50")) as (setting, server):
        summary = assert_whole(setting.run(), setting, server)
        assert summary["calls"]["retried"] >= 100
        assert summary["calls"]["sent"] == server.stats.requests


@pytest.mark.parametrize("status", [400, 404, 413, 301])
def test_refusals_that_begin_in_mid_run_stop_it_and_cost_nobody(status: int, tmp_path: Path) -> None:
    with playing(tmp_path, 200, faults(f"{status}@40-:times=0")) as (setting, server):
        result = setting.run()
        assert result.code == 4, result.err
        assert "10 calls in a row" in result.err
        values = result.summary("r")["values"]
        assert (values["applied"], values["rejected"]) == (4 * 39, 0)
        assert server.stats.requests <= 39 + 10 + QUICK["max_in_flight"]
        server.change(SandboxOptions())
        assert_whole(setting.resume(), setting, server)


@pytest.mark.parametrize(
    ("fault", "people"), [("applied_too_high", 4), ("foreign_key", 4), ("wrong_shape", 1), ("truncate", 1)]
)
def test_what_contradicts_to_the_end_is_unconfirmed(fault: str, people: int, tmp_path: Path) -> None:
    """Of what makes no sense at all, one person's: several people's would be a destination that is down."""
    wrong_answers = faults(f"{fault}@2-:times=0")
    with playing(tmp_path, 1 + people, wrong_answers, retry_attempts=3) as (setting, server):
        result = setting.run()
        requests = server.stats.requests
    assert result.code == 1, result.err
    summary = result.summary("r")
    assert summary["values"]["unconfirmed"] == 4 * people
    assert summary["calls"] == {"sent": requests, "retried": requests - 1 - people, "throttled": 0}
    assert requests == 1 + people * 3 or fault == "truncate"
    assert {(line["reason"], line["stage"]) for line in result.reject_lines("r")} == {("unconfirmed", "send")}


# --- stops


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        ({"quota": 100}, 4, "workspace_limit_reached"),
        (faults("401@100-:times=0"), 4, "invalid_key"),
        (faults("403@100-:times=0"), 4, "client_attribute_writes_disabled"),
        (faults("429@100-:times=0:retry_after=3600"), 5, "60 minutes"),
    ],
    ids=["quota", "401", "403", "retry_after"],
)
def test_a_stop_lets_out_no_more_than_was_in_flight(
    options: Mapping[str, Any], code: int, word: str, tmp_path: Path
) -> None:
    with playing(tmp_path, 400, {**options, "latency": 0.005}) as (setting, server):
        result = setting.run()
        assert result.code == code, result.err
        assert word in result.err
        assert "importer resume r" in result.err
        assert 100 <= server.stats.requests <= 100 + 16
        summary = result.summary("r")
        assert summary["values"]["applied"] == 4 * len(server.stored)
        assert summary["values"]["applied"] + summary["values"]["not_attempted"] == 1600
        server.change(SandboxOptions())
        summary = assert_whole(setting.resume(), setting, server)
        assert server.stats.writes == 400, "nobody twice"
        assert summary["calls"]["sent"] == server.stats.requests, "the refused ones count too"


def test_a_destination_that_goes_down_and_comes_back(tmp_path: Path) -> None:
    with playing(tmp_path, 600, {"latency": 0.005}) as (setting, server):
        with started("run", setting.config, "--run-id", "r", cwd=tmp_path) as process:
            until(lambda: server.stats.requests > 100)
            server.change(SandboxOptions(faults=(parse_fault("reset_before/1:times=0"),)))
            until(lambda: server.stats.faults.get("reset_before", 0) >= 8)
            server.change(SandboxOptions())
            _, err = process.communicate(timeout=60)
        result = Result(process.returncode, "", err.decode(), tmp_path / ".importer")
        summary = assert_whole(result, setting, server)
        assert server.stats.by_status[0] <= 2 * 16 + 5, "only probes go out while it is down"
        assert summary["calls"]["sent"] == server.stats.requests


@pytest.mark.parametrize("fault", ["reset_before", "500", "503", "wrong_shape", "truncate"])
def test_a_destination_that_stays_down_stops_the_run(fault: str, tmp_path: Path) -> None:
    down = faults(f"{fault}@100-:times=0")
    with playing(tmp_path, 400, {**down, "latency": 0.002}, give_up_after=2.0) as (setting, server):
        result = setting.run()
        assert result.code == 5, result.err
        assert "importer resume r" in result.err
        summary = result.summary("r")
        assert summary["values"]["applied"] == 4 * 99
        assert server.stats.requests < 99 + 2 * 16 + 5, "only probes go out while it is down"
        server.change(SandboxOptions())
        assert_whole(setting.resume(), setting, server)


# --- killed


@contextmanager
def own_process(setting: Setting, *flags: str) -> Iterator[str]:
    """A sandbox that outlives the processes that are killed; yields its URL."""
    command = [sys.executable, "-m", "importer", "sandbox", str(setting.config), "--port", "0", *flags]
    with subprocess.Popen(command, env=environment(), cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            url = process.stderr.readline().partition("http")[2].partition(",")[0]
            yield f"http{url}"
        finally:
            process.terminate()
            process.communicate()


def control(url: str, what: str) -> Any:
    with urllib.request.urlopen(f"{url}/__sandbox__/{what}", timeout=30) as answer:
        return json.load(answer)


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Looks again and again; the only wait of this file, and never longer than it takes."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came to pass"
        time.sleep(0.002)


def more_than(url: str, people: float) -> bool:
    """Whether the sandbox holds more people than that."""
    return bool(control(url, "stats")["people"] > people)


@dataclass
class Attempt:
    """One attempt of a run, ended by a signal or by itself."""

    code: int
    err: str


def run_until(
    setting: Setting, *command: object, end: Callable[[], bool], number: int = signal.SIGKILL
) -> Attempt:
    """Runs a command until `end`, then sends it the signal."""
    with started(*command, cwd=setting.folder) as process:
        until(lambda: end() or process.poll() is not None)
        if process.poll() is None:
            os.kill(process.pid, number)
        _, err = process.communicate(timeout=60)
    return Attempt(process.returncode, err.decode())


def nothing_pending(pid: int) -> bool:
    """Whether every signal sent so far has arrived, so that a second is not taken for the first."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return all(int(line.split()[1], 16) == 0 for line in lines if line.startswith(("SigPnd", "ShdPnd")))


GROUP = 0.1
"""Seconds of work that a kill may take back: what was answered since the last commit."""


def test_killed_again_and_again_it_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    setting = prepared(tmp_path, "http://127.0.0.1:1", 1500)
    with own_process(setting, "--latency", "5ms") as url:
        setting = prepared(tmp_path, url, 1500, requests_per_second=400)
        attempts = 0
        for share in (0.0, 0.2, 0.5, 0.8):
            command = ("resume", "r") if attempts else ("run", setting.config, "--run-id", "r")
            context = run_until(setting, *command, end=partial(more_than, url, share * 1500))
            assert context.code == -signal.SIGKILL, context.err
            attempts += 1
        (tmp_path / "list.csv").unlink()
        setting.config.unlink()
        result = setting.resume()
        assert result.code == 0, result.err
        assert control(url, "stored") == setting.expected
        summary = result.summary("r")
        assert summary["values"]["applied"] == summary["values"]["read"] == 6000
        repeated = control(url, "stats")["requests"] - 1500
        assert repeated <= attempts * (16 + 400 * GROUP), "in flight, and one group commit"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_nobody_is_called_twice(number: int, tmp_path: Path) -> None:
    with playing(tmp_path, 600, {"latency": 0.01}) as (setting, server):
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
        assert time.monotonic() - began < 40
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
        context = run_until(setting, *command, end=lambda: report.exists() or done.exists())
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
