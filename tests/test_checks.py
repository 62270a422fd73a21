"""The one list of checks, for a developer and for CI alike: style, format, types, locks."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")


@pytest.mark.parametrize(
    "command",
    ["ruff check", "ruff format --check", "mypy --strict"],
)
def test_check_is_clean(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _pins(lock: str) -> dict[str, str]:
    """Package → its pin with marker and hashes."""
    blocks = re.split(r"\n(?=\S)", "\n" + (ROOT / lock).read_text("utf-8"))
    blocks = [re.sub(r"\s*\n\s+# .*", "", block).strip() for block in blocks]
    return {_normal(block.split("==")[0]): block for block in blocks if block}


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_pins_everything_with_hashes_and_names_no_place(lock: str) -> None:
    pins = _pins(lock)
    assert all(re.match(r"\S+==\S+.*\\\n\s+--hash=sha256:[0-9a-f]{64}", pin) for pin in pins.values())
    assert not re.search(r"://|^-|@ |find-links|\s/", "\n".join(pins.values()), re.MULTILINE)


def test_locks_agree_and_hold_what_the_project_asks_for() -> None:
    run, dev = map(_pins, LOCKS)
    assert run.items() <= dev.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    asked = project["project"]["dependencies"] + project["build-system"]["requires"]
    groups = [d for group in project["dependency-groups"].values() for d in group if isinstance(d, str)]
    names = [{_normal(re.split(r"[^A-Za-z0-9._-]", d)[0]) for d in wanted} for wanted in (asked, groups)]
    assert names[0] <= run.keys()
    assert names[1] <= dev.keys()
