"""Coalescing equals a plain dictionary fold, however rows are spread over segments, pieces and chunks."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.chunk.chunk import Chunk
from importer.core.models import SEPARATOR
from importer.storage import spool
from importer.validate.validator import Validator
from tests.support.chunks import Row, chunks, rows


def sent(found: list[Chunk]) -> dict[str, dict[str, Any]]:
    """What would go out: id → attribute → value, None for a clear."""
    people: dict[str, dict[str, Any]] = {}
    for chunk in found:
        for update in chunk.updates():
            assert update.distinct_id not in people, "two updates of one person"
            current = people[update.distinct_id] = {}
            for part in update.parts:
                if part.operation == "clear":
                    current |= dict.fromkeys(part.keys)
                else:
                    members = json.loads("{" + part.members.replace(SEPARATOR, ",") + "}")
                    assert tuple(members) == part.keys
                    current |= members
    return people


def fold(table: list[Row]) -> dict[str, dict[str, Any]]:
    """The contract in plain Python: the last value that is not blank wins, before it is checked."""
    winners: dict[str, dict[str, str]] = {}
    for id_, plan, age, note in table:
        if id_:
            current = winners.setdefault(id_, {})
            current |= {k: v for k, v in (("plan", plan), ("age", age)) if v} | {"note": note}
    typed = {id_: _checked(current) for id_, current in winners.items()}
    return {id_: current for id_, current in typed.items() if current}


def _checked(current: dict[str, str]) -> dict[str, Any]:
    """The good ones among one person's winners, typed; a blank note is a clear."""
    typed: dict[str, Any] = {}
    if current.get("plan") in ("a", "b"):
        typed["plan"] = current["plan"]
    if current.get("age", "x").isdigit():
        typed["age"] = int(current["age"])
    return typed | {"note": current["note"] or None}


@pytest.fixture(params=[1, 700, 8 << 20])
def bytes_bound(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Everything in one chunk, a few rows in a chunk, or every partition alone in pieces of one segment."""
    monkeypatch.setattr(spool, "CHUNK_BYTES", request.param)
    monkeypatch.setattr(spool, "SEGMENT_BYTES", request.param)
    return int(request.param)


def test_folding_equals_a_dictionary(bytes_bound: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    @settings(max_examples=50)
    @given(st.lists(rows, min_size=1, max_size=40), st.integers(1, 7))
    def holds(table: list[Row], size: int) -> None:
        validator, found = chunks(tmp_path_factory.mktemp("spool"), table, size)
        assert sent(found) == fold(table)
        _assert_books(validator, found, table)

    holds()
    assert bytes_bound


def _assert_books(validator: Validator, found: list[Chunk], table: list[Row]) -> None:
    with_id = [row for row in table if row[0]]
    rows_settled: Counter[str] = sum((c.tally.rows for c in found), Counter())
    values: Counter[str] = sum((c.tally.values for c in found), Counter())
    waiting = sum(chunk.rows.height for chunk in found)
    assert rows_settled.total() + waiting == len(with_id)
    winners = sum(
        chunk.rows.select(pl.col(f.value).count() for f in chunk.fields).transpose().sum().item()
        for chunk in found
    )
    assert values.total() + winners == validator.counts.values_read
    assert values["rejected"] == validator.counts.values_rejected
    people = sum(chunk.people.height + chunk.tally.people["nothing_to_send"] for chunk in found)
    assert people == len({row[0] for row in with_id})


def test_one_person_all_over_the_list_is_folded_piece_by_piece(tmp_path: Path, bytes_bound: int) -> None:
    table = [("p1", "a", str(n), "") if n % 2 else (f"q{n}", "b", "1", "x") for n in range(500)]
    _, found = chunks(tmp_path, table, 50)
    everyone = sent(found)
    assert everyone["p1"] == {"plan": "a", "age": 499, "note": None}
    assert len(everyone) == 251
    assert bytes_bound


def test_a_bad_last_value_brings_no_older_one_back(tmp_path: Path, bytes_bound: int) -> None:
    table = [("p1", "a", "1", "x"), ("p1", "", "", "y"), ("p1", "off", "no", "z")]
    _, found = chunks(tmp_path, table, 1)
    assert sent(found) == {"p1": {"note": "z"}}
    assert bytes_bound


def test_people_are_spread_by_a_hash_that_is_fixed_by_its_specification() -> None:
    """xxh64 with seed 0 of "a" is d24ec4f1a98c6e5b (the reference implementation's published test vector)."""
    import polars_hash as plh

    assert pl.DataFrame({"id": ["a"]}).select(plh.col("id").nchash.xxhash64()).item() == 0xD24EC4F1A98C6E5B
