"""Thousands of lists with one damaged row each: `python tests/long/damaged_lists.py [LISTS] [SEED]`.

Prints, by what the list shows of quoted line breaks, how many rows were delivered wrong, and how many
undamaged rows were lost. Exits 1 where a list that shows what it does delivers anything wrong.
"""

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.oracle.damaging import Damaged, compare, damage_one
from tests.unit.source.test_damaged_rows import PIECES, decidable, read

GROUPS = {
    "none": "no quoted line break",
    "some": "some quoted line breaks",
    "rows": "lines of cells look like rows",
    "hurt": "only the damaged row has them",
}


def group(case: Damaged) -> str:
    if not case.line_breaks:
        return "none"
    return case.shape.lines if case.line_breaks_elsewhere else "hurt"


def main(lists: int, seed: str) -> int:
    files, rows, wrong, lost, undecided = (Counter[str]() for _ in range(5))
    for i in range(lists):
        case = damage_one(f"{seed} {i}")
        if case is None:
            continue
        found, kind = compare(case, read(case, PIECES[i % 8 == 0])[0]), group(case)
        files[kind] += 1
        rows[kind] += len(case.rows) - 1
        wrong[kind] += found.wrong
        (lost if decidable(case) and case.kind != "cut" else undecided)[kind] += found.lost
        if found.wrong and kind != "hurt":
            sys.stderr.write(f"wrong: {seed} {i}, {case.kind}, {case.shape}\n")
    head = ("list", "files", "undamaged rows", "wrong", "lost", "lost by an open quote")
    sys.stdout.write(f"| {' | '.join(head)} |\n{'|---' * len(head)}|\n")
    for kind, name in GROUPS.items():
        counts = (files[kind], rows[kind], wrong[kind], lost[kind], undecided[kind])
        sys.stdout.write(f"| {name} | {' | '.join(f'{n:,}' for n in counts)} |\n")
    return int(any(wrong[kind] for kind in GROUPS if kind != "hurt"))


if __name__ == "__main__":
    sys.exit(
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, sys.argv[2] if len(sys.argv) > 2 else "0")
    )
