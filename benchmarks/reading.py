"""The reader with all its checks on, beside polars and the standard library on the same file.

    python -m benchmarks.reading [ROWS]

Prints, for a healthy list of 11 columns (plain, with every second field quoted, and with quoted line breaks),
the median of some rounds in which every contender takes its turn. The last column is the time against
`polars.scan_csv` as text, which checks nothing.
"""

import csv
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from benchmarks.results import Ratio
from importer.source.options import SourceOptions
from importer.source.reader import open_source

ROUNDS = 5
COLUMNS = [f"c{n}" for n in range(11)]


def rows(count: int) -> Iterator[list[str]]:
    """Made-up customers, about 100 bytes each."""
    for n in range(count):
        yield [
            f"{n:08d}",
            "Anna-Lena",
            "Müller",
            f"a{n}@example.com",
            "teacher",
            str(18 + n % 70),
            f"2024-01-{n % 28 + 1:02d}",
            "true",
            "Berlin",
            "+4917012345",
            "math|art",
        ]


def plain(row: list[str]) -> str:
    """A line without quotes."""
    return ",".join(row)


def quoted(row: list[str]) -> str:
    """Every second field quoted."""
    return ",".join(f'"{cell}"' if n % 2 else cell for n, cell in enumerate(row))


def broken(row: list[str]) -> str:
    """A quoted line break in every row."""
    return ",".join([*row[:8], '"Street 1\nBerlin"', *row[9:]])


def scan(path: Path) -> int:
    """Only polars, all columns as text."""
    return pl.scan_csv(path, infer_schema=False).collect(engine="streaming").height


def ours(path: Path) -> int:
    """Every batch of the reader: cells, original text, row and line numbers, all checks on."""
    source = open_source(str(path), SourceOptions())
    return sum(len(batch.records) for batch in source.batches() if batch.records is not None)


def standard(path: Path) -> int:
    """`csv.reader`, strict, with a count of the fields."""
    with path.open(newline="", encoding="utf-8") as file:
        found = csv.reader(file, strict=True)
        next(found)
        return sum(1 for row in found if len(row) == len(COLUMNS))


CONTENDERS: dict[str, Callable[[Path], int]] = {
    "polars.scan_csv": scan,
    "importer": ours,
    "csv.reader": standard,
}


def times_of(path: Path, count: int) -> dict[str, float]:
    """Median seconds of each contender, which take turns."""
    times: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(ROUNDS):
        for name, contender in CONTENDERS.items():
            began = time.perf_counter()
            found = contender(path)
            times[name].append(time.perf_counter() - began)
            assert found == count, f"{name} read {found} of {count} rows"
    return {name: statistics.median(taken) for name, taken in times.items()}


def measure(count: int) -> list[Ratio]:
    """Writes the lists, measures, prints the table."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        print(f"\n## Reading: {count:,} rows x {len(COLUMNS)} columns, median of {ROUNDS} rounds\n")
        print(f"{'list':<22}{'contender':<18}{'seconds':>9}{'rows/s':>13}{'x scan_csv':>12}")
        kinds = (("plain", plain), ("every second quoted", quoted), ("quoted line breaks", broken))
        for name, write in kinds:
            path = Path(folder) / "list.csv"
            with path.open("w", encoding="utf-8") as file:
                file.write(",".join(COLUMNS) + "\n")
                file.writelines(f"{write(row)}\n" for row in rows(count))
            taken = times_of(path, count)
            for contender, seconds in taken.items():
                ratio = seconds / taken["polars.scan_csv"]
                print(f"{name:<22}{contender:<18}{seconds:>9.3f}{count / seconds:>13,.0f}{ratio:>12.2f}")
                if contender == "importer":
                    found.append(Ratio(f"reading, {name}: time beside scan_csv", ratio))
    return found


if __name__ == "__main__":
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
