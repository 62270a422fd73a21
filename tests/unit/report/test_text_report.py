"""The text reports say the most important first, and their counts are those of the run."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from importer.core.models import Hint, RejectCount, RunWarning
from importer.report.reject_groups import RejectGroup
from importer.report.text_report import (
    frequent_lines,
    next_lines,
    summary_lines,
    undone_lines,
    verified_lines,
)
from tests.unit.report.ended_runs import run_folder, summary

STATE = Path(".importer")


def test_a_summary_begins_with_how_the_run_ended_and_has_every_count() -> None:
    assert list(summary_lines(summary(), "run")) == [
        "people → vevee: finished after 90.5 s, exit 1",
        "",
        (
            "  rows    1,200 read, 1,000 applied, 50 unchanged, 40 merged, 10 empty, 70 filtered, "
            "20 partly applied, 10 rejected"
        ),
        "  values  2,400 read, 2,200 applied, 90 unchanged, 80 superseded, 30 rejected",
        "  people  1,100 read, 1,050 called, 50 unchanged",
        "  calls   1,060 sent, 10 of them repeated, 12 a second",
        "",
        "  applied means: the destination confirmed the call, not each value",
        "",
        "  rejected or adjusted, by stage, reason and attribute:",
        "           30  check  attribute_value_invalid    age",
        "           10  read   row_malformed              whole row",
        "",
        "  warning: age, rows 7, 9, 3 in all: Cells such as #N/A. (spreadsheet_error)",
        "           Correct the formulas in the sheet, then export again.",
    ]


def test_a_check_is_named_as_one_and_shows_no_calls() -> None:
    nothing = dict.fromkeys(summary()["values"], 0)
    checked = summary(values=nothing, calls={"sent": 0, "retried": 0, "throttled": 0}, reject_counts=())
    lines = list(summary_lines(checked, "check"))
    assert lines[0] == "check of people → vevee: finished after 90.5 s, exit 1"
    assert "  values  0 read, 0 applied" in lines, "these two are shown even where they are 0"
    assert not [
        line for line in lines if "calls" in line or "applied means" in line or "rejected, by" in line
    ]


@pytest.mark.parametrize(
    ("confirms", "meaning"),
    [
        ("value", "the destination confirmed each value by name"),
        ("job", "the destination confirmed the job that carried the value"),
    ],
)
def test_what_applied_means_depends_on_the_destination(confirms: str, meaning: str) -> None:
    assert f"  applied means: {meaning}" in list(summary_lines(summary(confirms=confirms), "run"))


def test_what_to_do_about_a_known_reason_of_the_destination_is_said_once() -> None:
    refused = [RejectCount("send", "attribute_not_defined", key, 5) for key in ("plan", "age")]
    lines = list(summary_lines(summary(reject_counts=refused, warnings=()), "run"))
    assert lines[-1].startswith("    attribute_not_defined: Create the attribute at the destination")
    assert sum("Create the attribute" in line for line in lines) == 1


def test_of_many_kinds_of_rejects_the_first_ten_are_shown() -> None:
    many = [RejectCount("send", f"reason_{n}", "", 1) for n in range(12)]
    lines = list(summary_lines(summary(reject_counts=many, warnings=()), "run"))
    assert sum("reason_" in line for line in lines) == 10
    assert lines[-2].endswith("reason_9                   whole person")
    assert lines[-1] == "    and more in summary.json: 2"


def test_what_changed_is_counted_by_people_and_attribute() -> None:
    diff = {"new": 1, "changed": 2000, "unchanged": 3, "gone": 0, "attributes": {"age": 1500}}
    lines = list(summary_lines(summary(diff=diff), "run"))
    assert "  diff    1 new, 2,000 changed, 3 unchanged, 0 gone people" in lines
    assert "           1,500  age" in lines


@pytest.mark.parametrize(
    ("warning", "line"),
    [
        (
            RunWarning("dialect_differs", 'delimiter = ";"', 0),
            'the source reads better with another dialect: delimiter = ";"',
        ),
        (
            RunWarning("gone_not_known", "a damaged row", 1),
            "nobody is treated as removed from the list: a damaged row",
        ),
        (RunWarning("blank_clears", "name", 0), "name: Blank cells remove stored values. (blank_clears)"),
        (RunWarning("made_up", "name", 2, (3, 5)), "name, rows 3, 5: made up. (made_up)"),
        (
            RunWarning("made_up", "name", 9, (3, 5, 1), ("a.csv", "a.csv", "b.csv")),
            "name, rows 3, 5 of a.csv, 1 of b.csv, 9 in all: made up. (made_up)",
        ),
    ],
)
def test_a_warning_says_where_and_how_often(warning: RunWarning, line: str) -> None:
    assert f"  warning: {line}" in list(summary_lines(summary(warnings=[warning]), "run"))


def test_a_hint_names_the_line_and_how_many_values_it_would_read() -> None:
    hints = [Hint("born", 3, 4, 'format = "%d/%m/%Y"'), Hint("plan", 99, 100, 'separator = ";"')]
    hints.append(Hint("opted_in", 5, 5, "", "are no word for true or false"))
    lines = list(summary_lines(summary(hints=hints), "check"))
    assert "  hint: 5 of 5 rejected values of opted_in are no word for true or false" in lines
    assert '  hint: 3 of 4 rejected values of born would be read with format = "%d/%m/%Y"' in lines
    assert '  hint: 99 of the first 100 rejected values of plan would be read with separator = ";"' in lines


def test_the_five_most_frequent_bad_values_are_shown_short_and_printable() -> None:
    values = Counter({f"v{n}": 10 - n for n in range(7)})
    groups = [
        RejectGroup("plan", "check", "attribute_value_invalid", values=values),
        RejectGroup("plan", "check", "option_not_declared", values=Counter({"\x1b[31m" + "x" * 40: 99})),
        RejectGroup("", "read", "row_malformed", values=Counter({"a row": 5})),
        RejectGroup("age", "send", "refused", values=Counter({"7": 5})),
    ]
    title, line = list(frequent_lines(groups))[1:]
    assert title == "  most frequent bad values:"
    assert line.split() == [
        *("plan", '"\\x1b[31m' + "x" * 25 + "…", "(45", 'characters)"', "99,"),
        *('"v0"', "10,", '"v1"', "9,", '"v2"', "8,", '"v3"', "7"),
    ]
    assert list(frequent_lines(groups[2:])) == []


def test_reports_are_named_only_where_they_are(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    assert list(next_lines(summary(exit_code=0, reject_counts=()), folder, "")) == [""]


def test_the_files_of_a_run_are_named_before_the_next_step(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    folder.rejected_rows.mkdir()
    for name in ("02-b.csv", "01-a.csv"):
        (folder.rejected_rows / name).touch()
    folder.html_report.touch()
    first = folder.rejected_rows / "01-a.csv"
    assert list(next_lines(summary(), folder, "correct the rows, then: importer retry")) == [
        "",
        f"  report   {folder.html_report}",
        f"  rejects  {folder.rejects}",
        f"  rows     {first} and 1 more",
        "  next     correct the rows, then: importer retry",
    ]


def test_an_undo_says_what_goes_back_what_is_left_out_and_the_command() -> None:
    found: dict[str, Any] = {
        "values": 1200,
        "people": 600,
        "cleared": 7,
        "later": 1500,
        "unknown": 0,
        "unreadable": 2,
        "file": Path("undo.csv"),
        "config": "people.toml",
    }
    assert list(undone_lines(SimpleNamespace(**found), STATE)) == [
        "1,200 values of 600 people can go back to what they were before, 7 of them are cleared",
        "  left out: 1,500 written by a later run",
        "  left out: 2 no text of this source says it",
        "  file     undo.csv",
        "  next     importer run people.toml undo.csv",
    ]
    nothing = SimpleNamespace(**found | {"file": None, "later": 0, "unreadable": 0})
    assert len(list(undone_lines(nothing, STATE))) == 1


def test_a_verify_without_differences_names_no_report() -> None:
    found = {
        "run_id": "r1",
        "people": 1000,
        "exit_code": 0,
        "values": 3000,
        "same": 3000,
        "unread": 0,
        "differences": [],
    }
    assert list(verified_lines(found, Path("verify.csv"))) == [
        "verify of r1: 1,000 people read back, exit 0",
        "",
        "  values  3,000 compared, 3,000 stored as they were sent",
    ]


def test_a_verify_counts_differences_and_people_who_were_not_read() -> None:
    found = {
        "run_id": "r1",
        "people": 10,
        "exit_code": 1,
        "values": 30,
        "same": 28,
        "unread": 4,
        "differences": [{"count": 2, "what": "missing", "attribute": "age"}],
    }
    assert list(verified_lines(found, Path("verify.csv")))[3:] == [
        "  unread  4 people could not be read",
        "",
        "  stored values that differ from what was sent, by kind and attribute:",
        "            2  missing      age",
        "",
        "  report   verify.csv",
    ]
