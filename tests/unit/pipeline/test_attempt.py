"""One attempt of a run: its deadline, and what an interrupt does."""

from pathlib import Path

import pytest

from importer.config.options import Options
from importer.core.errors import OutOfTimeError
from importer.pipeline.attempt import Attempt
from importer.pipeline.run_spec import RunSpec
from importer.send.shutdown import StopRequest
from tests.support.mappings import config_of


@pytest.mark.parametrize(("mode", "late"), [("run", True), ("retry", True), ("check", False)])
def test_only_what_sends_has_a_deadline(mode: str, late: bool, tmp_path: Path) -> None:
    options = Options(state_dir=tmp_path, max_duration=0.0)
    error = Attempt.of(RunSpec.new(config_of(), (), options, mode), None).out_of_time()
    assert isinstance(error, OutOfTimeError) == late


def test_an_attempt_without_a_deadline_is_never_late(tmp_path: Path) -> None:
    attempt = Attempt.of(RunSpec.new(config_of(), (), Options(state_dir=tmp_path), "run"), None)
    assert (attempt.deadline, attempt.out_of_time(), attempt.settle_only) == (None, None, False)


def test_an_interrupted_attempt_keeps_the_error_and_asks_for_a_stop(tmp_path: Path) -> None:
    request, error = StopRequest(), KeyboardInterrupt()
    attempt = Attempt.of(RunSpec.new(config_of(), (), Options(state_dir=tmp_path), "run"), None, request)
    attempt.interrupt(error)
    assert (attempt.interrupted, request.asked) == (error, 2)
    assert not attempt.stop.is_set, "the sender hears of it when it looks"
