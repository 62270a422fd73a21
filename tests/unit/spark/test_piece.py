"""Pieces of a table, sealed and sent: the same as a run of the whole table."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import importer
from importer.config import loader
from importer.core.models import RunSummary
from importer.errors import ConfigError, SourceError, StateError
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from importer.spark.piece import PARTITIONS, Job, write_piece
from importer.spark.seal import abandon, seal
from importer.storage.run_folder import RunFolder
from importer.storage.staging import Staging, staging_of
from tests.unit.spark.staged import begun, job_of, names, staged, written

KEY = "sk_test_pieces"
PEOPLE = 40


@pytest.fixture
def mapping(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("PIECES_KEY", KEY)
    return {
        "name": "pieces",
        "identity": {"column": "id"},
        "source": {"where": "plan IS NULL OR plan <> 'gone'"},
        "destination": {"type": "vevee", "api_key": "env:PIECES_KEY", "requests_per_second": 0},
        "attributes": {
            "plan": {"type": "single_choice", "options": ["pro", "basic"]},
            "age": {"type": "number"},
            "note": {"type": "free_text", "blank": "clear"},
        },
    }


@pytest.fixture
def server(mapping: dict[str, Any]) -> Iterator[SandboxServer]:
    with sandbox.running(loader.parse(mapping), SandboxOptions(), KEY) as server:
        yield server


def table() -> pl.DataFrame:
    """People of whom some have bad values, some are left out, and one has no id."""
    plans = ["pro", "basic", "off", "gone", None]
    return pl.DataFrame(
        {
            "id": [None if n == 7 else f"u{n}" for n in range(PEOPLE)],
            "plan": [plans[n % 5] for n in range(PEOPLE)],
            "age": [n if n % 3 else None for n in range(PEOPLE)],
            "note": ["" if n % 4 == 0 else f"=1+{n}" for n in range(PEOPLE)],
        }
    )


def parts(count: int) -> list[pl.DataFrame]:
    shuffled = table().sample(fraction=1.0, shuffle=True, seed=1)
    return [shuffled.gather_every(count, offset) for offset in range(count)]


def options(folder: Path, server: SandboxServer, **more: Any) -> importer.Options:
    return importer.Options(state_dir=folder / "state", base_url=server.url, **more)


def facts(summary: RunSummary, server: SandboxServer) -> tuple[Any, ...]:
    """All that two runs of the same rows have in common: no place of a row, no time."""
    rejects = summary.rejects().drop("file", "row", "line", "at").sort(pl.all()).rows()
    warnings = [(w.code, w.column, w.count) for w in summary.warnings]
    counts = [summary.exit_code, summary.rows, summary.values, summary.people, summary.attributes]
    return server.stored, *counts, summary.reject_counts, warnings, rejects


def test_pieces_are_the_same_run_as_the_whole_table(
    mapping: dict[str, Any], server: SandboxServer, tmp_path: Path
) -> None:
    with sandbox.running(loader.parse(mapping), SandboxOptions(), KEY) as other:
        expected = facts(importer.run(mapping, table(), options(tmp_path / "plain", other)), other)
    spec = begun(mapping, str(tmp_path / "staging"), options(tmp_path, server))
    staged(job_of(spec), [*parts(3), table().clear()])
    summary = importer.resume(tmp_path / "state", options=options(tmp_path, server))
    assert facts(summary, server) == expected
    assert names(tmp_path / "staging") == []
    assert [path.name for path in (summary.folder / "rejected_rows").iterdir()] == ["01-table.parquet"]


def test_only_the_sealed_attempts_count_and_nothing_else_stays(
    mapping: dict[str, Any], server: SandboxServer, tmp_path: Path
) -> None:
    place = tmp_path / "staging"
    spec = begun(mapping, str(place), options(tmp_path, server))
    one, other = parts(2)
    written(job_of(spec, "killed"), other, 1, 4)  # of a driver that was killed
    job = job_of(spec)
    written(job, one, 0, 1)  # ran twice: Spark takes the other attempt
    pieces = [written(job, one, 0, 2), written(job, other, 1, 3)]
    seal(job, pieces)
    later = job_of(spec, "later")
    seal(later, [written(later, table(), 0)])  # the first seal stays
    assert set(staging_of(str(place), spec.folder.run_id).pieces()) == {piece.name for piece in pieces}
    summary = importer.resume(tmp_path / "state", options=options(tmp_path, server))
    assert summary.rows["read"] == PEOPLE


@pytest.mark.parametrize("end", [lambda job: seal(job, []), abandon], ids=["sealed", "failed"])
@pytest.mark.parametrize("moment", ["before it began", "while it copied"])
def test_a_task_that_ends_after_its_job_leaves_nothing(
    end: Callable[[Job], None],
    moment: str,
    mapping: dict[str, Any],
    server: SandboxServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = job_of(begun(mapping, str(tmp_path / "staging"), options(tmp_path, server)))
    if moment == "before it began":
        end(job)
    else:
        folder = type(staging_of("", ""))
        publish = folder.publish

        def slow(staging: Staging, piece: Path, name: str) -> None:
            publish(staging, piece, name)
            end(job)

        monkeypatch.setattr(folder, "publish", slow)
    with pytest.raises(StateError, match="the job of this task is not there"):
        written(job, table(), 0)
    assert [name for name in names(tmp_path / "staging") if "sealed.json" not in name] == []


def test_a_task_uses_the_folder_for_temporary_files_that_spark_deletes(
    mapping: dict[str, Any], server: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "local").mkdir()
    monkeypatch.setenv("SPARK_LOCAL_DIRS", f"{tmp_path / 'gone'},{tmp_path / 'local'}")
    made = []
    monkeypatch.setattr(RunFolder, "make_folders", lambda folder: made.append(folder.path))
    with pytest.raises(StateError):  # it cannot go on without its folders
        written(job_of(begun(mapping, str(tmp_path / "staging"), options(tmp_path, server))), table(), 0)
    assert [path.parents[1] for path in made] == [tmp_path / "local"]
    assert list((tmp_path / "local").iterdir()) == []


def test_what_is_staged_goes_also_where_an_attempt_was_killed_after_it_had_read_it(
    mapping: dict[str, Any], server: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    spec = begun(mapping, str(tmp_path / "staging"), options(tmp_path, server))
    staged(job_of(spec), parts(2))
    with monkeypatch.context() as patched:
        patched.setattr(type(staging_of("", "")), "clear", kill)
        with pytest.raises(KeyboardInterrupt):
            importer.resume(tmp_path / "state", options=options(tmp_path, server))
    assert names(tmp_path / "staging")
    importer.resume(tmp_path / "state", options=options(tmp_path, server))
    assert names(tmp_path / "staging") == []


def test_a_job_that_fails_leaves_nothing(
    mapping: dict[str, Any], server: SandboxServer, tmp_path: Path
) -> None:
    place = tmp_path / "staging"
    spec = begun(mapping, str(place), options(tmp_path, server))
    written(job_of(spec), table(), 0)
    abandon(job_of(spec))
    assert names(place) == []
    with pytest.raises(SourceError, match="not staged to its end"):
        importer.resume(tmp_path / "state", options=options(tmp_path, server))


def test_people_with_several_rows_are_refused_before_anything_is_sent(
    mapping: dict[str, Any], server: SandboxServer, tmp_path: Path
) -> None:
    spec = begun(mapping, str(tmp_path / "staging"), options(tmp_path, server))
    rows = pl.DataFrame({"id": ["u1", "u2", "u3"], "plan": ["pro"] * 3, "age": [1, 2, 3], "note": ["x"] * 3})
    staged(job_of(spec), [rows, rows.head(2), rows.filter(id="u3").with_columns(age=pl.lit(4, pl.Int64))])
    with pytest.raises(SourceError, match=r"^table: 1 people have several rows that differ"):
        importer.resume(tmp_path / "state", options=options(tmp_path, server))
    assert (server.stats.requests, names(tmp_path / "staging")) == (0, [])


def test_the_newest_row_wins_where_the_configuration_says_which(
    mapping: dict[str, Any], server: SandboxServer, tmp_path: Path
) -> None:
    mapping["source"] = {"latest_by": "age", "latest_type": "number"}
    spec = begun(mapping, str(tmp_path / "staging"), options(tmp_path, server))
    rows = pl.DataFrame({"id": ["u1"], "plan": ["pro"], "age": [5], "note": ["new"]})
    staged(job_of(spec), [rows, rows.with_columns(age=pl.lit(4, pl.Int64), note=pl.lit("old"))])
    importer.resume(tmp_path / "state", options=options(tmp_path, server))
    assert server.stored["u1"] == {"plan": "pro", "age": 5, "note": "new"}


def test_a_table_that_increases_is_not_counted_twice_in_whatever_order(
    mapping: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIECES_KEY", "key:secret")
    mapping["attributes"] = {"age": {"type": "number", "operation": "increase"}}
    mapping["source"] = {"ignore": ["plan", "note"]}
    mapping["destination"] |= {"type": "engagelab", "data_center": "singapore"}
    with sandbox.running(loader.parse(mapping), SandboxOptions(), "key:secret") as server:
        for count in (2, 3):
            spec = begun(mapping, str(tmp_path / "staging"), options(tmp_path, server, run_id=f"run-{count}"))
            staged(job_of(spec), parts(count))
            if count == 2:
                importer.resume(tmp_path / "state", "run-2", options(tmp_path, server))
                counted = server.stored
        with pytest.raises(ConfigError, match="run-2 has sent this content"):
            importer.resume(tmp_path / "state", "run-3", options(tmp_path, server))
        assert server.stored == counted != {}


@pytest.mark.parametrize("change", ["source", "version"])
def test_what_was_staged_with_something_else_is_refused(
    change: str, mapping: dict[str, Any], server: SandboxServer, tmp_path: Path
) -> None:
    spec = begun(mapping, str(tmp_path / "staging"), options(tmp_path, server))
    job = job_of(spec)
    made_with = {**job.made_with, "config" if change == "source" else "version": "other"}
    other = Job(job.location, job.run_id, job.config, made_with, job.token)
    if change == "version":
        with pytest.raises(SourceError, match="install the same version on all machines"):
            written(other, table(), 0)
    seal(other, [written(job, table(), 0)])
    with pytest.raises(StateError, match="another configuration or version"):
        importer.resume(tmp_path / "state", options=options(tmp_path, server))


def test_a_piece_that_lost_a_file_is_refused(
    mapping: dict[str, Any], server: SandboxServer, tmp_path: Path
) -> None:
    spec = begun(mapping, str(tmp_path / "staging"), options(tmp_path, server))
    [piece] = staged(job_of(spec), [table()])
    (tmp_path / "staging" / spec.folder.run_id / piece.name / "piece.json").write_text("{")
    with pytest.raises(StateError, match=f"piece {piece.name} is damaged"):
        importer.resume(tmp_path / "state", options=options(tmp_path, server))
    assert server.stats.requests == 0


def test_more_partitions_than_rows_can_be_numbered_are_refused(
    mapping: dict[str, Any], server: SandboxServer, tmp_path: Path
) -> None:
    spec = begun(mapping, str(tmp_path / "staging"), options(tmp_path, server))
    rows = table().to_arrow()
    with pytest.raises(SourceError, match="coalesce"):
        write_piece(iter(rows.to_batches()), rows.schema, job_of(spec), PARTITIONS, 0)
