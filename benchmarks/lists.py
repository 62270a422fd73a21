"""Made-up lists of customers, and what belongs to them: a configuration, prepared bodies."""

import json
import shutil
import sys
from pathlib import Path

import polars as pl

from benchmarks.machine import Measured, pinned, timed

COLUMNS = (
    "customer_id",
    "first_name",
    "last_name",
    "email",
    "persona",
    "age",
    "signup_date",
    "newsletter",
    "city",
    "topics",
)
ANSWER = json.dumps({"personId": "p", "applied": len(COLUMNS) - 1, "rejected": []})
"""What a healthy row of the list is answered with."""

KEY = "sk_test_benchmark"
PIECE = 500_000

CONFIG = """
name = "benchmark"

[source]
path = "{path}"

[identity]
column = "customer_id"

[destination]
type = "vevee"
base_url = "{url}"
api_key = "env:BENCHMARK_KEY"
requests_per_second = {rate}
max_in_flight = {in_flight}
http_client = "{client}"

[attributes.first_name]
type = "free_text"
[attributes.last_name]
type = "free_text"
[attributes.email]
type = "free_text"
max_length = 254
[attributes.persona]
type = "single_choice"
options = ["teacher", "student", "parent"]
[attributes.age]
type = "number"
min = 0
max = 120
[attributes.signup_date]
type = "date"
[attributes.newsletter]
type = "boolean"
[attributes.city]
type = "free_text"
[attributes.topics]
type = "multi_choice"
options = ["math", "art", "music"]
"""


def customers(rows: int, first: int = 0) -> pl.DataFrame:
    """`rows` people, one row each, no cell blank, about 100 bytes a row; every column as text."""
    n = pl.int_range(first, first + rows, eager=True).alias("n").to_frame()
    text = pl.col("n").cast(pl.String)

    def one_of(*texts: str) -> pl.Expr:
        return pl.lit(pl.Series(texts)).gather(pl.col("n") % len(texts))

    return n.select(
        customer_id=text.str.zfill(8),
        first_name=one_of("Anna-Lena", "Zoë", "Ben", "Ida", "José"),
        last_name=one_of("Müller", "Quist", "O'Hara", "Nowak"),
        email=pl.concat_str(pl.lit("a"), text, pl.lit("@example.com")),
        persona=one_of("teacher", "student", "parent"),
        age=(18 + pl.col("n") % 70).cast(pl.String),
        signup_date=pl.concat_str(pl.lit("2024-01-"), (pl.col("n") % 28 + 1).cast(pl.String).str.zfill(2)),
        newsletter=one_of("true", "false"),
        city=one_of("Berlin", "Köln", "São Paulo"),
        topics=one_of("math|art", "music", "art"),
    )


def write(path: Path, rows: int) -> Path:
    """The list as CSV, made piece by piece."""
    with path.open("wb") as file:
        for first in range(0, rows, PIECE):
            customers(min(PIECE, rows - first), first).write_csv(file, include_header=not first)
    return path


def write_config(
    path: Path, source: Path, url: str, *, rate: float = 0, in_flight: int = 64, client: str = "fast"
) -> Path:
    """A configuration that imports `source` to `url` with one of the two HTTP clients."""
    text = CONFIG.format(path=source, url=url, rate=rate, in_flight=in_flight, client=client)
    path.write_text(text, "utf-8")
    return path


def imported(config: Path, *, is_pinned: bool = True, watch: bool = False) -> Measured:
    """One whole `importer run`, from the start of the process to its end; its output is `summary.json`.

    Its state is removed. `is_pinned`: on the client's processor alone. Where it fails, the benchmark ends.
    """
    state = config.parent / "state"
    command = [sys.executable, "-m", "importer", "run", str(config), "--json", "--state-dir", str(state)]
    taken = timed(pinned(command) if is_pinned else command, env={"BENCHMARK_KEY": KEY}, watch=watch)
    if taken.code:
        sys.exit(f"benchmarks: importer run ended with {taken.code}: {taken.output[-500:]}")
    shutil.rmtree(state)
    return taken


def write_bodies(path: Path, people: pl.DataFrame) -> Path:
    """One request body a line, for contenders that only send."""
    with path.open("w", encoding="utf-8") as file:
        for person in people.iter_rows(named=True):
            attributes = {
                **{key: person[key] for key in COLUMNS[1:]},
                "age": int(person["age"]),
                "newsletter": person["newsletter"] == "true",
                "topics": person["topics"].split("|"),
            }
            body = {"distinctId": person["customer_id"], "attributes": attributes}
            file.write(json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n")
    return path
