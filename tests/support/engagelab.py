"""Imports to EngageLab over real sockets, and what has to hold of increases whatever happens to a run."""

import csv
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from importer.config import loader as configuration
from importer.config.options import Options
from importer.core.models import RunSummary
from importer.pipeline import runner
from importer.report.summary import as_json
from importer.sandbox import server as sandbox
from importer.sandbox.faults import parse_fault
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from tests.support.oracle import program
from tests.support.oracle.program import Result, assert_books, importer, toml

KEY, KEY_NAME = "sandbox:secret", "ENGAGELAB_TEST_KEY"
ATTRIBUTES: dict[str, Mapping[str, Any]] = {
    "plan": {"type": "free_text", "blank": "clear"},
    "age": {"type": "number"},
    "points": {"type": "number", "operation": "increase"},
    "topics": {"type": "multi_choice", "allow_custom": True, "operation": "add"},
    "old_topics": {"type": "multi_choice", "allow_custom": True, "operation": "remove"},
    "nickname": {"type": "free_text", "operation": "delete"},
}


QUICK: Mapping[str, Any] = {"read_timeout": 10.0, "retry_wait": 0.01, "max_in_flight": 8}


@dataclass
class Stage:
    """A list, its configuration and a server."""

    folder: Path
    url: str
    attributes: Mapping[str, Mapping[str, Any]]
    destination: Mapping[str, Any]

    @property
    def config(self) -> Path:
        """The configuration, as a file."""
        path = self.folder / "import.toml"
        tables: dict[str, Mapping[str, Any]] = {
            "source": {"path": str(self.folder / "list.csv")},
            "identity": {"column": "id"},
            "destination": {
                "type": "engagelab",
                "base_url": self.url,
                "api_key": f"env:{KEY_NAME}",
                "requests_per_second": 0,
                **QUICK,
                **self.destination,
            },
            **{f"attributes.{json.dumps(k)}": a for k, a in self.attributes.items()},
        }
        lines = ['name = "people"']
        for title, table in tables.items():
            lines += ["", f"[{title}]", *(f"{k} = {toml(v)}" for k, v in table.items())]
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path

    def write(self, rows: Sequence[Mapping[str, str]], name: str = "list.csv") -> Path:
        """The list; attributes that a row does not name are blank."""
        path = self.folder / name
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["id", *self.attributes], restval="")
            writer.writeheader()
            writer.writerows(rows)
        return path

    def run(self, sources: Sequence[str] = (), **options: Any) -> RunSummary:
        """The import, in this process."""
        summary = runner.run(self.config, sources, Options(**options))
        self._assert_books(summary)
        return summary

    def retry(self, run: str | None, file: Path | None = None) -> RunSummary:
        """`importer retry`, in this process."""
        summary = runner.retry(self.state, run, str(file) if file else None)
        self._assert_books(summary)
        return summary

    @property
    def state(self) -> Path:
        return self.folder / ".importer"

    def lines(self, run: str) -> list[dict[str, str]]:
        """rejects.csv."""
        with (self.state / "runs" / run / "rejects.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def _assert_books(self, summary: RunSummary) -> None:
        assert_books(as_json(summary))


@contextmanager
def stage(
    folder: Path,
    *faults: str,
    attributes: Mapping[str, Mapping[str, Any]] = ATTRIBUTES,
    destination: Mapping[str, Any] | None = None,
    **options: Any,
) -> Iterator[tuple[Stage, SandboxServer]]:
    """A sandbox with these faults that knows the attributes."""
    here = Stage(folder, "http://127.0.0.1:1", attributes, destination or {})
    options = {"log": 1 << 16, "faults": tuple(map(parse_fault, faults)), **options}
    with sandbox.running(configuration.load(here.config), SandboxOptions(**options), KEY) as server:
        here.url = server.url
        yield here, server


def killed(here: Stage, server: SandboxServer, requests: int, *words: object) -> Result:
    """A command, killed when so many more requests have come, unless it ends before."""
    last = server.stats.requests + requests
    env = {KEY_NAME: KEY}
    result = program.killed(*words, cwd=here.folder, env=env, end=lambda: server.stats.requests >= last)
    await_answers(server)
    return result


def await_answers(server: SandboxServer) -> None:
    """Waits until what was on its way when a process was killed has come and is answered."""
    end, before = time.monotonic() + 10, None
    while (stats := server.stats) != before or sum(stats.by_status.values()) < stats.requests:
        assert time.monotonic() < end
        before = stats
        time.sleep(0.05)


def kill_again_and_again(here: Stage, server: SandboxServer, seed: int, kills: int, people: int) -> int:
    """Kills attempts of one run at random moments; nothing may ever be counted twice. How many kills hit."""
    dice, hits = random.Random(seed), 0
    rows = [{"id": f"p{n % people}", "points": str(1 + n), "plan": "x"} for n in range(3 * people)]
    dice.shuffle(rows)
    here.write(rows)
    sums: Counter[str] = Counter()
    for row in rows:
        sums[row["id"]] += int(row["points"])
    for _ in range(kills):
        begun = (here.state / "runs/r/run.json").exists()
        words = ("resume", "r") if begun else ("run", here.config, "--run-id", "r")
        result = killed(here, server, dice.randint(1, 3 * people // kills), *words)
        hits += result.code == -signal.SIGKILL
        assert result.code in (-signal.SIGKILL, 0, 1, 2), result.err
        assert all(current.get("points", 0) in (0, sums[id_]) for id_, current in server.stored.items())
    begun = (here.state / "runs/r/run.json").exists()
    words = ("resume", "r") if begun else ("run", here.config, "--run-id", "r")
    result = importer(*words, cwd=here.folder, env={KEY_NAME: KEY})
    assert result.code in (0, 1) or "is finished" in result.err, result.err
    summary = result.summary("r")
    doubtful = {line["distinct_id"] for line in result.reject_lines("r")}
    assert {line["reason"] for line in result.reject_lines("r")} <= {"unconfirmed"}
    for id_, total in sums.items():
        current = server.stored.get(id_, {})
        assert current.get("points", 0) in ((0, total) if id_ in doubtful else (total,))
    assert summary["values"]["unconfirmed"] == 3 * len(doubtful)
    assert summary["values"]["not_attempted"] == 0
    requests = server.stats.requests
    importer("retry", "r", cwd=here.folder, env={KEY_NAME: KEY})
    assert server.stats.requests == requests, "what is unconfirmed is not sent again by a retry either"
    return hits


PLACES = st.lists(
    st.tuples(st.sampled_from(("p1", "p2", "p3")), st.booleans(), st.booleans()), min_size=1, max_size=8
)
"""Rows: whose, whether the number is bad at first, whether another cell is."""


def retried(folder: Path, rows: list[tuple[str, bool, bool]], faults: Sequence[str], again: int) -> None:
    """A list with mistakes, then corrected and retried: of each row's number, never more than one is counted.

    The numbers are powers of four, so the digits of a sum tell how often each was counted.
    """
    attributes = {"points": {"type": "number", "operation": "increase"}, "age": {"type": "number"}}
    with stage(folder, *faults, attributes=attributes) as (here, server):
        numbers = [str(4**n) for n in range(len(rows))]
        here.write(
            [
                {"id": id_, "points": f"x{number}" if bad else number, "age": f"x{n}" if old else str(n)}
                for n, ((id_, bad, old), number) in enumerate(zip(rows, numbers, strict=True))
            ]
        )
        summary = here.run(run_id="r")
        kept = here.state / "runs/r/rejected_rows/01-list.csv"
        if not kept.exists():
            return
        corrected = folder / "corrected.csv"
        corrected.write_text(kept.read_text("utf-8").replace("x", ""), "utf-8")
        for _ in range(again):
            newest = here.state / "runs" / summary.run_id / "rejected_rows"
            file = corrected if summary.run_id == "r" else next(newest.glob("*"), corrected)
            summary = here.retry("r" if file == corrected else summary.run_id, file)
            _assert_counted_once(rows, server)
        server.change(SandboxOptions())
        summary = here.retry("r", corrected)
        _assert_counted_once(rows, server)
        if not summary.values["unconfirmed"]:
            everything = Counter[str]()
            for n, (id_, _, _) in enumerate(rows):
                everything[id_] += 4**n
            assert {i: int(current["points"]) for i, current in server.stored.items()} == everything


def _assert_counted_once(rows: Sequence[tuple[str, bool, bool]], server: SandboxServer) -> None:
    for id_, current in server.stored.items():
        total = int(current.get("points", 0))
        digits = [(n, total // 4**n % 4) for n in range(len(rows) + 1)]
        assert all(times == 0 or (times == 1 and rows[n][0] == id_) for n, times in digits)
