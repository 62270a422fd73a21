"""`importer undo`, and `clear_values` by which its file asks for a clear."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import importer
from importer import destinations
from importer.commands.undo import decode, undo
from importer.config.attribute import Attribute
from importer.core.errors import ConfigError
from importer.values.column_types import type_column
from importer.values.json_text import encode
from tests.support.nights import World, world


def undone(here: World, run_id: str) -> importer.RunSummary | None:
    """Undoes a run by importing what `undo` writes, with the configuration of the nights."""
    found = undo(here.state, run_id)
    if found.file is None:
        return None
    options = importer.Options(state_dir=here.state)
    return importer.run(here.config(), [str(found.file)], options)


@pytest.mark.parametrize("changed_only", [True, False])
def test_a_run_is_undone_value_by_value(tmp_path: Path, changed_only: bool) -> None:
    with world(tmp_path) as here:
        here.changes = {"source": {"clear_values": [r"\N"]}, "run": {"changed_only": changed_only}}
        here.night([("p1", "a", "1", 'say "x", y'), ("p2", "b", "2", "")])
        before = {id_: dict(current) for id_, current in here.server.stored.items()}
        here.night([("p1", "b", "7", "z"), ("p2", "b", "2", "new"), ("p3", "c", "3", "")], run_id="second")
        summary = undone(here, "second")
        assert summary is not None
        assert summary.exit_code == 0
        assert here.server.stored == before


def test_what_a_later_run_has_written_and_what_was_never_known_stay(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.changes = {"source": {"clear_values": [r"\N"]}}
        here.faults("400@1:times=0")
        here.night([("p1", "a", "1", "x"), ("p2", "a", "2", "x")])  # p1 is refused: not known
        here.faults()
        here.night([("p1", "b", "1", "x"), ("p2", "b", "5", "x")], run_id="second")
        here.night([("p1", "b", "1", "x"), ("p2", "c", "5", "x")])
        found = undo(here.state, "second")
        assert (found.values, found.later, found.unknown) == (1, 1, 3)
        assert found.file is not None
        assert found.file.read_text().splitlines() == ["id,plan,age,note", "p2,,2,x"]


def test_a_run_that_changed_nothing_has_nothing_to_undo(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.changes = {"run": {"changed_only": False}}
        here.night([("p1", "a", "1", "x")])
        assert here.night([("p1", "a", "1", "x")], run_id="again").calls["sent"] == 1
        found = undo(here.state, "again")
        assert (found.file, found.values, found.people) == (None, 0, 0)


def test_a_clear_needs_a_word_for_it(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.night([("p1", "a", "1", "x")], run_id="first")
        with pytest.raises(ConfigError, match=r'add clear_values = \["\\\\N"\] under \[source\]'):
            undo(here.state, "first")


def test_a_cell_may_ask_for_a_clear(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.changes = {"source": {"clear_values": [r"\N"]}}
        here.night([("p1", "a", "1", "x")])
        summary = here.night([("p1", r"\N", "1", r"\N")])
        assert here.server.stored["p1"] == {"age": 1}
        assert (summary.values["applied"], summary.values["unchanged"]) == (2, 1)
        assert here.night().calls["sent"] == 0
        here.changes = {"source": {"clear_values": [""]}}
        with pytest.raises(ConfigError, match='clear_values: "" is a blank cell'):
            here.night()


@pytest.mark.parametrize(
    ("declared", "cells"),
    [
        ({"type": "free_text"}, ["x", 'a "b", c\nd', "0017", "😀"]),
        ({"type": "number"}, ["1", "-2.5", "9223372036854775808"]),
        ({"type": "number", "decimal": ",", "thousands": "."}, ["1234,5", "7"]),
        ({"type": "boolean", "true_values": ("ja",), "false_values": ("nein",)}, ["ja", "nein"]),
        ({"type": "date"}, ["2024-02-29"]),
        ({"type": "date", "format": "%d/%m/%Y"}, ["29/02/2024"]),
        ({"type": "datetime"}, ["2024-02-29T10:11:12", "2024-02-29T10:11:12.5Z"]),
        ({"type": "datetime", "format": "%d.%m.%Y %H:%M"}, ["29.02.2024 10:11"]),
        ({"type": "multi_choice", "options": ("a", "b"), "separator": ";"}, ["a;b", "b"]),
    ],
)
@pytest.mark.parametrize("kind", ["vevee", "engagelab"])
def test_a_value_becomes_a_cell_that_is_read_as_the_same_value(
    kind: str, declared: dict[str, Any], cells: list[str]
) -> None:
    attribute, encoding = Attribute(**declared), destinations.load(kind).encoding
    sent = encode(type_column(attribute, pl.Series("c", cells)), attribute, encoding)
    again = decode(attribute, sent, encoding)
    assert encode(type_column(attribute, again), attribute, encoding).to_list() == sent.to_list()
