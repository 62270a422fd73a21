"""Three imports of one state folder into one account, as processes, one of them killed: one ceiling."""

import time
from pathlib import Path

from importer.config import loader as configuration
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from tests.support.shared_pace import CEILING, DECLARED, KEY, started

PEOPLE = 20


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
