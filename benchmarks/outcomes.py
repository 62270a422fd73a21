"""What `outcomes/` costs a run, in processor time and memory, with a million values and with ten million.

    python -m benchmarks.outcomes [VALUES] [ROUNDS]     default 10,000,000 and 2; about 20 minutes

The same list is imported into nginx, one call a row, without the table and with it, in turns. Of each, the
best round counts. Memory is the peak of the process, as `summary.json` has it.
"""

import json
import sys
import tempfile
from pathlib import Path

from benchmarks import lists
from benchmarks.machine import describe, serving

VALUES = len(lists.COLUMNS) - 1
"""Values of one row: its first column is the id."""

SWITCH = {"without": "", "with": "\n[run]\noutcomes = true\n"}


def importer(folder: Path, url: str, rows: int, switch: str) -> tuple[float, int]:
    """Processor seconds of a whole `importer run` of the list of so many rows, and bytes at its peak."""
    config = lists.write_config(folder / "import.toml", folder / f"{rows}.csv", url)
    config.write_text(config.read_text("utf-8") + switch, "utf-8")
    taken = lists.imported(config, is_pinned=False)
    return taken.cpu, json.loads(taken.output)["peak_rss_bytes"]


def measured(folder: Path, url: str, rows: int, rounds: int) -> str:
    """A row of the table."""
    lists.write(folder / f"{rows}.csv", rows)
    taken: dict[str, list[tuple[float, int]]] = {name: [] for name in SWITCH}
    for _ in range(rounds):
        for name, switch in SWITCH.items():
            taken[name].append(importer(folder, url, rows, switch))
    (folder / f"{rows}.csv").unlink()
    without, with_them = (min(cpu for cpu, _ in taken[name]) for name in SWITCH)
    peaks = (f"{max(peak for _, peak in taken[name]) >> 20}" for name in SWITCH)
    more = f"{with_them / without - 1:+.1%}"
    return f"| {rows * VALUES:,} | {without:.1f} | {with_them:.1f} | {more} | {' | '.join(peaks)} |"


def main() -> None:
    """Imports both lists and prints a row of the table for each."""
    values = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    print(f"{describe()}\n")
    print("| values | processor seconds without | with | more | MiB without | with |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(folder / "nginx", lists.ANSWER) as server:
            for some in (values // 10, values):
                print(measured(folder, server.url, -(-some // VALUES), rounds), flush=True)


if __name__ == "__main__":
    main()
