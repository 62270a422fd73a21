"""One person of many in trouble: a run that is disturbed at one place, beside one that is left alone.

Each attempt of a run is a process of its own, forked from one that has loaded the program, so that it can be
ended for real and still costs a few hundredths of a second. Chunks and calls are made small, so that thirty
people take several of each.
"""

import csv
import json
import os
import signal
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from importer.config import loader as configuration
from importer.destinations.simulator import Request
from importer.sandbox import server as sandbox
from importer.sandbox.faults import Fault
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from importer.testing.values import good
from tests.support import warm
from tests.support.examples import EXAMPLES, HEADER, KEY, KEY_NAME
from tests.support.oracle.program import assert_books, environment, toml
from tests.support.small_program import make_small

PEOPLE = 30
_QUIET = ("run", "resume", "retry")
"""The commands that are asked for no progress and no summary."""

ENDS_WITHIN = 120
"""Seconds that an attempt may take on a busy machine; shortly before, it says where it is."""

ATTEMPTS = 3
BEFORE = "Elsewhere"
"""What every fourth person's city is before the run, which clears it where the case has cities."""

QUICK: Mapping[str, Any] = {
    "requests_per_second": 50_000,
    "connect_timeout": 2.0,
    "read_timeout": 5.0,
    "retry_wait": 0.001,
    "retry_attempts": ATTEMPTS,
}


@dataclass(frozen=True)
class Case:
    """One way to run one example of `config/`: `destination`, `attributes`, `run` change its tables."""

    example: str
    destination: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def declared(self) -> dict[str, dict[str, Any]]:
        """The attributes of the run, few of the example's."""
        known = tomllib.loads(EXAMPLES[self.example].read_text("utf-8"))["attributes"]
        return {key: {**known.get(key, {}), **more} for key, more in self.attributes.items()}

    @property
    def repeats_all(self) -> bool:
        """Whether each of its calls may be sent twice."""
        return all(a.get("operation") != "increase" for a in self.declared.values())

    def config(self, source: Path, url: str, **destination: Any) -> str:
        """The configuration as TOML."""
        data = tomllib.loads(EXAMPLES[self.example].read_text("utf-8"))
        used = {a.get("column", key) for key, a in self.declared.items()}
        section = {**data["destination"], **QUICK, **self.destination, **destination}
        named = {data["identity"]["column"], section.get("euid"), *section.get("user", {}).values()}
        ignored = [column for column in HEADER if column not in used | named]
        tables: dict[str, Mapping[str, Any]] = {
            "source": {"path": str(source), "ignore": ignored},
            "identity": data["identity"],
            **({"run": self.run} if self.run else {}),
            "destination": {**section, "base_url": url, "api_key": f"env:{KEY_NAME}"},
            **{f"attributes.{json.dumps(k)}": a for k, a in self.declared.items()},
        }
        lines = [f"name = {toml(data['name'])}"]
        for title, table in tables.items():
            lines += ["", f"[{title}]", *(f"{k} = {toml(v)}" for k, v in table.items())]
        return "\n".join(lines) + "\n"


_SET: Mapping[str, Mapping[str, Any]] = {
    "first_name": {},
    "age": {},
    "plan": {},
    "lifetime_value": {},
    "newsletter": {},
}
_CLEARED = {**_SET, "city": {"blank": "clear"}}
_FAST_POLLS = {"mode": "bulk", "poll_seconds": 0.02}
CASES: Mapping[str, Case] = {
    "vevee": Case("vevee", {}, _CLEARED),
    "vevee-single": Case(
        "vevee", {"mode": "single"}, {k: _CLEARED[k] for k in ("first_name", "age", "city")}
    ),
    "attentive": Case("attentive", {}, _SET),
    "attentive-bulk": Case("attentive-bulk", _FAST_POLLS, _SET),
    "engagelab": Case("engagelab", {}, {**_CLEARED, "topics": {}}),
    "engagelab-sums": Case(
        "engagelab", {}, {"first_name": {}, "age": {}, "lifetime_value": {"operation": "increase"}}
    ),
    "engagelab-few": Case(
        "engagelab", {"properties_per_call": 2}, {k: _SET[k] for k in ("first_name", "age", "plan")}
    ),
    "engagelab-euid": Case(
        "engagelab",
        {"euid": "legacy_score"},
        {"first_name": {}, "age": {"operation": "increase"}, "lifetime_value": {"operation": "increase"}},
    ),
    "declared": Case(
        "braze",
        {"people_per_call": 3, "clear_as": "null"},
        {key: _SET[key] for key in ("first_name", "age", "plan", "newsletter")}
        | {"city": {"type": "free_text", "blank": "clear"}},
    ),
}


