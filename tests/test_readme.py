"""The README is executed: its commands run, its output is the real one, its tables are the program's.

What the tests rely on:

    ```console           lines after `$ ` are run, in order, in a folder that holds `config/` and `samples/`;
                         what follows is their output. Each `##` section has a folder of its own.
    ```toml people.toml  a block with a name is a file of that folder (any language)
    ```sh                the set-up lines, compared with `.ci/run` and never run here
    $ importer sandbox   stays open until its section ends, on any free port; the README says 8080
    $ export NAME=value  holds for the rest of the section

Times, run ids and rates are masked. `python -m tests.test_readme` writes output and generated tables anew.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from itertools import chain
from pathlib import Path
from typing import Self

import pytest
from pydantic import BaseModel, PlainSerializer
from pydantic.fields import FieldInfo

from importer import destinations
from importer.cli import arguments
from importer.config import attribute, schema
from importer.core import errors, models
from importer.destinations.attentive import settings
from importer.pipeline import source_reader
from importer.report import reject_files, summary
from importer.sandbox import faults
from importer.validate import data_quality
from importer.values import inference

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
TEXT = README.read_text("utf-8")
SHOWN_URL = "http://127.0.0.1:8080"

# ------------------------------------------------------------------- reading the README


@dataclass(frozen=True)
class Block:
    """One fenced block: its lines stand at [start, start + len(lines)) of the README, from 0."""

    section: str
    language: str
    name: str
    start: int
    lines: list[str]


@dataclass(frozen=True)
class Step:
    """One command of a console block and the output shown, which begins at line `start`."""

    command: str
    start: int
    output: list[str]


def blocks(text: str) -> Iterator[Block]:
    """All fenced blocks in order; the section is the last `##` heading."""
    section, opened = "", None
    for number, line in enumerate(text.splitlines()):
        if opened is None and line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("```") and opened is None:
            language, _, name = line.removeprefix("```").partition(" ")
            opened = Block(section, language, name, number + 1, [])
        elif line == "```" and opened:
            yield opened
            opened = None
        elif opened:
            opened.lines.append(line)


def steps(block: Block) -> list[Step]:
    found: list[Step] = []
    for number, line in enumerate(block.lines, block.start):
        if line.startswith("$ "):
            found.append(Step(line.removeprefix("$ "), number + 1, []))
        else:
            found[-1].output.append(line)
    return found


def table(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    _, found, below = TEXT.partition(f"\n{heading}\n")
    assert found, f"README.md has no heading {heading!r}"
    below = re.split(r"\n#+ ", below)[0]
    rows = [line for line in below.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows[2:]]


def first_column(heading: str) -> list[str]:
    """The words in backquotes of a table's first column."""
    return [word for row in table(heading) for word in re.findall("`([^`]+)`", row[0])]


BLOCKS = list(blocks(TEXT))
EXECUTED = list(dict.fromkeys(b.section for b in BLOCKS if b.language == "console"))

# ------------------------------------------------------------------- running its commands


