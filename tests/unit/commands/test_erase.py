"""A person is taken out of each kind of file that a run leaves, and out of no line of another."""

from pathlib import Path

import polars as pl
import pytest

from importer.commands import erase as command
from importer.commands.erase import erase
from importer.commands.export_snapshot import export_snapshot
from importer.config.options import Options
from importer.config.schema import Config
from importer.core.errors import ConfigError, StateError
from importer.core.rejects import REPORT_COLUMNS
from importer.report import html_report
from importer.report.outcome_export import export
from importer.report.outcome_files import OutcomeFiles
from importer.storage import account, checked_files, locks, state_folder
from importer.storage.run_folder import RunFolder
from tests.support.mappings import config_of
from tests.unit.report.ended_runs import run_folder, summary


@pytest.fixture
def config() -> Config:
    return config_of()


@pytest.fixture
def folder(tmp_path: Path, config: Config) -> RunFolder:
    """A finished run."""
    state_folder.prepare(tmp_path / "state")
    found = state_folder.new_run(tmp_path / "state", "night")
    asked = {"outcomes": str(tmp_path / "copies")}
    meta = {
        "started_at": "2026-01-01",
        "identity": account.import_id(config),
        "mode": "run",
        "options": asked,
    }
    state_folder.create(found, meta)
    found.write_summary({"state": "finished"})
    return found


def state_of(folder: RunFolder) -> Path:
    return folder.path.parent.parent


def test_only_the_lines_of_the_person_go_whatever_stands_in_the_others(folder: RunFolder) -> None:
    head = "file,row,line,distinct_id,attribute,value\n"
    others = 'a.csv,1,2,u1,age,"u2,""x""\nu2"\na.csv,3,5,u22,age,u2\n'
    folder.rejects.write_text(head + f"a.csv,9,9,u2,age,{'x' * 200_000}\n" + others)
    assert erase(state_of(folder), "u2").runs == 1
    assert folder.rejects.read_text() == head + others
    assert erase(state_of(folder), "u2").runs == 0


def test_a_copy_for_a_spreadsheet_is_deleted_with_the_person(folder: RunFolder) -> None:
    folder.rejects_spreadsheet.write_text("u2")
    erase(state_of(folder), "u2")
    assert not folder.rejects_spreadsheet.exists()


def test_a_damaged_row_goes_where_the_id_stands_in_it_as_a_word(folder: RunFolder) -> None:
    folder.kept.mkdir()
    rows = [b"u2,broken", b"x u2;y", b"u22,broken", b"xu2,broken", None]
    pl.DataFrame({"id": [None] * 4 + ["u2"], "bytes": rows}).write_parquet(folder.kept / "batch-0.parquet")
    assert command._from_kept(folder.kept / "batch-0.parquet", "u2")
    left = checked_files.scan_parquet(folder.kept / "batch-0.parquet").collect()
    assert left["bytes"].to_list() == [b"u22,broken", b"xu2,broken"]


def test_a_damaged_row_goes_from_the_report_too(tmp_path: Path) -> None:
    state_folder.prepare(tmp_path / "state")
    folder = run_folder(tmp_path / "state", identity="i")
    folder.write_summary(summary())
    folder.rejects.write_text(
        f"{','.join(REPORT_COLUMNS)}\n/lists/people.csv,7,8,,,,read,row_malformed,expected 2 fields,,,\n"
    )
    folder.kept.mkdir()
    damaged = pl.DataFrame({"order": [7], "bytes": [b"u2;Zoe"]})
    checked_files.write_parquet(folder.kept / "batch-000000.parquet", damaged)
    assert "u2;Zoe" in html_report.write(folder, summary()).read_text("utf-8")
    assert erase(tmp_path / "state", "u2").runs == 1
    assert "u2;Zoe" not in folder.html_report.read_text("utf-8")


def test_values_of_before_the_run_go(folder: RunFolder) -> None:
    folder.previous_values.mkdir()
    path = folder.previous_values / "000000.arrow"
    checked_files.write_frame(path, pl.DataFrame({"id": ["u1", "u2"], "v:plan": ["1", "2"]}))
    assert erase(state_of(folder), "u2").runs == 1
    assert checked_files.read_frame(path)["id"].to_list() == ["u1"]


def test_a_damaged_file_is_said_with_what_to_delete(folder: RunFolder) -> None:
    folder.kept.mkdir()
    (folder.kept / "batch-0.parquet").write_bytes(b"half a file")
    with pytest.raises(StateError, match=r"batch-0.parquet: damaged .*importer runs --prune"):
        erase(state_of(folder), "u2")


def test_a_run_that_goes_on_or_can_be_resumed_comes_first(folder: RunFolder, config: Config) -> None:
    with (
        locks.import_lock(state_of(folder), config, folder),
        pytest.raises(StateError, match="night is going on"),
    ):
        erase(state_of(folder), "u2")
    folder.write_summary({"state": "stopped"})
    folder.make_folders()
    with pytest.raises(ConfigError, match="importer resume night"):
        erase(state_of(folder), "u2")
    with pytest.raises(ConfigError, match="found it blank"):
        erase(state_of(folder), "")


def test_values_go_from_the_table_of_outcomes_and_from_its_copies(folder: RunFolder, tmp_path: Path) -> None:
    files = OutcomeFiles(folder)
    files.begin()
    values = pl.DataFrame({"order": [1, 2], "distinct_id": ["u1", "u2"], "outcome": "applied"})
    files.put("chunk-1", values.with_columns(fingerprint=pl.lit(1, pl.UInt64)), ["a.csv"])
    export(folder.outcomes, folder.run_id, str(tmp_path / "copies"))
    assert erase(state_of(folder), "u2").runs == 1
    for table in (folder.outcomes, tmp_path / "copies"):
        assert pl.read_parquet(table / "*/*.parquet")["distinct_id"].to_list() == ["u1"]


def test_a_url_that_has_copies_is_named(folder: RunFolder) -> None:
    folder.write_meta({**folder.read_meta(), "options": {"outcomes": "s3://lists/sync"}})
    assert erase(state_of(folder), "u2").elsewhere == {"s3://lists/sync"}


def test_an_export_of_the_snapshot_loses_the_person(folder: RunFolder, config: Config) -> None:
    path = Path(export_snapshot(config, Options(state_dir=state_of(folder))))
    one = pl.DataFrame({"distinct_id": ["u1", "u2"]})
    one.write_parquet(path)
    assert erase(state_of(folder), "u2").exports == 1
    assert pl.read_parquet(path)["distinct_id"].to_list() == ["u1"]


def test_a_run_whose_rows_a_cluster_has_left_comes_to_its_end_first(
    folder: RunFolder, tmp_path: Path
) -> None:
    folder.write_meta({**folder.read_meta(), "staging": str(tmp_path / "staging")})
    folder.write_summary({"state": "stopped"})
    erase(state_of(folder), "u2")
    (tmp_path / "staging" / folder.run_id).mkdir(parents=True)
    with pytest.raises(ConfigError, match="still has the rows of everybody"):
        erase(state_of(folder), "u2")
    folder.write_meta({**folder.read_meta(), "staging": "s3://lake/staging"})
    assert erase(state_of(folder), "u2").elsewhere == {"s3://lake/staging"}


@pytest.mark.parametrize("content", ["", "no,such,header\n1,2,3\n"])
def test_rejects_without_their_header_are_said_to_be_damaged(content: str, tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    path.write_text(content)
    with pytest.raises(StateError, match="cannot be taken out"):
        command._from_rejects(path, "p1")
    assert path.read_text() == content
