"""The updates of a chunk: one a person, members by operation, cleared ones last."""

from pathlib import Path

import pytest

from importer.chunk.chunk import pattern_of
from importer.chunk.fields import fields
from importer.core.models import SEPARATOR
from tests.support.chunks import CONFIG, chunks


def test_one_update_a_person_in_the_order_of_their_first_rows(tmp_path: Path) -> None:
    table = [("p2", "a", "", "hello"), ("p1", "b", "2", ""), ("p2", "", "1", "")]
    [chunk] = chunks(tmp_path, table, 2)[1]
    updates = list(chunk.updates())
    assert [u.distinct_id for u in updates] == ["p2", "p1"]
    set_, cleared = updates[0].parts
    assert (set_.operation, set_.keys) == ("set", ("plan", "age"))
    assert set_.members.split(SEPARATOR) == ['"plan":"a"', '"age":1']
    assert (cleared.operation, cleared.keys, cleared.members) == ("clear", ("note",), "")


def test_updates_are_made_some_people_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = [(f"p{n}", "a" if n % 2 else "", str(n), "x") for n in range(5)]
    [chunk] = chunks(tmp_path, table, 5)[1]
    whole = list(chunk.updates())
    monkeypatch.setattr("importer.chunk.chunk._AT_ONCE", 2)
    assert list(chunk.updates()) == whole
    assert [u.distinct_id for u in whole] == ["p0", "p1", "p2", "p3", "p4"]


def test_a_general_value_is_found_for_the_attributes_asked_for(tmp_path: Path) -> None:
    [chunk] = chunks(tmp_path, [("p1", "a", "", "5"), ("p2", "", "", "hello")], 5)[1]
    [(key, update)] = chunk.general({"note"})
    assert (key, update.distinct_id, update.parts[0].members) == ("note", "p2", '"note":"hello"')
    assert list(chunk.general(set())) == []


def test_a_pattern_has_one_character_an_attribute(tmp_path: Path) -> None:
    [chunk] = chunks(tmp_path, [("p1", "a", "1", "x")], 5)[1]
    pattern = chunk.rows.select(pattern_of(fields(CONFIG), "set", ["set", "clear"]))["keys_set"][0]
    assert len(pattern) == len(set(pattern)) == 3
