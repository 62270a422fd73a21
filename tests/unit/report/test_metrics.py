"""The metrics of a run: gauges of OpenMetrics, whole or not written."""

import re
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from importer.config import Config, parse
from importer.report import metrics
from importer.storage.run_history import RunHistory
from tests.unit.report.ended_runs import summary

LABELS = 'import="people",destination="vevee"'


def config(**destination: Any) -> Config:
    return parse(
        {
            "name": "people",
            "source": {},
            "identity": {"column": "id"},
            "destination": {"type": "vevee", "api_key": "env:KEY", **destination},
            "attributes": {"age": {"type": "number"}},
        }
    )


def test_a_run_without_a_summary_has_its_time_and_exit_code_alone() -> None:
    assert metrics.text(config(), 3, 1_700_000_000.12345, RunHistory(), None) == (
        "# TYPE importer_last_run_timestamp_seconds gauge\n"
        "# HELP importer_last_run_timestamp_seconds When the last run ended.\n"
        f"importer_last_run_timestamp_seconds{{{LABELS}}} 1700000000.123\n"
        "# TYPE importer_last_run_exit_code gauge\n"
        "# HELP importer_last_run_exit_code The exit code of the last run.\n"
        f"importer_last_run_exit_code{{{LABELS}}} 3\n"
        "# EOF\n"
    )


def test_every_count_of_a_summary_is_a_sample() -> None:
    lines = metrics.text(config(), 1, 1.7e9, RunHistory(succeeded_at=1.6e9), summary()).splitlines()
    for sample in (
        f"importer_last_success_timestamp_seconds{{{LABELS}}} 1600000000",
        f"importer_last_run_duration_seconds{{{LABELS}}} 90.5",
        f'importer_last_run_rows{{{LABELS},state="read"}} 1200',
        f'importer_last_run_values{{{LABELS},state="superseded"}} 80',
        f'importer_last_run_people{{{LABELS},state="called"}} 1050',
        f'importer_last_run_attribute_values{{{LABELS},attribute="age",state="rejected"}} 30',
        f'importer_last_run_attribute_blank{{{LABELS},attribute="age"}} 100',
        f'importer_last_run_source_rows{{{LABELS},source="/lists/people.csv",state="filtered"}} 70',
        f'importer_last_run_calls{{{LABELS},kind="throttled"}} 4',
        f"importer_last_run_peak_rss_bytes{{{LABELS}}} 123456789",
    ):
        assert lines.count(sample) == 1, sample


def test_each_family_is_declared_once_and_before_its_samples() -> None:
    text = metrics.text(config(), 0, 1.7e9, RunHistory(succeeded_at=1.7e9), summary())
    declared = re.findall(r"^# TYPE (\S+) gauge$", text, re.MULTILINE)
    sampled = list(dict.fromkeys(re.findall(r"^(importer_\w+)\{", text, re.MULTILINE)))
    assert declared == sampled
    assert len(set(declared)) == 13
    assert text.endswith("\n# EOF\n")


def test_the_account_is_a_label_and_what_a_label_cannot_hold_is_escaped() -> None:
    text = metrics.text(config(account='a"b\\c\nd'), 0, 1.0, RunHistory(), None)
    assert f'{{{LABELS},account="a\\"b\\\\c\\nd"}} 0\n' in text


def test_the_file_is_named_by_the_import_and_everybody_may_read_it(tmp_path: Path) -> None:
    assert metrics.write(tmp_path, "people", "first\n") == ""
    assert metrics.write(tmp_path, "people", "# EOF\n") == ""
    (path,) = tmp_path.iterdir()
    assert (path.name, path.read_text()) == ("importer-people.prom", "# EOF\n")
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("below", [False, True])
def test_a_folder_that_takes_no_file_gives_a_sentence(tmp_path: Path, *, below: bool) -> None:
    place = tmp_path / "a file" / "below" if below else tmp_path / "a file"
    (tmp_path / "a file").touch()
    path = place / "importer-people.prom"
    assert metrics.write(place, "people", "# EOF\n") == f"the metrics were not written: {path} cannot be"
