"""What to do after a run is the same sentence and command in every report."""

from pathlib import Path

import pytest

from importer.report.next_step import NextStep, next_step
from tests.unit.report.ended_runs import run_folder, summary

STATE = Path(".importer")


def after_stop(tmp_path: Path, mode: str, code: int, *guards: str, state_dir: Path = STATE) -> NextStep:
    folder = run_folder(tmp_path, mode=mode, config_path="people.toml", arguments=["list.csv"])
    return next_step(summary(state="stopped", exit_code=code, guards=guards), folder, state_dir)


@pytest.mark.parametrize("code", [4, 5, 7, 8, 130])
def test_a_stopped_run_is_resumed(code: int, tmp_path: Path) -> None:
    assert after_stop(tmp_path, "run", code) == ("", "importer resume r1")


def test_a_guard_is_allowed_by_its_name(tmp_path: Path) -> None:
    step = after_stop(tmp_path, "run", 6, "min_rows", "strict", state_dir=Path("/srv/state"))
    assert step.command == "importer resume r1 --allow min_rows --allow strict --state-dir /srv/state"
    assert str(step).startswith("correct the list and run it again, or continue as it is: importer resume r1")


def test_past_the_reject_limit_a_higher_one_is_named(tmp_path: Path) -> None:
    assert after_stop(tmp_path, "run", 6).command == "importer resume r1 --max-rejects N"


@pytest.mark.parametrize(
    ("guards", "flags"), [(("strict",), "--allow strict"), ((), "--max-rejects N")], ids=str
)
def test_a_check_that_a_guard_stopped_is_checked_again_never_resumed(
    guards: tuple[str, ...], flags: str, tmp_path: Path
) -> None:
    assert after_stop(tmp_path, "check", 6, *guards) == (
        f"correct the list or the configuration, or add {flags} if it is meant, then",
        "importer check people.toml list.csv",
    )


@pytest.mark.parametrize(
    ("exit_code", "step"),
    [
        (0, ("", "importer run people.toml list.csv")),
        (1, ("correct the list or the configuration, then", "importer check people.toml list.csv")),
    ],
)
def test_a_check_ends_with_correct_while_the_list_is_bad(
    exit_code: int, step: tuple[str, str], tmp_path: Path
) -> None:
    folder = run_folder(tmp_path, mode="check", config_path="people.toml", arguments=["list.csv"])
    assert next_step(summary(exit_code=exit_code), folder, STATE) == step


@pytest.mark.parametrize("code", [0, 1, 6])
def test_a_check_in_another_state_folder_names_it(tmp_path: Path, code: int) -> None:
    folder = run_folder(tmp_path, mode="check", config_path="people.toml", arguments=[])
    ended = summary(state="stopped" if code == 6 else "finished", exit_code=code, guards=())
    step = next_step(ended, folder, Path("/srv/state"))
    assert step.command.endswith(" --state-dir /srv/state")
    assert "--state-dir" not in next_step(ended, folder, STATE).command, "check looks there by itself"
