"""Whatever a command raises becomes a sentence and an exit code."""

from typing import NoReturn

import pytest

from importer.cli import arguments, main
from importer.core.errors import GuardError, InterruptedRunError, StateError


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (StateError("the disk is full"), 7, "importer: the disk is full\n"),
        (GuardError("Guard tripped.", ("strict",)), 6, "importer: Guard tripped.\n"),
        (KeyboardInterrupt(), 130, "importer: interrupted while nothing was being sent.\n"),
        (InterruptedRunError("stopped at once", 130), 130, "importer: stopped at once\n"),
    ],
)
def test_an_error_ends_as_its_exit_code(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(arguments, "handler", lambda _: fail)
    assert main.main(["runs"]) == code
    assert capsys.readouterr().err == said


def test_a_bug_is_named_by_its_kind_and_place_and_quotes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> NoReturn:
        raise ValueError("jane@example.com")

    monkeypatch.setattr(arguments, "handler", lambda _: fail)
    assert main.main(["runs"]) == 9
    err = capsys.readouterr().err
    assert err.startswith("importer: internal error (ValueError at ")
    assert "jane" not in err


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out == f"importer {version('customer-importer')}\n"
