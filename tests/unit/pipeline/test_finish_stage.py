"""How an attempt ended, in the summary, the reports and the events."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Never

import pytest

from importer.core.errors import GuardError, OutOfTimeError, SourceError, StateError
from importer.core.models import RunSummary
from importer.pipeline import finish_stage
from importer.pipeline.ledger import Ledger
from importer.report import html_report
from tests.support.stages import Staged, staged


@contextmanager
def counted(folder: Path, mode: str = "check", **more: Any) -> Iterator[tuple[Staged, Ledger]]:
    """A run of which everything is read and counted, and nothing sent."""
    with staged(folder, mode, run={"changed_only": mode == "check"}, **more) as it, it.ledger() as ledger:
        ledger.count_without_sending(ledger.plans)
        yield it, ledger


def finish(it: Staged, ledger: Ledger) -> RunSummary:
    return finish_stage.finish(it.spec, it.attempt, ledger)


def test_a_check_that_finds_rejects_is_finished_with_1(tmp_path: Path) -> None:
    with counted(tmp_path) as (it, ledger):
        summary = finish(it, ledger)
    assert (summary.state, summary.exit_code, summary.message) == ("finished", 1, "")
    assert summary.rows == {**dict.fromkeys(summary.rows, 0), "read": 3, "not_attempted": 2, "rejected": 1}
    assert json.loads(it.spec.folder.summary.read_text())["exit_code"] == 1
    assert len(it.spec.folder.rejects.read_text().splitlines()) == 3
    assert it.spec.folder.html_report.exists()
    assert not it.spec.folder.spool.exists()


def test_a_list_without_rejects_is_finished_with_0(tmp_path: Path) -> None:
    with counted(tmp_path, text="id,plan,age\np1,a,1\n") as (it, ledger):
        assert finish(it, ledger).exit_code == 0


def test_values_that_were_never_sent_never_look_like_success(tmp_path: Path) -> None:
    with counted(tmp_path, "run") as (it, ledger):
        summary = finish(it, ledger)
    assert (summary.state, summary.exit_code) == ("stopped", 9)
    assert summary.message.startswith("The run ended with values that were never sent")
    assert it.spec.folder.spool.exists(), "a later attempt needs it"


@pytest.mark.parametrize(
    ("error", "code", "allow"),
    [
        (GuardError("Guard min_rows.", ("min_rows",)), 6, ("min_rows",)),
        (OutOfTimeError("Time is up."), 8, ()),
    ],
)
def test_what_stopped_the_run_is_its_end(
    error: Any, code: int, allow: tuple[str, ...], tmp_path: Path
) -> None:
    with counted(tmp_path, "run") as (it, ledger):
        it.attempt.stop.because(error)
        summary = finish(it, ledger)
    assert (summary.state, summary.exit_code, summary.message) == ("stopped", code, str(error))
    assert summary.guards == allow


def test_a_deadline_that_comes_when_all_is_done_stops_nothing(tmp_path: Path) -> None:
    with staged(tmp_path, text="id,plan,age\n") as it, it.ledger() as ledger:
        it.attempt.stop.because(OutOfTimeError("Time is up."))
        assert (finish(it, ledger).state, finish(it, ledger).exit_code) == ("finished", 0)


def test_a_signal_comes_before_any_other_reason(tmp_path: Path) -> None:
    with counted(tmp_path, "run") as (it, ledger):
        it.attempt.stop.because(OutOfTimeError("Time is up."))
        it.attempt.stop.by_signal(signal.SIGTERM)
        summary = finish(it, ledger)
    assert (summary.state, summary.exit_code) == ("interrupted", 143)
    assert summary.message == "SIGTERM: stopped after the calls in flight."


def test_calls_that_are_not_waited_for_are_said(tmp_path: Path) -> None:
    with counted(tmp_path, "run") as (it, ledger):
        it.attempt.stop.by_signal(signal.SIGINT)
        it.attempt.stop.abandon()
        summary = finish(it, ledger)
    assert summary.message == "SIGINT: stopped without waiting for the calls in flight."


def test_a_run_whose_jobs_are_settled_leaves_the_rest_to_a_newer_list(tmp_path: Path) -> None:
    with counted(tmp_path, "run") as (it, ledger):
        it.attempt.settle_only = True
        summary = finish(it, ledger)
    assert (summary.state, summary.exit_code) == ("stopped", 8)
    assert summary.message == "The jobs of this run are settled; a run of the newer list takes its place."


def failing(error: Exception) -> Any:
    def fail(*_: object) -> Never:
        raise error

    return fail


def test_a_fault_in_a_report_does_not_keep_a_run_from_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counted(tmp_path) as (it, ledger):
        monkeypatch.setattr(ledger.reports, "write", failing(KeyError("a value of a person")))
        monkeypatch.setattr(html_report, "write", failing(ValueError("a value of a person")))
        summary = finish(it, ledger)
    assert (summary.state, summary.exit_code) == ("finished", 9)
    assert "rejects.csv could not be written, a fault of the importer (KeyError)." in summary.message
    [event] = it.observer.of("not_written")
    assert event.text.startswith("report.html could not be written, a fault of the importer (ValueError).")
    assert "a value of a person" not in summary.message + event.text


def test_a_full_disk_is_met_again_by_a_later_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with counted(tmp_path) as (it, ledger):
        monkeypatch.setattr(ledger.reports, "write", failing(StateError("the disk is full")))
        with pytest.raises(StateError, match="the disk is full"):
            finish(it, ledger)
    assert not it.spec.folder.summary.exists()


def test_a_run_that_was_never_read_to_its_end_keeps_no_rows(tmp_path: Path) -> None:
    with staged(tmp_path) as it:
        it.spec.folder.spool.mkdir(exist_ok=True)
        (it.spec.folder.spool / "rows").write_text("p1")
        finish_stage.close_unread(it.spec, it.attempt, SourceError("list.csv: no such column."))
    summary = json.loads(it.spec.folder.summary.read_text())
    assert (summary["state"], summary["exit_code"]) == ("stopped", 3)
    assert summary["message"] == "list.csv: no such column."
    assert not it.spec.folder.spool.exists()
    assert not it.spec.folder.kept.exists()


def test_the_end_is_told_with_its_code(tmp_path: Path) -> None:
    with staged(tmp_path) as it:
        finish_stage.notify_end(it.spec, it.attempt, 7, "The disk is full.")
        [event] = it.observer.of("ended")
    run_id = it.spec.folder.run_id
    assert event.text == f"run {run_id} ended with 7"
    assert event.fields == {"run_id": run_id, "exit_code": 7, "message": "The disk is full.", "summary": None}
