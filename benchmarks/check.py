"""`importer check` (typing, checks and counts) beside readers that type and check nothing, on the same lists.

    python -m benchmarks.check [ROWS]            default 5,000,000; the table of ratios
    python -m benchmarks.check [ROWS] --memory   the peak of all processes at a tenth, half, all
    python -m benchmarks.check [ROWS] --growth   microseconds a row from a thousandth of the rows on

The list has 11 columns: text, choices, numbers, a date, a moment, a boolean; the Parquet one is typed. Each
contender is a process of its own and takes its turn in every round. The table shows the best of its rounds,
in wall-clock and in processor seconds (which a busy machine moves less). Of the readers only the reading is
timed, of the importer the whole command, its start included.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import polars as pl

from benchmarks.machine import Measured, describe, timed
from benchmarks.results import Ratio

PIECE = 500_000

CONFIG = """
name = "benchmark"
[source]
path = "list.csv"
[identity]
column = "customer_id"
[destination]
type = "vevee"
api_key = "env:NOT_NEEDED"
[attributes.first_name]
type = "free_text"
[attributes.email]
type = "free_text"
max_length = 100
[attributes.persona]
type = "single_choice"
options = ["teacher", "student", "parent"]
[attributes.age]
type = "number"
min = 0
max = 120
[attributes.balance]
type = "number"
[attributes.signup_date]
type = "date"
[attributes.last_seen]
type = "datetime"
[attributes.newsletter]
type = "boolean"
[attributes.city]
type = "free_text"
[attributes.interests]
type = "multi_choice"
options = ["math", "art", "music"]
"""

READERS = {
    "csv": {
        "polars.scan_csv": "rows = pl.scan_csv(path, infer_schema=False).collect(engine='streaming').height",
        "csv.DictReader": "rows = sum(1 for _ in csv.DictReader(open(path, newline='', encoding='utf-8')))",
    },
    "parquet": {"polars.scan_parquet": "rows = pl.scan_parquet(path).collect(engine='streaming').height"},
}
TIMED = """
import csv, os, sys, time
import polars as pl
path, before, began = sys.argv[1], os.times(), time.perf_counter()
{work}
seconds, after = time.perf_counter() - began, os.times()
print(rows, seconds, after.user + after.system - before.user - before.system)
"""


def customers(first: int, count: int) -> pl.DataFrame:
    """People `first` to `first + count`, about 105 bytes each as CSV; every seventh has no first name."""
    n = pl.int_range(first, first + count, eager=True).alias("n").to_frame()
    number = pl.col("n")

    def one_of(*texts: str | None) -> pl.Expr:
        return pl.lit(pl.Series(texts, dtype=pl.String)).gather(number % len(texts))

    return n.select(
        customer_id=(number + 100_000_000).cast(pl.String),
        first_name=one_of("Anna-Lena", "Müller", "Zoë", "Ben", "Oluwaseun", None, "José"),
        email=pl.format("a{}@example.com", number),
        persona=one_of("teacher", "student", "parent"),
        age=18 + number % 70,
        balance=number * 37 % 10_000 / 100,
        signup_date=pl.date(2020, 1, 1) + pl.duration(days=number % 1500),
        last_seen=pl.datetime(2024, 1, 1) + pl.duration(seconds=number * 61 % 30_000_000),
        newsletter=number % 2 == 0,
        city=one_of("Berlin", "Köln", "Paris", "London", "New York"),
        interests=one_of("math|art", "art", "music|math", None),
    )


def write(folder: Path, rows: int, kind: str) -> Path:
    """The list as one file, made piece by piece."""
    path = folder / f"list.{kind}"
    pieces = [(first, min(PIECE, rows - first)) for first in range(0, rows, PIECE)]
    if kind == "csv":
        with path.open("wb") as file:
            for first, count in pieces:
                moments = pl.col("last_seen").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
                customers(first, count).with_columns(moments).write_csv(file, include_header=not first)
        return path
    parts = folder / "parts"
    parts.mkdir()
    for number, (first, count) in enumerate(pieces):
        customers(first, count).write_parquet(parts / f"{number:04d}.parquet")
    pl.scan_parquet(parts / "*.parquet").sink_parquet(path)
    for part in parts.iterdir():
        part.unlink()
    parts.rmdir()
    return path


def read(work: str, path: Path, rows: int) -> Measured:
    """One of READERS, in a process of its own; only the reading is timed."""
    taken = timed([sys.executable, "-c", TIMED.format(work=work), str(path)])
    found, seconds, cpu = taken.output.split()
    assert int(found) == rows, f"{work} read {found} of {rows} rows"
    return replace(taken, seconds=float(seconds), cpu=float(cpu))


def check(path: Path, rows: int, *, watch: bool = False) -> Measured:
    """`importer check`, from its start to its end."""
    config = path.parent / "import.toml"
    config.write_text(CONFIG, "utf-8")
    command = [sys.executable, "-m", "importer", "check", str(config), str(path), "--json"]
    taken = timed(command, watch=watch)
    summary = json.loads(taken.output)
    assert summary["rows"]["not_attempted"] == rows, summary["rows"]
    return taken


def best(rounds: list[Measured]) -> Measured:
    """The least of each, which the rest of the machine disturbed least."""
    return replace(rounds[0], seconds=min(t.seconds for t in rounds), cpu=min(t.cpu for t in rounds))


def measure(rows: int, rounds: int) -> list[Ratio]:
    """Every contender on the same file, one after another, round by round."""
    print(f"\n## Check: {rows:,} rows x 11 columns\n")
    with tempfile.TemporaryDirectory() as name:
        return ratios(Path(name), rows, rounds)


def ratios(folder: Path, rows: int, rounds: int) -> list[Ratio]:
    """The table, and the importer beside the scans."""
    ours = []
    print(
        f"{'list':<9}{'contender':<21}{'seconds':>9}{'cpu':>8}{'rows/s':>13}{'x scan':>8}{'x scan, cpu':>13}"
    )
    for kind, readers in READERS.items():
        path = write(folder, rows, kind)
        found: dict[str, list[Measured]] = {}
        for _ in range(rounds):
            for name, work in readers.items():
                found.setdefault(name, []).append(read(work, path, rows))
            found.setdefault("importer check", []).append(check(path, rows))
        path.unlink()
        first = best(next(iter(found.values())))
        for name, taken in ((name, best(taken)) for name, taken in found.items()):
            print(
                f"{kind:<9}{name:<21}{taken.seconds:>9.2f}{taken.cpu:>8.2f}{rows / taken.seconds:>13,.0f}"
                f"{taken.seconds / first.seconds:>8.2f}{taken.cpu / first.cpu:>13.2f}"
            )
        checked = best(found["importer check"])
        ours += [
            Ratio(f"check of {kind}: time beside scan", checked.seconds / first.seconds),
            Ratio(f"check of {kind}: processor beside scan", checked.cpu / first.cpu),
        ]
    return ours


def memory(folder: Path, rows: int) -> None:
    """The peak as the list grows tenfold."""
    print(f"{'list':<9}{'rows':>12}{'peak MiB':>10}{'x the first':>13}")
    for kind in READERS:
        first = 0
        for count in (rows // 10, rows // 2, rows):
            peak = check(write(folder, count, kind), count, watch=True).peak
            first = first or peak
            print(f"{kind:<9}{count:>12,}{peak / 2**20:>10.0f}{peak / first:>13.2f}")


def growth(folder: Path, rows: int) -> None:
    """Cost a row as the list grows a thousandfold; what an empty list costs is taken off."""
    print(f"{'list':<9}{'rows':>12}{'seconds':>9}{'cpu':>8}{'us a row':>10}{'us a row, cpu':>15}")
    for kind in READERS:
        start = best([check(write(folder, 1, kind), 1) for _ in range(3)])
        for count in (rows // 1000, rows // 100, rows // 10, rows):
            path = write(folder, count, kind)
            taken = best([check(path, count) for _ in range(3 if count <= PIECE * 2 else 1)])
            wall, cpu = ((t * 1e6) / count for t in (taken.seconds - start.seconds, taken.cpu - start.cpu))
            print(f"{kind:<9}{count:>12,}{taken.seconds:>9.2f}{taken.cpu:>8.2f}{wall:>10.2f}{cpu:>15.2f}")


def main() -> None:
    """Writes the lists, measures, prints one table."""
    arguments = argparse.ArgumentParser("python -m benchmarks.check")
    arguments.add_argument("rows", nargs="?", type=int)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--memory", action="store_true")
    arguments.add_argument("--growth", action="store_true")
    given = arguments.parse_args()
    rows = given.rows or (10_000_000 if given.memory or given.growth else 5_000_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{rows:,} rows x 11 columns; {describe()}\n")
        if given.memory:
            memory(folder, rows)
        elif given.growth:
            growth(folder, rows)
        else:
            measure(rows, given.rounds)


if __name__ == "__main__":
    main()
