"""The fingerprints of a snapshot in a file of their own: what stands there, and who finds it again."""

import os
import stat
from pathlib import Path

import polars as pl
import pytest

from importer.config.schema import Config
from importer.core.errors import StateError
from importer.storage import account, snapshot, snapshot_exports
from importer.storage.partitions import PARTITIONS
from importer.storage.snapshot_exports import (
    EXPORT_COLUMNS,
    erase_from_exports,
    export,
    fingerprints,
    prune_exports,
)
from tests.support.snapshots import Values, night, opened, sent


def exported(state: Path, config: Config, place: str | None = None) -> pl.DataFrame:
    return pl.read_parquet(export(opened(state, config), state, place), glob=False).sort("distinct_id")


def test_everybody_stands_there_once_and_without_a_fingerprint_where_due(state: Path, config: Config) -> None:
    night(state, config, "1", {"a": "1", "b": "2"}, {"c": "3"})
    night(state, config, "2", {"c": "4", "d": "5"}, failed=["d"])
    found = exported(state, config)
    assert found.schema == EXPORT_COLUMNS
    assert found.select("distinct_id", "fingerprint", "values").rows() == [
        ("a", 0, 1),
        ("b", 1, 1),
        ("c", 0, 1),
        ("d", None, 1),
    ]


def test_a_fingerprint_above_the_signed_range_is_the_one_of_the_outcomes(state: Path, config: Config) -> None:
    it = opened(state, config)
    it.begin("1")
    it.record(0, 0, PARTITIONS, sent({"a": "1"}).with_columns(print=pl.lit(2**64 - 1, pl.UInt64)))
    it.settle(0, pl.DataFrame(schema={"id": pl.String, "key": pl.String}))
    it.finish(full_at=None)
    assert exported(state, config)["fingerprint"].to_list() == [-1]


def test_many_people_are_written_group_by_group(
    state: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    people: Values = {f"u{n:04d}": str(n) for n in range(3_000)}
    night(state, config, "1", people)
    monkeypatch.setattr(snapshot, "GROUP_PEOPLE", 500)
    heights = [frame.height for frame in fingerprints(opened(state, config))]
    assert (len(heights), sum(heights)) == (8, 3_000)
    assert exported(state, config)["distinct_id"].to_list() == list(people)


def test_before_the_first_run_nobody_stands_there(state: Path, config: Config) -> None:
    assert exported(state, config).height == 0


def test_only_what_another_run_has_sent_makes_another_version(state: Path, config: Config) -> None:
    night(state, config, "1", {"a": "1"})
    version = opened(state, config).version()
    it = opened(state, config)
    it.begin("2")
    it.record(0, 0, PARTITIONS, sent({"a": "2"}))
    assert opened(state, config).version("2") == version
    assert opened(state, config).version() != version, "the run is not at its end"
    it.settle(0, pl.DataFrame(schema={"id": pl.String, "key": pl.String}))
    it.finish(full_at=None)
    assert opened(state, config).version() not in (version, opened(state / "other", config).version())


def test_the_file_is_its_owners_alone_and_named_by_the_import(
    state: Path, config: Config, tmp_path: Path
) -> None:
    path = Path(export(opened(state, config), state, str(tmp_path / "lake")))
    assert path == tmp_path / "lake" / f"{account.import_id(config)}.parquet"
    assert Path(export(opened(state, config), state, None)) == state / "exports" / path.name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_person_is_taken_out_of_every_file(state: Path, config: Config, tmp_path: Path) -> None:
    night(state, config, "1", {"a": "1", "b": "2"})
    paths = [export(opened(state, config), state, place) for place in (None, str(tmp_path / "lake"))]
    assert erase_from_exports(state, "a") == (2, set())
    assert [pl.read_parquet(p)["distinct_id"].to_list() for p in paths] == [["b"], ["b"]]
    assert erase_from_exports(state, "a") == (0, set())
    Path(paths[1]).unlink()
    assert erase_from_exports(state, "b") == (1, set())


def test_a_store_that_does_not_take_the_file_is_named_and_remembered(state: Path, config: Config) -> None:
    with pytest.raises(StateError, match=r"^az://lake/.*: the store did not take the file"):
        export(opened(state, config), state, "az://lake")
    url = f"az://lake/{account.import_id(config)}.parquet"
    assert erase_from_exports(state, "a") == (0, {url})
    assert not list((state / "exports").glob("upload-*"))


def test_files_of_a_certain_age_are_deleted_and_forgotten(
    state: Path, config: Config, tmp_path: Path
) -> None:
    old, new = (Path(export(opened(state, config), state, p)) for p in (None, str(tmp_path / "lake")))
    os.utime(old, (1_000, 1_000))
    assert prune_exports(state, 2_000) == 1
    assert (old.exists(), new.exists()) == (False, True)
    os.utime(new, (1_000, 1_000))
    assert prune_exports(state, 2_000) == 1
    assert prune_exports(state, 2_000) == 0
    assert snapshot_exports._places(state) == []


def test_damage_says_what_to_delete(state: Path, config: Config, tmp_path: Path) -> None:
    path = Path(export(opened(state, config), state, str(tmp_path / "lake")))
    path.write_bytes(b"half a file")
    with pytest.raises(StateError, match="damaged, or no export"):
        erase_from_exports(state, "a")
    (state / "exports" / "places.json").write_text("{")
    with pytest.raises(StateError, match=r"places.json: damaged"):
        erase_from_exports(state, "a")
