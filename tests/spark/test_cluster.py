"""Accidents on a standalone cluster: nothing is lost, nothing is sent twice, no file is left."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import importer
import importer.spark
from importer.config import loader
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from tests.spark.cluster import SETTINGS, Cluster
from tests.spark.killing import assert_whole
from tests.spark.people import KEY, mapping, options
from tests.spark.sessions import session

Accident = Callable[[int], None]
"""What happens to a task after so many earlier attempts of it."""


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_TEST_KEY", KEY)


@pytest.fixture(scope="module")
def on_cluster(cluster: Cluster) -> Iterator[Any]:
    """A session of the cluster, alone there: it takes all cores."""
    started = session(cluster.master, SETTINGS)
    yield started
    started.stop()


def fails_twice(before: int) -> None:
    if before < 2:
        raise RuntimeError("a disk of the machine is full")


def is_slow(before: int) -> None:
    """Until Spark ends it, because another attempt was quicker."""
    if before == 0:
        time.sleep(600)


def kills_its_executor(before: int) -> None:
    """What other tasks have shuffled to this executor is lost, too: Spark repeats their stage."""
    if before == 0:
        status = Path(f"/proc/{os.getppid()}/status").read_text()  # of the daemon that forked this worker
        executor = int(status.split("PPid:")[1].split()[0])
        assert b"ExecutorBackend" in Path(f"/proc/{executor}/cmdline").read_bytes()
        os.kill(executor, signal.SIGKILL)
        time.sleep(600)


def with_accident(df: Any, accident: Accident, tried: Path) -> Any:
    """The data frame, with an accident after partition 1; each attempt at it leaves a file in `tried`."""

    def rows_and_accident(batches: Iterator[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        yield from batches
        if context.partitionId() == 1:
            before = len(list(tried.iterdir()))
            (tried / str(context.taskAttemptId())).touch()
            accident(before)

    return df.mapInArrow(rows_and_accident, df.schema)


@pytest.mark.parametrize(("accident", "attempts"), [(fails_twice, 3), (is_slow, 2), (kills_its_executor, 2)])
def test_a_task_that_is_tried_again_counts_once(
    accident: Accident, attempts: int, on_cluster: Any, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "tried").mkdir()
    df = with_accident(on_cluster.read.parquet(str(table)).repartition(4), accident, tmp_path / "tried")
    with sandbox.running(loader.parse(mapping()), SandboxOptions(), KEY) as server:
        asked = options(tmp_path, server.url)
        summary = importer.spark.run(df, mapping(), asked, staging=tmp_path / "staging")
        assert_whole(summary, server, tmp_path, again=0)
    assert len(list((tmp_path / "tried").iterdir())) >= attempts
