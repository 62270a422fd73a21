"""Memory does not grow with the file: `python -m pytest -m slow tests/long/test_memory.py`

Long lists of every awkward shape through `importer check` and `importer run`; the peak of all processes of
the program together, as /proc shows them every 20 ms, stays under 500 MiB. A table of the figures is printed.
IMPORTER_LONG_CALLS bounds the people of a run (default 200,000): a run of five million calls takes an hour.
"""

import gzip
import itertools
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import pytest
from backports import zstd

from tests.support.long_lists import (
    CALLS,
    DECLARED,
    HEADER,
    LIMIT,
    MILLION,
    all_wrong,
    distinct,
    half_is_one_person,
    malformed,
    megabytes,
    megabytes_of_one,
    quoted_megabytes,
    recurring,
    refused,
    stray_quotes,
    without_id,
)
from tests.support.oracle.program import ROOT, Result, config_text, start


@dataclass(frozen=True)
class Shape:
    """One long list: `count` lines, each made by `line` from its number."""

    name: str
    count: int
    line: Callable[[int], str]
    packing: str = ""
    commands: tuple[str, ...] = ("check", "run")


SHAPES = (
    Shape("1M distinct", MILLION, distinct, commands=("check",)),
    Shape("1M", MILLION, recurring(CALLS)),
    Shape("1M", MILLION, recurring(CALLS), ".gz"),
    Shape("1M", MILLION, recurring(CALLS), ".zst"),
    Shape("5M distinct", 5 * MILLION, distinct, commands=("check",)),
    Shape("5M distinct", 5 * MILLION, distinct, ".gz", ("check",)),
    Shape("5M distinct", 5 * MILLION, distinct, ".zst", ("check",)),
    Shape("5M", 5 * MILLION, recurring(CALLS)),
    Shape("1M all duplicates", MILLION, recurring(1000)),
    Shape("1M of one person", MILLION, recurring(1)),
    Shape("5M all duplicates", 5 * MILLION, recurring(1000), ".zst"),
    Shape("1M half one person", MILLION, half_is_one_person),
    Shape("1M malformed", MILLION, malformed),
    Shape("1M stray quotes", MILLION, stray_quotes),
    Shape("5M malformed", 5 * MILLION, malformed, ".gz"),
    Shape("1M every value wrong", MILLION, all_wrong),
    Shape("1M without id", MILLION, without_id),
    Shape("1M, two values of each refused", MILLION, refused, commands=("run",)),
    Shape("600 fields of 1 MB", 600, megabytes),
    Shape("600 of 1 MB, one person", 600, megabytes_of_one),
    Shape("600 quoted of 1 MB", 600, quoted_megabytes),
    Shape("600 fields of 1 MB", 600, megabytes, ".gz"),
)


def opened(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "wb", 1))
    return cast(IO[bytes], zstd.open(path, "wb") if path.suffix == ".zst" else path.open("wb"))


def write(path: Path, shape: Shape) -> None:
    with opened(path) as file:
        file.write(HEADER.encode())
        numbers = iter(range(shape.count))
        batch = 20_000 if shape.count > 100_000 else 1
        while lines := "".join(map(shape.line, itertools.islice(numbers, batch))):
            file.write(lines.encode())


@dataclass(frozen=True)
class Peak:
    """Bytes of all processes together at the worst sample: resident, and not backed by a file."""

    rss: int
    anonymous: int
    processes: int


def watch(process: "subprocess.Popen[bytes]") -> Peak:
    """Samples the session of `process` until it ends."""
    peak = Peak(0, 0, 0)
    while process.poll() is None:
        rss = anonymous = count = 0
        for status in session(process.pid):
            rss += status.get("VmRSS", 0)
            anonymous += status.get("RssAnon", 0)
            count += 1
        peak = Peak(max(peak.rss, rss), max(peak.anonymous, anonymous), max(peak.processes, count))
        time.sleep(0.02)
    return peak


def session(leader: int) -> Iterator[dict[str, int]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if int((entry / "stat").read_text().rpartition(")")[2].split()[3]) == leader:
                lines = (entry / "status").read_text().splitlines()
                pairs = (line.split(":", 1) for line in lines if line.endswith("kB"))
                yield {name: int(value.split()[0]) << 10 for name, value in pairs}
        except (OSError, ValueError, IndexError):
            continue


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A reply server in a process of its own, so that its memory is not the program's."""
    port_file = tmp_path_factory.mktemp("server") / "port"
    command = [sys.executable, "-m", "tests.support.oracle.replies", str(port_file)]
    with subprocess.Popen(command, cwd=ROOT) as server:
        while not port_file.exists():
            assert server.poll() is None
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port_file.read_text()}"
        server.terminate()


def formatted(name: str, command: str, *figures: str) -> str:
    return f"{name:32}{command:8}" + "".join(f"{figure:>10}" for figure in figures)


@pytest.fixture(scope="module")
def show(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Prints a line of the table at once: a run that is broken off has still shown what it measured."""
    reporter = request.config.pluginmanager.getplugin("terminalreporter")
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert reporter is not None
    assert capture is not None

    def write(line: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(line)

    write(formatted("list", "command", "rows", "calls", "seconds", "peak MiB", "anon", "procs"))
    return write


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s.name}{s.packing}")
def test_all_processes_together_stay_under_500_mib(
    shape: Shape, url: str, show: Callable[[str], None], tmp_path: Path
) -> None:
    source = tmp_path / f"list.csv{shape.packing}"
    write(source, shape)
    config = tmp_path / "import.toml"
    config.write_text(config_text(DECLARED, source, url), "utf-8")
    peaks = []
    for command in shape.commands:
        began = time.monotonic()
        flags = ("--run-id", command, "--quiet", "--allow", "max_attribute_rejects")
        with start(command, config, *flags, cwd=tmp_path) as process:
            peak = watch(process)
            out, err = process.communicate()
        result = Result(process.returncode, out.decode(), err.decode(), tmp_path / ".importer")
        assert result.code in (0, 1), result.err
        summary = result.summary(command)
        assert summary["rows"]["read"] == shape.count
        calls, seconds = f"{summary['calls']['sent']:,}", f"{time.monotonic() - began:.1f}"
        sizes = f"{peak.rss / 2**20:.0f}", f"{peak.anonymous / 2**20:.0f}", str(peak.processes)
        show(formatted(f"{shape.name} {shape.packing}", command, f"{shape.count:,}", calls, seconds, *sizes))
        peaks.append(peak)
        shutil.rmtree(tmp_path / ".importer")
    source.unlink()
    assert max(p.rss for p in peaks) < LIMIT
