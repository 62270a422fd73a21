"""What a staged table costs the driver, up to its first call: `pytest -m slow tests/long/test_staged.py`

The sandbox does not answer the first call, which goes alone: what `importer resume` and `importer run` have
used by then is read from /proc. A table of the figures is printed.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from importer.config import loader
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from tests.spark.people import KEY, mapping, options, rows
from tests.support.oracle.program import start, toml
from tests.unit.spark.staged import begun, job_of, staged

MILLION = 1_000_000
PIECE = 250_000
"""Rows of one partition."""

BATCH = 10_000
"""Rows that Spark hands over at once, as it is set by default."""


@dataclass(frozen=True)
class Used:
    """Processor time in seconds, memory at its peak in bytes."""

    processor: float
    memory: int


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    monkeypatch.setenv("SPARK_TEST_KEY", KEY)
    with sandbox.running(loader.parse(mapping()), SandboxOptions(latency=600), KEY) as server:
        yield server


def until_first_call(folder: Path, server: SandboxServer, *arguments: object) -> Used:
    """What a command of the program has used when its first call arrives; it is killed then."""
    before = server.stats.requests
    process = start(
        *arguments, "--state-dir", "state", "--base-url", server.url, cwd=folder, env={"SPARK_TEST_KEY": KEY}
    )
    try:
        while server.stats.requests == before:
            assert process.poll() is None, process.communicate()
            time.sleep(0.002)
        return used(process.pid)
    finally:
        process.kill()
        process.communicate()


def used(pid: int) -> Used:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    peak = Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]
    return Used((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(peak) * 1024)


def of_pieces(people: int, folder: Path, server: SandboxServer) -> Used:
    spec = begun(mapping(), str(folder / "staging"), options(folder, server.url))
    staged(job_of(spec), list(rows(people).iter_slices(PIECE)), batch_rows=BATCH)
    return until_first_call(folder, server, "resume", spec.folder.run_id)


def of_a_file(people: int, folder: Path, server: SandboxServer) -> Used:
    rows(people).write_parquet(folder / "people.parquet")
    tables = (f"{key} = {toml(value)}\n" for key, value in mapping().items())
    (folder / "people.toml").write_text("".join(tables), "utf-8")
    return until_first_call(folder, server, "run", "people.toml", "people.parquet")


def test_the_driver_needs_a_tenth_of_a_plain_run_and_no_more_memory_for_more_rows(
    server: SandboxServer, tmp_path: Path
) -> None:
    """Processor time is that for a million rows more: each command also has to start, with any list."""
    measured = {}
    for way, people in ((of_pieces, 1), (of_pieces, 5), (of_a_file, 1), (of_a_file, 2)):
        folder = tmp_path / f"{way.__name__}-{people}"
        folder.mkdir()
        found = measured[way, people] = way(people * MILLION, folder, server)
        text = f"{folder.name:<12} {found.processor:6.2f} s of processor, {found.memory >> 20:5,} MiB"
        print(text)  # noqa: T201 - for -s
    staged_million = (measured[of_pieces, 5].processor - measured[of_pieces, 1].processor) / 4
    read_million = measured[of_a_file, 2].processor - measured[of_a_file, 1].processor
    assert staged_million <= read_million / 10
    assert measured[of_pieces, 5].memory <= measured[of_pieces, 1].memory * 1.2
