"""Makes the state folders of version 0.1.0 beside this file, with a checkout of commit 69bd586.

    git worktree add --detach ../importer-0.1 69bd586
    (cd ../importer-0.1 && python -m venv .venv && .venv/bin/python -m pip install -r requirements-dev.lock)
    ../importer-0.1/.venv/bin/python tests/data/state-0.1/make.py ../importer-0.1

Each archive is what a user of that version has on disk: `import.toml` (an example of its `config/` with
changes), `list.csv` and the state folder `state`, written by the program of that checkout, run as a user runs
it, against its own sandbox. `facts.json` holds what only this script can know, such as how many requests the
sandbox had received when a run was killed.

The lists are made up and the same every time. Times and the moment of a kill differ from one making to the
next, so the archives do too.
"""

import csv
import gzip
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
COMMIT = "69bd586"
KEY = "sk_test_earlier:secret"
"""A key that every sandbox accepts: Vevee's begin with sk_, and EngageLab's have two halves."""

RUN = ("run", "import.toml", "--state-dir", "state")
KEY_NAMES = ("VEVEE_API_KEY", "ATTENTIVE_API_KEY", "ENGAGELAB_API_KEY")

SMALL_LAYERS = (
    "import importer.snapshot as snapshot; snapshot.RECENT_PEOPLE, snapshot.GROUP_PEOPLE = 20, 64; "
    "import importer.cli; raise SystemExit(importer.cli.main())"
)
"""A snapshot gets a base at 50,000 people, in files of 65,536 each. With both figures lowered, 150 people
make the same layers in the same format."""

Row = dict[str, str]
Facts = Mapping[str, Any]
Edit = Callable[[str], str]

FIRST_NAMES = "Ada Björn Chloé Dagný Elif Félix Grace Łukasz Øystein Zoë".split()
LAST_NAMES = "Almeida Baker Çelik Dubois Fischer Håkansson Nagy O'Brien Weiß".split()
CITIES = ["Aarhus", "Gdańsk", "München", "Portland, Oregon", "São Paulo", "東京", "Zürich"]
PERSONAS = "teacher student parent researcher other".split()
PLANS = "free basic plus business".split()
TOPICS = ["math", "math|art", "science|music", "history", "languages|art|music"]


def person(number: int) -> Row:
    """One made-up person, in the columns of the sample list; each value follows from the number."""
    return {
        "customer_id": f"{number:06}",
        "first_name": FIRST_NAMES[number % 10],
        "last_name": LAST_NAMES[number % 9],
        "email": f"person.{number}@example.com",
        "phone": "",
        "persona": PERSONAS[number % 5],
        "topics": TOPICS[number % 5],
        "age": str(18 + number % 60),
        "newsletter": ("TRUE", "no", "1", "")[number % 4],
        "signup_date": f"20{10 + number % 15}-0{1 + number % 9}-1{number % 10}",
        "last_seen": f"2024-0{1 + number % 9}-0{1 + number % 8} 09:{10 + number % 50}:48",
        "lifetime_value": f"{number * 7 % 900}.{10 + number % 90}",
        "plan": PLANS[number % 4],
        "city": CITIES[number % 7],
        "address": f"{1 + number % 90} Elm Street",
        "postal_code": f"0{1000 + number * 13}",
        "referral_source": ("search", "friend", "a poster on the bus")[number % 3],
        "notes": 'said "call me", then hung up' if number % 11 == 0 else "",
        "legacy_score": str(number % 100) if number % 9 == 0 else "",
    }


def people(count: int) -> list[Row]:
    """The first `count` people, from 1 on."""
    return [person(number) for number in range(1, count + 1)]


