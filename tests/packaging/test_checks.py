"""The command that runs all checks, and the import rule that one of them keeps."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checks import __main__ as checks

ROOT = Path(__file__).parents[2]


@pytest.fixture
def two_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CHECKS", {"bad": "python -c print(6*7);exit(3)", "good": "python -c pass"})


@pytest.mark.usefixtures("two_checks")
def test_all_checks_run_also_after_one_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    assert checks.main([]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert [line.split()[:2] for line in lines] == [["FAILED", "bad"], ["42"], ["ok", "good"]]


@pytest.mark.usefixtures("two_checks")
def test_only_the_named_checks_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert checks.main(["good"]) == 0
    assert "bad" not in capsys.readouterr().out


def test_the_quick_checks_are_all_but_the_tests(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks, "CHECKS", {"style": "python -c pass", "tests": "python -c exit(1)"})
    assert checks.main(["quick"]) == 0
    assert capsys.readouterr().out.split()[:2] == ["ok", "style"]


@pytest.mark.usefixtures("two_checks")
def test_an_unknown_check_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert checks.main(["typos"]) == 2
    assert capsys.readouterr().err == "no such check: typos; there are: bad, good, quick\n"


def test_a_missing_program_fails_its_check_with_the_next_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks, "CHECKS", {"style": "no-such-program"})
    assert checks.main([]) == 1
    assert "there is no no-such-program; set up everything as README.md says" in capsys.readouterr().out


def test_every_check_is_a_program_of_this_environment() -> None:
    for name, command in checks.CHECKS.items():
        assert shutil.which(command.split()[0], path=str(checks.PROGRAMS)), name


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("core/errors.py", "from importer.config import loader"),
        ("storage/spool.py", "def f():\n    from importer.cli import main"),
        ("destinations/base.py", "from importer.destinations import vevee"),
        ("destinations/vevee/destination.py", "from importer.destinations.attentive import sandbox"),
        ("report/summary.py", "import httpx2"),
        ("send/sender.py", "import polars"),
        ("destinations/responses.py", "import polars_hash"),
        ("utils.py", ""),
    ],
)
def test_the_import_rule_finds_a_breach(tmp_path: Path, module: str, line: str) -> None:
    shutil.copytree(ROOT / "importer", tmp_path / "importer")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "importer" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    program, *arguments = checks.CHECKS["imports"].split()
    done = subprocess.run(
        [checks.PROGRAMS / program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout
    assert module.partition(".")[0].replace("/", ".") in done.stdout


def test_the_command_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.checks", "format"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split()[1] == "format"
