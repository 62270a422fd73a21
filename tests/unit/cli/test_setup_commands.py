"""`demo`, `init`, `config show`, `schema` and `sandbox`: what each of them prints."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from importer.cli import arguments, logs, setup_commands
from importer.core import examples
from importer.core.errors import ConfigError
from importer.sandbox import server
from importer.storage.run_folder import RunFolder

EXAMPLES = examples.folder()
VEVEE = EXAMPLES / "config" / "vevee.toml"

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs one command; its exit code, and what it wrote to stdout and stderr."""

    def called(*words: object) -> tuple[int, str, str]:
        parsed = arguments.parse([*map(str, words)])
        with logs.logging_to_stderr():
            code = arguments.handler(parsed)(parsed)
        return code, *capsys.readouterr()

    return called


def test_the_demo_imports_the_sample_list_and_names_the_reports(
    call: Call, state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the first rows of the sample list, so that it is quick."""
    (tmp_path / "samples").mkdir()
    (tmp_path / "config").symlink_to(EXAMPLES / "config", target_is_directory=True)
    lines = (EXAMPLES / "samples" / "customers.csv").read_bytes().splitlines(keepends=True)
    (tmp_path / "samples" / "customers.csv").write_bytes(b"".join(lines[:30]))
    monkeypatch.setattr(examples, "folder", lambda: tmp_path)
    monkeypatch.setenv(setup_commands._DEMO_KEY, "is replaced, and taken away with this test")
    code, out, err = call("demo")
    assert (code, err) == (0, "")
    (folder,) = map(RunFolder, (state_dir / "runs").iterdir())
    summary = folder.read_summary()
    assert summary is not None
    assert summary["state"] == "finished"
    assert summary["values"]["applied"] > 0
    assert out.splitlines()[-4:] == [
        f"  report   {folder.html_report}",
        f"  rejects  {folder.rejects}",
        f"  rows     {folder.rejected_rows}",
        "  next     a configuration for a list of your own: importer init LIST > people.toml",
    ]
    assert folder.html_report.is_file()


def test_init_prints_a_configuration_of_the_list(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("id,age\n1,7\n")
    code, out, err = call("init", path)
    assert (code, err) == (0, "")
    assert tomllib.loads(out)["source"]["path"] == str(path)


def test_init_writes_a_new_file_and_says_what_comes_next(call: Call, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("id,age\n1,7\n")
    target = tmp_path / "people.toml"
    wishes = ("-o", target, "--destination", "engagelab", "--id", "age")
    code, out, _ = call("init", tmp_path / "people.csv", *wishes)
    assert code == 0
    assert out.splitlines()[-1].endswith(f"importer check {target}")
    found = tomllib.loads(target.read_text())
    assert found["destination"]["type"] == "engagelab"
    assert found["identity"]["column"] == "age"
    before = target.read_text()
    with pytest.raises(ConfigError, match="is there already; name another file"):
        call("init", tmp_path / "people.csv", "-o", target)
    assert target.read_text() == before


def test_init_writes_an_example_that_comes_with_the_program(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("init", "--example", "vevee")
    assert (code, out) == (0, VEVEE.read_text("utf-8"))
    path = tmp_path / "mine.toml"
    code, out, _ = call("init", "--example", "attentive-bulk", "-o", path)
    assert code == 0
    assert path.read_text("utf-8") == (EXAMPLES / "config" / "attentive-bulk.toml").read_text("utf-8")
    assert out.splitlines()[0] == f"written  {path}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--example", "none"), "--example none: no such example; there are: attentive"),
        ((), "init: name the list to draft from, or an example"),
        (("list.csv", "--example", "vevee"), "a list and --example cannot be together"),
    ],
)
def test_init_asks_for_a_list_or_an_example(words: tuple[str, ...], said: str, call: Call) -> None:
    with pytest.raises(ConfigError, match=said):
        call("init", *words)


def test_the_schema_is_the_one_that_the_examples_name(call: Call) -> None:
    code, out, _ = call("schema")
    assert code == 0
    assert json.loads(out) == json.loads((EXAMPLES / "config" / "importer.schema.json").read_text("utf-8"))


def test_a_configuration_is_shown_with_its_defaults(call: Call) -> None:
    code, out, _ = call("config", "show", VEVEE)
    assert code == 0
    assert tomllib.loads(out)["destination"]["base_url"] == "https://www.vevee.org"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a server would be started with; instead of serving, it says at once that it is ready."""
    found: list[Any] = []

    def serve(config: Any, options: Any, key: str, on_ready: Callable[[str], None]) -> None:
        found.extend((config, options, key))
        on_ready("http://127.0.0.1:8080")

    monkeypatch.setattr(server, "serve", serve)
    return found


def test_a_sandbox_says_what_to_type_in_another_shell(
    call: Call, served: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VEVEE_API_KEY", raising=False)
    code, out, err = call("sandbox")
    assert (code, out) == (0, "")
    assert err.splitlines() == [
        "vevee sandbox on http://127.0.0.1:8080, Ctrl-C stops it. In another shell:",
        f"  export VEVEE_API_KEY={served[2]}",
        "  importer run config/vevee.toml --base-url http://127.0.0.1:8080 --rate 0",
    ]


def test_a_key_that_the_user_has_set_is_taken_and_not_shown(
    call: Call, served: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VEVEE_API_KEY", "sk_test_of_the_user")
    _, out, err = call("sandbox", VEVEE)
    assert served[2] == "sk_test_of_the_user"
    assert "sk_test" not in out + err
    assert err.splitlines()[1] == f"  importer run {VEVEE} --base-url http://127.0.0.1:8080 --rate 0"


def test_a_key_in_a_file_is_put_there_by_hand(call: Call, served: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "people.toml"
    key_file = tmp_path / "key"
    path.write_text(VEVEE.read_text("utf-8").replace('"env:VEVEE_API_KEY"', f'"file:{key_file}"'))
    assert call("sandbox", path)[2].splitlines()[1] == f"  put {served[2]} into {key_file}"


def test_the_flags_of_a_sandbox_reach_it(call: Call, served: list[Any]) -> None:
    flags = "--fail 429:0.05 --latency 50ms --rate-limit 10 --quota 7 --seed 3 --archived a --undefined b"
    call("sandbox", *flags.split(), "--port", "0")
    options = served[1]
    assert [fault.kind for fault in options.faults] == ["429"]
    assert (options.latency, options.rate_limit, options.quota, options.seed) == (0.05, 10.0, 7, 3)
    assert (options.archived, options.undefined, options.port) == (frozenset("a"), frozenset("b"), 0)
