"""The run before, and the charts of all runs."""

import json
from pathlib import Path
from typing import Any

from importer.report.trends import _chart, previous_summary
from importer.storage import state_folder
from importer.storage.run_folder import RunFolder


def add_run(
    state_dir: Path, run_id: str, day: int, state: str = "finished", identity: str = "i"
) -> RunFolder:
    folder = state_folder.new_run(state_dir, run_id)
    started = f"2026-01-{day:02d}T00:00:00.000+00:00"
    meta = {"run_id": run_id, "mode": "run", "identity": identity, "started_at": started, "name": "people"}
    state_folder.create(folder, meta)
    folder.summary.write_text(json.dumps({"run_id": run_id, "state": state, "started_at": started}))
    return folder


def test_the_last_finished_run_of_the_same_import_is_the_one_before(state_dir: Path) -> None:
    state_folder.prepare(state_dir)
    add_run(state_dir, "first", 1)
    add_run(state_dir, "second", 2)
    add_run(state_dir, "stopped", 3, state="stopped")
    add_run(state_dir, "other", 4, identity="another")
    now = add_run(state_dir, "now", 5)
    add_run(state_dir, "later", 6)
    found = previous_summary(now, now.read_meta())
    assert found is not None
    assert found["run_id"] == "second"
    first = now.beside("first")
    assert previous_summary(first, first.read_meta()) is None


def test_a_chart_has_one_bar_a_run_and_the_highest_is_whole() -> None:
    runs: list[dict[str, Any]] = [{"n": 0}, {"n": 5}, {"n": 10}]
    chart = _chart("rows", runs, lambda run: float(run["n"]))
    assert [bar["height"] for bar in chart["bars"]] == [0, 50, 100]
    assert (chart["most"], chart["last"]) == (10, 10)
