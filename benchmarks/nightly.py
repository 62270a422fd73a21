"""A night with few changes: everything but the calls, beside polars reading the same file as text.

    python -m benchmarks.nightly [--people N] [--changed M] [--nights K]

Makes a list of N people and 11 columns, has a snapshot know it (as a first run leaves it),
changes one attribute of M of them, and runs `changed_only` in a process of its own against a sandbox. The
calls alone are measured by a run of a list of just these M people, and left out of the night. Polars and the
night take turns for K rounds; the median counts.
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.results import Ratio
from importer.chunk.chunker import Chunker
from importer.chunk.fields import fields
from importer.config import loader as configuration
from importer.pipeline.sources import open_sources
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.storage import state_folder
from importer.storage.partitions import PARTITIONS
from importer.storage.snapshot import Snapshot
from importer.storage.snapshot_frames import column, hashed
from importer.values.row_hash import RowHasher

KEY = "sk_test_benchmark"
PART = 500_000
WIDTH = 64


def config_of(source: Path, url: str) -> dict[str, Any]:
    """The configuration of the list."""
    text = {"type": "free_text"}
    return {
        "name": "nightly",
        "source": {"path": str(source)},
        "identity": {"column": "customer_id"},
        "destination": {
            "type": "vevee",
            "api_key": "env:NIGHTLY_KEY",
            "base_url": url,
            "account": "benchmark",
            "requests_per_second": 0,
            "max_in_flight": 32,
        },
        "run": {"changed_only": True},
        "attributes": {
            "first_name": text,
            "last_name": text,
            "email": text,
            "persona": {"type": "single_choice", "options": ["teacher", "student", "parent"]},
            "age": {"type": "number", "min": 0, "max": 120},
            "signup_date": {"type": "date"},
            "newsletter": {"type": "boolean"},
            "city": text,
            "phone": text,
            "topics": {"type": "multi_choice", "options": ["math", "art", "music"]},
        },
    }


def rows(first: int, count: int) -> pl.DataFrame:
    """Made-up customers, about 100 bytes each."""
    n = pl.int_range(first, first + count, eager=True).alias("n")
    digits = pl.col("n").cast(pl.String).str.zfill(9)
    return n.to_frame().select(
        customer_id=pl.lit("c") + digits,
        first_name=pl.format("Anna{}", pl.col("n") % 977),
        last_name=pl.format("Müller-{}", pl.col("n") % 31_337),
        email=pl.format("a{}@example.com", "n"),
        persona=pl.col("n").mod(3).replace_strict({0: "teacher", 1: "student", 2: "parent"}),
        age=(pl.col("n") % 70 + 18).cast(pl.String),
        signup_date=pl.format("2024-01-{}", (pl.col("n") % 28 + 1).cast(pl.String).str.zfill(2)),
        newsletter=pl.col("n").mod(2).replace_strict({0: "true", 1: "false"}),
        city=pl.format("Town {}", pl.col("n") % 4_999),
        phone=pl.lit("+49") + digits,
        topics=pl.col("n").mod(2).replace_strict({0: "math|art", 1: "music"}),
    )


def write_list(path: Path, people: int, changed: int) -> None:
    """The list; of `changed` people, spread over all of it, the city is another one."""
    every = max(1, people // max(1, changed))
    with path.open("wb") as file:
        for first in range(0, people, PART):
            part = rows(first, min(PART, people - first))
            number = pl.int_range(first, first + part.height, eager=True)
            moved = (number % every == 0) & (number // every < changed)
            part = part.with_columns(city=part["city"].set(moved, "Elsewhere"))
            part.write_csv(file, include_header=first == 0)


def make_known(source: Path, state: Path, url: str, people: int) -> None:
    """The snapshot as a first run of the list leaves it, its calls left out."""
    config = configuration.parse(config_of(source, url))
    destination = config.build_destination()
    state_folder.prepare(state)
    snapshot = Snapshot(state, config, lambda _: ())
    snapshot.begin("first")
    layout = open_sources(config, [])[0].layout
    prints = RowHasher(config, destination.encoding)
    for chunk, first in enumerate(range(0, people, PART)):
        cells = rows(first, min(PART, people - first))
        raw = cells.select(pl.concat_str(pl.all(), separator=",").alias("raw"))
        derived = Chunker(config, destination.encoding, lambda _, frame: frame)._derive(0, cells)  # noqa: SLF001
        values = [derived[f.value].alias(column(f.key)) for f in fields(config)]
        counts = derived["values"].cast(pl.UInt32)
        frame = pl.DataFrame(
            [cells["customer_id"].alias("id"), prints.of(layout, raw, cells), counts, *values]
        )
        partition = frame.select(hashed()).to_series() % PARTITIONS
        for part, low in enumerate(range(0, PARTITIONS, WIDTH)):  # as the chunks of a run are: by partition
            within = partition.is_between(low, low + WIDTH - 1)
            number = chunk * (PARTITIONS // WIDTH) + part
            snapshot.record(number, low, low + WIDTH, frame.filter(within))
            snapshot.settle(number, pl.DataFrame(schema={"id": pl.String, "key": pl.String}))
    snapshot.finish(full_at=time.time())


def scan(path: Path, people: int) -> tuple[float, float]:
    """Seconds that polars takes to read the file as text, and processor seconds, in a process of its own."""
    code = (
        "import sys, time, polars as pl\n"
        "began, cpu = time.perf_counter(), time.process_time()\n"
        "assert pl.scan_csv(sys.argv[1], infer_schema=False).collect(engine='streaming').height "
        "== int(sys.argv[2])\n"
        "print(time.perf_counter() - began, time.process_time() - cpu)"
    )
    command = [sys.executable, "-c", code, str(path), str(people)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()  # noqa: S603
    return float(told[0]), float(told[1])


def night(config: Path, state: Path) -> tuple[dict[str, Any], float]:
    """One run in a process of its own: its summary, and its processor seconds."""
    command = [sys.executable, "-m", "importer", "run", str(config), "--state-dir", str(state), "--json"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found: dict[str, Any] = json.loads(done.stdout)
    return found, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def calls_alone(folder: Path, url: str, changed: int) -> tuple[float, float]:
    """Seconds of sending one attribute of so many people, without a snapshot to look at; and of processor."""
    source, config = folder / "few.csv", folder / "few.toml"
    rows(0, changed).select("customer_id", "city").write_csv(source)
    data = config_of(source, url)
    data |= {"name": "few", "run": {}, "attributes": {"city": data["attributes"]["city"]}}
    data["destination"]["account"] = "few"
    config.write_text(toml(data), "utf-8")
    summary, processor = night(config, folder / "few")
    return float(summary["seconds"]["sending"]), processor


def apart(function: Callable[..., None], *args: object) -> None:
    """Runs a function in a process of its own: what it takes must not count for those that come after it."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=args)
    process.start()
    process.join()
    assert process.exitcode == 0


