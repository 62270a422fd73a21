"""A driver that is killed at any moment: the run goes on, nothing is lost and nothing is sent twice."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import importer
import importer.spark
from importer.config import loader
from importer.sandbox import server as sandbox
from importer.sandbox.server import SandboxServer
from tests.spark.cluster import Cluster, settings
from tests.spark.killing import driver, pieces, sealed_driver
from tests.spark.people import KEY, left, options
from tests.spark.sessions import LOCAL
from tests.spark.tables import REMEMBERED, Table
from tests.spark.waiting import until

COMMITS = 0.1
"""The part of the people who may be in a call that is sent twice.

It is what was open or answered within the last commit interval before the kill. That interval is long on a
machine that has much else to do.
"""


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_TEST_KEY", KEY)


@pytest.fixture
def server(table: Table) -> Iterator[SandboxServer]:
    asked = replace(REMEMBERED, latency=0.02)
    with sandbox.running(loader.parse(table.mapping), asked, KEY) as server:
        yield server


def test_killed_while_staging_the_same_call_stages_again(
    spark: Any, table: Table, server: SandboxServer, tmp_path: Path
) -> None:
    with driver(LOCAL, table, tmp_path, server.url) as process:
        until(lambda: bool(pieces(tmp_path)), "the first piece", process)
    df = spark.read.parquet(str(table.path)).repartition(6)
    asked = options(tmp_path, server.url, run_id="night")
    summary = importer.spark.run(df, table.mapping, asked, staging=tmp_path / "staging")
    table.assert_whole(summary, server, tmp_path / "staging")


@pytest.mark.slow  # the last test does the same on the cluster
def test_killed_between_sealing_and_sending_resume_sends(
    table: Table, server: SandboxServer, tmp_path: Path
) -> None:
    with sealed_driver(LOCAL, table, tmp_path, server.url):
        pass
    summary = importer.resume(tmp_path / "state", "night", options(tmp_path, server.url))
    table.assert_whole(summary, server, tmp_path / "staging")


@pytest.mark.parametrize("place", ["local", pytest.param("cluster", marks=pytest.mark.slow)])
def test_killed_while_sending_resume_sends_the_rest(
    place: str, table: Table, server: SandboxServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    master = LOCAL if place == "local" else request.getfixturevalue("cluster").master
    with driver(master, table, tmp_path, server.url, {} if place == "local" else settings()) as process:
        until(lambda: server.stats.writes > table.calls // 5, "a fifth of the calls", process)
        sent = server.stats.writes
    summary = importer.resume(tmp_path / "state", "night", options(tmp_path, server.url))
    assert 0 < sent < table.calls  # it was killed in the middle
    table.assert_whole(summary, server, tmp_path / "staging", again=COMMITS)


@pytest.mark.slow
def test_killed_while_a_cluster_stages_its_tasks_leave_nothing(
    spark: Any, cluster: Cluster, table: Table, server: SandboxServer, tmp_path: Path
) -> None:
    with driver(cluster.master, table, tmp_path, server.url, settings()) as process:
        until(lambda: bool(pieces(tmp_path)), "the first piece", process)
    df = spark.read.parquet(str(table.path)).repartition(6)
    asked = options(tmp_path, server.url, run_id="night")
    summary = importer.spark.run(df, table.mapping, asked, staging=tmp_path / "staging")
    table.assert_whole(summary, server, tmp_path / "staging")
    until(lambda: left(cluster.local) == [], "the workers delete what executors had on disk")


def test_on_a_cluster_the_key_is_nowhere_and_after_the_seal_resume_sends(
    cluster: Cluster, table: Table, server: SandboxServer, tmp_path: Path
) -> None:
    events = tmp_path / "events"
    events.mkdir()
    log = {"enabled": "true", "dir": events.as_uri(), "compress": "false", "rolling.enabled": "false"}
    asked = settings(**{f"spark.eventLog.{name}": value for name, value in log.items()})
    with sealed_driver(cluster.master, table, tmp_path, server.url, asked) as process:
        places = [*(path / "environ" for path in cluster.executors()), *left(tmp_path), *left(cluster.folder)]
        texts = {path: text_of(path) for path in places}
        own = text_of(Path(f"/proc/{process.pid}/environ"))
    assert [path for path, text in texts.items() if KEY in text] == []
    assert KEY in own  # where it is, it is found
    for kind in ("environ", "piece.json", "sealed.json", "stderr", events.name):
        assert any(text for path, text in texts.items() if kind in path.parts)
    assert any("Physical Plan" in text for path, text in texts.items() if path.is_relative_to(events))
    summary = importer.resume(tmp_path / "state", "night", options(tmp_path, server.url))
    table.assert_whole(summary, server, tmp_path / "staging")


def text_of(path: Path) -> str:
    """The text of a file, also where it is not text; "" where it is gone in the meantime."""
    try:
        return path.read_bytes().decode("latin-1")
    except OSError:
        return ""
