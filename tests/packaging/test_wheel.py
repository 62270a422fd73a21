"""The wheel is the product: built, installed outside the checkout, and used there in an empty folder."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = "Scripts" if os.name == "nt" else "bin"
BUILD = (sys.executable, "-m", "build", "--no-isolation")


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """The output of a command that must succeed. No variable leads it to the checkout."""
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, env={**surroundings, **(env or {})}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(*BUILD, "--wheel", "--outdir", folder, ROOT, cwd=folder)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment in which the wheel is installed.

    Its dependencies are those of the environment of the tests: a `.pth` file names their folder. The `.pth`
    file of the checkout's own installation, which stands there, is not followed from outside.
    """
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / BIN / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run(python, "-c", where, cwd=folder).strip())
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", wheel, cwd=folder)
    return folder / BIN


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """An empty folder, where a user calls the program."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def test_the_wheel_holds_the_examples_of_the_checkout(wheel: Path) -> None:
    current = contents(wheel)
    examples = [*(ROOT / "config").glob("*.toml"), *(ROOT / "samples").glob("customers.*")]
    assert examples
    for path in examples:
        assert current[f"importer/data/{path.relative_to(ROOT).as_posix()}"] == path.read_bytes()
    assert "importer/py.typed" in current
    assert not [name for name in current if name.startswith("tests/") or "recipes" in name]


def test_the_source_distribution_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    run(*BUILD, "--sdist", "--outdir", tmp_path, ROOT, cwd=tmp_path)
    [archive] = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as unpacked:
        unpacked.extractall(tmp_path, filter="data")
    [source] = (path for path in tmp_path.iterdir() if path.is_dir())
    run(*BUILD, "--wheel", "--outdir", tmp_path, source, cwd=tmp_path)
    [again] = tmp_path.glob("*.whl")
    assert contents(again) == contents(wheel)


def test_the_package_is_imported_from_the_wheel(programs: Path, here: Path) -> None:
    found = run(programs / "python", "-c", "import importer; print(importer.__file__)", cwd=here)
    assert Path(found.strip()).is_relative_to(programs.parent)


def test_the_demo_runs_in_an_empty_folder(programs: Path, here: Path) -> None:
    assert "1,200 read" in run(programs / "importer", "demo", cwd=here)
    assert [path.name for path in here.iterdir()] == [".importer"]


def test_the_version_is_that_of_the_package(programs: Path, here: Path) -> None:
    shown = run(programs / "importer", "--version", cwd=here)
    assert shown.split()[-1] == version("customer-importer")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shells_get_their_completion(programs: Path, here: Path, shell: str) -> None:
    assert "importer" in run(programs / "importer", "completion", shell, cwd=here)


def test_a_command_is_completed(programs: Path, here: Path) -> None:
    """As bash asks for it: the program writes the words that may follow to descriptor 8."""
    asked = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": "importer de", "COMP_POINT": "11"}
    ask = f"{shlex.quote(str(programs / 'importer'))} 8>&1 9>/dev/null"
    assert run("bash", "-c", ask, cwd=here, env=asked).split() == ["demo"]


def test_the_module_is_the_same_program(programs: Path, here: Path) -> None:
    shown = run(programs / "python", "-m", "importer", "--help", cwd=here)
    assert shown == run(programs / "importer", "--help", cwd=here)


@pytest.fixture
def sandbox(programs: Path, here: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [str(programs / "importer"), "sandbox", "--port", "0"], cwd=here, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.terminate()


def test_the_sandbox_starts_without_a_configuration(sandbox: subprocess.Popen[str]) -> None:
    assert sandbox.stderr is not None
    assert re.match(r"vevee sandbox on http://127\.0\.0\.1:\d+", sandbox.stderr.readline())


def test_what_the_image_copies_is_enough_to_build_the_wheel(wheel: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE):
        for name in copied.split():
            assert f"!{name}" in ignored, f".dockerignore keeps {name} from the build"
            place = ROOT / name
            shutil.copytree(place, source / name) if place.is_dir() else shutil.copy(place, source)
    run(*BUILD, "--wheel", "--outdir", tmp_path, source, cwd=tmp_path)
    [built] = tmp_path.glob("*.whl")
    assert contents(built) == contents(wheel)


@pytest.mark.slow
@pytest.mark.parametrize("installer", ["pip", "pipx", "uv"])
def test_an_installer_brings_all_that_the_demo_needs(
    installer: str, wheel: Path, tmp_path: Path, here: Path
) -> None:
    """Needs a package registry, or a mirror that the installer's own settings name."""
    places = {
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "programs"),
        "UV_TOOL_DIR": str(tmp_path / "uv"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "programs"),
    }
    own, there = Path(sys.executable).parent, tmp_path / "programs"
    if installer == "pip":
        there = tmp_path / "venv" / BIN
        run(sys.executable, "-m", "venv", there.parent, cwd=here)
        run(there / "python", "-m", "pip", "install", "--quiet", wheel, cwd=here)
    elif installer == "pipx":
        run(own / "pipx", "install", wheel, cwd=here, env=places)
    else:
        run(own / "uv", "tool", "install", wheel, cwd=here, env=places)
    assert "1,200 read" in run(there / "importer", "demo", cwd=here)


@pytest.mark.slow
def test_the_image_runs_the_demo() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker daemon is at hand; `python -m tests.checks dockerfile` lints the Dockerfile")
    run(docker, "build", "--tag", "customer-importer-test", ROOT, cwd=ROOT)
    assert "1,200 read" in run(docker, "run", "--rm", "customer-importer-test", "demo", cwd=ROOT)
