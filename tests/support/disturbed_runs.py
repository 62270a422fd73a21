"""Runs that are disturbed: a short list, a sandbox with faults, a process that is ended by a signal."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from importer.config import loader as configuration
from importer.sandbox import server as sandbox
from importer.sandbox.faults import parse_fault
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from tests.support.oracle.program import ROOT, Result, config_text, environment, importer, killed, start
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

PATIENT: dict[str, Any] = {"read_timeout": 60.0}
"""For a test that counts calls where each one is answered: a busy machine answers late, too."""


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
def started(*command: object, cwd: Path, without: Sequence[str] = ()) -> "Iterator[subprocess.Popen[bytes]]":
    """The program in a process of its own, which does not outlive a failing test."""
    with start(*command, cwd=cwd, without=without) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


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


@dataclass
class Attempt:
    """One attempt of a run, ended by a signal or by itself."""

    code: int
    err: str


def kill_when(setting: Setting, *command: object, end: Callable[[], bool]) -> Attempt:
    """Runs a command until `end`, then kills it."""
    result = killed(*command, cwd=setting.folder, end=end)
    return Attempt(result.code, result.err)


def run_until(setting: Setting, *command: object, end: Callable[[], bool], number: int) -> Attempt:
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