@dataclass(frozen=True)
class Place:
    """A folder in which an import is run; every path that the program is given is relative to it."""

    checkout: Path
    folder: Path
    port: int

    def configure(self, example: str, edit: Edit, *, run: str = "") -> None:
        """Writes `import.toml` from an example; `run` is text for `[run]` and further tables."""
        text = (self.checkout / "config" / f"{example}.toml").read_text("utf-8")
        text = _replaced(text, 'path = "samples/customers.csv"', 'path = "list.csv"')
        kind = "attentive" if example.startswith("attentive") else example
        lines = [
            f'type = "{kind}"',
            f'base_url = "http://127.0.0.1:{self.port}"',
            'account = "production"',
            "requests_per_second = 0",
        ]
        text = _replaced(text, lines[0], "\n".join(lines))
        (self.folder / "import.toml").write_text(edit(text) + run, "utf-8")

    def write(self, rows: list[Row]) -> None:
        """Writes `list.csv`."""
        with (self.folder / "list.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def start(self, *arguments: str, code: str | None = None) -> "subprocess.Popen[str]":
        """Starts the program of the checkout."""
        program = ["-c", code] if code else ["-m", "importer"]
        return subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.checkout)} | dict.fromkeys(KEY_NAMES, KEY),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def run(self, *arguments: str, expected: int = 0, code: str | None = None) -> None:
        """Runs an import to its end; RuntimeError where its exit code is another one."""
        process = self.start(*RUN, *arguments, code=code)
        out, err = process.communicate(timeout=60)
        if process.returncode != expected:
            raise RuntimeError(f"exit {process.returncode}, expected {expected}:\n{out}\n{err}")

    def kill_after(self, requests: int) -> int:
        """Starts run `night` and kills it after so many requests; how many the sandbox counted then."""
        process = self.start(*RUN, "--run-id", "night", "--rate", "40")
        while self.requests() < requests:
            if process.poll() is not None:
                raise RuntimeError(f"the run ended before it could be killed:\n{process.communicate()}")
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return self.requests()

    def requests(self) -> int:
        """How many requests the sandbox has received."""
        return int(self.ask("stats")["requests"])

    def ask(self, what: str) -> Any:
        """What the sandbox stores (`stored`) or has counted (`stats`)."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/__sandbox__/{what}") as answer:
            return json.load(answer)

    def registered(self) -> list[str]:
        """The distinct ids in the order of the numbers that EngageLab's sandbox gave them."""
        (cache,) = (self.folder / "state" / "addresses").glob("*.sqlite")
        with closing(sqlite3.connect(f"file:{cache}?mode=ro", uri=True)) as known:
            rows = known.execute("SELECT id FROM addresses ORDER BY CAST(address AS INTEGER)")
            return [id_ for (id_,) in rows]

    @contextmanager
    def sandbox(self, *arguments: str) -> Iterator[None]:
        """The checkout's sandbox on the port that the configuration names."""
        process = self.start("sandbox", "import.toml", "--port", str(self.port), *arguments)
        try:
            if process.stderr is None or "sandbox on" not in (said := process.stderr.readline()):
                raise RuntimeError(f"the sandbox did not start: {said}")
            yield
        finally:
            process.terminate()
            process.communicate()


def _replaced(text: str, old: str, new: str) -> str:
    """ValueError where the example has changed, so that no archive is made of something else."""
    if old not in text:
        raise ValueError(f"the example has no {old!r}")
    return text.replace(old, new)


def as_it_is(text: str) -> str:
    """Leaves a configuration unchanged."""
    return text


def without_add(text: str) -> str:
    """EngageLab's example without the operation that cannot be compared."""
    return _replaced(text, 'operation = "add"', 'operation = "set"')


def with_increase(text: str) -> str:
    """EngageLab's example with its commented `increase` in force."""
    return _replaced(text, '# operation = "increase"', 'operation = "increase"')


def with_clear(text: str) -> str:
    """Vevee's example, in which a blank postal code removes the stored one."""
    return _replaced(text, "[attributes.postal_code]", '[attributes.postal_code]\nblank = "clear"')


def asked_once(text: str) -> str:
    """Vevee's example, in which no call is repeated."""
    return _replaced(text, 'type = "vevee"', 'type = "vevee"\nretry_attempts = 1')


CHANGED_ONLY = "\n[run]\nchanged_only = true\n"


# ------------------------------------------------------------------ the states


def vevee_layers(place: Place) -> Facts:
    """Four nights with `changed_only`: a base in several files, changes above it, cleared values."""
    place.configure("vevee", with_clear, run=CHANGED_ONLY)
    rows = people(150)
    with place.sandbox():
        for night in range(4):
            if night == 1:
                rows[:10] = [row | {"city": "Oslo"} for row in rows[:10]]
            if night == 2:
                rows[20:26] = [row | {"postal_code": ""} for row in rows[20:26]]
            place.write(rows)
            place.run("--run-id", f"night-{night + 1}", code=SMALL_LAYERS)
    return {}


def vevee_unknown(place: Place) -> Facts:
    """A night in which three people were refused and three got no answer: six people are due."""
    place.configure("vevee", asked_once, run=CHANGED_ONLY)
    place.write(people(80))
    with place.sandbox("--fail", "400@4-6:times=0", "--fail", "reset_after@20-22:times=0"):
        place.run("--run-id", "night-1", expected=1)
    return {"due": 6}


def vevee_history(place: Place) -> Facts:
    """Two good runs of a list with mistakes: rejects, rejected rows, the list's shape, a learned pace."""
    guards = '\n[guards]\nmax_row_change = "30%"\nmax_blank_change = "20%"\n'
    place.configure("vevee", as_it_is, run=guards)
    rows = people(120)
    rows[3]["persona"], rows[4]["age"], rows[5]["signup_date"] = "techer", "abc", "2024-02-31"
    rows[6]["topics"], rows[7]["customer_id"] = "math|chess", ""
    place.write(rows)
    with place.sandbox("--undefined", "legacy_score", "--rate-limit", "90"):
        place.run("--run-id", "first", expected=1)
        place.run("--run-id", "second", expected=1)
    (learned,) = (place.folder / "state" / "pace").iterdir()
    return {"pace": json.loads(learned.read_text())["requests_per_second"]}


