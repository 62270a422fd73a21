"""A record of the journal is what was written, or it is damage."""

import sqlite3
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.models import Call, Target
from importer.storage import journal_records
from importer.storage.journal_records import Entry, Refusals, RefusedValue

ENTRY = Entry(
    3, "p1", "set", ("plan", "näme"), (7,), "rejected", "invalid", 400, 2, 17.25,
    [RefusedValue("plan", "invalid", "no such plan", 422)], "the whole call",
)  # fmt: skip


def read(row: tuple[object, ...], refusals: list[RefusedValue]) -> Entry:
    """As the journal reads it: the attributes as JSON in the place of their number."""
    fields = [*row[1:]]
    fields[3] = '["plan", "n\\u00e4me"]'
    return journal_records.entry_of(int(str(row[0])), fields, refusals)


def test_an_entry_comes_back() -> None:
    several = ENTRY._replace(origin=(7, 9))
    for entry in (ENTRY, several):
        row = journal_records.row_of(11, 1, entry)
        assert len(row) == len(journal_records.COLUMNS.split(","))
        assert read(row, list(entry.refusals)) == entry


@given(
    at=st.sampled_from([0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 12]), other=st.sampled_from(["x", 5, None, b"\xff"])
)
def test_each_changed_field_is_damage(at: int, other: object) -> None:
    row = list(journal_records.row_of(11, 1, ENTRY))
    row[at] = 12 if at == 0 else other
    with pytest.raises(sqlite3.DatabaseError):
        read(tuple(row), list(ENTRY.refusals))


@pytest.mark.parametrize(
    "refusals", [[], [RefusedValue("plan", "invalid", "no such plan")], [RefusedValue("plan", "", "", 422)]]
)
def test_other_refusals_are_damage(refusals: list[RefusedValue]) -> None:
    with pytest.raises(sqlite3.DatabaseError):
        read(journal_records.row_of(11, 1, ENTRY), refusals)


def test_the_checksums_of_version_0_1_0_still_fit() -> None:
    """It had neither a message of an entry nor a status of a refusal."""
    plain = ENTRY._replace(message="", refusals=[RefusedValue("plan", "invalid", "no such plan")])
    assert journal_records.checksum_of(11, plain) == 2009012539


def test_refusals_go_to_their_calls() -> None:
    refusals = Refusals([(2, "a", "x", "m", 0), (2, "b", "y", "n", 400), (5, "c", "z", "o", 0)])
    assert [len(refusals.of(call)) for call in (1, 2, 3, 5, 6)] == [0, 2, 0, 1, 0]


def test_a_call_comes_back_without_places_of_people() -> None:
    targets = (Target(4, "p1", "set", ("a", "b")), Target(5, "p2", "set", ("a", "b")))
    call = Call("POST", "/jobs", b'{"x": 1}', targets, repeatable=False, after=2.5, context="job-1")
    found = journal_records.load_call(journal_records.dump_call(call))
    assert found == replace(call, targets=tuple(replace(target, person=-1) for target in targets))


def test_what_is_answered_is_left_out_of_a_call() -> None:
    call = Call("POST", "/", b"", (Target(-1, "p1", "set", ("a", "b")), Target(-1, "p2", "set", ("a",))))
    answered = {("p1", "set"): {"a"}}
    left = journal_records.without_answered(call, answered)
    assert [target.keys for target in left.targets] == [("b",), ("a",)]
    again = journal_records.without_answered(call, answered)
    assert [target.keys for target in again.targets] == [(), ()]
