"""Standard streams never change what a run does: closed, full, without a reader, or of another encoding."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.oracle.program import config_text, environment
from tests.support.oracle.reading import Attribute, Declared
from tests.support.oracle.replies import ReplyServer
from tests.support.streams import STREAMS

DECLARED = Declared(
    "id", (Attribute("plan", "single_choice", options=("free", "pro")), Attribute("name", "free_text"))
)
PEOPLE = 30
LIST = "id,plan,name\n" + "".join(f"u{i},pro,Zoë → {i}\n" for i in range(PEOPLE)) + "bad,techno,x\n"


@pytest.fixture
def server() -> Iterator[ReplyServer]:
    with ReplyServer() as running:
        yield running


def run(name: str, flags: str, server: ReplyServer, folder: Path) -> "subprocess.CompletedProcess[bytes]":
    redirection, variables = STREAMS[name]
    (folder / "list.csv").write_text(LIST, "utf-8")
    (folder / "import.toml").write_text(config_text(DECLARED, folder / "list.csv", server.url), "utf-8")
    words = f"{sys.executable} -m importer run import.toml --run-id r {flags} {redirection}"
    return subprocess.run(
        ["bash", "-c", f"{words}; exit ${{PIPESTATUS[0]}}"],
        cwd=folder,
        env=environment(variables),
        capture_output=True,
        timeout=60,
        check=False,
    )


def assert_all_sent(done: "subprocess.CompletedProcess[bytes]", server: ReplyServer, folder: Path) -> None:
    assert done.returncode == 1, done.stderr.decode()
    assert b"Traceback" not in done.stdout + done.stderr
    assert (folder / ".importer/runs/r/summary.json").exists()
    assert len(server.stored) == PEOPLE + 1


@pytest.mark.parametrize("name", STREAMS)
def test_a_run_sends_all_and_keeps_its_exit_code(name: str, server: ReplyServer, tmp_path: Path) -> None:
    assert_all_sent(run(name, "", server, tmp_path), server, tmp_path)


@pytest.mark.parametrize("name", ["stderr closed", "stdout full", "no reader", "ascii"])
@pytest.mark.parametrize("flags", ["--json", "--log-format json --verbose"])
def test_so_it_does_with_json(name: str, flags: str, server: ReplyServer, tmp_path: Path) -> None:
    assert_all_sent(run(name, flags, server, tmp_path), server, tmp_path)


def test_what_an_encoding_lacks_is_replaced(server: ReplyServer, tmp_path: Path) -> None:
    done = run("ascii", "", server, tmp_path)
    assert done.stdout.startswith(b"customers \\u2192 vevee: finished"), done.stdout


def test_a_full_standard_output_is_said_once(server: ReplyServer, tmp_path: Path) -> None:
    done = run("stdout full", "", server, tmp_path)
    assert done.stderr.count(b"importer: standard output could not be written; it is incomplete.\n") == 1


def test_a_list_comes_from_standard_input_and_its_copy_does_not_stay(
    server: ReplyServer, tmp_path: Path
) -> None:
    (tmp_path / "import.toml").write_text(config_text(DECLARED, Path("none.csv"), server.url), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "importer", "run", "import.toml", "-", "--run-id", "r"],
        cwd=tmp_path,
        env=environment({}),
        input=LIST.encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert_all_sent(done, server, tmp_path)
    folder = tmp_path / ".importer/runs/r"
    assert (folder / "rejected_rows/01-standard-input.csv").read_text() == "id,plan,name\nbad,techno,x\n"
    assert not list(folder.glob("standard-input*"))
