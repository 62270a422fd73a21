"""`importer.run` is the same function as the command: for a notebook, a DAG, a test."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

import importer
from importer.config import loader as configuration
from importer.core.errors import ConfigError, SourceError, StateError
from importer.sandbox import faults
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.storage.locks import import_lock
from importer.storage.run_folder import RunFolder
from importer.storage.state_folder import all_runs

KEY = "sk_test_library"


@pytest.fixture
def mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A configuration as a Python caller writes it."""
    source = tmp_path / "people.csv"
    source.write_text("id,plan,age\n1,pro,20\n2,off,30\n3,pro,\n1,basic,21\n")
    monkeypatch.setenv("LIBRARY_KEY", KEY)
    return {
        "name": "library",
        "source": {"path": str(source)},
        "identity": {"column": "id"},
        "destination": {"type": "vevee", "api_key": "env:LIBRARY_KEY", "requests_per_second": 0},
        "attributes": {
            "plan": {"type": "single_choice", "options": ["pro", "basic"]},
            "age": {"type": "number"},
        },
    }


def test_a_run_from_python(mapping: dict[str, Any], state_dir: Path) -> None:
    environment, folder = dict(os.environ), tempfile.gettempdir()
    config = configuration.parse(mapping)
    with sandbox.running(config, SandboxOptions(), KEY) as server:
        options = importer.Options(state_dir=state_dir, base_url=server.url)
        summary = importer.run(mapping, (), options)
        assert server.stored == {"1": {"plan": "basic", "age": 21}, "2": {"age": 30}, "3": {"plan": "pro"}}
    assert (summary.state, summary.exit_code) == ("finished", 1)
    assert summary.values["superseded"] == 2
    written = json.loads((state_dir / "runs" / summary.run_id / "summary.json").read_text())
    assert written["rows"] == dict(summary.rows)
    assert dict(os.environ) == environment
    assert tempfile.gettempdir() == folder


def test_check_needs_no_key_and_sends_nothing(
    mapping: dict[str, Any], state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIBRARY_KEY")
    summary = importer.check(mapping, (), importer.Options(state_dir=state_dir))
    assert summary.values["not_attempted"] == 4
    assert summary.calls["sent"] == 0


def test_errors_are_raised_not_printed(mapping: dict[str, Any], state_dir: Path, tmp_path: Path) -> None:
    options = importer.Options(state_dir=state_dir)
    with pytest.raises(SourceError):
        importer.run(mapping, (str(tmp_path / "none.csv"),), options)
    with pytest.raises(ConfigError):
        importer.run({**mapping, "surprise": 1}, (), options)


def test_one_import_runs_once_at_a_time(mapping: dict[str, Any], state_dir: Path) -> None:
    config = configuration.parse(mapping)
    (state_dir / "runs").mkdir(parents=True)
    (state_dir / "locks").mkdir()
    with (
        import_lock(state_dir, config, RunFolder(state_dir / "runs" / "the-other-one")),
        pytest.raises(StateError, match="the-other-one"),
    ):
        importer.run(mapping, (), importer.Options(state_dir=state_dir))


def test_a_new_run_closes_an_unfinished_one(mapping: dict[str, Any], state_dir: Path) -> None:
    config = configuration.parse(mapping)
    fault = faults.parse_fault("quota@2-:times=0")
    with sandbox.running(config, SandboxOptions(faults=(fault,)), KEY) as server:
        options = importer.Options(state_dir=state_dir, base_url=server.url)
        stopped = importer.run(mapping, (), options)
        assert (stopped.state, stopped.exit_code) == ("stopped", 4)
        server.change(SandboxOptions())
        assert importer.run(mapping, (), options).state == "finished"
    with pytest.raises(ConfigError, match="superseded"):
        importer.resume(state_dir, stopped.run_id)
    assert not any((folder.path / "spool").exists() for folder in all_runs(state_dir))


def test_a_stopped_run_is_resumed_when_the_cause_is_gone(mapping: dict[str, Any], state_dir: Path) -> None:
    config = configuration.parse(mapping)
    fault = faults.parse_fault("401@2-:times=0")
    with sandbox.running(config, SandboxOptions(faults=(fault,)), KEY) as server:
        options = importer.Options(state_dir=state_dir, base_url=server.url)
        assert importer.run(mapping, (), options).exit_code == 4
        server.change(SandboxOptions())
        summary = importer.resume(state_dir, None, importer.Options())
        assert server.stored == {"1": {"plan": "basic", "age": 21}, "2": {"age": 30}, "3": {"plan": "pro"}}
    assert (summary.state, summary.exit_code, summary.values["not_attempted"]) == ("finished", 1, 0)


def test_a_run_that_forgot_somebody_never_looks_finished(
    mapping: dict[str, Any], state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configuration.parse(mapping)
    with sandbox.running(config, SandboxOptions(), KEY) as server:
        options = importer.Options(state_dir=state_dir, base_url=server.url, run_id="r")
        with monkeypatch.context() as fault:
            fault.setattr("importer.pipeline.chunk_stream.ChunkStream._jobs", lambda *_: iter(()))
            summary = importer.run(mapping, (), options)
        assert (summary.state, summary.exit_code, server.stored) == ("stopped", 9, {})
        assert summary.values["not_attempted"] == 4
        resumed = importer.resume(state_dir, "r")
        assert (resumed.state, resumed.exit_code, len(server.stored)) == ("finished", 1, 3)
