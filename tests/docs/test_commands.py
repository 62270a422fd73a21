"""Every command of the documentation is run, and its output compared; what is not run is parsed."""

import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

from importer.cli import arguments
from tests.docs.pages import PAGES, blocks, executed, steps, title
from tests.docs.shell import masked, play


@pytest.mark.parametrize("page", executed(), ids=title)
def test_commands_do_what_is_shown(page: Path, tmp_path: Path) -> None:
    for step, shown in play(page, tmp_path):
        again = f"`python -m tests.docs {title(page)}` writes the outputs again"
        assert masked(shown) == masked("\n".join(step.output)), f"$ {step.command}\n{shown}\n{again}"


@pytest.mark.parametrize("page", executed(), ids=title)
def test_a_failure_is_never_shown_without_its_exit_code(page: Path) -> None:
    """The summary says `exit 1`; where a command prints none, `echo $?` follows."""
    for block in blocks(page, "console"):
        shown = steps(block)
        for step, after in zip(shown, [*shown[1:], None], strict=True):
            if any(line.startswith("importer: ") for line in step.output):
                says = re.search(r"exit \d", "".join(step.output))
                assert says or (after and after.command == "echo $?"), step.command


def _with(language: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, language)]


@pytest.mark.parametrize("page", _with("sh"), ids=title)
def test_commands_that_are_not_run_are_well_formed(page: Path) -> None:
    for block in blocks(page, "sh"):
        subprocess.run(["bash", "-n", "-c", block.text], check=True, timeout=20)
        for part in re.split(r" && |; | \| |\n", block.text.replace("\\\n", " ")):
            words = shlex.split(re.sub(r"[0-9]?> ?\S+", "", part), comments=True)
            if words[:1] == ["importer"] and words[1:] != ["--version"]:
                arguments.parse(words[1:])


@pytest.mark.parametrize("page", _with("toml"), ids=title)
def test_toml_is_well_formed(page: Path) -> None:
    for block in blocks(page, "toml"):
        tomllib.loads(block.text)


@pytest.mark.parametrize("page", _with("json"), ids=title)
def test_json_is_well_formed(page: Path) -> None:
    for block in blocks(page, "json"):
        json.loads(block.text)


@pytest.mark.parametrize("page", _with("python"), ids=title)
def test_python_is_well_formed(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block.text, title(page), "exec")
