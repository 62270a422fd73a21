"""A driver that is killed at any moment: the run goes on, nothing is lost and nothing is sent twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import importer
import importer.spark
from importer.config import loader
from importer.core.models import RunSummary
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from tests.spark.conftest import HERE
from tests.spark.people import KEY, facts, left, mapping, options, rows

PEOPLE = 3_000
LATENCY = 0.02


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_TEST_KEY", KEY)


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with sandbox.running(loader.parse(mapping()), SandboxOptions(latency=LATENCY), KEY) as server:
        yield server


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lake") / "people.parquet"
    rows(PEOPLE).write_parquet(path)
    return path


def killed_when(reached: Callable[[], bool], table: Path, folder: Path, url: str) -> None:
    """Starts a driver and kills it and its JVM as soon as `reached` says so."""
    command = [sys.executable, "-m", "tests.spark.driver", str(table), str(folder), url, "night"]
    driver = subprocess.Popen(command, cwd=HERE.parents[1], start_new_session=True)
    try:
        while not reached():
            assert driver.poll() is None, "the driver has ended before it could be killed"
            time.sleep(0.002)
    finally:
        os.killpg(driver.pid, signal.SIGKILL)  # its JVM too; the workers end with that
        driver.wait()


def plain(tmp_path: Path) -> tuple[dict[str, Any], int]:
    """What a plain run comes to, and how many calls it takes."""
    with sandbox.running(loader.parse(mapping()), SandboxOptions(), KEY) as other:
        summary = importer.run(mapping(), rows(PEOPLE), options(tmp_path / "plain", other.url))
        return facts(summary, other.stored), other.stats.writes


def assert_whole(summary: RunSummary, server: SandboxServer, tmp_path: Path) -> None:
    """As a plain run; only what was open or answered within the last commit interval is sent twice.

    That interval is long on a machine that has much else to do, so a tenth of the calls is allowed.
    """
    expected, calls = plain(tmp_path)
    assert facts(summary, server.stored) == expected
    assert server.stats.writes <= calls * 1.1
    assert left(tmp_path / "staging") == []


def pieces(folder: Path) -> list[Path]:
    return [path for path in (folder / "staging" / "night").glob("*") if not path.name.startswith(".")]


def test_killed_while_staging_the_same_call_stages_again(
    spark: Any, table: Path, server: SandboxServer, tmp_path: Path
) -> None:
    killed_when(lambda: bool(pieces(tmp_path)), table, tmp_path, server.url)
    df = spark.read.parquet(str(table)).repartition(6)
    asked = options(tmp_path, server.url, run_id="night")
    assert_whole(importer.spark.run(df, mapping(), asked, staging=tmp_path / "staging"), server, tmp_path)


def test_killed_between_sealing_and_sending_resume_sends(
    table: Path, server: SandboxServer, tmp_path: Path
) -> None:
    sealed = tmp_path / "staging" / "night" / "sealed.json"
    killed_when(sealed.exists, table, tmp_path, server.url)
    summary = importer.resume(tmp_path / "state", "night", options(tmp_path, server.url))
    assert_whole(summary, server, tmp_path)


def test_killed_while_sending_resume_sends_the_rest(
    table: Path, server: SandboxServer, tmp_path: Path
) -> None:
    killed_when(lambda: server.stats.writes > PEOPLE // 5, table, tmp_path, server.url)
    sent = server.stats.writes
    summary = importer.resume(tmp_path / "state", "night", options(tmp_path, server.url))
    assert 0 < sent < summary.people["called"]  # it was killed in the middle
    assert_whole(summary, server, tmp_path)
