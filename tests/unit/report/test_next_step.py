"""What to do after a run is the same sentence and command in every report."""

from pathlib import Path
from typing import Any

import pytest

from importer.report.next_step import after_stop

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
