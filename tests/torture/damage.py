"""Damage: a run is killed or over, one file of the state folder is damaged, then the user goes on."""

import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.trouble import RunResult, World
from tests.torture.attempts import Attempt, attempt, go_on
from tests.torture.figures import Figures
from tests.torture.holding import assert_as_undisturbed, assert_in_words, assert_nothing_doubled, undisturbed
from tests.torture.imports import Import, comparable, generate, prepared

Damage = Callable[[random.Random, bytes], bytes | None]


def _flipped(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data or b"\0")
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _zeroed(chance: random.Random, data: bytes) -> bytes:
    """A block that a disk gave back empty."""
    start = chance.randrange(len(data) + 1)
    length = min(chance.choice((1, 16, 512, 4096)), len(data) - start)
    return data[:start] + bytes(length) + data[start + length :]


DAMAGES: Mapping[str, Damage] = {
    "a bit flipped": _flipped,
    "cut short": lambda chance, data: data[: chance.randrange(len(data) + 1)],
    "emptied": lambda _, __: b"",
    "a block zeroed": _zeroed,
    "bytes added": lambda chance, data: data + chance.randbytes(chance.randint(1, 100)),
    "bytes of chance": lambda chance, data: chance.randbytes(max(1, len(data))),
    "removed": lambda _, __: None,
}
"""What becomes of the bytes of a file; None: the file is removed."""


READING = (("runs",), ("report", "r"), ("explain", "p1"), ("verify", "r"))
CHANGING = (
    ("retry", "r", "--run-id", "more"),
    ("undo", "r"),
    ("erase", "p1"),
    ("runs", "--prune", "1s"),
    ("check", "import.toml"),
)
"""Commands that a user may give at any time; whatever the state folder is like, each ends in words."""


def damage(chance: random.Random, folder: Path, figures: Figures) -> None:
    """One damaged file."""
    what = generate(chance)
    figures.note(str(what))
    base, operations = undisturbed(what, folder / "base")
    with prepared(what, folder / "hit") as here:
        at = chance.choice((0, *(chance.randint(1, operations) for _ in range(4))))
        done = go_on(here, kill_at=at)
        figures.note(f"operation {at} of {operations}: exit {done.code}")
        if not _files(here):
            figures.note("killed before the first file")
            return
        path = _hit(chance, here, figures)
        _command(chance.choice(READING), here, figures)
        done = go_on(here)
        figures.note(f"exit {done.code}: {done.err.strip()[-160:]}")
        assert_nothing_doubled(here, base, what)
        if is_over(here, done, path):
            assert_as_undisturbed(here, base, what)
        elif what.sums:
            _follow_advice(here, base, what, figures)
        else:
            _start_again(here, base, what)
        _command(chance.choice(CHANGING), here, figures)


def _command(words: Sequence[str], here: World, figures: Figures) -> None:
    done = attempt(here, *words)
    figures.note(f"{' '.join(words)}: exit {done.code}")
    assert_in_words(done, range(9))


def _hit(chance: random.Random, here: World, figures: Figures) -> Path:
    """Damages one file; its path."""
    path, name = chance.choice(_files(here)), chance.choice(list(DAMAGES))
    changed = DAMAGES[name](chance, path.read_bytes())
    if changed is None:
        path.unlink()
    else:
        path.write_bytes(changed)
    figures.count("damaged files")
    figures.note(f"{path.relative_to(here.state)}: {name}")
    return path


def _files(here: World) -> list[Path]:
    return sorted(path for path in here.state.rglob("*") if path.is_file() and not path.is_symlink())


def is_over(here: World, done: Attempt, path: Path) -> bool:
    """Whether the run came to its end. Else it said with 7 that a file is damaged, or with 2 that it is gone.

    A run that had ended before has nothing to read again: what was damaged of its reports stays so.
    """
    if done.code in (0, 1):
        assert_in_words(done, (0, 1))
        return True
    assert_in_words(done, (2, 7))
    known = "is finished" in done.err or not (here.state / "runs/r/run.json").exists()
    assert done.code == 7 or known, done.err
    return done.code == 2 and "is finished" in done.err and path.parent.name != "r"


def _follow_advice(here: World, base: RunResult, what: Import, figures: Figures) -> None:
    """Moved away what is damaged, and the import run again: nothing is counted twice."""
    run = here.state / "runs" / "r"
    if run.exists():
        run.rename(here.folder / "away")
    done = go_on(here, run="again")
    figures.note(f"moved away, again: exit {done.code}: {done.err.strip()[-160:]}")
    assert_in_words(done, (0, 1, 2, 7))
    assert_nothing_doubled(here, base, what)


def _start_again(here: World, base: RunResult, what: Import) -> None:
    """A new run brings the destination to the state of the list, at the latest in a new state folder."""
    done = go_on(here, run="again")
    assert_in_words(done, (0, 1, 2, 7))
    if done.code in (2, 7):
        shutil.rmtree(here.state)
        done = go_on(here, run="again")
        assert_in_words(done, (0, 1))
    found = here.result("again")
    assert comparable(what, found.stored) == comparable(what, base.stored)
