"""Imports beside what else there is, one core for the client: `python -m benchmarks.sending [ROWS]`.

Every contender sends the same list to the same server, nginx with one fixed answer. The slow ones get a slice
of it, so that the whole benchmark takes some minutes; rows a second hardly depend on the length of the slice.
"""

import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import lists
from benchmarks.machine import (
    CPUS,
    SERVER,
    Measured,
    describe,
    node_with,
    pinned,
    python_with,
    serving,
    timed,
    tool,
)
from benchmarks.results import Ratio
from benchmarks.slow import late

RIVALS = Path(__file__).parent / "rivals"
IN_FLIGHT = 64
FAST, HTTPX = "importer, fast", "importer, httpx"
CEILING_SECONDS = 12

PEERS = {"usual script": 500, "undici": 52_000, "wrk": 226_000}
"""What these did on a machine of this kind when it had nothing else to do, in calls a second."""

DRT_PROFILE = "default:\n  type: duckdb\n  database: {database}\n"
DRT_PROJECT = "name: benchmark\nprofile: default\n"
DRT_SYNC = """
name: customers
model: ref('customers')
destination:
  type: rest_api
  url: "{url}/api/v1/attributes/values/batch"
  method: POST
  headers:
    Content-Type: "application/json"
    Authorization: "Bearer sk_test_benchmark"
  body_template: |
    {{"distinctId": "{{{{ row.customer_id }}}}", "attributes": {{{members}}}}}
sync:
  mode: full
  batch_size: 1000
  rate_limit:
    requests_per_second: 1000000
  on_error: fail
"""


@dataclass(frozen=True)
class Figure:
    """What a contender came to; seconds of a processor a row where it was measured from outside."""

    name: str
    rows: int
    seconds: float
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds

    @property
    def micros(self) -> float:
        """Microseconds of a processor for a row, the start of its process included."""
        return self.cpu / self.rows * 1e6


class Bench:
    """One folder, one server, lists of several lengths."""

    def __init__(self, folder: Path, url: str, rows: int) -> None:
        self.folder = folder
        self.url = url
        self.rows = rows
        self.env = {"BENCHMARK_KEY": lists.KEY}

    def source(self, rows: int) -> Path:
        """A list of so many rows."""
        path = self.folder / f"list-{rows}.csv"
        if not path.exists():
            lists.write(path, rows)
        return path

    def bodies(self, rows: int) -> Path:
        """The request bodies of that list."""
        path = self.folder / f"bodies-{rows}.txt"
        return path if path.exists() else lists.write_bodies(path, lists.customers(rows))

    def importer(
        self, rows: int, *, rate: float = 0, client: str = "fast"
    ) -> tuple[Measured, dict[str, Any]]:
        """One whole run of `importer run`, from the start of the process to its end, and its summary."""
        config = lists.write_config(
            self.folder / "import.toml",
            self.source(rows),
            self.url,
            rate=rate,
            in_flight=IN_FLIGHT if rate == 0 else 512,
            client=client,
        )
        taken = lists.imported(config)
        summary = json.loads(taken.output)
        assert summary["rows"]["applied"] == rows
        return taken, summary


def fast(bench: Bench) -> Figure | None:
    """Everything: reading, checks, spool, journal, report, counts."""
    taken, _ = bench.importer(bench.rows)
    return Figure(FAST, bench.rows, taken.seconds, taken.cpu)


def httpx(bench: Bench) -> Figure | None:
    """The same with httpx2, which takes most of the time then."""
    rows = bench.rows // 10
    taken, _ = bench.importer(rows, client="httpx")
    return Figure(HTTPX, rows, taken.seconds, taken.cpu)


def usual(bench: Bench) -> Figure | None:
    """Polars, httpx 0.28, semaphore, gather."""
    python = python_with(bench.folder / "usual", "httpx==0.28.*", "polars")
    rows = bench.rows // 50
    return _script("usual script", python, RIVALS / "usual.py", bench, rows)


def dlt(bench: Bench) -> Figure | None:
    """A custom destination with one call a row."""
    python = python_with(bench.folder / "dlt", "dlt", "polars", "pyarrow", "requests")
    script = shutil.copy(RIVALS / "dlt_import.py", bench.folder)
    rows = bench.rows // 50
    return _script("dlt, custom destination", python, Path(script), bench, rows)


def undici(bench: Bench) -> Figure | None:
    """Node's `request` on prepared bodies: sends, and does nothing else."""
    folder = node_with(bench.folder / "node", "undici@6")
    if folder is None:
        return None
    command = ["node", str(RIVALS / "undici.mjs"), str(bench.bodies(bench.rows)), bench.url, str(IN_FLIGHT)]
    return _told("undici", timed(pinned(command), cwd=folder))