@dataclass
class Session:
    """One section's shell: a folder, an environment, sandboxes that stay open until it ends."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    code: int = 0
    sandboxes: list["subprocess.Popen[str]"] = field(default_factory=list)
    url: str = SHOWN_URL

    def __enter__(self) -> Self:
        for name in ("config", "samples"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        programs = self.folder / ".programs"
        programs.mkdir()
        fetch = "import sys, urllib.request as r; print(r.urlopen(sys.argv[-1]).read().decode(), end='')"
        for name, words in {"importer": "-m importer", "python": "", "curl": f'-c "{fetch}"'}.items():
            (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
            (programs / name).chmod(0o755)
        kept = {k: v for k in ("HOME", "TMPDIR") if (v := os.environ.get(k)) is not None}
        self.env = kept | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONUTF8": "1",
            "COLUMNS": "80",
            "LC_ALL": "C",
        }
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.sandboxes:
            process.terminate()
            process.communicate()

    def run(self, command: str) -> str:
        """Runs one command as shown and returns what a terminal would show."""
        if command.startswith("export "):
            self.env |= dict(word.split("=", 1) for word in command.split()[1:])
            return ""
        if command.startswith("importer sandbox"):
            return self._serve(command)
        command = command.replace(SHOWN_URL, self.url)
        done = subprocess.run(
            ["bash", "-c", f"(exit {self.code}); {command}"],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
        self.code = done.returncode % 256 if done.returncode >= 0 else 128 - done.returncode
        return done.stdout.replace(self.url, SHOWN_URL)

    def _serve(self, command: str) -> str:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command} --port 0"],
            cwd=self.folder,
            env=self.env,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.sandboxes.append(process)
        assert process.stderr is not None
        shown = ""
        while not re.search(r"--base-url http\S+.*\n", shown):
            line = process.stderr.readline()
            assert line, f"{command} ended before it was ready: {shown}"
            shown += line
        self.url = re.findall(r"--base-url (http\S+:\d+)", shown)[-1]
        return shown.replace(self.url, SHOWN_URL)

    def play(self, section: str) -> Iterator[tuple[Step, str]]:
        """Every step of a section with its real output; files of the section are written on the way."""
        for block in BLOCKS:
            if block.section == section and block.name:
                content = "\n".join(block.lines) + "\n"
                (self.folder / block.name).write_text(content.replace(SHOWN_URL, self.url), "utf-8")
            elif block.section == section and block.language == "console":
                for step in steps(block):
                    yield step, self.run(step.command)


MASKS: Mapping[str, str] = {
    r"\d{8}T\d{6}-[0-9a-f]{6}": "RUN-ID",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[0-9.:+Z]*": "MOMENT",
    r"after [\d,.]+ s\b": "after N s",
    r"[\d,]+ a second": "N a second",
    r"bash: (line \d+: +)?\d+ Killed +.*\n": "",  # said by some shells only
    r"[ \t]+\n": "\n",
}


def masked(text: str) -> list[str]:
    text = text.rstrip("\n") + "\n"
    for pattern, instead in MASKS.items():
        text = re.sub(pattern, instead, text)
    return text.strip("\n").splitlines()


@pytest.mark.parametrize("section", EXECUTED)
def test_commands_do_what_is_shown(section: str, tmp_path: Path) -> None:
    with Session(tmp_path) as session:
        for step, shown in session.play(section):
            said = masked("\n".join(step.output))
            again = "`python -m tests.test_readme` writes the README's output anew"
            assert masked(shown) == said, f"$ {step.command}\n{shown}\n{again}"


def test_a_failure_is_never_shown_without_its_exit_code() -> None:
    """The summary says `exit 1`; where a command prints none, `echo $?` follows."""
    for block in BLOCKS:
        if block.language != "console":
            continue
        shown = steps(block)
        for step, after in zip(shown, [*shown[1:], None], strict=True):
            if any(line.startswith("importer: ") for line in step.output):
                said = "".join(step.output)
                assert re.search(r"exit \d", said) or (after and after.command == "echo $?"), step.command


# ------------------------------------------------------------------- the two set-up lines


def test_the_set_up_lines_are_what_ci_runs() -> None:
    shown = [line for b in BLOCKS if b.language == "sh" and not b.section for line in b.lines]
    assert len(shown) == 2
    assert shown[0].endswith("importer demo")
    assert "pytest" in shown[1]
    found = re.search(r"sed -nE '([^']+)' README.md", (ROOT / ".ci" / "run").read_text("utf-8"))
    assert found
    command = ["sed", "-nE", found[1], str(README)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines() == shown


def test_the_set_up_lines_name_what_is_there() -> None:
    for line in (line for b in BLOCKS if b.language == "sh" for line in b.lines):
        parts = [part.split() for part in line.split(" && ")]
        assert parts[0] == ["python3", "-m", "venv", ".venv"]
        assert all(part[0].startswith(".venv/bin/") for part in parts[1:])
        locks = [name for part in parts for name in part if name.endswith((".lock", ".toml", ".txt"))]
        assert locks
        assert all((ROOT / name).is_file() for name in locks)
        for part in parts:
            if "install" in part:
                assert "--require-hashes" in part or {"--no-deps", "--no-build-isolation"} <= set(part)


def test_no_machine_and_no_registry_is_named() -> None:
    found = re.search(r"(?<![\w.~])/(tmp|work|home|root|Users|opt|usr|var)/|pypi|index-url", TEXT)
    assert not found, found


# ------------------------------------------------------------------- the tables


def _shown_default(info: FieldInfo) -> str | None:
    """The cell of a default; None where any words will do."""
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    if value is None or value == {}:
        return None
    if any(isinstance(extra, PlainSerializer) for extra in info.metadata):
        value = f"{value:g}%"  # a share, as it is written
    if isinstance(value, float):
        value = int(value) if value == int(value) else value
    if value == '"':
        return "`'\"'`"
    return f"`{json.dumps(value)}`"


MODELS: dict[str, type[BaseModel]] = {
    "### `[source]`": schema.SourceConfig,
    "### `[identity]`": schema.IdentityConfig,
    "### `[destination]`": schema.DestinationConfig,
    "### `[attributes.KEY]`": attribute.Attribute,
    "### `[guards]`": schema.GuardsConfig,
    "### `[notify]`": schema.NotifyConfig,
    "### `[run]`": schema.RunConfig,
}
MODELS.update(
    (f'### `[destination]` with `type = "{name}"`', destinations.load(name).settings_type)
    for name in destinations.names()
)
MODELS['### `[destination.user]` with `type = "attentive"`'] = settings.User


@pytest.mark.parametrize("heading", MODELS)
def test_every_key_of_the_configuration_is_described(heading: str) -> None:
    fields_ = MODELS[heading].model_fields
    if not fields_:
        return
    described = {row[0].strip("`"): row[1:] for row in table(heading)}
    assert described.keys() == fields_.keys()
    for key, (default, meaning) in described.items():
        expected = _shown_default(fields_[key])
        assert expected in (None, default.replace("\\|", "|")), (
            f"{key}: the default is {expected}, not {default}"
        )
        assert meaning, key


def test_every_table_of_the_configuration_is_described() -> None:
    tables = {re.sub(r"\.KEY$", "", h[6:-2]) for h in MODELS if "with" not in h}
    assert {*tables, "name"} == schema.Config.model_fields.keys() - {"vendor", "path"}


def test_every_exit_code_is_described() -> None:
    raised = {kind.exit_code for kind in _subclasses(errors.ImporterError)}
    assert {int(code) for code in first_column("## Exit codes")} == raised | {0, 1, 130, 143}


def _subclasses(kind: type[errors.ImporterError]) -> Iterator[type[errors.ImporterError]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from _subclasses(sub)


def test_every_column_of_the_rejects_is_described() -> None:
    assert tuple(first_column("### `rejects.csv`")) == reject_files.COLUMNS


def test_every_key_of_the_summary_is_described() -> None:
    assert set(first_column("### `summary.json`")) == {f.name for f in fields(models.RunSummary)}


def test_every_state_is_described() -> None:
    said = {row[0].strip("`"): row[1:] for row in table("### States")}
    states = {*summary.ROWS, *summary.VALUES, *summary.PEOPLE}
    assert said.keys() == states - {"read"}
    for state, cells in said.items():
        parts = ((summary.ROWS, cells[0]), (summary.VALUES, cells[1]), (summary.PEOPLE, cells[2]))
        for names, cell in parts:
            assert bool(cell) == (state in names), state


def test_every_warning_is_described() -> None:
    vendors = Path(destinations.__file__).parent.rglob("*.py")
    source = "".join(
        path.read_text("utf-8")
        for path in (Path(data_quality.__file__), Path(source_reader.__file__), *vendors)
    )
    codes = set(re.findall(r'(?:_mark|RunWarning)\(\s*"([a-z_]+)"', source))
    codes |= {inference.MIXED, *inference.LOOKS_LIKE.values()}
    assert set(first_column("### Warnings")) == codes | data_quality.DAMAGE


def test_every_fault_of_the_sandbox_is_described() -> None:
    assert set(first_column("### Faults")) - {"429"} == set(faults.kinds())


def test_every_module_stands_in_the_map() -> None:
    there = {str(p.relative_to(ROOT / "importer")) for p in (ROOT / "importer").rglob("*.py")}
    assert set(first_column("### Module map")) == there


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras, groups = project["project"]["optional-dependencies"], project["dependency-groups"]
    asked = [*project["project"]["dependencies"], *chain(*extras.values(), *groups.values())]
    names = {re.split(r"[^A-Za-z0-9._-]", d)[0] for d in asked if isinstance(d, str)}
    names.remove(project["project"]["name"])  # an extra that stands for others
    assert set(first_column("## Dependencies")) == names


# ------------------------------------------------------------------- what is generated


def _commands() -> dict[str, argparse.ArgumentParser]:
    for action in arguments.parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("the parser has no commands")


def _argument(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest).replace("%%", "%")
    return {"?": f"[{name}]", "*": f"[{name} …]"}.get(str(action.nargs), name)


def _flag(action: argparse.Action) -> str:
    metavar = "" if action.nargs == 0 else f" {_argument(action)}"
    return f"`{action.option_strings[-1]}{metavar}`".replace("|", "\\|")


def commands_table() -> list[str]:
    lines = ["| command | does |", "|---|---|"]
    for name, parser in _commands().items():
        given = [a for a in parser._actions if not a.option_strings]
        usage = " ".join(["importer", name, *map(_argument, given)])
        told = [f"{a.metavar}: {a.help}" for a in given if a.help]
        lines.append(f"| `{usage}` | {'. '.join([str(parser.description), *told])} |")
    return lines


def flags_table() -> list[str]:
    found: dict[tuple[str, str], list[str]] = {}
    for name, parser in _commands().items():
        for action in parser._actions:
            if action.option_strings and action.dest != "help":
                text = str(action.help).replace("%%", "%").replace("|", "\\|")
                found.setdefault((_flag(action), text), []).append(name)
    rows = [f"| {flag} | {', '.join(names)} | {text} |" for (flag, text), names in found.items()]
    return ["| flag | of | meaning |", "|---|---|---|", *rows]


GENERATED = {"commands": commands_table, "flags": flags_table}


def generated(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- generated: {name} -->\n\n)(.*?)(\n\n<!-- end -->)", re.DOTALL)


@pytest.mark.parametrize("name", GENERATED)
def test_generated_tables_are_the_parsers(name: str) -> None:
    found = generated(name).search(TEXT)
    assert found, f"README.md lacks the marks of {name}"
    assert found[2].splitlines() == GENERATED[name](), "python -m tests.test_readme writes it anew"


def _replaced(lines: list[str], found: Iterable[tuple[Step, str]]) -> list[str]:
    """The README's lines with the real output wherever it differs from what is shown."""
    for step, shown in sorted(found, key=lambda item: -item[0].start):
        if masked(shown) != masked("\n".join(step.output)):
            lines[step.start : step.start + len(step.output)] = shown.strip("\n").splitlines()
    return lines


def write() -> None:
    """Writes every output and every generated table anew."""
    found: list[tuple[Step, str]] = []
    for section in EXECUTED:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            found += stack.enter_context(Session(Path(folder))).play(section)
    text = "\n".join(_replaced(TEXT.splitlines(), found)) + "\n"
    for name, make in GENERATED.items():
        lines = "\n".join(make())
        text = generated(name).sub(lambda m, new=lines: f"{m[1]}{new}{m[3]}", text)  # type: ignore[misc]
    README.write_text(text, "utf-8")


if __name__ == "__main__":
    write()
