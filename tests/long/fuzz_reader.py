"""Any bytes into the reading path, guided by coverage: `python tests/long/fuzz_reader.py [SECONDS] [SEED]`.

A case that takes the reader where no case has been (a step from one line of code to another, or one taken
ten times as often) is kept and changed further. Each goes through the reader, kept ones and every fiftieth
through `importer check`. What must hold stands in `test_fuzzed_lists.py` beside the unit tests of the reader.

The loop is our own, because it runs wherever the product does: the usual fuzzer for Python has wheels for one
platform, and polars' own code, where the rest of the time goes, is not visible to it either.
"""

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import importer
from tests.support.oracle.damaging import damage_one
from tests.unit.source.test_fuzzed_lists import DECLARED, FOUND, check, read

Case = tuple[int, int, bytes]

PARTS = [
    b",",
    b'"',
    b'""',
    b"\n",
    b"\r\n",
    b"\r",
    b"\\",
    b";",
    b"||",
    b"a",
    b"1,2,3",
    b"\xc3\xa9",
    b"\xff",
    b"\0",
]
PARTS += [b"\xef\xbb\xbf", b" ", b"\x1f", b"\xd8", b"a,b,c\n", b'x,"y\nz",w\n', b"\xff\xfe", b"\xe2\x80\xa8"]
BLOCKS = (1, 5, 30, 1 << 20)
LONGEST = 400
TRACED = frozenset(str(path) for path in (Path(importer.__file__).parent / "source").glob("*.py"))


class Coverage:
    """Steps between lines of the reading path; `new` says whether the last case made one not seen before."""

    def __init__(self) -> None:
        self.seen: set[tuple[Any, ...]] = set()
        self._now: dict[tuple[Any, ...], int] = {}

    def __enter__(self) -> None:
        self._now = {}
        sys.settrace(self._enter)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def new(self) -> bool:
        """Remembers the last case."""
        found = {(*step, len(str(times))) for step, times in self._now.items()}
        fresh = not found <= self.seen
        self.seen |= found
        return fresh

    def _enter(self, frame: FrameType, event: str, arg: object) -> Any:
        if frame.f_code.co_filename not in TRACED:
            return None
        before = 0

        def step(frame: FrameType, event: str, arg: object) -> Any:
            nonlocal before
            if event == "line":
                key = (frame.f_code, before, frame.f_lineno)
                self._now[key] = self._now.get(key, 0) + 1
                before = frame.f_lineno
            return step

        return step


def seeds() -> Iterator[Case]:
    """Cases to begin with: findings, and lists with one damaged row."""
    yield from FOUND
    for i in range(40):
        if case := damage_one(f"fuzz {i}"):
            how = {1: 2, 2: 3, 3: 1}.get(case.shape.columns, 0)
            yield how, BLOCKS[i % 4], (b"" if how else b"a,b,c\n") + case.data[:LONGEST]


def changed(case: Case, other: Case, chance: random.Random) -> Case:
    """The case with a few changes."""
    how, block, data = case
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((0, 1, 1, 3, 20)))
        match chance.randrange(5):
            case 0 | 1:
                data = data[:at] + chance.choice(PARTS) + data[at:]
            case 2:
                data = data[:at] + data[end:]
            case 3:
                data = data[:end] + data[at:]
            case _:
                data = (
                    data[:at]
                    + other[2][chance.randrange(len(other[2]) + 1) :][: chance.choice((5, 50))]
                    + data[end:]
                )
    if chance.random() < 0.1:
        how = chance.randrange(len(DECLARED))
    if chance.random() < 0.2:
        block = chance.choice(BLOCKS)
    return how, block, data[:LONGEST]


def main(seconds: float, seed: int) -> None:
    chance, coverage, kept = random.Random(seed), Coverage(), list[Case]()
    first = seeds()
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as name:
        for i in count():
            case = next(first, None) or changed(chance.choice(kept), chance.choice(kept), chance)
            how, block, data = case
            try:
                with coverage:
                    read(data, how, max(block, len(data) // 4), Path(name))
                if coverage.new():
                    kept.append(case)
                    check(data, how, _folder(name, i))
                elif i % 50 == 0:
                    check(data, how, _folder(name, i))
            except BaseException:
                sys.stderr.write(
                    f"a finding, for FOUND in tests/unit/source/test_fuzzed_lists.py: {case!r}\n"
                )
                raise
            if time.monotonic() > end:
                sys.stderr.write(
                    f"{i + 1:,} cases, {len(kept)} kept, {len(coverage.seen):,} steps; no finding\n"
                )
                return


def _folder(name: str, case: int) -> Path:
    folder = Path(name) / str(case)
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
