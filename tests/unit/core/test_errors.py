"""Exit codes, and next steps that are ready to paste."""

from pathlib import Path

import pytest

from importer.core import errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.ConfigError, 2),
        (errors.SourceError, 3),
        (errors.RefusedError, 4),
        (errors.UnreachableError, 5),
        (errors.GuardError, 6),
        (errors.StateError, 7),
        (errors.OutOfTimeError, 8),
        (errors.InternalError, 9),
        (errors.ImporterError, 9),
    ],
)
def test_each_kind_of_error_has_its_exit_code(kind: type[errors.ImporterError], code: int) -> None:
    assert kind("why").exit_code == code
    assert str(kind("why")) == "why"


def test_a_command_is_quoted_for_the_shell_and_names_another_state_folder() -> None:
    assert errors.command("resume", "r") == "importer resume r"
    shown = errors.command("run", "my list.toml", state_dir=Path("/srv/a b"))
    assert shown == "importer run 'my list.toml' --state-dir '/srv/a b'"


def test_a_guard_error_names_its_guards() -> None:
    assert errors.GuardError("Guard", ("strict", "min_rows")).allow == ("strict", "min_rows")
    assert errors.GuardError("limit").allow == ()
