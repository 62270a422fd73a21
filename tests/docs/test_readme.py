"""The README is one page, and its two set-up lines are what the checks run."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, README, ROOT, blocks, title

TEXT = README.read_text("utf-8")
LINES_MAX = 200
SET_UP_MAX = 170
"""Characters of a set-up line, which has to be readable at one look."""

SET_UP = [
    line for block in blocks(README, "sh") for line in block.lines if line.startswith("python3 -m venv")
]


def test_the_readme_is_one_page() -> None:
    assert len(TEXT.splitlines()) <= LINES_MAX


def test_the_set_up_lines_are_what_ci_runs() -> None:
    assert len(SET_UP) == 2
    assert SET_UP[0].endswith(" && importer demo")
    assert "pytest" in SET_UP[1].rpartition(" && ")[2]
    found = re.search(r"sed -nE '([^']+)' README.md", (ROOT / ".ci" / "run").read_text("utf-8"))
    assert found
    command = ["sed", "-nE", found[1], str(README)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines() == SET_UP


@pytest.mark.parametrize("line", SET_UP)
def test_a_set_up_line_installs_from_the_locks_alone(line: str) -> None:
    assert len(line) < SET_UP_MAX
    parts = [shlex.split(part) for part in line.split(" && ")]
    assert parts[0] == ["python3", "-m", "venv", ".venv"]
    assert parts[1] == [".", ".venv/bin/activate"]
    locked, own = (part for part in parts if part[:2] == ["pip", "install"])
    assert "--require-hashes" in locked
    assert (ROOT / locked[-1]).is_file()
    assert locked[-1].endswith(".lock")
    assert {"--no-deps", "--no-build-isolation"} <= set(own)


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_no_machine_and_no_registry_is_named(page: Path) -> None:
    text = page.read_text("utf-8")
    found = re.search(r"(?<![\w.~}])/(tmp|work|home|root|Users|opt|usr)/|pypi|index-url", text)
    assert not found, found


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_nothing_is_installed_by_a_name_on_a_public_index(page: Path) -> None:
    """The name there is not ours: what is installed is a lock, this folder, a file or an address."""
    installs = re.findall(
        r"(?:pip|pipx|uv tool) install((?: [^\s`|&;]+)+)", page.read_text("utf-8").replace("\\\n", " ")
    )
    for words in installs:
        flagged = re.sub(r"-(?:r|c) ?\S+", "", words).split()
        for word in (w.strip("'\"") for w in flagged if not w.startswith("-")):
            assert re.match(r"\.|https?:|\S+\.whl|\S+ @ |…", word), words
