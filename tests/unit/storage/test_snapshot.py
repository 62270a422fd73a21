"""The snapshot knows what was acknowledged, whatever was killed in between."""

from pathlib import Path

import polars as pl
import pytest

from importer.config.schema import Config
from importer.core.errors import ConfigError, StateError
from importer.storage import checked_files, snapshot
from importer.storage.journal_records import Entry
from importer.storage.partitions import PARTITIONS
from importer.storage.snapshot import erase_person, refuse_shared_attributes
from importer.storage.snapshot_frames import STALE, UNKNOWN, column
from tests.support.mappings import config_of
from tests.support.snapshots import NOTHING_FAILED, Values, night, opened, sent


def night_with_base(state: Path, config: Config, run: str, values: Values) -> None:
    """The same of one chunk; everything known is in a new base afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "RECENT_PEOPLE", 0)
        patch.setattr(snapshot, "RECENT_SHARE", 0)
        night(state, config, run, values)


def known(state: Path, config: Config, key: str = "plan") -> Values:
    frame = opened(state, config).read(0, PARTITIONS)
    return dict(frame.select("id", column(key)).drop_nulls().iter_rows())


def test_the_last_value_of_each_is_known(state: Path, config: Config) -> None:
    assert opened(state, config).is_empty
    night(state, config, "1", {"a": "1", "b": "2"}, {"c": "3"})
    night(state, config, "2", {"b": "4"})
    assert known(state, config) == {"a": "1", "b": "4", "c": "3"}
    assert not opened(state, config).is_empty


def test_what_was_not_acknowledged_is_unknown(state: Path, config: Config) -> None:
    night(state, config, "1", {"a": "1", "b": "2"}, failed=["b"])
    assert known(state, config) == {"a": "1", "b": UNKNOWN}
    prints = opened(state, config).prints()(0, PARTITIONS)
    assert prints["print"].null_count() == 1


def test_a_killed_runs_chunk_is_settled_by_its_journal(state: Path, config: Config) -> None:
    killed = opened(state, config)
    killed.begin("killed")
    killed.record(0, 0, PARTITIONS, sent({"a": "1", "b": "2"}))
    assert killed.is_recorded(0)
    applied = Entry(0, "a", "set", ("plan",), (0,), "applied", "", 200, 1, 1.0)
    later = opened(state, config, [applied])
    later.begin("later")
    frame = later.read(0, PARTITIONS)
    assert dict(frame.select("id", column("plan")).iter_rows()) == {"a": "1", "b": UNKNOWN}


def test_another_declaration_makes_values_stale(state: Path, config: Config) -> None:
    night(state, config, "1", {"a": "1"})
    attributes = {"plan": {"type": "number"}}
    other = config_of(attributes=attributes)
    opened(state, other).begin("2")
    assert known(state, other) == {"a": f"{STALE}1"}


def test_many_people_make_a_base_in_files_of_a_bounded_number(
    state: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "RECENT_PEOPLE", 50)
    monkeypatch.setattr(snapshot, "GROUP_PEOPLE", 100)
    people = {f"p{n}": str(n) for n in range(300)}
    night(state, config, "1", people)
    night(state, config, "2", {"p7": "x"})
    files = [path.name for path in opened(state, config).folder.iterdir()]
    assert sum(name.startswith("base-") for name in files) == 4
    assert sum(name.startswith("recent-") for name in files) == 1
    assert known(state, config) == people | {"p7": "x"}


def test_prints_are_read_group_by_group_from_all_layers(state: Path, config: Config) -> None:
    people = {f"p{n}": str(n) for n in range(40)}
    night_with_base(state, config, "1", people)
    night(state, config, "2", {"p7": "x", "new": "y"})
    asked = opened(state, config)
    asked.begin("3")
    asked.record(0, 0, PARTITIONS, sent({"p8": "z"}))
    read = asked.prints()
    parts = [read(first, first + 64) for first in range(0, PARTITIONS, 64)]
    for first, part in zip(range(0, PARTITIONS, 64), parts, strict=True):
        assert (part["hash"] % PARTITIONS).is_between(first, first + 63).all()
    every = read(0, PARTITIONS)
    assert sorted(pl.concat(parts).rows(), key=str) == sorted(every.rows(), key=str)
    both = asked.read(0, PARTITIONS).select("hash", "print", "values")
    assert every.sort("hash").equals(both.sort("hash"))
    assert (every.height, every["print"].null_count()) == (41, 1), "what was sent last is not acknowledged"


def test_people_are_found_by_id_or_by_hash(state: Path, config: Config) -> None:
    night_with_base(state, config, "1", {"a": "1", "b": "2", "c": "3"})
    night(state, config, "2", {"a": "4"})
    everybody = opened(state, config).read(0, PARTITIONS)
    for people in (pl.DataFrame({"id": ["a", "c", "other"]}), everybody.filter(pl.col("id") != "b")["hash"]):
        frame = people if isinstance(people, pl.DataFrame) else people.to_frame()
        found = opened(state, config).read(0, PARTITIONS, frame)
        assert sorted(found.select("id", column("plan")).rows()) == [("a", "4"), ("c", "3")]


def test_large_values_make_a_base_in_files_of_bounded_bytes(
    state: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "RECENT_BYTES", 1 << 16)
    monkeypatch.setattr(snapshot, "GROUP_BYTES", 1 << 17)
    people = {f"p{n}": f"{n}-" + "x" * 10_000 for n in range(64)}
    night(state, config, "1", people)
    folder = opened(state, config).folder
    sizes = [checked_files.size_of(path)[1] for path in folder.glob("base-*.parquet")]
    assert len(sizes) >= 5
    assert max(sizes) < 2 << 17
    assert known(state, config) == people


@pytest.mark.parametrize("pattern", ["base-*.parquet", "recent-*.arrow", "manifest.json"])
def test_damage_says_to_delete_the_folder(state: Path, config: Config, pattern: str) -> None:
    night_with_base(state, config, "1", {"a": "1", "b": "2"})
    night(state, config, "2", {"a": "2"})
    (path,) = opened(state, config).folder.glob(pattern)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(data)
    with pytest.raises(StateError, match=f"{path.parent.name}: the snapshot is damaged; delete this folder"):
        known(state, config)


def test_a_lost_layer_is_damage(state: Path, config: Config) -> None:
    night(state, config, "1", {"a": "1"})
    (path,) = opened(state, config).folder.glob("recent-*.arrow")
    path.unlink()
    with pytest.raises(StateError, match="damaged"):
        known(state, config)


def test_an_attribute_has_one_writer_where_one_sends_only_changes(state: Path) -> None:
    mine, other = config_of("a", run={"changed_only": True}), config_of("b")
    opened(state, mine).begin("1")
    with pytest.raises(ConfigError, match='Import "a" writes plan, city, note to the same account'):
        refuse_shared_attributes(state, other)
    refuse_shared_attributes(state, config_of("b", attributes={"age": {"type": "number"}}))
    refuse_shared_attributes(state, mine)


def test_a_person_is_taken_out_of_every_layer(state: Path, config: Config) -> None:
    night_with_base(state, config, "1", {"a": "1", "b": "2"})
    night(state, config, "2", {"a": "2"})
    it = opened(state, config)
    it.begin("3")
    it.record(0, 0, PARTITIONS, sent({"a": "3"}))
    it.settle(0, pl.DataFrame([("a", "plan")], NOTHING_FAILED.schema, orient="row"))
    assert erase_person(it.folder, "a")
    assert not erase_person(it.folder, "a")
    assert known(state, config) == {"b": "2"}


def test_a_base_of_the_version_before_is_read(state: Path, config: Config) -> None:
    """Its files were Arrow."""
    night_with_base(state, config, "1", {"a": "1", "b": "2"})
    (path,) = opened(state, config).folder.glob("base-*.parquet")
    checked_files.write_frame(path, checked_files.read_frame(path))
    assert known(state, config) == {"a": "1", "b": "2"}
    night_with_base(state, config, "2", {"a": "2"})
    assert known(state, config) == {"a": "2", "b": "2"}
