"""Drivers that are killed, and what their runs have to come to in spite of it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import importer
from importer.config import loader
from importer.core.models import RunSummary
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from tests.spark.people import KEY, PEOPLE, facts, left, mapping, options, rows
from tests.spark.sessions import ROOT
from tests.spark.waiting import until

LATENCY = 0.02


@contextmanager
def driver(
    master: str, table: Path, folder: Path, url: str, settings: dict[str, str] | None = None, last: str = ""
) -> Iterator["subprocess.Popen[bytes]"]:
    """A driver that imports the table as the run `night`. It and its JVM are killed at the end."""
    asked = [master, str(table), str(folder), url, "night", json.dumps(settings or {}), last]
    command = [sys.executable, "-m", "tests.spark.driver", *asked]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its JVM too; the workers of Python end with that
        process.wait()


@contextmanager
def sealed_driver(
    master: str, table: Path, folder: Path, url: str, settings: dict[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A driver that waits with sealed pieces, which it has not taken yet."""
    with driver(master, table, folder, url, settings, "seal") as process:
        until((folder / "staging" / "night" / "sealed.json").exists, "the seal", process)
        yield process


def pieces(folder: Path) -> list[Path]:
    """The pieces of the run `night` that can be seen."""
    return [path for path in (folder / "staging" / "night").glob("*-*-*") if not path.name.startswith(".")]


def plain(tmp_path: Path) -> tuple[dict[str, Any], int]:
    """What a plain run comes to, and how many calls it takes."""
    with sandbox.running(loader.parse(mapping()), SandboxOptions(), KEY) as other:
        summary = importer.run(mapping(), rows(PEOPLE), options(tmp_path / "plain", other.url))
        return facts(summary, other.stored), other.stats.writes


def assert_whole(summary: RunSummary, server: SandboxServer, tmp_path: Path, *, again: float = 0.1) -> None:
    """As a plain run; of the calls, this part may be sent twice.

    It is what was open or answered within the last commit interval before a kill. That interval is long on a
    machine that has much else to do, so a tenth of the calls is allowed.
    """
    expected, calls = plain(tmp_path)
    assert facts(summary, server.stored) == expected
    assert server.stats.writes <= calls * (1 + again)
    assert left(tmp_path / "staging") == []
