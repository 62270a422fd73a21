"""Drivers that are killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.spark.sessions import ROOT
from tests.spark.tables import Table
from tests.spark.waiting import until


@contextmanager
def driver(
    master: str, table: Table, folder: Path, url: str, settings: dict[str, str] | None = None, last: str = ""
) -> Iterator["subprocess.Popen[bytes]"]:
    """A driver that imports the table as the run `night`. It and its JVM are killed at the end."""
    texts = [json.dumps(table.mapping), str(folder), url, json.dumps(settings or {}), last]
    command = [sys.executable, "-m", "tests.spark.driver", master, str(table.path), *texts]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its JVM too; the workers of Python end with that
        process.wait()


@contextmanager
def sealed_driver(
    master: str, table: Table, folder: Path, url: str, settings: dict[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A driver that waits with sealed pieces, which it has not taken yet."""
    with driver(master, table, folder, url, settings, "seal") as process:
        until((folder / "staging" / "night" / "sealed.json").exists, "the seal", process)
        yield process


def pieces(folder: Path) -> list[Path]:
    """The pieces of the run `night` that can be seen."""
    return [path for path in (folder / "staging" / "night").glob("*-*-*") if not path.name.startswith(".")]
