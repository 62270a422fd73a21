"""Runs are made and deleted whole, found by their id, and closed where a later one takes their place."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from importer.config.schema import Config
from importer.core.errors import ConfigError, StateError
from importer.storage import account, locks, run_folder, state_folder
from importer.storage.run_folder import RunFolder


def made(state: Path, config: Config, run_id: str, days: float = 0, mode: str = "run") -> RunFolder:
    """A run that began so many days ago."""
    folder = state_folder.new_run(state, run_id)
    started = datetime.now(UTC) - timedelta(days=days)
    meta = {"started_at": started.isoformat(), "identity": account.import_id(config), "mode": mode}
    state_folder.create(folder, meta)
    return folder


def test_an_id_is_used_once(state: Path, config: Config) -> None:
    made(state, config, "night")
    with pytest.raises(ConfigError, match="there is a run night already"):
        state_folder.new_run(state, "night")
    with pytest.raises(ConfigError, match="there is a run night already"):
        state_folder.create(RunFolder(state / "runs" / "night"), {})
    with pytest.raises(ConfigError, match="expected a letter or digit"):
        state_folder.new_run(state, "../night")


def test_the_newest_wanted_run_is_found_or_one_by_its_id(state: Path, config: Config) -> None:
    with pytest.raises(ConfigError, match="no run here yet"):
        state_folder.find(state, None)
    first, second = made(state, config, "b", days=2), made(state, config, "a", days=1)
    made(state, config, "c", mode="check")
    assert [folder.run_id for folder in state_folder.all_runs(state)] == ["b", "a", "c"]
    assert state_folder.find(state, None, wanted=run_folder.has_sent) == second
    assert state_folder.find(state, "b") == first
    with pytest.raises(ConfigError, match=r"(?i)no run d here.* list them with: importer runs"):
        state_folder.find(state, "d")


def test_what_a_kill_left_half_made_or_half_deleted_goes(state: Path, config: Config) -> None:
    for name in (".new-1", ".gone-old"):
        (state / name).mkdir()
        (state / name / "rows").write_text("of people")
    made(state, config, "night")
    assert sorted(path.name for path in state.iterdir()) == [".gitignore", "locks", "runs"]


def test_old_runs_are_pruned_but_for_those_in_use_or_needed(state: Path, config: Config) -> None:
    names = {"old": 40, "needed": 40, "in-use": 40, "new": 1}
    folders = {name: made(state, config, name, days) for name, days in names.items()}
    with locks.import_lock(state, config, folders["in-use"]):
        pruned = list(state_folder.prune(state, 30 * 86400, lambda folder: folder.run_id == "needed"))
    assert pruned == ["old"]
    assert {folder.run_id for folder in state_folder.all_runs(state)} == {"needed", "in-use", "new"}
    assert list(state.glob(".gone-*")) == []


def test_a_later_run_closes_earlier_ones_and_their_rows_go(state: Path, config: Config) -> None:
    earlier, finished, later = (made(state, config, name) for name in ("earlier", "finished", "later"))
    for folder in (earlier, finished):
        folder.make_folders()
        folder.kept.mkdir()
    earlier.write_summary({"state": "stopped"})
    finished.write_summary({"state": "finished"})
    state_folder.supersede(state, config, later)
    assert earlier.read_meta()["superseded_by"] == "later"
    assert (earlier.read_summary() or {})["state"] == "superseded"
    assert not earlier.spool.exists()
    assert not earlier.kept.exists()
    assert finished.kept.exists()
    assert "superseded_by" not in finished.read_meta()
    assert "superseded_by" not in later.read_meta()


@pytest.mark.parametrize("closed_by", ["prune", "a later run"])
def test_rows_that_a_cluster_has_left_go_with_their_run(
    closed_by: str, state: Path, config: Config, tmp_path: Path
) -> None:
    earlier, later = made(state, config, "earlier", 40), made(state, config, "later")
    for folder in (earlier, later):
        folder.write_meta({**folder.read_meta(), "staging": str(tmp_path / "staging")})
        (tmp_path / "staging" / folder.run_id).mkdir(parents=True)
    if closed_by == "prune":
        assert list(state_folder.prune(state, 30 * 86400, lambda _: False)) == ["earlier"]
    else:
        state_folder.supersede(state, config, later)
    assert [path.name for path in (tmp_path / "staging").iterdir()] == ["later"]


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(StateError, match="is a file, expected a folder"):
        state_folder.prepare(tmp_path / "state")
