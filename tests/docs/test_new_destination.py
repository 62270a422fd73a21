"""The page on a new destination is followed: its files are added to a copy, and the contract is run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import DOCS, ROOT, blocks

PAGE = DOCS / "how-to" / "new-destination.md"
COPIED = ("importer", "config", "samples", "tests", "docs", "pyproject.toml", "README.md")


def test_a_fourth_destination_is_one_folder_an_example_and_golden_bodies(tmp_path: Path) -> None:
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    shown = [block for block in blocks(PAGE) if block.name]
    assert [block.name for block in shown] == [
        "importer/destinations/toy/__init__.py",
        "importer/destinations/toy/destination.py",
        "importer/destinations/toy/sandbox.py",
        "config/toy.toml",
        "tests/contract/golden/toy.json",
    ]
    for block in shown:
        (tmp_path / block.name).parent.mkdir(exist_ok=True)
        (tmp_path / block.name).write_text(block.text, "utf-8")
    modules = ("destinations", "each_destination", "golden_bodies")
    suite = [f"tests/contract/test_{name}.py" for name in modules]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "toy or every", *suite],
        cwd=tmp_path,
        env=inherited | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout
