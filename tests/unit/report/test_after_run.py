"""The hooks after a run: metrics each time, a notification on change, and never an error."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from importer.config import Config, parse
from importer.report.after_run import run_hooks
from importer.report.notify import RunEnd
from importer.storage.run_folder import RunFolder
from importer.storage.run_history import RunHistory

ADD = "import os, sys; open(sys.argv[1], 'a').write(f'{os.environ.get(\"HOOK_KEY\")} {sys.stdin.read()}\\n')"


def config(notify: dict[str, Any]) -> Config:
    return parse(
        {
            "name": "people",
            "source": {},
            "identity": {"column": "id"},
            "destination": {"type": "vevee", "api_key": "env:HOOK_KEY"},
            "attributes": {"age": {"type": "number"}},
            "notify": notify,
        }
    )


def problems(state_dir: Path, made: Config, exit_code: int, at: float = 1.0) -> list[str]:
    ended = RunEnd(made, RunFolder(state_dir / "runs" / "r1"), exit_code, "why it stopped")
    return list(run_hooks(state_dir, ended, at))


def test_each_run_is_remembered_and_written_to_the_metrics(state_dir: Path, tmp_path: Path) -> None:
    made = config({"metrics": str(tmp_path)})
    assert problems(state_dir, made, 0, at=10.0) == []
    assert problems(state_dir, made, 5, at=20.0) == []
    known = RunHistory.load(state_dir, made)
    assert (known.exit_code, known.succeeded_at) == (5, 10.0)
    written = (tmp_path / "importer-people.prom").read_text()
    assert 'importer_last_run_exit_code{import="people",destination="vevee"} 5\n' in written
    assert 'importer_last_success_timestamp_seconds{import="people",destination="vevee"} 10\n' in written


def test_a_notification_goes_out_on_change_only_and_without_the_key(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_KEY", "sk_test_hook")
    notified = tmp_path / "notified"
    made = config({"command": [sys.executable, "-S", "-c", ADD, str(notified)]})
    for exit_code in (0, 4, 4, 0):
        assert problems(state_dir, made, exit_code) == []
    found = [line.partition(" ") for line in notified.read_text().splitlines()]
    assert [key for key, _, _ in found] == ["None", "None"]
    codes = [(data["exit_code_before"], data["exit_code"]) for data in (json.loads(t) for _, _, t in found)]
    assert codes == [(0, 4), (4, 0)]


def test_hooks_that_fail_give_a_sentence_each(state_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    made = config({"metrics": str(tmp_path / "file"), "command": [str(tmp_path / "no program")]})
    assert problems(state_dir, made, 4) == [
        f"the metrics were not written: {tmp_path / 'file' / 'importer-people.prom'} cannot be",
        "the command of [notify] failed: it could not be started",
    ]


def test_a_state_folder_that_cannot_be_used_does_not_stop_the_hooks(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    state_dir.touch()
    made = config({"metrics": str(tmp_path), "command": [str(tmp_path / "no program")]})
    assert problems(state_dir, made, 7) == ["the command of [notify] failed: it could not be started"]
    assert "} 7\n" in (tmp_path / "importer-people.prom").read_text()
