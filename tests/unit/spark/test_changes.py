"""Unchanged people are left out on executors exactly as `changed_only` leaves them out in one process."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import importer
from importer.config import loader
from importer.core.models import RunSummary
from importer.errors import StateError
from importer.pipeline.open_snapshot import snapshot_of
from importer.pipeline.run_spec import RunSpec
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from importer.spark.fingerprints import FINGERPRINT, PERSON, with_fingerprints
from importer.spark.known import (
    fingerprint_pieces,
    put_fingerprints,
    read_fingerprints,
    snapshot_to_compare,
)
from importer.spark.piece import Job
from importer.spark.unchanged import UNCHANGED
from importer.storage.snapshot import Snapshot
from tests.unit.spark.staged import begun, job_of, names, pa, staged

KEY = "sk_test_changes:secret"
PEOPLE = 60


@pytest.fixture
def destination() -> str:
    return "vevee"


@pytest.fixture
def mapping(destination: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("CHANGES_KEY", KEY)
    place = {"data_center": "singapore"} if destination == "engagelab" else {}
    return {
        "name": "changes",
        "identity": {"column": "id"},
        "source": {"where": "plan IS NULL OR plan <> 'gone'"},
        "destination": {
            "type": destination,
            **place,
            "api_key": "env:CHANGES_KEY",
            "account": "test",
            "requests_per_second": 0,
        },
        "run": {"changed_only": True, "outcomes": True},
        "attributes": {
            "plan": {"type": "single_choice", "options": ["pro", "basic"]},
            "age": {"type": "number"},
            "day": {"type": "date"},
            "note": {"type": "free_text", "blank": "clear"},
        },
    }


@pytest.fixture
def servers(mapping: dict[str, Any]) -> Iterator[tuple[SandboxServer, SandboxServer]]:
    """Two destinations that do not know the option "basic", so they refuse some values of ours."""
    plan = {"type": "single_choice", "options": ["pro"]}
    config = loader.parse({**mapping, "attributes": {**mapping["attributes"], "plan": plan}})
    with (
        sandbox.running(config, SandboxOptions(), KEY) as plain,
        sandbox.running(config, SandboxOptions(), KEY) as lake,
    ):
        yield plain, lake


def people(chance: random.Random) -> pl.DataFrame:
    """Rows with every kind of fault: no id, a bad value, a value that the destination refuses, twice there.

    A row with U+001F has no fingerprint, so it is always due.
    """
    day = pl.Series([None if chance.random() < 0.9 else 19_000 for _ in range(PEOPLE)], dtype=pl.Int32)
    table = pl.DataFrame(
        {
            "id": [None if chance.random() < 0.05 else f"u{n}" for n in range(PEOPLE)],
            "plan": [chance.choice(("pro", "basic", "off", "gone", None)) for _ in range(PEOPLE)],
            "age": [chance.choice((7, 8, 0, None)) for _ in range(PEOPLE)],
            "day": day.cast(pl.Date),
            "note": [chance.choice(("", "x", "=1+1", "\x1f")) for _ in range(PEOPLE)],
        }
    )
    twice = table.filter((pl.int_range(pl.len()) % 11 == 5) & (pl.col("note") != "\x1f"))
    return pl.concat([table, twice])


def next_night(table: pl.DataFrame, chance: random.Random) -> pl.DataFrame:
    """The same list: some people have other rows, some have left, some are new."""
    other = people(chance).unique("id", maintain_order=True)
    changes = pl.Series([chance.random() < 0.2 for _ in range(table.height)])
    left = table.filter(~changes & ~pl.Series([chance.random() < 0.1 for _ in range(table.height)]))
    moved = other.join(left.drop_nulls("id"), on="id", how="anti").head(12)
    new = other.head(3).with_columns(
        id=pl.format("new-{}-{}", pl.lit(chance.random()), pl.int_range(pl.len()))
    )
    return pl.concat([left, moved, new]).sample(fraction=1, shuffle=True, seed=chance.randrange(1 << 30))


def options(folder: Path, server: SandboxServer, **more: Any) -> importer.Options:
    return importer.Options(state_dir=folder / "state", base_url=server.url, **more)


def marked(table: pl.DataFrame, job: Job) -> pl.DataFrame:
    """What Spark does: the rows with their fingerprints, joined with those that are staged."""
    known = pl.concat([read_fingerprints(job, name) for name in fingerprint_pieces(job)])
    batches = table.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches(max_chunksize=25)
    found = pl.DataFrame(
        pa.Table.from_batches(with_fingerprints(iter(batches), job.config, list(table.columns)))
    )
    joined = found.join(known, left_on=PERSON, right_on="distinct_id", how="left", maintain_order="left")
    is_same = (pl.col(FINGERPRINT) == pl.col("fingerprint")) & (pl.len().over(PERSON) == 1)
    return joined.select(*table.columns, pl.when(is_same).then("values").alias(UNCHANGED))


def compared_job(spec: RunSpec) -> Job:
    """A job whose rows are to be compared, its fingerprints staged."""
    snapshot = snapshot_to_compare(spec)
    assert isinstance(snapshot, Snapshot)
    job = replace(job_of(spec), snapshot=snapshot.version(spec.folder.run_id))
    put_fingerprints(snapshot, job, spec.state_dir)
    return job


def lake_run(
    mapping: dict[str, Any], table: pl.DataFrame, folder: Path, asked: importer.Options
) -> RunSummary:
    """The run as Spark does it, its tasks one after the other."""
    spec = begun(mapping, str(folder / "staging"), asked)
    job = compared_job(spec)
    rows = marked(table, job)
    staged(job, [rows.gather_every(3, n) for n in range(3)])
    assert not fingerprint_pieces(job)
    return importer.resume(folder / "state", spec.folder.run_id, options=asked)


def facts(summary: RunSummary, server: SandboxServer) -> dict[str, Any]:
    """All that the two runs have in common: no place of a row, no time; nobody can be gone from a part."""
    rejects = summary.rejects().drop("file", "row", "line", "at").sort(pl.all()).rows()
    ends = summary.outcomes().drop("run_id", "source", "row", "line", "at", "attempts").collect()
    counts = ("exit_code", "rows", "values", "people", "attributes", "reject_counts")
    found = {name: getattr(summary, name) for name in counts}
    warnings = [(w.code, w.column, w.count) for w in summary.warnings]
    ended = ends.sort(pl.all()).rows()
    return {**found, "stored": server.stored, "warnings": warnings, "rejects": rejects, "ended": ended}


@pytest.mark.parametrize(("seed", "destination"), [(0, "vevee"), (1, "engagelab")])
def test_the_same_people_are_due_and_everything_is_counted_the_same(
    seed: int, mapping: dict[str, Any], servers: Sequence[SandboxServer], tmp_path: Path
) -> None:
    """EngageLab fixes the type of a property by its first value, so all texts of the list are looked at."""
    chance = random.Random(seed)
    table = people(chance)
    plain, lake = servers
    for folder, server in (("plain", plain), ("lake", lake)):
        importer.run(mapping, table, options(tmp_path / folder, server))
    for _ in range(2):
        table = next_night(table, chance)
        before = [server.stats.writes for server in servers]
        expected = importer.run(mapping, table, options(tmp_path / "plain", plain))
        found = lake_run(mapping, table, tmp_path / "lake", options(tmp_path / "lake", lake))
        assert facts(found, lake) == facts(expected, plain)
        sent = [server.stats.writes - n for server, n in zip(servers, before, strict=True)]
        assert sent[0] == sent[1] > 0
        assert found.values["unchanged"] > 0
    assert names(tmp_path / "lake" / "staging") == []


def test_each_row_has_the_fingerprint_of_its_own_person(mapping: dict[str, Any]) -> None:
    mapping["attributes"] = {"plan": {"type": "free_text"}, "note": {"type": "free_text", "column": "a.b"}}
    mapping["source"]["ignore"] = ["note"]
    config = json.dumps(loader.parse(mapping).as_mapping())
    columns = [pa.array(cells) for cells in (["u1", None, "u2", "u1"], ["x", "x", "gone", "x"])]
    notes = [pa.array(["other"] * 4), pa.array(["n", "n", "n", "m"])]
    batch = pa.RecordBatch.from_arrays([*columns, *notes], names=["c0", "c1", "c2", "c3"])
    [found] = with_fingerprints(iter([batch]), config, ["id", "plan", "note", "a.b"])
    assert found.schema.names == ["c0", "c1", "c2", "c3", PERSON, FINGERPRINT]
    assert found.column(PERSON).to_pylist() == ["u1", None, None, "u1"]
    prints = found.column(FINGERPRINT).to_pylist()
    assert [prints[1], prints[2], len(set(prints))] == [None, None, 3]


def test_what_was_left_out_is_not_relied_on_once_another_run_has_sent(
    mapping: dict[str, Any], servers: Sequence[SandboxServer], tmp_path: Path
) -> None:
    server, table = servers[0], pl.DataFrame({"id": ["u1"], "plan": ["pro"], "age": [1], "note": ["x"]})
    table = table.with_columns(day=pl.lit(None, pl.Date))
    asked = options(tmp_path, server)
    importer.run(mapping, table, asked)
    spec = begun(mapping, str(tmp_path / "staging"), asked)
    job = compared_job(spec)
    staged(job, [marked(table, job)])
    changes = table.with_columns(age=pl.lit(2, pl.Int64))
    snapshot = snapshot_of(tmp_path / "state", spec.config)
    snapshot.begin("other")
    sent = changes.select("id", print=pl.lit(1, pl.UInt64), values=pl.lit(1, pl.UInt32)).with_columns(
        pl.lit("2").alias("v:age")
    )
    snapshot.record(0, 0, 1024, sent)
    with pytest.raises(StateError, match="another run has sent values since"):
        importer.resume(tmp_path / "state", spec.folder.run_id, options=asked)


@pytest.mark.parametrize(
    "more",
    [
        {"run": {"changed_only": True, "full_every": "7d"}},
        {"run": {"changed_only": False}},
    ],
)
def test_everybody_is_staged_where_everybody_is_looked_at(
    more: dict[str, Any], mapping: dict[str, Any], servers: Sequence[SandboxServer], tmp_path: Path
) -> None:
    asked = options(tmp_path, servers[0])
    assert snapshot_to_compare(begun(mapping, "staging", asked)) is None, "nobody is known"
    importer.run(mapping, people(random.Random(7)).unique("id"), asked)
    assert snapshot_to_compare(begun(mapping, "staging", asked)) is not None
    assert snapshot_to_compare(begun({**mapping, **more}, "staging", asked)) is None
