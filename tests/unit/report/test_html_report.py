"""`report.html` says what happened, shows data as text, and has a copy without values."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from importer.core.models import Hint, RejectCount, RunWarning
from importer.core.rejects import REPORT_COLUMNS
from importer.report import html_report
from importer.report.reject_groups import RejectGroup
from importer.storage import checked_files
from importer.storage.run_folder import RunFolder
from tests.unit.report.ended_runs import ROWS, VALUES, run_folder, summary

SCRIPT = "<script>alert(1)</script>"
REJECT = {
    "file": "/lists/people.csv",
    "row": "7",
    "line": "8",
    "distinct_id": "user-17",
    "attribute": "age",
    "value": SCRIPT,
    "stage": "check",
    "reason": "attribute_value_invalid",
    "message": "expected a number",
}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = run_folder(tmp_path)
    put_rejects(made, REJECT)
    return made


def put_rejects(folder: RunFolder, *rejects: dict[str, str]) -> None:
    lines = [",".join(one.get(name, "") for name in REPORT_COLUMNS) for one in rejects]
    folder.rejects.write_text("\n".join([",".join(REPORT_COLUMNS), *lines, ""]))


def page(folder: RunFolder, *, values: bool = True, **changes: Any) -> str:
    return html_report.write(folder, summary(**changes), values=values).read_text("utf-8")


def test_the_report_stands_in_the_folder_of_the_run(folder: RunFolder) -> None:
    assert html_report.write(folder, summary()) == folder.html_report
    copy = html_report.write(folder, summary(), values=False)
    assert (copy.parent, copy.name) == (folder.path, "report-no-values.html")


def test_text_of_the_list_is_never_markup(folder: RunFolder) -> None:
    found = page(folder, message=f"stopped by {SCRIPT}")
    assert SCRIPT not in found
    assert found.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 3, "message, line of the group, example"
    assert found.count("<script>") == 1


def test_nothing_runs_or_loads_but_what_the_policy_names_by_its_hash(folder: RunFolder) -> None:
    found = page(folder)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', found)
    assert re.fullmatch(
        r"default-src &#39;none&#39;; style-src &#39;sha256-[\w+/]{43}=&#39;; "
        r"script-src &#39;sha256-[\w+/]{43}=&#39;; base-uri &#39;none&#39;; form-action &#39;none&#39;",
        policy,
    )
    assert not re.findall(r"(?:src|href)=", found)


def test_a_copy_without_values_has_counts_and_no_person(folder: RunFolder) -> None:
    full, copy = page(folder), page(folder, values=False)
    assert "user-17" in full
    assert "user-17" not in copy
    assert "alert(1)" not in copy
    assert "expected a number" in copy
    assert "This copy shows no value and no id of a person." in copy


def test_each_reject_says_what_is_accepted_and_what_to_do(folder: RunFolder) -> None:
    found = page(folder)
    assert "<dd>a number (min 0)</dd>" in found
    assert "A number outside of min and max needs another range.</dd>" in found
    assert "<b>age</b>: sign of damage: Cells such as #N/A (3, in rows 7, 9)" in found


@pytest.mark.parametrize(
    ("code", "is_damage"), [("spreadsheet_error", True), ("datetime_offset_dropped", False)]
)
def test_the_consequence_of_a_warning_is_said(code: str, is_damage: bool, folder: RunFolder) -> None:
    found = page(folder, warnings=[RunWarning(code, "age", 3)])
    assert "A warning alone rejects nothing." in found
    assert ("stop a run with <code>--strict</code>" in found) == is_damage
    assert ("sign of damage" in found) == is_damage


def test_the_age_of_a_source_is_counted_to_the_start_of_the_run(folder: RunFolder) -> None:
    assert "1 h 5 min before the run" in page(folder)
    unknown = [{**summary()["sources"][0], "modified": None, "size": None}]
    assert "before the run" not in page(folder, sources=unknown)


def test_shares_are_compared_with_the_run_before(folder: RunFolder, tmp_path: Path) -> None:
    assert '<span class="arrow">' not in page(folder)
    assert "Arrows show" not in page(folder)
    before = run_folder(tmp_path, "r0", started_at="2026-02-28T02:00:00.000+00:00")
    worse = {"attribute": "age", **VALUES, "applied": 1960, "rejected": 270, "blank": 100}
    before.write_summary(summary(run_id="r0", attributes=[worse]))
    assert re.findall(r'<span class="arrow">(.*?)</span>', page(folder)) == ["▲ 10.0%", "▼ 10.0%"]
    assert "Arrows show" in page(folder)


def test_a_good_run_asks_for_nothing(tmp_path: Path) -> None:
    good = page(run_folder(tmp_path), exit_code=0, reject_counts=(), warnings=())
    assert "<strong>Nothing has to be done.</strong>" in good
    assert "<p>Nothing was rejected or adjusted.</p>" in good


def test_a_name_that_is_not_utf_8_is_shown_as_an_escape(tmp_path: Path) -> None:
    made = run_folder(tmp_path, config_path="people-\udcff.toml")
    assert r"people-\udcff.toml" in page(made)


@pytest.mark.parametrize(
    ("mode", "changes", "sentence"),
    [
        (
            "run",
            {},
            "2,200 values are applied, 30 rejected, 10 rows could not be used.",
        ),
        (
            "run",
            {
                "reject_counts": [RejectCount("read", "row_malformed", "", 1)],
                "values": VALUES | {"rejected": 0},
            },
            "2,200 values are applied, none rejected, 1 row could not be used.",
        ),
        (
            "run",
            {"reject_counts": (), "values": VALUES | {"unconfirmed": 5}},
            "2,200 values are applied, 30 rejected and 5 unconfirmed.",
        ),
        (
            "run",
            {"reject_counts": (), "rows": ROWS | {"read": 1}, "values": VALUES | {"rejected": 0}},
            "All is well: 2,200 values of 1 row are applied, none was rejected.",
        ),
        (
            "run",
            {"state": "stopped", "values": VALUES | {"applied": 7, "not_attempted": 1000}},
            "The run was stopped: 7 values are applied, 1,000 are not sent.",
        ),
        (
            "check",
            {"values": VALUES | {"not_attempted": 2200}, "reject_counts": ()},
            "Nothing was sent: this was a check. 2,200 values would be sent, 30 are rejected in 1,200 rows.",
        ),
        (
            "check",
            {
                "values": VALUES | {"not_attempted": 2200},
                "reject_counts": [
                    RejectCount("read", "row_malformed", "", 10),
                    RejectCount("read", "distinct_id_missing", "", 140),
                    RejectCount("read", "header_repeated", "", 3),
                    RejectCount("check", "attribute_value_invalid", "age", 30),
                ],
            },
            (
                "Nothing was sent: this was a check. 150 of 1,200 rows cannot be used; "
                "of the others 2,200 values would be sent, 30 are rejected."
            ),
        ),
    ],
)
def test_the_headline_is_one_sentence(mode: str, changes: dict[str, Any], sentence: str) -> None:
    assert html_report.headline(summary(**changes), mode) == sentence


def test_the_way_of_the_rows_and_the_headline_count_the_same_rows(tmp_path: Path) -> None:
    reader = [RejectCount("read", "row_malformed", "", 7), RejectCount("read", "header_repeated", "", 2)]
    rows = ROWS | {"rejected": 10}  # one more row has no value that is not rejected
    ended = summary(
        reject_counts=[*reader, RejectCount("check", "attribute_value_invalid", "age", 30)], rows=rows
    )
    assert "7 rows could not be used" in html_report.headline(ended, "run")
    steps = html_report._steps(ended, has_where=False, is_check=False)
    left = rows["read"] - rows["filtered"]
    assert [(step["name"], step["count"]) for step in steps][:4] == [
        ("read", rows["read"]),
        ("no repeated header", left - 2),
        ("usable", left - 9),
        ("not all values rejected", left - 10),
    ]


def test_a_hint_stands_with_the_rejects_of_its_attribute(folder: RunFolder) -> None:
    hints = [Hint("age", 9, 9, 'decimal = ","'), Hint("plan", 1, 1, 'separator = ";"')]
    found = page(folder, hints=hints)
    assert "9 of 9 rejected values of age would be read with decimal = &#34;,&#34;" in found
    assert "rejected values of plan" not in found, "plan has no rejects here"


def headings(text: str) -> list[str]:
    return re.findall(r"<h2[^>]*>(.*?)</h2>", text)


def test_causes_stand_first_then_warnings_then_counts(folder: RunFolder) -> None:
    assert headings(page(folder)) == [
        "Rejected or adjusted",
        "Warnings",
        "Outcome",
        "The way of the rows",
        "Attributes",
        "Example rows",
        "Sources",
        "Configuration and versions",
    ]


@pytest.mark.parametrize(("groups", "open_groups"), [(5, 5), (6, 0)])
def test_a_few_groups_are_open(groups: int, open_groups: int, folder: RunFolder) -> None:
    put_rejects(folder, *(REJECT | {"reason": f"reason_{n}"} for n in range(groups)))
    found = page(folder)
    assert found.count('<details class="group" open') == open_groups
    assert found.count('<details class="group"') == groups
    assert found.count('<form class="filter"') == 1


def test_the_line_of_a_group_has_its_three_most_frequent_values(folder: RunFolder) -> None:
    counts = {"x": 1, "many": 4, "few": 2, "none": 3}
    put_rejects(folder, *(REJECT | {"value": value} for value, n in counts.items() for _ in range(n)))
    (line,) = re.findall(r'<span class="first">.*?</summary>', page(folder), re.DOTALL)
    assert re.findall(r'<bdi class="value">(.*?)</bdi>', line) == ["many", "none", "few"]
    assert '<span class="stage">(check)</span>' in page(folder)
    assert "Most frequent values (4 different)" in page(folder)


def test_ids_that_stand_for_nobody_are_counted_by_their_text(folder: RunFolder) -> None:
    nobody = {"attribute": "", "stage": "read", "reason": "distinct_id_placeholder", "value": "N/A"}
    put_rejects(folder, REJECT | nobody, REJECT | nobody)
    assert '<bdi class="value">N/A</bdi> <span>×<span data-n="2">2</span></span>' in page(folder)
    assert "N/A</bdi>" not in page(folder, values=False)


def test_an_example_of_a_damaged_row_shows_its_text_and_its_line(folder: RunFolder) -> None:
    put_rejects(folder, REJECT | {"attribute": "", "stage": "read", "reason": "row_malformed", "value": ""})
    folder.kept.mkdir()
    damaged = pl.DataFrame({"order": [7], "bytes": [b"user-17;Zo"]})
    checked_files.write_parquet(folder.kept / "batch-000000.parquet", damaged)
    assert '<td data-label="value" class="value"><bdi>user-17;Zo</bdi></td>' in page(folder)
    assert '<td data-label="line" class="num" data-key="8">8</td>' in page(folder)
    assert "user-17" not in page(folder, values=False)


@pytest.mark.parametrize("where", ["", "age > 17"])
def test_the_way_of_the_rows_has_where_only_if_it_is_set(where: str, tmp_path: Path) -> None:
    config = {"name": "people", "source": {"where": where}, "attributes": {}}
    assert ("chosen by where" in page(run_folder(tmp_path, config=config))) == bool(where)


def test_a_check_shows_what_would_be_sent_and_nothing_applied(tmp_path: Path) -> None:
    values = VALUES | {"applied": 0, "not_attempted": 2200}
    attributes = [{"attribute": "age", **values, "blank": 100}]
    changes = {"values": values, "attributes": attributes}
    folder, facts = run_folder(tmp_path, mode="check"), summary(**changes)
    checked = html_report.write(folder, facts).read_text("utf-8")
    assert '<span class="swatch due"></span>would be sent <b data-n="2200">' in checked
    assert "not attempted" not in checked
    assert "applied, whole or in part" not in checked
    assert re.findall(r'data-sort="\d">(.*?)</button>', checked) == [
        "attribute",
        "values",
        "rejected",
        "blank",
    ]


def test_a_group_of_damaged_rows_shows_the_text_of_the_first_one() -> None:
    example = {"row": "7", "line": "8", "value": "1,12 High Street, Leeds"}
    group = RejectGroup("", "read", "row_malformed", 135, "expected 2 fields, found 3", examples=[example])
    group.values[""] = 135
    made = html_report._group(group, {"attributes": {}}, 1, summary(), values=True)
    assert (made["subject"], made["first_row"]) == ("rows", example)
    hidden = html_report._group(group, {"attributes": {}}, 1, summary(), values=False)
    assert hidden["first_row"] is None


def test_what_to_do_about_values_with_a_hint_is_what_the_hint_says() -> None:
    group = RejectGroup("age", "check", "attribute_value_invalid", 30)
    config = {"attributes": {"age": {"type": "number"}}}
    hints = [Hint("age", 30, 30, 'decimal = ","')]
    made = html_report._group(group, config, 1, summary(hints=hints), values=True)
    assert made["fix"] == 'Declare decimal = "," under [attributes.age], or correct the cells.'
    two_ways = [Hint("age", 30, 30, "", "are written in two ways")]
    made = html_report._group(group, config, 1, summary(hints=two_ways), values=True)
    assert made["fix"] == "Correct the cells as the hint says."