def wrk(bench: Bench) -> Figure | None:
    """Prepared requests, no answer looked at: how much the server gives."""
    found, seconds = tool("wrk"), 3
    if found is None:
        return None
    command = [found, "-t1", f"-c{IN_FLIGHT}", f"-d{seconds}s", "-s", str(RIVALS / "replay.lua"), bench.url]
    taken = timed(pinned(command), env={"BODIES": str(bench.bodies(bench.rows // 20))})
    for line in taken.output.splitlines():
        if line.startswith("Requests/sec:"):
            return Figure("wrk", int(float(line.split()[1]) * seconds), seconds)
    return None


def drt(bench: Bench) -> Figure | None:
    """`drt run` from DuckDB to its REST destination, one call a row."""
    python = python_with(bench.folder / "drt", "drt-core", "duckdb")
    if python is None:
        return None
    project, rows = bench.folder / "drt-project", bench.rows // 100
    (project / "syncs").mkdir(parents=True, exist_ok=True)
    (project / ".drt").mkdir(exist_ok=True)
    database = project / "warehouse.duckdb"
    load = "import duckdb, sys; duckdb.connect(sys.argv[1]).read_csv(sys.argv[2], all_varchar=True)"
    load += ".create('customers')"
    database.unlink(missing_ok=True)
    if timed([str(python), "-c", load, str(database), str(bench.source(rows))]).code:
        return None
    members = ", ".join(f'"{key}": "{{{{ row.{key} }}}}"' for key in lists.COLUMNS[1:])
    (project / "drt_project.yml").write_text(DRT_PROJECT)
    profile = DRT_PROFILE.format(database=database)
    (project / ".drt" / "profiles.yml").write_text(profile)
    (project / "profiles.yml").write_text(profile)
    (project / "syncs" / "customers.yml").write_text(DRT_SYNC.format(url=bench.url, members=members))
    env = {"HOME": str(project), "DRT_TELEMETRY_DISABLED": "1"}
    taken = timed(pinned([str(python.parent / "drt"), "run"]), cwd=project, env=env)
    return None if taken.code else Figure("drt, rest_api", rows, taken.seconds, taken.cpu)


def _script(name: str, python: Path | None, script: Path, bench: Bench, rows: int) -> Figure | None:
    if python is None:
        return None
    return _told(name, timed(pinned([str(python), str(script), str(bench.source(rows)), bench.url])))


def _told(name: str, taken: Measured) -> Figure | None:
    """A contender that prints what it took, the start of its interpreter left out in its favour."""
    with contextlib.suppress(ValueError, KeyError, IndexError):
        told = json.loads(taken.output.splitlines()[-1])
        return Figure(name, told["rows"], told["seconds"], taken.cpu)
    print(f"benchmarks: {name} failed: {taken.output[-300:]}", file=sys.stderr)
    return None


CONTENDERS: Sequence[Callable[[Bench], Figure | None]] = (wrk, undici, fast, httpx, usual, dlt, drt)
EACH_ROUND = 4
"""So many of them take part in each round; the others, which are slow, in the first."""


def race(bench: Bench, rounds: int) -> dict[str, Figure]:
    """The best of some rounds of each contender, which take turns; the slow ones take one.

    One round alone is a quick one: the slowest two, which the ratios do not need, are left out.
    """
    best: dict[str, Figure] = {}
    for number in range(rounds):
        count = EACH_ROUND if number else len(CONTENDERS) - 2 * (rounds == 1)
        for contender in CONTENDERS[:count]:
            figure = contender(bench)
            if figure and (figure.name not in best or figure.rate > best[figure.name].rate):
                best[figure.name] = figure
    return best


def show_race(best: dict[str, Figure]) -> None:
    """The table of ratios, and whether the baselines are sound."""
    script, node = best.get("usual script"), best.get("undici")
    print("| contender | rows | rows/s | x usual script | x undici | CPU µs a row | CPU, x undici |")
    print("|---|---|---|---|---|---|---|")
    for figure in sorted(best.values(), key=lambda f: -f.rate):
        ratios = [f"{figure.rate / base.rate:.2f}" if base else "" for base in (script, node)]
        known = node is not None and figure.cpu > 0
        cpu = [f"{figure.micros:,.1f}", f"{figure.micros / node.micros:.2f}"] if node and known else ["", ""]
        print(f"| {' | '.join([figure.name, f'{figure.rows:,}', f'{figure.rate:,.0f}', *ratios, *cpu])} |")
    print()
    for name, usually in PEERS.items():
        share = best[name].rate / usually if name in best else 0.0
        verdict = "sound" if share >= 0.8 else "LOW: this machine is slower, or busy; compare the ratios only"
        print(f"baseline {name}: {share:.0%} of {usually:,} calls/s: {verdict}")


def show_parts(bench: Bench) -> None:
    """Time to the first call, and where the processor time of an import goes."""
    rows = bench.rows
    whole, summary = bench.importer(rows)
    small, _ = bench.importer(max(1, rows // 1000))
    seconds = summary["seconds"]
    print(
        f"\ntime to the first call, {rows:,} rows: {whole.seconds - seconds['sending']:.2f} s of "
        f"{whole.seconds:.2f} s; a list of {max(1, rows // 1000)} rows as a whole: {small.seconds:.2f} s"
    )
    print(
        f"processor time a row: {whole.cpu / rows * 1e6:.1f} µs, of it starting {small.cpu / rows * 1e6:.1f}"
    )


def show_shares(bench: Bench) -> None:
    """What journal, counts and reports cost."""
    config = lists.write_config(bench.folder / "import.toml", bench.source(bench.rows), bench.url)
    taken = timed(pinned([sys.executable, "-m", "benchmarks.shares", str(config)]), env=bench.env)
    shares = json.loads(taken.output.splitlines()[-1])
    print("of it " + ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))


def show_ceilings(bench: Bench, ceilings: Sequence[int], latency: float = 0.05) -> list[Ratio]:
    """The share of a ceiling that is used, the answers `latency` seconds late."""
    print(f"\n| ceiling | calls/s used, answers {latency * 1000:.0f} ms late | share |")
    print("|---|---|---|")
    found = []
    with late(latency, lists.ANSWER, SERVER) as url:
        slow = Bench(bench.folder, url, bench.rows)
        for ceiling in ceilings:
            _, summary = slow.importer(ceiling * CEILING_SECONDS, rate=ceiling)
            used = summary["calls"]["sent"] / summary["seconds"]["sending"]
            print(f"| {ceiling:,} | {used:,.0f} | {used / ceiling:.1%} |")
            found.append(
                Ratio(f"used of a ceiling of {ceiling:,} calls/s", used / ceiling, more_is_better=True)
            )
    return found


def show_cost_of_a_ceiling(bench: Bench, ceiling: int = 150, latency: float = 0.05) -> list[Ratio]:
    """What sending at the ceiling of a vendor costs with httpx: a long run less a short one, so no start."""
    with late(latency, lists.ANSWER, SERVER) as url:
        slow = Bench(bench.folder, url, bench.rows)
        runs = [
            slow.importer(ceiling * seconds, rate=ceiling, client="httpx")
            for seconds in (CEILING_SECONDS // 3, CEILING_SECONDS)
        ]
    (short, before), (whole, after) = runs
    seconds = after["seconds"]["sending"] - before["seconds"]["sending"]
    used = (after["calls"]["sent"] - before["calls"]["sent"]) / seconds / ceiling
    cpu = (whole.cpu - short.cpu) / seconds
    print(
        f"\n{ceiling} calls/s with httpx, answers {latency * 1000:.0f} ms late, without the start: "
        f"{used:.1%} used, {cpu:.1%} of a processor, {cpu / used / ceiling * 1e6:,.0f} µs a call"
    )
    name = f"a ceiling of {ceiling:,} calls/s, httpx"
    return [Ratio(f"{name}: used", used, more_is_better=True), Ratio(f"{name}: share of a processor", cpu)]


def ratios_of(best: dict[str, Figure]) -> list[Ratio]:
    """Each client beside the usual script and undici, by rows a second and by processor."""
    found = []
    for name in (FAST, HTTPX):
        for other in ("usual script", "undici"):
            if other in best:
                found += [
                    Ratio(
                        f"{name}: rows a second beside {other}",
                        best[name].rate / best[other].rate,
                        more_is_better=True,
                    ),
                    Ratio(f"{name}: processor a row beside {other}", best[name].micros / best[other].micros),
                ]
    return found


def measure(rows: int, rounds: int) -> list[Ratio]:
    """Runs it all and prints the tables; one round alone is a quick one, of one ceiling."""
    print(f"\n## Sending: {rows:,} rows x {len(lists.COLUMNS)} columns\n", flush=True)
    if len(CPUS) < 2:
        print("one processor only: client and server share it")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(folder / "nginx", lists.ANSWER) as server:
            bench = Bench(folder, server.url, rows)
            best = race(bench, rounds)
            show_race(best)
            if rounds == 1:
                return [*ratios_of(best), *show_ceilings(bench, (1000,)), *show_cost_of_a_ceiling(bench)]
            show_parts(bench)
            show_shares(bench)
            ceilings = [*show_ceilings(bench, (100, 1000, 3000)), *show_cost_of_a_ceiling(bench)]
            return [*ratios_of(best), *ceilings]


if __name__ == "__main__":
    print(describe())
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000, 3)
