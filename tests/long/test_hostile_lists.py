"""Lists made to hurt: each is checked in a process of its own, once at a size and once at twice that size.

`pytest tests/long/test_hostile_lists.py`; about ten minutes. Peak memory stays under 500 MiB, and twice the
bytes take about twice the processor time.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MIB = 1 << 20
PEAK_MIB = 500
CHECK = """
import json, sys, time
from pathlib import Path
import importer
from importer.config import loader
from importer.core.errors import SourceError
path, columns, ignore = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
config = loader.parse({
    "name": "hostile", "source": {"path": path, "ignore": ignore}, "identity": {"column": columns[0]},
    "destination": {"type": "vevee", "api_key": "env:NONE"},
    "attributes": {"n": {"type": "number", "column": columns[1]}},
})
try:
    code = importer.check(config, (), importer.Options(state_dir=Path(path + ".state"))).exit_code
except SourceError as error:
    code = str(error)
status = Path("/proc/self/status").read_text()  # ru_maxrss would count the process that started this one
peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
print(json.dumps([code, time.process_time(), peak]))
"""


def rows(line: bytes) -> Callable[[int], bytes]:
    return lambda size: b"id,n\n" + line * (size // len(line))


def wide(cell: bytes) -> Callable[[int], bytes]:
    names = b",".join(b"c%d" % i for i in range(5000))
    return lambda size: (
        names + b"\n" + (b",".join([cell] * 5000) + b"\n") * (size // (5000 * (len(cell) + 1)))
    )


SHAPES: dict[str, tuple[int, Callable[[int], bytes]]] = {
    "blank lines": (64 * MIB, rows(b"\n")),
    "blank lines with returns": (64 * MIB, rows(b"\r\n")),
    "blank rows": (16 * MIB, rows(b",\n")),
    "a header without end": (32 * MIB, lambda size: b"c," * (size // 2)),
    "a line without end": (24 * MIB, lambda size: b"id,n\n1," + b"x" * size),
    "long lines": (45 * MIB, rows(b"1," + b"x" * (15 * MIB) + b"\n")),
    "rows of two megabytes": (50 * MIB, rows(b"1," + b"x" * 2_000_000 + b"\n")),
    "a line of quotes and commas": (24 * MIB, lambda size: b"id,n\n1," + b'a"b,' * (size // 4) + b"\n"),
    "an id without end": (24 * MIB, lambda size: b"id,n\n" + b"x" * size + b",1\n"),
    "a quoted field of line ends": (16 * MIB, lambda size: b'id,n\n1,"' + b"\n" * size + b'"\n'),
    "a row of commas": (4 * MIB, lambda size: b"id,n\n" + b"," * size),
    "a row of quoted commas": (4 * MIB, lambda size: b'id,n\n"' + b"," * size + b'"\n'),
    "an open quote, usual rows": (
        32 * MIB,
        lambda size: b'id,n\n1,"' + b"u12345,Some Name of Usual Length\n" * (size // 32),
    ),
    "an open quote": (16 * MIB, lambda size: b'id,n\n1,"' + b"ab,c\n" * (size // 5)),
    "quotes": (8 * MIB, rows(b'"')),
    "quotes, one to a line": (MIB // 8, rows(b'"\n')),
    "a stray quote in every row": (MIB // 4, rows(b'1,"a\n')),
    "bytes that are no text": (MIB, rows(b"\xff\n")),
    "NULs": (16 * MIB, rows(b"\0")),
    "rejected cells of 120 kB": (64 * MIB, rows(b"1," + b"x" * 120_000 + b"\n")),
    "5,000 columns": (8 * MIB, wide(b"1")),
    "5,000 columns, short": (8 * MIB, lambda size: wide(b"1")(size).replace(b",1\n", b"\n")),
}


def measure(data: bytes, folder: Path) -> tuple[float, float]:
    """Processor seconds and peak MiB of `check`, which ends in the contract."""
    path = folder / "list.csv"
    path.write_bytes(data)
    wide = [f"c{i}" for i in range(5000)] if data.startswith(b"c0,") else []
    arguments = [str(path), json.dumps(wide[:2] or ["id", "n"]), json.dumps(wide[2:])]
    done = subprocess.run(
        [sys.executable, "-c", CHECK, *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    code, seconds, peak = json.loads(done.stdout)
    assert code in (0, 1, 6) or isinstance(code, str)  # 6: nearly all values of an attribute are bad
    return seconds, peak


@pytest.mark.parametrize("shape", SHAPES)
def test_memory_is_bounded_and_time_is_linear(shape: str, tmp_path: Path) -> None:
    size, make = SHAPES[shape]
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    once, _ = measure(make(size), tmp_path / "1")
    twice, peak = measure(make(2 * size), tmp_path / "2")
    print(f"{shape}: {once:.1f} s, twice {twice:.1f} s, peak {peak:.0f} MiB")  # noqa: T201 - for -s
    assert peak < PEAK_MIB
    assert twice < 3 * once + 1


PIECE = st.sampled_from(
    [b",", b'"', b"\n", b"\r", b"\0", b"\xff", b"a", b"1,2\n", b'1,"x\ny"\n', b"\xc3\xa9"]
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(PIECE, st.integers(1, 200_000)), min_size=1, max_size=6))
def test_repeated_pieces_of_any_kind(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[bytes, int]]
) -> None:
    data = b"id,n\n" + b"".join(piece * count for piece, count in pieces)
    _, peak = measure(data[: 8 * MIB], tmp_path_factory.mktemp("hostile"))
    assert peak < PEAK_MIB
