"""`check`, `run`, `resume` and `retry`: what they print, where, and their exit codes."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from importer.cli import arguments, import_commands, logs
from importer.config import loader
from importer.core.errors import DEFAULT_STATE_DIR, ConfigError
from importer.core.events import Event
from importer.pipeline import runner
from importer.sandbox import faults
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.storage.run_folder import RunFolder

KEY = "sk_test_commands"
CONFIG = """\
name = "people"
[source]
path = "unused.csv"
[identity]
column = "id"
[destination]
type = "vevee"
api_key = "env:COMMANDS_KEY"
requests_per_second = 5000
[attributes.age]
type = "number"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMMANDS_KEY", KEY)
    (tmp_path / "list.csv").write_text("id,age\nu1,7\nu2,eight\nu3,9\n")
    path = tmp_path / "people.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def server(config: Path) -> Iterator[sandbox.SandboxServer]:
    with sandbox.running(loader.load(config), SandboxOptions(), KEY) as running:
        yield running


@pytest.fixture
def call(
    server: sandbox.SandboxServer, state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs one command as the program does; its exit code, and what it wrote to stdout and stderr."""

    def called(*words: object) -> tuple[int, str, str]:
        with logs.logging_to_stderr():
            parsed = arguments.parse([*map(str, words), "--base-url", server.url])
            code = arguments.handler(parsed)(parsed)
        return code, *capsys.readouterr()

    return called


Call = Callable[..., tuple[int, str, str]]


def test_a_run_prints_its_summary_and_the_next_command(
    call: Call, config: Path, tmp_path: Path, state_dir: Path
) -> None:
    code, out, err = call("run", config, tmp_path / "list.csv", "--run-id", "r1")
    assert code == 1
    assert err.startswith("importer: 3 calls for 3 people; ")
    assert out.startswith("people → vevee: finished after ")
    assert "  rows    3 read, 2 applied, 1 rejected" in out
    rows = state_dir / "runs" / "r1" / "rejected_rows" / "01-list.csv"
    assert out.endswith(
        f"  next     correct the rows, then: importer retry r1 {rows} --state-dir {state_dir}\n"
    )


def test_a_check_sends_nothing_and_takes_its_flags(
    call: Call, config: Path, tmp_path: Path, server: sandbox.SandboxServer
) -> None:
    code, out, _ = call("check", config, tmp_path / "list.csv", "--limit", "1")
    assert (code, server.stored) == (0, {})
    assert out.startswith("check of people → vevee: finished after ")
    assert "  rows    1 read, 0 applied" in out


def test_a_hint_of_the_check_stands_in_the_summary(
    call: Callable[..., tuple[int, str, str]], config: Path, tmp_path: Path
) -> None:
    (tmp_path / "marks.csv").write_text('id,age\nu1,"7,5"\nu2,"8,25"\nu3,9\n')
    code, out, _ = call("check", config, tmp_path / "marks.csv", "--json")
    assert code == 1
    hint = {"attribute": "age", "fits": 2, "of": 2, "line": 'decimal = ","', "note": ""}
    assert json.loads(out)["hints"] == [hint]
    code, out, _ = call("check", config, tmp_path / "marks.csv")
    assert '  hint: 2 of 2 rejected values of age would be read with decimal = ","' in out.splitlines()


def test_a_preview_stands_before_the_check(call: Callable[..., tuple[int, str, str]], config: Path) -> None:
    _, out, _ = call("check", config, config.parent / "list.csv", "--preview", "1")
    assert out.startswith('"u1"\n')
    assert '{"distinctId":"u1","attributes":{"age":7}}' in out
    assert "check of people" in out
    assert KEY not in out
    with pytest.raises(ConfigError, match="--preview: not with --json"):
        call("check", config, config.parent / "list.csv", "--preview", "1", "--json")


def test_bad_values_are_shown_on_a_terminal_alone(
    call: Callable[..., tuple[int, str, str]], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, err = call("check", config, config.parent / "list.csv")
    assert "eight" not in out + err
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    _, out, _ = call("check", config, config.parent / "list.csv")
    assert '    age                  "eight" 1' in out.splitlines()


def test_a_quiet_run_past_its_reject_limit_says_only_why_and_how_to_go_on(
    call: Call, config: Path, tmp_path: Path, state_dir: Path
) -> None:
    flags = ("--run-id", "r1", "--max-rejects", "0", "--quiet")
    code, out, err = call("run", config, tmp_path / "list.csv", *flags)
    assert (code, out) == (6, "")
    reason, step = err.splitlines()
    assert reason.startswith("importer: ")
    assert step == (
        "  next: correct the list and run it again, or continue as it is: "
        f"importer resume r1 --max-rejects N --state-dir {state_dir}"
    )


def test_a_stopped_run_says_once_how_to_go_on(
    call: Call, config: Path, tmp_path: Path, state_dir: Path
) -> None:
    step = f"importer resume r1 --max-rejects N --state-dir {state_dir}"
    code, out, err = call("run", config, tmp_path / "list.csv", "--run-id", "r1", "--max-rejects", "0")
    assert (code, out.count(step), err.count(step)) == (6, 0, 1)


def test_a_check_that_a_guard_stops_is_checked_again(
    call: Call, config: Path, state_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "damaged.csv").write_text("id,age\nu1,7\nu2,#N/A\n")
    words = ["check", str(config), str(tmp_path / "damaged.csv")]
    code, _, err = call(*words, "--strict")
    assert code == 6
    step = err.splitlines()[-1]
    assert step == (
        "  next: correct the list or the configuration, or add --allow strict if it is meant, then: "
        f"importer {' '.join(words)} --state-dir {state_dir}"
    )
    code, _, _ = call(*words, "--allow", "strict")
    assert code == 1


def test_a_stopped_run_is_resumed_by_its_import(
    call: Call, config: Path, tmp_path: Path, state_dir: Path, server: sandbox.SandboxServer
) -> None:
    server.change(SandboxOptions(faults=(faults.parse_fault("quota:times=0"),)))
    code, _, err = call("run", config, tmp_path / "list.csv", "--run-id", "r1", "--quiet")
    assert code == 4
    assert err.endswith(f"  next: importer resume r1 --state-dir {state_dir}\n")
    server.change(SandboxOptions())
    code, out, _ = call("resume", "--name", "people", "--json")
    assert (code, json.loads(out)["run_id"]) == (1, "r1")


def test_a_corrected_file_is_sent_by_a_retry_and_json_is_the_summary_of_its_folder(
    call: Call, config: Path, tmp_path: Path, state_dir: Path
) -> None:
    call("run", config, tmp_path / "list.csv", "--run-id", "r1", "--quiet")
    rows = state_dir / "runs" / "r1" / "rejected_rows" / "01-list.csv"
    rows.write_text(rows.read_text().replace("eight", "8"))
    code, out, _ = call("retry", "r1", rows, "--run-id", "r2", "--json")
    found = json.loads(out)
    assert (code, found["run_id"], found["values"]["applied"]) == (0, "r2", 1)
    assert found == RunFolder(state_dir / "runs" / "r2").read_summary()


@pytest.mark.parametrize(("command", "says_how"), [("run", True), ("check", False)])
def test_an_interrupted_run_says_how_to_continue_it(
    command: str,
    says_how: bool,
    config: Path,
    state_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(
        _: object, __: object, ___: object, progress: Any, *____: object, **_____: Any
    ) -> NoReturn:
        progress.tell(Event("began", "run r1 began", {"run_id": "r1"}))
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, command, interrupted)
    parsed = arguments.parse([command, str(config)])
    with logs.logging_to_stderr(), pytest.raises(KeyboardInterrupt):
        arguments.handler(parsed)(parsed)
    step = f"importer: run r1 is stopped.\n  next: importer resume r1 --state-dir {state_dir}\n"
    assert capsys.readouterr().err == (step if says_how else "")


def test_each_signal_is_answered_while_it_can_still_change_something(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with logs.logging_to_stderr():
        for times in (1, 2, 3):
            import_commands._say_stopping(times, "importer resume r1")
    assert capsys.readouterr().err.splitlines() == [
        "importer: stopping: waiting for the calls in flight, Ctrl-C again stops at once",
        "importer: stopping at once; to continue: importer resume r1",
    ]


def test_the_state_folder_is_the_given_one_or_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMPORTER_STATE_DIR", raising=False)
    assert import_commands.state_dir_of(arguments.parse(["runs"])) == DEFAULT_STATE_DIR
    given = arguments.parse(["runs", "--state-dir", "elsewhere"])
    assert import_commands.state_dir_of(given) == Path("elsewhere")
