"""Two runs of one import started at the same time, 50 times over, as real commands."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.config import loader as configuration
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions

KEY = "sk_test_two"
TIMES = 50


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TWO_KEY", KEY)
    (tmp_path / "list.csv").write_text("id,name\n" + "".join(f"p{n},n{n}\n" for n in range(2000)))
    path = tmp_path / "import.toml"
    text = (
        'name = "two"\n[source]\npath = "list.csv"\n[identity]\ncolumn = "id"\n'
        '[destination]\ntype = "vevee"\n'
        'api_key = "env:TWO_KEY"\nrequests_per_second = 10\nbase_url = "http://127.0.0.1:1"\n'
        '[attributes.name]\ntype = "free_text"\n'
    )
    path.write_text(text)
    with sandbox.running(configuration.load(path), SandboxOptions(), KEY) as server:
        path.write_text(text.replace("http://127.0.0.1:1", server.url))
        yield path


def start(config: Path, run_id: str) -> "subprocess.Popen[str]":
    words = [sys.executable, "-m", "importer", "run", str(config), "--quiet", "--run-id", run_id]
    return subprocess.Popen(words, cwd=config.parent, stderr=subprocess.PIPE, text=True)


def test_one_runs_and_one_ends_with_7_naming_it(config: Path) -> None:
    """The one that runs is killed each time: the next pair starts at once."""
    for number in range(TIMES):
        both = {name: start(config, name) for name in (f"a{number}", f"b{number}")}
        try:
            loser = first_to_end(both)
            (winner,) = both.keys() - {loser}
            said = stderr_of(both[loser])
            assert (both[loser].returncode, both[winner].poll()) == (7, None), said
            assert f"in use by run {winner}," in said
            assert not (config.parent / ".importer" / "runs" / loser).exists()
        finally:
            for process in both.values():
                process.kill()
                process.wait()
                assert process.stderr
                process.stderr.close()


def stderr_of(process: "subprocess.Popen[str]") -> str:
    assert process.stderr
    return process.stderr.read()


def first_to_end(both: "dict[str, subprocess.Popen[str]]") -> str:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for name, process in both.items():
            if process.poll() is not None:
                return name
        time.sleep(0.01)
    raise AssertionError("both of them run")


def test_after_kill_9_of_the_holder_the_next_starts_at_once(config: Path) -> None:
    holder = start(config, "holder")
    meta = config.parent / ".importer" / "runs" / "holder" / "run.json"
    until = time.monotonic() + 30
    while not meta.exists() and time.monotonic() < until:
        time.sleep(0.01)
    holder.kill()
    holder.communicate()
    (config.parent / "list.csv").write_text("id,name\np1,n1\n")
    after = start(config, "after")
    assert (after.communicate()[1], after.returncode) == ("", 0)