def vevee_killed(place: Place) -> Facts:
    """A good night, then one that was killed in the middle of sending."""
    place.configure("vevee", with_clear, run=CHANGED_ONLY)
    rows = people(200)
    place.write(rows)
    with place.sandbox():
        place.run("--run-id", "before")
        place.write([row | {"city": "Oslo"} for row in rows])
        return {"due": 200, "requests": place.kill_after(place.requests() + 80) - 200}


def attentive_nights(place: Place) -> Facts:
    """Two nights with `changed_only`, one person a call."""
    return _two_nights(place, "attentive", as_it_is)


def attentive_bulk_nights(place: Place) -> Facts:
    """Two nights with `changed_only`, by jobs."""
    return _two_nights(place, "attentive-bulk", _polled_often)


def attentive_bulk_open_job(place: Place) -> Facts:
    """A run that ran out of time while its job went on at the destination."""
    place.configure("attentive-bulk", lambda text: _polled_often(text, deadline=2))
    place.write(people(60))
    with place.sandbox("--fail", "job_open:times=0"):
        place.run("--run-id", "night", expected=8)
    return {}


def engagelab_nights(place: Place) -> Facts:
    """Two nights with `changed_only`; what the ids resolved to is kept."""
    _two_nights(place, "engagelab", without_add)
    return {"registered": place.registered()}


def engagelab_increase(place: Place) -> Facts:
    """An import that increases: what it has sent, and what the ids resolved to."""
    place.configure("engagelab", with_increase)
    place.write(people(60))
    with place.sandbox():
        place.run("--run-id", "first")
    return {"registered": place.registered()}


def engagelab_increase_killed(place: Place) -> Facts:
    """The same import, killed in the middle of sending."""
    place.configure("engagelab", with_increase)
    place.write(people(60))
    with place.sandbox():
        place.kill_after(80)
        counted = {id_: held.get("lifetime_value", 0) for id_, held in place.ask("stored").items()}
        return {"counted": counted, "registered": place.registered()}


def _two_nights(place: Place, example: str, edit: Edit) -> Facts:
    place.configure(example, edit, run=CHANGED_ONLY)
    rows = people(100)
    with place.sandbox():
        place.write(rows)
        place.run("--run-id", "night-1")
        rows[:10] = [row | {"city": "Oslo"} for row in rows[:10]]
        place.write(rows)
        place.run("--run-id", "night-2")
    return {}


def _polled_often(text: str, deadline: int = 600) -> str:
    settings = f'mode = "bulk"\npoll_seconds = 1\njob_deadline = {deadline}'
    return _replaced(text, 'mode = "bulk"', settings)


STATES = (
    vevee_layers,
    vevee_unknown,
    vevee_history,
    vevee_killed,
    attentive_nights,
    attentive_bulk_nights,
    attentive_bulk_open_job,
    engagelab_nights,
    engagelab_increase,
    engagelab_increase_killed,
)
"""Each is served on a port of its own, because the base URL belongs to the identity of an import."""

FIRST_PORT = 18731
"""Below the ports that a system gives to outgoing connections."""


def pack(folder: Path, target: Path) -> None:
    """The folder as an archive that names no user, host or path of this machine."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(folder, arcname=".", filter=plain)
    target.write_bytes(gzip.compress(packed.getvalue(), mtime=0))


def refuse_traces(folder: Path, *traces: str) -> None:
    """RuntimeError where a file holds one of the texts: a path of this machine, or the key."""
    for path in filter(Path.is_file, folder.rglob("*")):
        content = path.read_bytes()
        for trace in traces:
            if trace.encode() in content:
                raise RuntimeError(f"{path.relative_to(folder)} holds {trace}")


def main() -> None:
    """Makes every archive, or those that are named behind the checkout."""
    checkout, names = Path(sys.argv[1]).resolve(), sys.argv[2:]
    head = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    if not head.stdout.startswith(COMMIT):
        raise SystemExit(f"{checkout}: expected a checkout of {COMMIT}, found {head.stdout.strip()}")
    for number, make in enumerate(STATES):
        name = make.__name__.replace("_", "-")
        if names and name not in names:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            facts = make(Place(checkout, folder, FIRST_PORT + number))
            (folder / "facts.json").write_text(json.dumps(facts) + "\n")
            refuse_traces(folder, temporary, str(checkout), KEY)
            target = HERE / f"{name}.tar.gz"
            pack(folder, target)
            sys.stdout.write(f"{target.name}  {target.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