def rows(case: Case) -> list[dict[str, str]]:
    """Thirty people; every fifth has a second row, one a value that our own check refuses."""
    found = []
    for n in range(PEOPLE):
        row = dict.fromkeys(HEADER, "") | {"customer_id": f"p{n}", "legacy_score": str(7_000 + n)}
        row |= {"email": f"p{n}@example.com", "phone": f"+1202555{n:04}"}
        for key, a in case.declared.items():
            blank = a.get("blank") == "clear" and n % 4 == 0
            row[a.get("column", key)] = "" if blank else good(a, n)
        found.append(row)
        if n % 5 == 3:
            found.append(row | {"first_name": f"Later {n}"})
    found[1]["age"] = "not a number"
    return found


@dataclass(frozen=True)
class RunResult:
    """How a run ended, as seen from outside: the store, the counts, the reports."""

    stored: Mapping[str, Mapping[str, Any]]
    rows: Mapping[str, int]
    values: Mapping[str, int]
    people: Mapping[str, int]
    lines: tuple[tuple[str, ...], ...]
    kept: tuple[str, ...]
    state: str
    exit_code: int
    calls: Mapping[str, int]

    def of(self, *people: str) -> list[tuple[str, ...]]:
        """The lines of rejects.csv of these people."""
        return [line for line in self.lines if line[1] in people]

    def without(self, people: Sequence[str]) -> "RunResult":
        """The same as far as it is about everybody else; the counts, which are about all, are left out."""
        return replace(
            self,
            stored={id_: current for id_, current in self.stored.items() if id_ not in people},
            rows={},
            values={},
            people={},
            lines=tuple(line for line in self.lines if line[1] not in people),
            kept=tuple(row for row in self.kept if row.split(",")[0] not in people),
            state="",
            exit_code=0,
            calls={},
        )


def assert_same(found: RunResult, base: RunResult, but: Sequence[str] = ()) -> None:
    """The same result for all people but these; with nobody to leave out, the same counts too."""
    if but:
        found, base = found.without(but), base.without(but)
    for name in ("stored", "lines", "kept", "values", "rows", "people"):
        mine, theirs = getattr(found, name), getattr(base, name)
        assert mine == theirs, f"{name} differ:\nfound {_apart(mine, theirs)}\nnot   {_apart(theirs, mine)}"


def _apart(mine: Any, theirs: Any) -> Any:
    if isinstance(mine, Mapping):
        return {key: value for key, value in mine.items() if theirs.get(key) != value}
    return [one for one in mine if one not in theirs]


@dataclass
class Trouble:
    """What happens at request `number` of an attempt, the first being 1; stands in for the sandbox's dice.

    `cut_before` and `cut_after`: it is cut off once, before or after it is stored. `lost_before` and
    `lost_after`: it and all its repetitions are. `kill_before` and `kill_after`: the attempt is killed.
    `term`: it gets SIGTERM; `term_before`, `term_after`: and that call is cut off too. `stop`: this and
    each further one is answered 401.
    """

    what: str = ""
    number: int = 0
    pid: int = 0
    met: Request | None = None
    _seen: int = 0
    _hits: int = 0

    def choose(self, _: int, request: Request) -> Fault | None:
        self._seen += 1
        if self.number and self._seen == self.number:
            self.met = request
            if self.what.startswith(("kill", "term")):
                os.kill(self.pid, signal.SIGKILL if self.what.startswith("kill") else signal.SIGTERM)
        return self._fault(request)

    def _fault(self, request: Request) -> Fault | None:
        if self.met is None:
            return None
        if self.what == "stop":
            return Fault("401", every=1, times=0)
        how, _, when = self.what.partition("_")
        again = how == "lost" and _same(request, self.met) and self._hits < ATTEMPTS
        if not when or not (request is self.met or again):
            return None
        self._hits += 1
        return Fault(f"reset_{when}", every=1, times=0)


def _same(one: Request, other: Request) -> bool:
    return (one.method, one.path, one.body) == (other.method, other.path, other.body)


