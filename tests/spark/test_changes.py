"""A changed-only run of a data frame: executors leave out who is unchanged."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import importer
import importer.spark
from importer.commands.export_snapshot import export_snapshot
from importer.config import loader
from importer.errors import ConfigError
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from tests.spark.people import KEY, facts, left, mapping, options, outcomes, rows

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


def nightly() -> dict[str, Any]:
    config = {**mapping(), "run": {"changed_only": True, "outcomes": True}}
    return {**config, "destination": {**config["destination"], "account": "test"}}


def next_night() -> pl.DataFrame:
    """Some have changed, some have left, some are new."""
    table = rows(PEOPLE + 20).filter(pl.int_range(pl.len()) % 71 != 3)
    return table.with_columns(age=pl.when(pl.col("id").str.ends_with("17")).then(99).otherwise("age"))


def test_the_second_night_is_the_one_of_a_plain_run(
    spark: Any, servers: tuple[SandboxServer, SandboxServer], tmp_path: Path
) -> None:
    config, (plain, lake) = nightly(), servers
    for number, table in enumerate((rows(PEOPLE), next_night())):
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
    config, asked = nightly(), options(tmp_path, servers[0].url)
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