def measure(people: int, changed: int, nights: int) -> list[Ratio]:
    """Plays the nights and prints a line for each, and the medians."""
    print(f"\n## A night: {people:,} people, {changed:,} of them changed\n", flush=True)
    os.environ["NIGHTLY_KEY"] = KEY
    with tempfile.TemporaryDirectory() as folder:
        return play(people, changed, nights, Path(folder))


def play(people: int, changed: int, nights: int, folder: Path) -> list[Ratio]:
    """The nights, and the medians beside polars."""
    source, state, config = folder / "list.csv", folder / "state", folder / "import.toml"
    apart(write_list, source, people, 0)
    known = configuration.parse(config_of(source, "http://127.0.0.1:1"))
    with sandbox.running(known, SandboxOptions(), KEY) as server:
        apart(make_known, source, state, server.url, people)
        config.write_text(toml(config_of(source, server.url)), "utf-8")
        calls, calls_processor = calls_alone(folder, server.url, changed)
        found, peaks = list[tuple[float, float, float, float]](), list[int]()
        for number in range(nights):
            apart(write_list, source, people, 0 if number % 2 else changed)
            polars = scan(source, people)
            before = server.stats.requests
            summary, processor = night(config, state)
            assert server.stats.requests - before == summary["calls"]["sent"] == changed, summary["calls"]
            assert summary["values"]["applied"] == changed, summary["values"]
            seconds = summary["seconds"]["total"] - calls
            found.append((polars[0], seconds, polars[1], processor - calls_processor))
            peaks.append(summary["peak_rss_bytes"] >> 20)
            print(f"  {changed:,} calls; {_line(*found[-1])}, {peaks[-1]} MiB", flush=True)
    size = sum(path.stat().st_size for path in (state / "snapshots").rglob("*")) >> 20
    medians = [statistics.median(figures) for figures in zip(*found, strict=True)]
    print(
        f"{people:,} people, {source.stat().st_size >> 20} MiB: {_line(*medians)}, {max(peaks)} MiB at most, "
        f"snapshot {size} MiB"
    )
    polars_seconds, seconds, polars_processor, processor = medians
    return [
        Ratio("a night without its calls: time beside scan_csv", seconds / polars_seconds),
        Ratio("a night without its calls: processor beside scan_csv", processor / polars_processor),
    ]


def _line(polars: float, own: float, polars_processor: float, own_processor: float) -> str:
    ratio, processor = own / polars, own_processor / polars_processor
    return (
        f"polars {polars:.2f} s, night {own:.2f} s, {ratio:.1f} x; "
        f"of processor {polars_processor:.2f} and {own_processor:.2f} s, {processor:.1f} x"
    )


def toml(data: dict[str, Any]) -> str:
    """A configuration as TOML."""
    lines = [f"name = {json.dumps(data['name'])}"]
    for title in ("source", "identity", "destination", "run"):
        lines += [f"[{title}]", *(f"{key} = {json.dumps(value)}" for key, value in data[title].items())]
    for name, attribute in data["attributes"].items():
        lines += [f"[attributes.{name}]", *(f"{k} = {json.dumps(v)}" for k, v in attribute.items())]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Reads the arguments, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--changed", type=int, default=20_000)
    parser.add_argument("--nights", type=int, default=3)
    args = parser.parse_args()
    measure(args.people, args.changed, args.nights)


if __name__ == "__main__":
    main()