@dataclass
class World:
    """A list, its configuration and the sandbox it goes to."""

    folder: Path
    case: Case
    server: SandboxServer

    @property
    def state(self) -> Path:
        return self.folder / ".importer"

    def attempt(
        self, *words: object, trouble: Trouble | None = None, inside: Callable[[], None] | None = None
    ) -> tuple[int, str]:
        """One attempt of a run: its exit code and what it said.

        `inside` is called in its process, before the program.
        """
        trouble = trouble or Trouble()
        self.server._rules.picker = trouble  # type: ignore[assignment]
        out, err = self.folder / "out.txt", self.folder / "err.txt"
        given = [*map(str, words), *(["--quiet"] if words[0] in _QUIET else [])]
        before = partial(make_small, ENDS_WITHIN - 10, inside)
        with self.server._lock:  # no request is answered before the process is known
            process = warm.started(given, self.folder, environment({KEY_NAME: KEY}), out, err, before)
            trouble.pid = process.pid or 0
        warm.ended(process, given, err, ENDS_WITHIN)
        return int(process.exitcode or 0), out.read_text("utf-8") + err.read_text("utf-8")

    def run(self, *words: object, trouble: Trouble | None = None) -> tuple[int, str]:
        return self.attempt("run", "import.toml", "--run-id", "r", *words, trouble=trouble)

    def resume(self, *words: object, trouble: Trouble | None = None) -> tuple[int, str]:
        return self.attempt("resume", "r", *words, trouble=trouble)

    def has_ended(self, run: str = "r") -> bool:
        """Whether the last attempt came as far as its summary."""
        return (self.state / "runs" / run / "summary.json").exists()

    def result(self, run: str = "r") -> RunResult:
        """How the run ended, its counts balanced."""
        folder = self.state / "runs" / run
        summary = json.loads((folder / "summary.json").read_text("utf-8"))
        assert_books(summary)
        with (folder / "rejects.csv").open(encoding="utf-8", newline="") as file:
            names = ("row", "distinct_id", "attribute", "value", "stage", "reason", "message")
            lines = tuple(tuple(line[n] for n in names) for line in csv.DictReader(file))
        paths = sorted((folder / "rejected_rows").glob("*"))
        kept = [p.read_text("utf-8", "surrogateescape").splitlines()[1:] for p in paths]
        return RunResult(
            {self.distinct_id(id_): current for id_, current in self.server.stored.items()},
            summary["rows"],
            summary["values"],
            summary["people"],
            lines,
            tuple(row for part in kept for row in part),
            summary["state"],
            summary["exit_code"],
            summary["calls"],
        )

    def people_of(self, request: Request | None) -> tuple[str, ...]:
        """Whom a request writes, resolves or, as a poll, asks for."""
        if request is None:
            return ()
        vendor: Any = self.server._vendor
        job = getattr(vendor, "_jobs", {}).get(request.path.rpartition("/")[2])
        if job:
            body = json.dumps({"users": job.records}).encode()
            request = replace(request, body=body)
        return tuple(map(self.distinct_id, vendor.distinct_ids(request)))

    def distinct_id(self, stored: str) -> str:
        """Whom the sandbox stores under this name."""
        known = stored.isdecimal() and self.case.destination.get("euid")
        return f"p{int(stored) - 7_000}" if known else stored


@contextmanager
def world(
    folder: Path,
    case: Case,
    *,
    padding: int = 0,
    listed: Sequence[Mapping[str, str]] | None = None,
    **destination: Any,
) -> Iterator[World]:
    """A sandbox in a thread, which has something of some people already; `destination` changes its table.

    `padding` is how many characters every sixth row is longer, in a column that is ignored: workers know of
    no small chunks. `listed` is the list where it is not that of `rows`.
    """
    source, config = folder / "list.csv", folder / "import.toml"
    with source.open("w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, HEADER)
        lines.writeheader()
        given = rows(case) if listed is None else listed
        lines.writerows({**row, "notes": "x" * padding * (n % 6 == 0)} for n, row in enumerate(given))
    config.write_text(case.config(source, "http://127.0.0.1:1", **destination), "utf-8")
    loaded = configuration.load(config)
    with sandbox.running(loaded, SandboxOptions(), KEY) as server:
        config.write_text(case.config(source, server.url, **destination), "utf-8")
        for n in range(0, PEOPLE, 4):
            server._vendor.stored[f"p{n}"] = {"city": BEFORE}
        yield World(folder, case, server)
