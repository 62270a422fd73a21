"""Every source through the check into the spool, batch by batch."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from importer.config import loader
from importer.core.models import RunWarning
from importer.core.row_order import ORDER_SHIFT
from importer.pipeline.source_reader import SourceReader, ahead
from importer.pipeline.sources import open_sources
from importer.report.reject_files import RejectFiles
from importer.storage.run_folder import RunFolder
from importer.storage.spool import SpoolWriter
from importer.validate.read_result import ReadResult
from importer.validate.validator import ValidatedBatch, Validator
from tests.support.stages import LIST, Listening, mapping


class Reading:
    """A reader of some lists, and what it has told."""

    def __init__(self, folder: Path, texts: Sequence[str], limit: int | None = None, **tables: Any) -> None:
        paths = [folder / f"{n}.csv" for n, _ in enumerate(texts)]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        config = loader.parse(mapping(paths[0], **tables))
        run = RunFolder(folder / "run")
        run.path.mkdir()
        run.make_folders()
        self.batches: list[ValidatedBatch] = []
        self.observer = Listening()
        self.writer = SpoolWriter(run.spool)
        self.reader = SourceReader(
            Validator(config, 200),
            RejectFiles(run),
            self.writer,
            self.observer,
            limit=limit,
            on_batch=self.batches.append,
        )
        self.result: ReadResult = self.reader.read(open_sources(config, [str(path) for path in paths]))

    def spooled(self) -> list[tuple[int, list[str]]]:
        """(layout, ids) of what was spooled."""
        spool = self.writer.finish()
        return [(layout, sorted(rows["id"])) for plan in spool.plan() for layout, rows in spool.read(plan)]


def test_lists_are_read_one_after_another(tmp_path: Path) -> None:
    found = Reading(tmp_path, [LIST, "age,id,plan\n7,q1,a\n8,q2,b\n", "id,plan,age\nr1,a,1\n"])
    result = found.result
    assert [source.rows for source in result.sources] == [3, 2, 1]
    assert result.edges == [3, (1 << ORDER_SHIFT) + 2, (2 << ORDER_SHIFT) + 1]
    assert (result.counts.rows_read, result.limited) == (6, False)
    assert found.spooled() == [(0, ["p1", "p2", "p3"]), (1, ["q1", "q2"]), (0, ["r1"])], (
        "lists of one layout share it"
    )


def test_what_the_check_refuses_and_accepts_is_looked_at(tmp_path: Path) -> None:
    found = Reading(tmp_path, [LIST])
    assert found.reader.shapes.text("age") == '"a"'
    assert found.reader.shapes.accepted("age") != []
    assert [piece.rejects.height for b in found.batches for piece in b.refused.pieces()] == [2]


@pytest.mark.parametrize(
    ("limit", "rows", "limited"), [(1, [1, 0], True), (4, [3, 1], True), (6, [3, 3], False)]
)
def test_the_limit_counts_over_all_sources(
    limit: int, rows: list[int], limited: bool, tmp_path: Path
) -> None:
    result = Reading(tmp_path, [LIST, LIST], limit).result
    assert ([source.rows for source in result.sources], result.limited) == (rows, limited)


def test_how_much_is_read_is_told(tmp_path: Path) -> None:
    first, last = Reading(tmp_path, [LIST]).observer.of("progress")
    rows = len(LIST) - len("id,plan,age\n")
    assert first.fields == {"bytes": rows, "total_bytes": len(LIST), "rejects": 2}
    assert last.fields == {"bytes": len(LIST), "total_bytes": len(LIST), "rejects": 2}


def test_no_more_than_everything_is_read(tmp_path: Path) -> None:
    text = "id,plan,age\n" + "".join(f"p{n},{'x' * 1000},{n}\n" for n in range(9_000))
    events = Reading(tmp_path, [text]).observer.of("progress")
    done = [int(str(event.fields["bytes"])) for event in events]
    assert len(done) > 2, "the lines at the ends of its blocks are looked at twice"
    assert done == sorted(done)
    assert done[-1] == len(text)


def test_a_header_alone_and_blanks_that_clear_are_warned_of(tmp_path: Path) -> None:
    attributes = {"plan": {"type": "free_text", "blank": "clear"}}
    result = Reading(tmp_path, ["id,plan\np1,\np2,x\n", "id,plan\n"], attributes=attributes).result
    assert RunWarning("source_without_rows", str(tmp_path / "1.csv"), 0) in result.warnings
    assert RunWarning("blank_clears", "plan", 1) in result.warnings


def test_things_are_made_ahead_in_another_thread() -> None:
    made: list[int] = []
    threads: set[int] = set()
    second = threading.Event()

    def things() -> Iterator[int]:
        for n in range(3):
            threads.add(threading.get_ident())
            made.append(n)
            if n == 1:
                second.set()
            yield n

    coming = ahead(things())
    assert next(coming) == 0
    assert second.wait(5), "the second is made while the first is used"
    assert list(coming) == [1, 2]
    assert made == [0, 1, 2]
    assert threading.get_ident() not in threads


def test_an_error_comes_after_what_was_made_before_it() -> None:
    def things() -> Iterator[int]:
        yield 1
        raise ValueError("the second one")

    coming = ahead(things())
    assert next(coming) == 1
    with pytest.raises(ValueError, match="the second one"):
        next(coming)
    assert list(ahead(iter(()))) == []


def test_the_rows_of_a_warning_are_those_of_a_list_that_it_names(tmp_path: Path) -> None:
    lists = ["id,plan,age\np1,a,1\n", "id,plan,age\nq1,a,2\nq2,#N/A,3\n", "id,plan,age\nr1,#N/A,4\n"]
    several = [w for w in Reading(tmp_path, lists).result.warnings if w.code == "spreadsheet_error"]
    names = tuple(str(tmp_path / f"{n}.csv") for n in (1, 2))
    assert several == [RunWarning("spreadsheet_error", "plan", 2, (2, 1), names)]


def test_the_rows_of_a_warning_about_the_only_list_name_no_list(tmp_path: Path) -> None:
    found = Reading(tmp_path, ["id,plan,age\nq1,a,2\nq2,#N/A,3\n"]).result.warnings
    assert RunWarning("spreadsheet_error", "plan", 1, (2,)) in found
