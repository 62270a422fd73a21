"""A changed-only run of a data frame: executors leave out who is unchanged."""

import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import importer
import importer.spark
from importer.commands.export_snapshot import export_snapshot
from importer.config import loader
from importer.core.models import RunSummary
from importer.errors import ConfigError
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from tests.spark.people import (
    KEY,
    MILLION,
    differing,
    facts,
    grouped,
    left,
    mapping,
    named,
    options,
    outcomes,
    rows,
)
from tests.spark.tables import REMEMBERED

PEOPLE = 400


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_TEST_KEY", KEY)


@pytest.fixture
def servers() -> Iterator[tuple[SandboxServer, SandboxServer]]:
    config = loader.parse(mapping())
    with (
        sandbox.running(config, SandboxOptions(), KEY) as plain,
        sandbox.running(config, SandboxOptions(), KEY) as lake,
    ):
        yield plain, lake


def nightly(declared: dict[str, Any]) -> dict[str, Any]:
    config = {**declared, "run": {"changed_only": True, "outcomes": True}}
    return {**config, "destination": {**config["destination"], "account": "test"}}


def next_night(people: int) -> pl.DataFrame:
    """Some have changed, some have left, some are new."""
    table = rows(people + 20).filter(pl.int_range(pl.len()) % 71 != 3)
    return table.with_columns(age=pl.when(pl.col("id").str.ends_with("17")).then(99).otherwise("age"))


def test_the_second_night_is_the_one_of_a_plain_run(
    spark: Any, servers: tuple[SandboxServer, SandboxServer], tmp_path: Path
) -> None:
    config, (plain, lake) = nightly(mapping()), servers
    for number, table in enumerate((rows(PEOPLE), next_night(PEOPLE))):
        path, calls = str(tmp_path / f"{number}.parquet"), [s.stats.writes for s in servers]
        table.write_parquet(path)
        expected = importer.run(config, table, options(tmp_path / "plain", plain.url))
        df = spark.read.parquet(path).repartition(4)
        asked = options(tmp_path / "lake", lake.url)
        summary = importer.spark.run(df, config, asked, staging=tmp_path / "staging")
        assert facts(summary, lake.stored) == facts(expected, plain.stored)
        assert outcomes(summary) == outcomes(expected)
        sent = [server.stats.writes - before for server, before in zip(servers, calls, strict=True)]
        assert sent[0] == sent[1]
        assert left(tmp_path / "staging") == []
    assert summary.values["unchanged"] > 0


def test_the_rows_that_are_due_by_an_exported_file(
    spark: Any, servers: tuple[SandboxServer, SandboxServer], tmp_path: Path
) -> None:
    config, asked = nightly(mapping()), options(tmp_path, servers[0].url)
    table = pl.DataFrame({"id": ["u1", "u2", "u3", None], "plan": ["pro", "pro", "off", "pro"]})
    table = table.with_columns(age=pl.lit(7), joined=pl.lit(None, pl.Date), note=pl.lit("x"))
    table = table.with_columns(seen=pl.lit(None, pl.Datetime("us")), ignored=pl.lit("x"))
    importer.run(config, table, asked)
    known = export_snapshot(loader.parse(config), asked, str(tmp_path / "lake"))
    changes = pl.concat([table, table.filter(id="u2").with_columns(age=pl.lit(8))])
    changes.write_parquet(tmp_path / "list.parquet")
    df = spark.read.parquet(str(tmp_path / "list.parquet"))
    due = importer.spark.changed(df, config, known, asked)
    assert due.columns == df.columns
    found = sorted((row["id"] or "", row["age"]) for row in due.collect())
    assert found == [("", 7), ("u2", 7), ("u2", 8), ("u3", 7)], "u3 is refused again"
    importer.run(config, changes.filter(id="u1").with_columns(age=pl.lit(9)), asked)
    with pytest.raises(ConfigError, match="importer snapshot export"):
        importer.spark.changed(df, config, known, asked)
    with pytest.raises(ConfigError, match=r"run.full_every"):
        importer.spark.changed(
            df, {**config, "run": {"full_every": "7d", "changed_only": True}}, known, asked
        )


@pytest.mark.slow
def test_of_a_million_people_the_same_are_due_as_in_a_plain_run(spark: Any, tmp_path: Path) -> None:
    config, before, path = nightly(grouped(MILLION)), tmp_path / "before", tmp_path / "list.parquet"
    port = free_port()
    night_of(config, port, before, lambda asked: importer.run(config, rows(MILLION), asked))
    next_night(MILLION).write_parquet(path, row_group_size=MILLION // 8)
    df = spark.read.parquet(str(path))
    write_due(df, config, options(before, f"http://127.0.0.1:{port}"), tmp_path)
    nights: dict[str, Callable[[importer.Options], RunSummary]] = {
        "plain": lambda asked: importer.run(config, str(path), asked),
        "spark": lambda asked: importer.spark.run(df, config, asked, staging=tmp_path / "staging"),
        "due": lambda asked: importer.run(config, str(tmp_path / "due.parquet"), asked),
    }
    found = {
        name: night_of(config, port, shutil.copytree(before, tmp_path / name), night)
        for name, night in nights.items()
    }
    plain, due = found["plain"], found["due"]
    assert differing(found["spark"], plain) == []
    assert differing(due["stored"], plain["stored"]) == []
    assert due["calls"] == plain["calls"]
    assert (
        due["rows"]["read"] - due["rows"]["unchanged"] == plain["rows"]["read"] - plain["rows"]["unchanged"]
    )
    assert due["rows"]["unchanged"] < plain["rows"]["unchanged"] // 10, "only of people with several rows"
    assert left(tmp_path / "staging") == []


def write_due(df: Any, config: dict[str, Any], asked: importer.Options, folder: Path) -> None:
    """The rows that may be due, by what is exported after the last night, as `due.parquet`."""
    exported = export_snapshot(loader.parse(config), asked, str(folder / "lake"))
    due = importer.spark.changed(df, config, exported, asked)
    df.sparkSession.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")  # else without UTC
    due.write.parquet(str(folder / "due.parquet"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def night_of(
    config: dict[str, Any], port: int, folder: Path, imported: Callable[[importer.Options], RunSummary]
) -> dict[str, Any]:
    """What a night comes to at a destination that knows nobody; `calls` is in how many each person was.

    The destination is at the same address each night: another one would have a snapshot of its own.
    """
    with sandbox.running(loader.parse(config), replace(REMEMBERED, port=port), KEY) as server:
        summary = imported(options(folder, server.url))
        return {**facts(summary, server.stored), "calls": named(server)}
