"""Which run the commands go on with, and what they refuse before anything is sent."""

from pathlib import Path
from typing import Any

import pytest

from importer.config import loader
from importer.config.options import Options
from importer.core.errors import ConfigError, OutOfTimeError
from importer.pipeline import runner
from tests.support.stages import LIST, Listening, mapping


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("STAGES_KEY", "sk_test_runner")
    (tmp_path / "list.csv").write_text(LIST)
    return mapping(tmp_path / "list.csv")


def test_a_configuration_is_a_file_a_mapping_or_built_already(config: dict[str, Any]) -> None:
    built = loader.parse(config)
    assert runner.as_config(built) is built
    assert runner.as_config(config) == built


def test_a_run_that_is_late_begins_nothing(config: dict[str, Any], tmp_path: Path) -> None:
    observer = Listening()
    late = Options(state_dir=tmp_path / "state", max_duration=0.0)
    with pytest.raises(OutOfTimeError):
        runner.run(config, (), late, observer)
    assert [event.fields["exit_code"] for event in observer.of("ended")] == [8]
    assert not list((tmp_path / "state" / "runs").glob("*"))


def test_a_run_without_its_key_begins_nothing(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STAGES_KEY")
    with pytest.raises(ConfigError, match="STAGES_KEY"):
        runner.run(config, (), Options(state_dir=tmp_path / "state"))
    assert not list((tmp_path / "state" / "runs").glob("*"))


def test_a_run_that_is_not_finished_is_not_corrected(config: dict[str, Any], tmp_path: Path) -> None:
    state = tmp_path / "state"
    stopped = {**config, "guards": {"min_rows": 9}}
    assert runner.run(stopped, (), Options(state_dir=state, run_id="r")).exit_code == 6
    with pytest.raises(ConfigError) as caught:
        runner.retry(state, "r")
    assert str(caught.value) == f"Run r is not finished; first: importer resume r --state-dir {state}"


def test_a_check_is_finished_and_not_resumed(config: dict[str, Any], tmp_path: Path) -> None:
    state = tmp_path / "state"
    observer = Listening()
    runner.check(config, (), Options(state_dir=state, run_id="c"), observer)
    assert [event.text for event in observer.of("began")] == ["run c began"]
    with pytest.raises(ConfigError) as caught:
        runner.resume(state, "c")
    assert str(caught.value) == "Run c is finished; there is nothing to resume."
