"""One layer of a snapshot over another: of each value the upper one, where there is one."""

import polars as pl

from importer.storage import snapshot_frames
from importer.storage.partitions import PARTITIONS
from importer.storage.snapshot_frames import CLEARED, META, STALE, UNKNOWN, column


def layer(rows: dict[str, dict[str, str | None]], prints: dict[str, int] | None = None) -> pl.DataFrame:
    keys = sorted({key for values in rows.values() for key in values})
    frame = pl.DataFrame(
        {
            "id": list(rows),
            "print": [(prints or {}).get(id_) for id_ in rows],
            "values": [len(values) for values in rows.values()],
            **{column(key): [values.get(key) for values in rows.values()] for key in keys},
        },
        schema_overrides=META | {column(key): pl.String for key in keys},
    )
    return frame.with_columns(snapshot_frames.hashed())


def values(frame: pl.DataFrame, key: str) -> dict[str, str | None]:
    return dict(frame.select("id", column(key)).sort("id").iter_rows())


def test_the_upper_value_hides_the_lower_one_and_null_hides_nothing() -> None:
    below = layer({"a": {"plan": "1", "city": "2"}, "b": {"plan": "3", "city": None}}, {"a": 7, "b": 8})
    above = layer({"b": {"plan": None, "note": "4"}, "c": {"plan": CLEARED, "note": None}}, {"c": 9})
    found = snapshot_frames.over(below, above)
    assert values(found, "plan") == {"a": "1", "b": "3", "c": CLEARED}
    assert values(found, "city") == {"a": "2", "b": None, "c": None}
    assert values(found, "note") == {"a": None, "b": "4", "c": None}
    prints = dict(found.select("id", "print").iter_rows())
    assert prints == {"a": 7, "b": None, "c": 9}, "the fingerprint is that of the upper row, also where null"
    assert found["hash"].null_count() == 0


def test_nothing_above_changes_nothing() -> None:
    below = layer({"a": {"plan": "1"}})
    assert snapshot_frames.over(below, below.clear()).equals(below)


def test_partitions_split_people_without_loss() -> None:
    people = layer({f"p{n}": {"plan": "1"} for n in range(500)})
    halves = [snapshot_frames.between(people, *ends) for ends in ((0, 512), (512, PARTITIONS))]
    assert sum(half.height for half in halves) == 500
    assert min(half.height for half in halves) > 150
    assert snapshot_frames.between(people, 0, PARTITIONS).equals(people)


def test_values_of_another_declaration_are_stale_once() -> None:
    sent = layer(
        {"a": {"plan": "1"}, "b": {"plan": UNKNOWN}, "c": {"plan": None}, "d": {"plan": f"{STALE}2"}}
    )
    found = snapshot_frames.stale(sent, ["plan", "no such"])
    assert values(found, "plan") == {"a": f"{STALE}1", "b": UNKNOWN, "c": None, "d": f"{STALE}2"}


def test_what_failed_is_unknown_and_its_person_has_no_fingerprint() -> None:
    sent = layer({"a": {"plan": "1", "city": "2"}, "b": {"plan": "3", "city": None}}, {"a": 7, "b": 8})
    every = snapshot_frames.sent_values(sent)
    assert sorted(every.iter_rows()) == [("a", "city"), ("a", "plan"), ("b", "plan")]
    found = snapshot_frames.without(sent, every.filter(pl.col("key") == "city"))
    assert values(found, "city") == {"a": UNKNOWN, "b": None}
    assert values(found, "plan") == {"a": "1", "b": "3"}
    assert found["print"].to_list() == [None, 8]
    assert snapshot_frames.without(sent, every.clear()).equals(sent)


def test_attributes_that_were_never_sent_are_null() -> None:
    found = snapshot_frames.complete(layer({"a": {"plan": "1"}}), ["plan", "city"])
    assert values(found, "city") == {"a": None}
