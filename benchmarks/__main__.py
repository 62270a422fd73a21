"""All benchmarks, one after another: `python -m benchmarks [ROWS]`; ROWS is how many are sent (200,000).

Takes about three quarters of an hour on a machine that does nothing else, and means little on another.
"""

import subprocess
import sys

from benchmarks.machine import describe

PARTS: tuple[tuple[str, list[str]], ...] = (
    ("sending", sys.argv[1:2]),
    ("reading", []),
    ("check", []),
    ("check", ["--memory"]),
    ("check", ["--growth"]),
    ("growth", []),
)

print(describe())
for part, arguments in PARTS:
    print(f"\n## {' '.join([part, *arguments])}\n", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{part}", *arguments], check=True)  # noqa: S603
