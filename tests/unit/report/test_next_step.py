"""What to do after a run is the same sentence and command in every report."""

from pathlib import Path
from typing import Any

import pytest

from importer.report.next_step import after_stop, next_step
from tests.unit.report.ended_runs import run_folder, summary

STATE = Path(".importer")


def stopped(code: int, guards: "tuple[str, ...]" = ()) -> dict[str, Any]:
    return {"run_id": "r", "exit_code": code, "guards": guards}


@pytest.mark.parametrize("code", [4, 5, 7, 8, 130])
def test_a_stopped_run_is_resumed(code: int) -> None:
    assert after_stop(stopped(code), STATE) == ("", "importer resume r")


def test_a_guard_is_allowed_by_its_name() -> None:
    step = after_stop(stopped(6, ("min_rows", "strict")), Path("/srv/state"))
    assert step.command == "importer resume r --allow min_rows --allow strict --state-dir /srv/state"
    assert str(step).startswith("correct the list and run it again, or continue as it is: importer resume r")


def test_past_the_reject_limit_a_higher_one_is_named() -> None:
    assert after_stop(stopped(6), STATE).command == "importer resume r --max-rejects N"


@pytest.mark.parametrize(
    ("exit_code", "step"),
    [
        (0, ("", "importer run people.toml list.csv")),
        (1, ("correct the list or the configuration, then", "importer check people.toml list.csv")),
        (6, ("correct the list or the configuration, then", "importer check people.toml list.csv")),
    ],
)
def test_a_check_ends_with_correct_while_the_list_is_bad(
    exit_code: int, step: tuple[str, str], tmp_path: Path
) -> None:
    folder = run_folder(tmp_path, mode="check", config_path="people.toml", arguments=["list.csv"])
    assert next_step(summary(exit_code=exit_code), folder, tmp_path) == step
