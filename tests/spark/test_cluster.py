"""Accidents on a standalone cluster: nothing is lost, nothing is sent twice, no file is left."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import importer
import importer.spark
from importer.config import loader
from importer.sandbox import server as sandbox
from tests.spark.cluster import SETTINGS, Cluster
from tests.spark.people import KEY, options
from tests.spark.sessions import session
from tests.spark.tables import REMEMBERED, Table

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


def with_accidents(df: Any, accidents: Mapping[int, Accident], tried: Path) -> Any:
    """The data frame, with accidents after its partitions; each attempt leaves a file in `tried`."""

    def rows_and_accident(batches: Iterator[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        yield from batches
        if accident := accidents.get(context.partitionId()):
            folder = tried / accident.__name__
            before = len(list(folder.iterdir()))
            (folder / str(context.taskAttemptId())).touch()
            accident(before)

    for accident in accidents.values():
        (tried / accident.__name__).mkdir(parents=True)
    return df.mapInArrow(rows_and_accident, df.schema)


def test_tasks_that_are_tried_again_count_once(
    on_cluster: Any, cluster: Cluster, table: Table, tmp_path: Path
) -> None:
    accidents = {0: kills_its_executor, 1: fails_twice, 2: is_slow}
    df = on_cluster.read.parquet(str(table.path)).repartition(4)
    df = with_accidents(df, accidents, tmp_path / "tried")
    with sandbox.running(loader.parse(table.mapping), REMEMBERED, KEY) as server:
        asked = options(tmp_path, server.url)
        summary = importer.spark.run(df, table.mapping, asked, staging=tmp_path / "staging")
        table.assert_whole(summary, server, tmp_path / "staging")
    for accident, attempts in ((kills_its_executor, 2), (fails_twice, 3), (is_slow, 2)):
        assert len(list((tmp_path / "tried" / accident.__name__).iterdir())) >= attempts
