"""A week of nights: growth, a bad file, a quota, a crash, a recovery; what each notification says.

The nights run as a scheduler runs them, `importer run` with a guarded configuration that tells; the one
of Tuesday dies by kill -9 in the middle.
"""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from importer.cli import main
from importer.config import loader as configuration
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.storage import run_folder, state_folder

KEY = "sk_test_week"
MARK = "Beeblebrox"
CONFIG = """
name = "customers"

[source]
path = "{folder}/customers.csv"

[identity]
column = "id"

[destination]
type = "vevee"
account = "production"
base_url = "{url}"
api_key = "env:WEEK_KEY"
requests_per_second = 2000

[run]
changed_only = true

[guards]
max_age = "26h"
max_row_change = "30%"
max_blank_change = "10%"
canary = 10

[notify]
command = ["{python}", "{folder}/tell.py", "{folder}/told"]
metrics = "{folder}"

[attributes.name]
type = "free_text"

[attributes.plan]
type = "single_choice"
options = ["free", "pro"]
"""


TELL = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + '\\n')"


@dataclass
class Week:
    folder: Path
    server: sandbox.SandboxServer
    capsys: pytest.CaptureFixture[str]
    people: dict[str, tuple[str, str]]

    def write(self, *, blank: bool = False) -> None:
        lines = (f"{id_},{'' if blank else name},{plan}\n" for id_, (name, plan) in self.people.items())
        (self.folder / "customers.csv").write_text("id,name,plan\n" + "".join(lines))

    def grow(self, first: int, end: int) -> None:
        self.people |= {f"p{n}": (f"{MARK} {n}", "free") for n in range(first, end)}
        self.write()

    def night(self, *flags: str) -> tuple[int, str]:
        """Exit code and what is said on stderr."""
        code = main.main(["run", str(self.folder / "nightly.toml"), "--quiet", *flags])
        return code, self.capsys.readouterr().err

    def calls(self) -> int:
        return self.server.stats.requests

    def metric(self, name: str, **labels: str) -> float:
        text = (self.folder / "importer-customers.prom").read_text()
        more = "".join(f',{key}="{value}"' for key, value in labels.items())
        labels_ = rf'\{{[^}}]*account="production"{more}\}}'
        (found,) = re.findall(rf"^importer_{name}{labels_} (\S+)$", text, re.MULTILINE)
        return float(found)

    def told(self) -> list[tuple[int, int | None, bool]]:
        path = self.folder / "told"
        lines = path.read_text().splitlines() if path.exists() else []
        data: list[dict[str, Any]] = [json.loads(line) for line in lines]
        assert MARK not in "".join(lines)
        return [(d["exit_code"], d["exit_code_before"], d["recovered"]) for d in data]

    def states(self) -> list[str]:
        nights = state_folder.all_runs(self.folder / ".importer")
        return [run_folder.state_of(night.read_meta(), night.read_summary()) for night in nights]

    def holds_the_list(self) -> bool:
        stored = {id_: {"name": name, "plan": plan} for id_, (name, plan) in self.people.items()}
        return self.server.stored == stored


