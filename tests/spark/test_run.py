"""A data frame of Spark is imported as the same rows are by a plain run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import importer
import importer.spark
from importer.config import loader
from importer.errors import SourceError
from importer.pipeline import library
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from tests.spark.people import KEY, PEOPLE, facts, left, mapping, options, outcomes, rows
from tests.support.stages import Listening


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_TEST_KEY", KEY)


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with sandbox.running(loader.parse(mapping()), SandboxOptions(), KEY) as server:
        yield server


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The list as a folder of Parquet files."""
    folder = tmp_path_factory.mktemp("lake") / "people"
    folder.mkdir()
    for number, part in enumerate(rows(PEOPLE).iter_slices(PEOPLE // 3)):
        part.write_parquet(folder / f"part-{number}.parquet")
    return folder


@pytest.mark.parametrize("kind", ["table", "shuffled"])
def test_a_data_frame_is_the_same_run(
    kind: str, spark: Any, parquet: Path, server: SandboxServer, tmp_path: Path
) -> None:
    config = {**mapping(), "run": {"outcomes": True}}
    with sandbox.running(loader.parse(config), SandboxOptions(), KEY) as other:
        plain = importer.run(config, rows(PEOPLE), options(tmp_path / "plain", other.url))
        expected = facts(plain, other.stored)
    df = spark.read.parquet(str(parquet))
    df = df.repartition(5).sortWithinPartitions("note") if kind == "shuffled" else df
    summary = importer.spark.run(df, config, options(tmp_path, server.url), staging=tmp_path / "staging")
    assert facts(summary, server.stored) == expected
    assert outcomes(summary) == outcomes(plain)
    assert left(tmp_path / "staging") == []
    read = spark.read.format("importer").option("state", str(tmp_path / "state"))
    table = read.option("run", summary.run_id).load()
    counted = {row["outcome"]: row["count"] for row in table.groupBy("outcome").count().collect()}
    assert counted == {name: n for name, n in summary.values.items() if n and name != "read"}


CONFIG = """
name = "lake"
[identity]
column = "id"
[source]
ignore = ["ignored", "joined", "seen", "note"]
[destination]
type = "vevee"
api_key = "env:SPARK_TEST_KEY"
requests_per_second = 0
[attributes.plan]
type = "single_choice"
options = ["pro", "basic", "off", "gone"]
[attributes.age]
type = "number"
"""


def test_a_table_may_be_staged_by_the_format_alone_and_sent_later(
    spark: Any, parquet: Path, server: SandboxServer, tmp_path: Path
) -> None:
    from pyspark.errors import PySparkException

    from importer.spark.source import ImporterSource

    config, staging, events = tmp_path / "lake.toml", tmp_path / "staging", Listening()
    config.write_text(CONFIG, "utf-8")
    spark.dataSource.register(ImporterSource)
    df = spark.read.parquet(str(parquet))
    wanted = {"config": str(config), "staging": str(staging), "run": "later"}
    for bad, word in (({"run": "../x"}, "--run-id"), ({"config": ""}, 'option "config" is missing')):
        with pytest.raises(PySparkException, match=word):
            df.write.format("importer").options(**wanted | bad).mode("append").save()
    df.write.format("importer").options(**wanted).mode("append").save()
    asked = options(tmp_path, server.url, run_id="later")
    summary = importer.spark.run(df.limit(0), str(config), asked, events, staging=staging)
    assert not events.of("staging")
    assert summary.rows["read"] == rows(PEOPLE).height
    assert server.stats.writes == summary.calls["sent"] > 0
    assert left(staging) == []


def test_a_check_needs_no_key_and_says_the_same(
    spark: Any, parquet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPARK_TEST_KEY")
    expected = facts(
        importer.check(mapping(), rows(PEOPLE), options(tmp_path / "plain", "http://127.0.0.1:9")), {}
    )
    df = spark.read.parquet(str(parquet))
    asked = options(tmp_path, "http://127.0.0.1:9")
    summary = importer.spark.check(df, mapping(), asked, staging=tmp_path / "staging")
    assert facts(summary, {}) == expected
    assert left(tmp_path / "staging") == []


def test_tasks_that_fail_and_are_tried_again_leave_nothing_twice(
    spark: Any, parquet: Path, server: SandboxServer, tmp_path: Path
) -> None:
    def fail_twice(batches: Iterator[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        yield from batches
        context = TaskContext.get()
        if context is not None and context.partitionId() == 1 and context.attemptNumber() < 2:
            raise RuntimeError("a machine of the cluster is lost")

    with sandbox.running(loader.parse(mapping()), SandboxOptions(), KEY) as other:
        importer.run(mapping(), rows(PEOPLE), options(tmp_path / "plain", other.url))
        expected = other.stats.writes
    df = spark.read.parquet(str(parquet)).repartition(3)
    df = df.mapInArrow(fail_twice, df.schema)
    summary = importer.spark.run(df, mapping(), options(tmp_path, server.url), staging=tmp_path / "staging")
    assert summary.rows["read"] == rows(PEOPLE).height
    assert server.stats.writes == summary.calls["sent"] == expected
    assert left(tmp_path / "staging") == []


def test_what_spark_cannot_read_is_an_error_without_a_value(
    spark: Any, server: SandboxServer, tmp_path: Path
) -> None:
    df = spark.createDataFrame([("u1", "secret-text")], "id string, age string")
    df = df.selectExpr("id", "cast(age as int) age").coalesce(1)  # no other task, which could end later
    config = {**mapping(), "attributes": {"age": {"type": "number"}}, "source": {}}
    asked = options(tmp_path, server.url, run_id="bad")
    with pytest.raises(SourceError, match="Spark could not read it") as caught:
        importer.spark.run(df, config, asked, staging=tmp_path / "staging")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert (server.stats.requests, left(tmp_path / "staging")) == (0, [])
    with pytest.raises(SourceError, match="plan"):
        importer.spark.run(df, mapping(), options(tmp_path, server.url), staging=tmp_path / "staging")


def test_an_error_of_a_task_of_ours_is_said_in_its_own_words(
    spark: Any, parquet: Path, server: SandboxServer, tmp_path: Path
) -> None:
    df = spark.read.parquet(str(parquet))
    df = df.where("raise_error(concat('importer.core.errors.SourceError: ', 'from a task')) is null")
    with pytest.raises(SourceError, match=r"^from a task"):
        importer.spark.run(df, mapping(), options(tmp_path, server.url), staging=tmp_path / "staging")


def test_the_key_is_in_no_piece_and_no_plan(
    spark: Any, parquet: Path, server: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    df = spark.read.parquet(str(parquet)).limit(50)
    monkeypatch.setattr(library, "resume", lambda *_, **__: None)  # looked at before it is sent
    importer.spark.run(df, mapping(), options(tmp_path, server.url), staging=tmp_path / "staging")
    staged = left(tmp_path / "staging")
    assert any(path.name == "sealed.json" for path in staged)
    assert not [path for path in staged if KEY.encode() in path.read_bytes()]


def test_another_python_on_an_executor_is_said_in_one_sentence(
    spark: Any, parquet: Path, server: SandboxServer, tmp_path: Path
) -> None:
    df = spark.read.parquet(str(parquet))
    words = "Python in worker has different version: 3.12 than that in driver: 3.11, PySpark cannot run"
    df = df.where(f"raise_error('{words}') is null")
    with pytest.raises(SourceError, match=r"^table: an executor runs Python 3\.12, the caller 3\.11; "):
        importer.spark.run(df, mapping(), options(tmp_path, server.url), staging=tmp_path / "staging")
