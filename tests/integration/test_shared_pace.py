"""Three imports of one state folder into one account, as processes, one of them killed: one ceiling."""

import subprocess
import sys
import time
from pathlib import Path

from importer.config import loader as configuration
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions

KEY = "sk_test_shared"
CEILING = 20
PEOPLE = 20


DECLARED = {
    "name": "x",
    "source": {"path": "x.csv"},
    "identity": {"column": "id"},
    "destination": {"type": "vevee", "api_key": "env:NONE"},
    "attributes": {"name": {"type": "free_text"}},
}


def started(
    folder: Path, name: str, people: int, url: str, ceiling: int = CEILING
) -> "subprocess.Popen[bytes]":
    """An import of its own, of so many people, in a process."""
    (folder / f"{name}.csv").write_text("id,name\n" + "".join(f"{name}{n},x\n" for n in range(people)))
    path = folder / f"{name}.toml"
    path.write_text(
        f'name = "{name}"\n[source]\npath = "{name}.csv"\n[identity]\ncolumn = "id"\n'
        f'[destination]\ntype = "vevee"\nbase_url = "{url}"\napi_key = "file:key"\n'
        f'requests_per_second = {ceiling}\n[attributes.name]\ntype = "free_text"\n'
    )
    return subprocess.Popen(
        [sys.executable, "-m", "importer", "run", str(path), "--quiet", "--run-id", name], cwd=folder
    )


def test_no_ceiling_is_used_twice_and_nobody_waits_for_the_dead(tmp_path: Path) -> None:
    """A slow machine can only make this slower: the calls take at least as long as the ceiling says."""
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    with sandbox.running(configuration.parse(DECLARED), SandboxOptions(log=10_000), KEY) as server:
        people = {"a": PEOPLE, "b": PEOPLE, "killed": 10_000}
        processes = {name: started(tmp_path, name, count, server.url) for name, count in people.items()}
        try:
            while server.stats.requests < CEILING:
                assert processes["killed"].poll() is None
                time.sleep(0.02)
            processes["killed"].kill()
            assert [processes[name].wait(120) for name in "ab"] == [0, 0]
        finally:
            for process in processes.values():
                process.kill()
                process.wait()
        times = sorted(request.at for request in server.log)
        assert {p for p in server.stored if not p.startswith("killed")} == {
            f"{name}{n}" for name in "ab" for n in range(PEOPLE)
        }
        # Each with a ceiling of its own would need a third of the time; a stall at the start costs less.
        assert times[-1] - times[0] >= (len(times) - 1) / CEILING * 0.6
