"""One attempt of a run: in a process of its own, killed at an operation, its memory and operations measured.

The operations are what changes a file of the state folder and each statement of the journal: Python's audit
events say when one is about to begin, and SQLite says it of its statements. So the program is as it is.
"""

import json
import os
import resource
import signal
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from tests.support.trouble import World

_CHANGES = frozenset(
    ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod", "shutil.rmtree")
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Operations:
    """Counts operations from 1 on and kills the process just before the one whose turn it is (0: none)."""

    def __init__(self, kill_at: int) -> None:
        self.kill_at = kill_at
        self.count = 0

    def begin(self, _: object = None) -> None:
        self.count += 1
        if self.count == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook."""
        if event in _CHANGES or (event == "open" and _is_write(*arguments)):
            self.begin()

    def connect(self, original: Callable[..., sqlite3.Connection], *given: Any, **named: Any) -> Any:
        """`sqlite3.connect`; the database says each statement before it begins."""
        database = original(*given, **named)
        database.set_trace_callback(self.begin)
        return database

    def sync(self, original: Any, handle: Any) -> None:
        """`os.fsync`, of which no event speaks."""
        self.begin()
        original(handle)


def _is_write(path: object, _: object, flags: object) -> bool:
    return ".importer" in str(path) and isinstance(flags, int) and bool(flags & _WRITES)


def watch(kill_at: int, measured: Path) -> None:
    """In the attempt's process, before the program: counts, and writes down what was measured at its end."""
    operations = Operations(kill_at)
    os.fsync = partial(operations.sync, os.fsync)
    sqlite3.connect = partial(operations.connect, sqlite3.connect)
    sys.addaudithook(operations.hear)
    Finalize(None, partial(_write_down, operations, measured), exitpriority=1)


def _write_down(operations: Operations, measured: Path) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    measured.write_text(json.dumps({"operations": operations.count, "peak_kib": peak}))


@dataclass(frozen=True)
class Attempt:
    """How it ended: exit code (-9: killed), what it said, its operations, its largest memory in MiB.

    The last two are 0 where it was killed.
    """

    code: int
    err: str
    operations: int
    peak_mib: int


def attempt(here: World, *words: object, kill_at: int = 0) -> Attempt:
    """One attempt of a command."""
    measured = here.folder / "measured.json"
    measured.unlink(missing_ok=True)
    code, err = here.attempt(*words, inside=partial(watch, kill_at, measured))
    found = json.loads(measured.read_text()) if measured.exists() else {"operations": 0, "peak_kib": 0}
    return Attempt(code, err, found["operations"], found["peak_kib"] >> 10)


def go_on(here: World, *words: object, run: str = "r", kill_at: int = 0) -> Attempt:
    """Starts the run, or resumes it where it has begun."""
    begun = (here.state / "runs" / run / "run.json").exists()
    command = ("resume", run) if begun else ("run", "import.toml", "--run-id", run)
    return attempt(here, *command, *words, kill_at=kill_at)
