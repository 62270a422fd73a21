"""All benchmarks, one after another, beside the last committed ratios.

    python -m benchmarks            about three quarters of an hour on a machine that does nothing else
    python -m benchmarks --quick    shorter lists, under three minutes: the same ratios, less exact
    … --keep                        writes the ratios to benchmarks/results.json

Ends with 1 where a ratio is worse than the committed one by more than 15 %.
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass

from benchmarks import check, nightly, reading, results, sending
from benchmarks.machine import describe


@dataclass(frozen=True)
class Sizes:
    """How many rows each part takes, and how many rounds."""

    sent: int
    read: int
    checked: int
    people: int
    changed: int
    rounds: int


SIZES = {
    "quick": Sizes(100_000, 500_000, 2_000_000, 1_000_000, 5_000, 1),
    "full": Sizes(200_000, 1_000_000, 5_000_000, 5_000_000, 20_000, 3),
}
LONGER = (("check", "--memory"), ("check", "--growth"), ("growth",))


def measure(sizes: Sizes) -> list[results.Ratio]:
    """Every ratio, each part with its own table."""
    return [
        *sending.measure(sizes.sent, sizes.rounds),
        *reading.measure(sizes.read),
        *check.measure(sizes.checked, sizes.rounds),
        *nightly.measure(sizes.people, sizes.changed, sizes.rounds),
    ]


def main() -> int:
    """Measures, compares, prints; the exit code."""
    arguments = argparse.ArgumentParser("python -m benchmarks")
    arguments.add_argument("--quick", action="store_true", help="takes shorter lists")
    arguments.add_argument("--keep", action="store_true", help="writes benchmarks/results.json")
    given = arguments.parse_args()
    kind = "quick" if given.quick else "full"
    print(describe(), flush=True)
    ratios, before = measure(SIZES[kind]), results.committed(kind)
    print("\n" + "\n".join(results.compared(ratios, before)))
    if given.keep:
        results.keep(kind, ratios)
    for part in () if given.quick else LONGER:
        print(f"\n## {' '.join(part)}\n", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{part[0]}", *part[1:]], check=True)  # noqa: S603
    return any(r.name in before and results.is_worse(r, before[r.name]) for r in ratios)


if __name__ == "__main__":
    sys.exit(main())