@pytest.fixture
def week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Week]:
    monkeypatch.setenv("WEEK_KEY", KEY)
    monkeypatch.delenv("IMPORTER_STATE_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    text = CONFIG.format(folder=tmp_path, url="http://127.0.0.1:1", python=sys.executable)
    path = tmp_path / "nightly.toml"
    path.write_text(text)
    (tmp_path / "tell.py").write_text(TELL)
    with sandbox.running(configuration.load(path), SandboxOptions(), KEY) as server:
        path.write_text(text.replace("http://127.0.0.1:1", server.url))
        yield Week(tmp_path, server, capsys, {})


def test_a_week_of_nights(week: Week) -> None:
    for day in (monday, tuesday, wednesday, thursday, friday, saturday, sunday, and_on):
        day(week)


def monday(week: Week) -> None:
    """The first list. Nothing is news."""
    week.grow(0, 100)
    assert week.night() == (0, "")
    assert (week.calls(), week.told()) == (100, [])
    assert week.metric("last_run_values", state="applied") == 200


def tuesday(week: Week) -> None:
    """Growth within what is allowed, and a change; only that is sent. Then the process dies."""
    week.grow(100, 120)
    week.people["p0"] = (f"{MARK} 0", "pro")
    week.write()
    week.server.change(SandboxOptions(latency=0.05))
    assert killed(week, week.calls() + 12) == -signal.SIGKILL
    assert not week.holds_the_list()
    assert week.told() == [], "a killed run tells nobody"
    assert time.time() - week.metric("last_success_timestamp_seconds") < 60
    week.server.change(SandboxOptions())


def wednesday(week: Week) -> None:
    """The scheduler starts the next night; what Tuesday left undone is due, and no more."""
    before = week.calls()
    assert week.night() == (0, "")
    assert week.holds_the_list()
    assert 1 <= week.calls() - before <= 21
    assert week.states() == ["finished", "superseded", "finished"]


def thursday(week: Week) -> None:
    """A bad file, every name blank. Not one call; the word says which guard and how to go on."""
    week.write(blank=True)
    before = week.calls()
    code, said = week.night("--run-id", "thursday")
    assert (code, week.calls()) == (6, before)
    assert "max_blank_change: name is 100.0% blank where run" in said
    assert "importer resume thursday --allow max_blank_change" in said
    assert week.told() == [(6, 0, False)]
    assert week.metric("last_run_exit_code") == 6


def friday(week: Week) -> None:
    """Half a file. The same exit code is no news."""
    whole, before = week.people, week.calls()
    week.people = dict(list(whole.items())[:50])
    week.write()
    code, said = week.night()
    assert (code, week.calls()) == (6, before)
    assert "max_row_change: 50 rows where run" in said
    assert len(week.told()) == 1
    week.people = whole


def saturday(week: Week) -> None:
    """The whole list with a change for nearly everybody, but the quota ends in the middle."""
    week.people = {id_: (name, "pro") for id_, (name, _) in week.people.items()}
    week.write()
    week.server.change(SandboxOptions(quota=week.server.stats.writes + 40))
    code, said = week.night("--run-id", "saturday")
    assert code == 4
    assert "workspace_limit_reached" in said
    assert "next: importer resume saturday" in said
    assert week.told()[1:] == [(4, 6, False)]
    assert week.metric("last_run_exit_code") == 4
    assert not week.holds_the_list()


def sunday(week: Week) -> None:
    """The quota is raised. A recovery; what was written is not sent again, and the list is there."""
    week.server.change(SandboxOptions())
    before = week.calls()
    assert week.night() == (0, "")
    assert week.holds_the_list()
    assert week.calls() - before == 119 - 40
    assert week.told()[2:] == [(0, 4, True)]
    assert week.metric("last_run_exit_code") == 0
    assert week.metric("last_run_people", state="unchanged") == 120 - 79


def and_on(week: Week) -> None:
    """A night without changes makes no call and no noise; the past nights stand in a table."""
    before = week.calls()
    assert week.night() == (0, "")
    assert (week.calls(), len(week.told())) == (before, 3)
    ended = "finished superseded finished superseded superseded superseded finished finished".split()
    assert week.states() == ended
    assert main.main(["runs"]) == 0
    table = week.capsys.readouterr().out
    assert [line.split()[5] for line in table.splitlines()[1:]] == ended
    assert MARK not in table


def killed(week: Week, calls: int) -> int:
    """A night that is killed once the destination has seen so many calls."""
    words = [sys.executable, "-m", "importer", "run", str(week.folder / "nightly.toml"), "--quiet"]
    process = subprocess.Popen([*words, "--rate", "40"], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while week.calls() < calls and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    process.kill()
    return process.wait()
