"""The command line: names of before, guesses at mistyped ones, and nothing heavy loaded for help."""

import subprocess
import sys
from typing import Any

import pytest

from importer.cli import arguments, logs
from importer.core.errors import ConfigError


def notes(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with logs.logging_to_stderr():
        arguments.note_old_names(arguments.parse(words))
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "name", "value"),
    [
        (["--again"], "--allow-duplicates", "allow_duplicates", True),
        (["--full"], "--full-refresh", "full_refresh", True),
        (["--for", "2h"], "--max-duration", "max_duration", 7200.0),
        (["--wait", "30m"], "--lock-timeout", "lock_timeout", 1800.0),
    ],
)
def test_an_old_flag_works_and_says_its_new_name(
    old: list[str], new: str, name: str, value: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert getattr(arguments.parse(["run", "x.toml", *old]), name) == value
    assert getattr(arguments.parse(["run", "x.toml", new, *old[1:]]), name) == value
    expected = f"importer: {old[0]} is now called {new}; the old name goes with the next version.\n"
    assert notes(["run", "x.toml", *old], capsys) == expected
    assert notes(["run", "x.toml", new, *old[1:]], capsys) == ""


def test_the_old_command_works_and_says_its_new_name(capsys: pytest.CaptureFixture[str]) -> None:
    old, new = arguments.parse(["forget", "u1"]), arguments.parse(["erase", "u1"])
    assert arguments.handler(old) is arguments.handler(new)
    assert "the command forget is now called erase" in notes(["forget", "u1"], capsys)


def test_workers_has_no_effect_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--workers has no effect any more" in notes(["run", "x.toml", "--workers", "4"], capsys)
    assert notes(["run", "x.toml"], capsys) == ""


def test_flags_may_stand_between_config_and_sources() -> None:
    parsed = arguments.parse(["run", "x.toml", "a.csv", "--rate", "5", "b.csv"])
    assert (parsed.sources, parsed.rate) == (["a.csv", "b.csv"], 5.0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu", "x.toml"], 'unknown command "rnu". Did you mean "run"? See: importer --help'),
        (["run", "x.toml", "--chnaged-only"], r"arguments: --chnaged-only. Did you mean \"--changed-only\"?"),
        (["run", "x.toml", "--allow", "min_row"], 'unknown name "min_row". Did you mean "min_rows"?'),
        (["run", "x.toml", "--rate", "fast"], "--rate: expected requests per second"),
        (["run", "x.toml", "--max-duration", "soon"], "--max-duration: expected a time like"),
        (["run", "x.toml", "--limit", "-1"], "--limit: expected"),
        (["sandbox", "--latency", "1x"], "--latency: expected a time like 50ms or 0.2s"),
        (["run"], "the following arguments are required: CONFIG; see: importer run --help"),
        (["run", "caf\udce9.toml"], "not UTF-8"),
    ],
)
def test_a_mistake_is_one_sentence(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        arguments.parse(words)
    assert said.replace("\\", "") in str(error.value)


@pytest.mark.parametrize(("text", "seconds"), [("50ms", 0.05), ("0.2s", 0.2), ("3", 3.0)])
def test_a_latency_has_a_unit_or_is_in_seconds(text: str, seconds: float) -> None:
    assert arguments.parse(["sandbox", "--latency", text]).latency == pytest.approx(seconds)


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"], ["completion", "bash"]])
def test_help_loads_no_library(words: list[str]) -> None:
    script = (
        "import sys\nfrom importer.cli.main import main\n"
        f"assert main({words!r}) == 0\n"
        "heavy = {'polars', 'pydantic', 'httpx2', 'tqdm', 'jinja2', 'asyncio'} & sys.modules.keys()\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_a_check_loads_nothing_that_sends() -> None:
    script = (
        "import sys\nimport importer.cli.import_commands\n"
        "heavy = {'asyncio', 'ssl', 'urllib.request', 'httpx2', 'jinja2', 'ftfy'} & sys.modules.keys()\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
