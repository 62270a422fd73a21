"""Two runs of one import never go at once, and a lock is never left behind."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from importer.config import loader
from importer.config.schema import Config
from importer.core.errors import StateError
from importer.storage import account, locks, state_folder
from importer.storage.run_folder import RunFolder

CONFIG = """
name = "x"
[source]
path = "x.csv"
[identity]
column = "id"
[destination]
type = "vevee"
api_key = "env:X"
[attributes.a]
type = "free_text"
"""

HOLD = """
import sys
from pathlib import Path
from importer.config import loader as config
from importer.core import errors
from importer.storage import locks, run_folder
state, run_id, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
declared = config.load(sys.argv[4])
for number in range(count):
    sys.stdin.readline()
    name = f"{run_id}-{number}"
    try:
        with locks.import_lock(state, declared, run_folder.RunFolder(state / "runs" / name)):
            print("holds", name, flush=True)
            sys.stdin.readline()
    except errors.StateError as error:
        print("refused", error.exit_code, error, flush=True)
        sys.stdin.readline()
    print("over", flush=True)
"""


class Contender:
    """A process that takes the lock when it is told to."""

    def __init__(self, state_dir: Path, name: str, count: int, config: Path) -> None:
        words = [sys.executable, "-c", HOLD, str(state_dir), name, str(count), str(config)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def go(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def said(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    state_folder.prepare(tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "c.toml"
    path.write_text(CONFIG)
    return loader.load(path)


@pytest.fixture
def contenders(state_dir: Path, tmp_path: Path) -> Iterator[list[Contender]]:
    config = tmp_path / "c.toml"
    config.write_text(CONFIG)
    found = [Contender(state_dir, name, 50, config) for name in ("a", "b")]
    yield found
    for one in found:
        one.close()


def test_two_at_once_fifty_times_over(contenders: list[Contender]) -> None:
    for _ in range(50):
        for one in contenders:
            one.go()
        said = sorted(one.said() for one in contenders)
        assert [line.split()[0] for line in said] == ["holds", "refused"], said
        assert said[1].startswith("refused 7 ")
        assert f"run {said[0].split()[1]}, " in said[1], said
        for one in contenders:
            one.go()
        assert [one.said() for one in contenders] == ["over", "over"]


def test_a_killed_holder_leaves_no_lock(contenders: list[Contender]) -> None:
    first, second = contenders
    first.go()
    assert first.said() == "holds a-0"
    first.close()
    second.go()
    assert second.said() == "holds b-0", "it does not wait: a lock that is left would have refused it"


def test_a_second_run_is_refused_with_the_first_ones_id(state_dir: Path, config: Config) -> None:
    first, second = (RunFolder(state_dir / "runs" / name) for name in ("first", "second"))
    with locks.import_lock(state_dir, config, first):
        with (
            pytest.raises(StateError, match=r'"x" is in use by run first') as refused,
            locks.import_lock(state_dir, config, second),
        ):
            pytest.fail("two runs have the lock")
        assert refused.value.exit_code == 7
    with locks.import_lock(state_dir, config, second):
        pass


def test_who_waits_is_called_once_and_gets_the_lock(state_dir: Path, config: Config) -> None:
    first, second = (RunFolder(state_dir / "runs" / name) for name in ("first", "second"))
    heard: list[str] = []
    got = []

    def wait() -> None:
        with locks.import_lock(state_dir, config, second, timeout=30, waiting=heard.append):
            got.append(time.monotonic())

    with ThreadPoolExecutor() as pool:
        with locks.import_lock(state_dir, config, first):
            waiting = pool.submit(wait)
            time.sleep(0.5)
            assert not got
        waiting.result()
    assert heard == ["first"]
    assert got


def test_the_holder_is_known_while_the_lock_is_taken(state_dir: Path, config: Config) -> None:
    meta = {"identity": account.import_id(config)}
    assert locks.holder_of(state_dir, meta) == ""
    with locks.import_lock(state_dir, config, RunFolder(state_dir / "runs" / "night")):
        assert locks.holder_of(state_dir, meta) == "night"
    assert locks.holder_of(state_dir, meta) == ""


def test_a_lock_that_is_a_symbolic_link_is_not_followed(
    state_dir: Path, config: Config, tmp_path: Path
) -> None:
    target = tmp_path / "precious"
    target.write_text("keep me")
    (state_dir / "locks" / f"{account.import_id(config)}.lock").symlink_to(target)
    with (
        pytest.raises(StateError, match=r"\.lock: "),
        locks.import_lock(state_dir, config, RunFolder(state_dir / "runs" / "night")),
    ):
        pytest.fail("a lock was taken on somebody's file")
    assert target.read_text() == "keep me"


def test_a_short_lock_lets_one_in_at_a_time(state_dir: Path) -> None:
    inside: list[int] = []
    most = []

    def enter(number: int) -> None:
        with locks.short_lock(state_dir, "key"):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.01)
            inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(16)))
    assert most == [1] * 16


def test_lock_files_are_their_owners_alone(state_dir: Path, config: Config) -> None:
    umask = os.umask(0)
    try:
        with locks.import_lock(state_dir, config, RunFolder(state_dir / "runs" / "night")):
            modes = {path.name: path.stat().st_mode & 0o777 for path in (state_dir / "locks").iterdir()}
    finally:
        os.umask(umask)
    assert set(modes.values()) == {0o600}, modes
