"""Hostile files: one row of a good list is damaged, or the file is no list at all."""

import csv
import gzip
import io
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.examples import HEADER
from tests.support.oracle.damaging import KINDS, strict
from tests.support.trouble import World
from tests.torture.attempts import Attempt, go_on
from tests.torture.figures import Figures
from tests.torture.holding import assert_in_words
from tests.torture.imports import Import, Row, comparable, expected, generate, prepared

_CODES = (0, 1, 2, 3, 6)
_NAMES = ("list.csv", "list.tsv", "list.csv.gz", "list.csv.zst", "list.parquet", "list.xlsx", "list.json")


def files(chance: random.Random, folder: Path, figures: Figures) -> None:
    """One file."""
    figures.count("hostile files")
    (_damaged_row if chance.random() < 0.5 else _no_list)(chance, folder, figures)


# --- one damaged row: nobody gets a value that is not theirs


def _damaged_row(chance: random.Random, folder: Path, figures: Figures) -> None:
    what = generate(chance, ("vevee",))
    what = Import("vevee", what.lists[-1:])
    rows = what.lists[0]
    texts = [_written(row) for row in rows]
    hurt, kind = chance.randrange(len(rows)), chance.choice(list(KINDS))
    text = KINDS[kind](texts[hurt], chance.randrange(len(HEADER)), chance)
    lines = [",".join(cells) for cells in texts]
    lines[hurt] = lines[hurt] if text is None else text
    figures.note(f"{what}; row {hurt + 1}: {kind}")
    with prepared(what, folder / "hit") as here:
        data = "\n".join((",".join(HEADER), *lines, ""))
        (here.folder / "list.csv").write_bytes(data.encode("utf-8", "surrogateescape"))
        done = go_on(here)
        figures.note(f"exit {done.code} {done.err.strip()[-160:]}")
        assert_in_words(done, _CODES)
        if done.code not in (0, 1):
            assert here.server.stats.requests == 0, "calls were made although the list was refused"
            return
        read = strict(lines[hurt], len(HEADER))
        now = [dict(zip(HEADER, read, strict=True))] if read else []
        _assert_own_values(here, what, [*rows, *now], folder)
        if '"' not in data and not kind.startswith(("quote", "cut")):
            _assert_others_arrived(here, what, rows[hurt]["customer_id"], folder)


def _written(row: Row) -> list[str]:
    """Each cell as `csv` writes it."""
    found = []
    for name in HEADER:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerow((row[name], "x"))
        found.append(buffer.getvalue()[:-3])
    return found


def _assert_own_values(here: World, what: Import, rows: Sequence[Row], folder: Path) -> None:
    """Each stored value is in one of the person's rows, damaged or not."""
    allowed: dict[tuple[str, str], list[object]] = {}
    for row in rows:
        for person, values in expected(Import("vevee", ((row,),)), folder)[0].items():
            for key, value in values.items():
                allowed.setdefault((person, key), []).append(value)
    for person, values in comparable(what, here.result().stored).items():
        for key, value in values.items():
            assert value in allowed.get((person, key), []), f"{person}, {key}: stored {value!r}"


def _assert_others_arrived(here: World, what: Import, person: str, folder: Path) -> None:
    right = expected(what, folder)[0]
    found = comparable(what, here.result().stored)
    for other in right.keys() - {person}:
        assert found.get(other) == right[other], f"{other}: {found.get(other)}, expected {right[other]}"


# --- no list at all: it is refused or rejected row by row, in bounded time and memory

Shape = Callable[[random.Random], bytes]

_HEAD = ",".join(HEADER).encode() + b"\n"


def _lines(chance: random.Random, *pieces: bytes) -> bytes:
    return b"".join(chance.choice(pieces) for _ in range(chance.randint(1, 20_000)))


SHAPES: Mapping[str, Shape] = {
    "nothing": lambda _: b"",
    "a header alone": lambda _: _HEAD,
    "bytes of chance": lambda chance: chance.randbytes(chance.randint(1, 200_000)),
    "bytes of chance under a header": lambda chance: _HEAD + chance.randbytes(chance.randint(1, 200_000)),
    "NUL": lambda chance: bytes(chance.randint(1, 1 << 21)),
    "signs of a CSV": lambda chance: _HEAD + _lines(chance, b",", b'"', b"\n", b"\r", b"p1", b"\\", b";"),
    "line ends": lambda chance: _HEAD + _lines(chance, b"\n", b"\r", b"\r\n") * 100,
    "commas": lambda chance: _HEAD + b"," * chance.randint(1, 4 << 20),
    "a quote that stays open": lambda chance: _HEAD + b'"' + _lines(chance, b"a,b\n", b'""') * 10,
    "quotes": lambda chance: _HEAD + b'"' * chance.randint(1, 2 << 20),
    "one long cell": lambda chance: _HEAD + b"x" * chance.randint(1, 8 << 20),
    "a long header": lambda chance: b"customer_id," + b"x" * chance.randint(1, 4 << 20),
    "many columns": lambda chance: b",".join(b"c%d" % n for n in range(chance.randint(100, 60_000))) + b"\n1",
    "columns twice": lambda _: _HEAD.replace(b"first_name", b"last_name") + b"p1\n",
    "UTF-16": lambda _: (_HEAD.decode() + "p1" + "," * (len(HEADER) - 1)).encode("utf-16"),
    "Latin-1": lambda _: _HEAD + b"p1,\xe9\xe8\xff" + b"," * (len(HEADER) - 2) + b"\n",
    "a JSON document": lambda chance: b"[" + b'{"customer_id": "p1"},' * chance.randint(1, 50_000) + b"{}]",
    "a web page": lambda _: b"<!DOCTYPE html><html><body>Please sign in</body></html>",
    "brackets": lambda chance: b"[" * chance.randint(1, 1 << 20),
    "PAR1": lambda chance: b"PAR1" + chance.randbytes(chance.randint(0, 5_000)) + b"PAR1",
    "PK": lambda chance: b"PK\x03\x04" + chance.randbytes(chance.randint(0, 5_000)),
}
"""What a file can contain, by name."""


def _packed(chance: random.Random, data: bytes) -> bytes:
    """As gzip, sometimes cut off or with something behind it."""
    packed = gzip.compress(data, 1)
    return chance.choice((packed, packed, packed[: len(packed) // 2], packed + b"x", packed + packed))


def _no_list(chance: random.Random, folder: Path, figures: Figures) -> None:
    what = Import("vevee", generate(chance, ("vevee",)).lists[-1:])
    shape, name = chance.choice(list(SHAPES)), chance.choice((*_NAMES[:1] * 4, *_NAMES))
    data = SHAPES[shape](chance)
    data = _packed(chance, data) if name.endswith(".gz") else data
    figures.note(f"{name}, {len(data):,} bytes: {shape}")
    with prepared(what, folder / "hit") as here:
        config = what.case.config(here.folder / name, here.server.url)
        (here.folder / "import.toml").write_text(config, "utf-8")
        (here.folder / name).write_bytes(data)
        done = go_on(here)
        figures.note(f"exit {done.code}, {done.peak_mib} MiB {done.err.strip()[-160:]}")
        _assert_refused_or_counted(here, done)


def _assert_refused_or_counted(here: World, done: Attempt) -> None:
    assert_in_words(done, _CODES)
    if done.code in (0, 1):
        here.result()  # its counts add up
    else:
        assert here.server.stats.requests == 0, "calls were made although the list was refused"
