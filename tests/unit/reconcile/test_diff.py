"""Which values of a chunk are due, and what the snapshot knows before and after they are sent."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from importer.chunk.chunk import Chunk
from importer.chunk.chunker import Chunker
from importer.core.models import Encoding
from importer.reconcile.diff import NONE, SAME, Diff
from importer.reconcile.reconciler import Answers, OpenChunk
from importer.storage import checked_files
from importer.storage.journal import Journal
from importer.storage.partitions import PARTITIONS
from importer.storage.snapshot import Snapshot
from importer.storage.snapshot_frames import META, UNKNOWN
from importer.storage.spool import SpoolWriter
from importer.validate.validator import Validator
from tests.support.chunks import CONFIG, Row, batches, parse

KNOWN = {"p1": {"plan": '"a"', "age": "1", "note": '"hi"'}, "p2": {"plan": '"a"', "age": "2", "note": ""}}
TABLE: list[Row] = [("p1", "a", "1", "hi"), ("p2", "b", "2", ""), ("p3", "b", "", "")]


def snapshot_of(folder: Path, people: Mapping[str, Mapping[str, str]] = KNOWN) -> Snapshot:
    """What a finished run has sent."""
    before = Snapshot(folder, CONFIG, lambda _: [])
    before.begin("before")
    schema = {name: META[name] for name in ("id", "print", "values")}
    schema |= {f"v:{key}": pl.String for key in CONFIG.attributes}
    rows = [(id_, n, 3, *values.values()) for n, (id_, values) in enumerate(people.items())]
    before.record(0, 0, PARTITIONS, pl.DataFrame(rows, schema, orient="row"))
    before.settle(0, pl.DataFrame(schema={"id": pl.String, "key": pl.String}))
    before.finish(full_at=None)
    now = Snapshot(folder, CONFIG, lambda _: [])
    now.begin("now")
    return now


@pytest.fixture
def diff(tmp_path: Path) -> Diff:
    return Diff(snapshot_of(tmp_path), tmp_path / "snapshot-before", compares=True)


def prints(_: int, rows: pl.DataFrame, __: pl.DataFrame) -> pl.Series:
    """A hash of each row, as a run makes one: other than any that is known."""
    return pl.Series([1000 + int(order) for order in rows["order"]], dtype=pl.UInt64)


def chunk_of(diff: Diff, folder: Path, table: Sequence[Row] = TABLE) -> Chunk:
    folder.mkdir()
    validator, writer = Validator(CONFIG, 200), SpoolWriter(folder)
    for batch in batches(list(table), 9):
        writer.add(validator.validate(batch, 0).rows, 0)
    spool = writer.finish()
    [plan] = spool.plan()
    return Chunker(CONFIG, Encoding(), parse, None, prints, diff.compare).build(plan, spool.read(plan))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        yield journal


def opened(chunk: Chunk, journal: Journal) -> OpenChunk:
    return OpenChunk(chunk, journal, Answers(), {}, frozenset())


def due(chunk: Chunk) -> dict[str, set[str]]:
    return {
        update.distinct_id: {key for part in update.parts for key in part.keys} for update in chunk.updates()
    }


def known(diff: Diff) -> dict[str, dict[str, str | None]]:
    """What the snapshot knows of everybody."""
    frame = diff.snapshot.read(0, PARTITIONS)
    return {
        row["id"]: {key: row[f"v:{key}"] for key in CONFIG.attributes} for row in frame.iter_rows(named=True)
    }


def test_what_the_snapshot_knows_is_not_due(diff: Diff, tmp_path: Path) -> None:
    chunk = chunk_of(diff, tmp_path / "spool")
    assert due(chunk) == {"p2": {"plan"}, "p3": {"plan", "note"}}
    assert chunk.rows.sort("order").select("same0", "same1", "same2").rows() == [
        (True, True, True),
        (False, True, True),
        (False, False, False),
    ]


def test_where_nothing_is_compared_everything_is_due(diff: Diff, tmp_path: Path) -> None:
    whole = Diff(diff.snapshot, diff.before, compares=False)
    chunk = chunk_of(whole, tmp_path / "spool")
    assert due(chunk) == {"p1": set(CONFIG.attributes), "p2": set(CONFIG.attributes), "p3": {"plan", "note"}}
    assert whole.counts(chunk) == Counter()


def test_the_diff_in_numbers(diff: Diff, tmp_path: Path) -> None:
    chunk = chunk_of(diff, tmp_path / "spool")
    assert diff.counts(chunk) == Counter({"new": 1, "changed": 1, "unchanged": 1, "attribute:plan": 1}), (
        "values of a new person are no changes"
    )


def test_what_is_about_to_be_sent_is_unknown_from_then_on(
    diff: Diff, journal: Journal, tmp_path: Path
) -> None:
    diff.mark(opened(chunk_of(diff, tmp_path / "spool"), journal))
    assert known(diff) == {
        "p1": KNOWN["p1"],
        "p2": {"plan": UNKNOWN, "age": "2", "note": ""},
        "p3": {"plan": UNKNOWN, "age": None, "note": UNKNOWN},
    }


def test_what_was_known_is_written_down_first(diff: Diff, journal: Journal, tmp_path: Path) -> None:
    whole = Diff(diff.snapshot, diff.before, compares=False)
    whole.mark(opened(chunk_of(whole, tmp_path / "spool"), journal))
    old = checked_files.read_frame(diff.before / "000000.arrow").sort("id")
    assert old.columns == ["id", "v:plan", "v:age", "v:note"]
    assert old.rows() == [
        ("p1", SAME, SAME, SAME),
        ("p2", '"a"', SAME, SAME),
        ("p3", NONE, None, NONE),
    ]


def test_a_later_attempt_does_not_write_over_what_was_known(
    diff: Diff, journal: Journal, tmp_path: Path
) -> None:
    first = opened(chunk_of(diff, tmp_path / "spool"), journal)
    diff.mark(first)
    file = diff.before / "000000.arrow"
    before = file.read_bytes()
    diff.mark(opened(chunk_of(diff, tmp_path / "again"), journal))
    assert file.read_bytes() == before


def test_what_was_applied_is_known_when_the_chunk_is_over(
    diff: Diff, journal: Journal, tmp_path: Path
) -> None:
    chunk = chunk_of(diff, tmp_path / "spool")
    diff.mark(opened(chunk, journal))
    ends = [
        ("p2", "applied", "unchanged", "unchanged"),
        ("p3", "rejected", None, "applied"),
        ("p3", "unconfirmed", None, "not_attempted"),
    ]
    schema = dict.fromkeys(("id", "c0", "c1", "c2"), pl.String)
    diff.settle(opened(chunk, journal), pl.DataFrame(ends[:2], schema, orient="row"))
    assert known(diff)["p2"] == {"plan": '"b"', "age": "2", "note": ""}
    assert known(diff)["p3"] == {"plan": UNKNOWN, "age": None, "note": ""}
    diff.settle(opened(chunk, journal), pl.DataFrame(ends[2:], schema, orient="row"))
    assert known(diff)["p3"] == {"plan": UNKNOWN, "age": None, "note": UNKNOWN}
