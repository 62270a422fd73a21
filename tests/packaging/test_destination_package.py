"""The page on a destination as a package: its files become a wheel, which is installed and used."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, blocks

PAGE = DOCS / "how-to" / "destination-package.md"
BIN = "Scripts" if os.name == "nt" else "bin"
KEY = "sk_page"


def run(*command: str | Path, cwd: Path, code: int = 0, **env: str) -> str:
    """What a command prints, with `code`; no variable leads it to the checkout."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH" and not k.startswith("PYTEST")}
    done = subprocess.run(
        command, cwd=cwd, env=kept | env, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == code, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the page."""
    folder = tmp_path_factory.mktemp("acme")
    for block in blocks(PAGE):
        if block.name:
            path = folder / block.name
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def programs(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has the package's wheel and, by a `.pth` file, all of this one."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / BIN / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run(python, "-c", where, cwd=folder).strip())
    (packages / "beside.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n", "utf-8")
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, project, cwd=folder)
    [wheel] = folder.glob("*.whl")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps")
    run(*pip, wheel, cwd=folder)
    return folder / BIN


@pytest.mark.slow
def test_the_packages_own_tests_pass_with_our_contract(project: Path, programs: Path) -> None:
    said = run(programs / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project)
    assert "8 passed" in said


@pytest.mark.slow
def test_the_command_line_knows_the_installed_destination(project: Path, programs: Path) -> None:
    importer = (programs / "python", "-m", "importer")
    (project / "people.csv").write_text("id,plan,city,age\n1,free,Oslo,41\n", "utf-8")
    assert "rows    1 read" in run(*importer, "check", "acme.toml", cwd=project, ACME_API_KEY=KEY)
    assert 'workspace = "main"' in run(*importer, "config", "show", "acme.toml", cwd=project)
    assert '"description": "The workspace that is written to"' in run(*importer, "schema", cwd=project)
    wrong = (project / "acme.toml").read_text("utf-8")
    (project / "wrong.toml").write_text(wrong.replace("workspace", "workspaces"), "utf-8")
    said = run(*importer, "check", "wrong.toml", cwd=project, code=2)
    assert 'destination.workspaces: unknown key. Did you mean "workspace"?' in said
    (project / "other.toml").write_text(wrong.replace('"acme"', '"acmee"'), "utf-8")
    assert 'Did you mean "acme"?' in run(*importer, "check", "other.toml", cwd=project, code=2)
