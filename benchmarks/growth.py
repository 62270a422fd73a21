"""What a whole import costs a row, and how much memory it takes, as the list grows a thousandfold.

    python -m benchmarks.growth [ROWS]     default 10,000,000, the longest list; about 20 minutes

Lists of a thousandth, a hundredth, a tenth, half of ROWS and all of them are imported into nginx, one call
a row, with all the work: reading, checks, spool, journal, counts, reports. What the smallest list costs is
the start, which is taken off. Memory is that of all processes of the importer together.
"""

import sys
import tempfile
from pathlib import Path

from benchmarks import lists
from benchmarks.machine import Measured, describe, serving

START_ROWS = 100


def importer(folder: Path, url: str, rows: int) -> Measured:
    """One whole `importer run` of so many rows, from the start of the process to its end."""
    source = folder / "list.csv"
    lists.write(source, rows)
    return lists.imported(lists.write_config(folder / "import.toml", source, url), watch=True)


def main() -> None:
    """Imports one list after another and prints a row of the table for each."""
    longest = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    print(f"{describe()}\n")
    print("| rows | seconds | processor seconds | µs a row | µs a row, processor | MiB |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(folder / "nginx", lists.ANSWER) as server:
            starts = [importer(folder, server.url, START_ROWS) for _ in range(3)]
            start = min(starts, key=lambda taken: taken.cpu)
            for rows in (longest // 1000, longest // 100, longest // 10, longest // 2, longest):
                taken = importer(folder, server.url, rows)
                wall = (taken.seconds - start.seconds) / rows * 1e6
                cpu = (taken.cpu - start.cpu) / rows * 1e6
                print(
                    f"| {rows:,} | {taken.seconds:.1f} | {taken.cpu:.1f} | {wall:.1f} | {cpu:.1f} "
                    f"| {taken.peak >> 20} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
