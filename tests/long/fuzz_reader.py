"""Any bytes into the reader: `python tests/long/fuzz_reader.py [SECONDS] [SEED]`.

Whatever stands in a file, the reader ends with rows and set-aside rows or with a SourceError, the rows are
numbered without a gap, and together they hold every line that is not blank, byte for byte.
"""

import random
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from importer.errors import SourceError
from importer.reader import SourceOptions, open_source

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
PARTS += [b"\xef\xbb\xbf", b" ", b"\x1f", b"\xd8", b"id,a,b\n", b'x,"y\nz",w\n', b"\xff\xfe", b"\xe2\x80\xa8"]
OPTIONS = [
    SourceOptions(),
    SourceOptions(header=False, columns=("a", "b", "c")),
    SourceOptions(header=False, columns=("a",)),
    SourceOptions(header=False, columns=("a", "b"), quote=""),
    SourceOptions(header=False, columns=("a", "b"), escape="\\"),
    SourceOptions(header=False, columns=("a", "b"), bare_quotes="keep"),
    SourceOptions(header=False, columns=("a", "b"), delimiter="||", skip_lines=1),
    SourceOptions(header=False, columns=("a", "b"), delimiter="é", quote="'", escape="'"),
    SourceOptions(header=False, columns=("a", "b"), encoding="utf-16"),
    SourceOptions(header=False, columns=("a", "b"), encoding="cp932"),
    SourceOptions(header=False, columns=("a", "b"), encoding="cp1252"),
]


def content(data: bytes) -> bytes:
    """What must be found again: everything but line ends."""
    return data.replace(b"\r", b"").replace(b"\n", b"")


def check(data: bytes, options: SourceOptions, block: int, folder: Path) -> None:
    path = folder / "list.csv"
    path.write_bytes(data)
    try:
        source = open_source(str(path), options)
        batches = list(source.batches(block))
    except SourceError:
        return
    rows: list[int] = []
    raws: dict[int, bytes] = {}
    for batch in batches:
        assert batch.records is not None
        rows += [*batch.row, *batch.set_aside["row"]]
        encoded = (raw.encode(options.encoding, "surrogatepass") for raw in batch.records)
        raws |= dict(zip(batch.row, encoded, strict=True))
        raws |= dict(zip(batch.set_aside["row"], batch.set_aside["raw"], strict=True))
        assert not batch.cells.null_count().sum_horizontal().sum()
    assert sorted(rows) == list(range(1, len(rows) + 1))
    if options.encoding == "utf-8":
        rest = data.removeprefix(b"\xef\xbb\xbf" if not source.header_raw else source.header_raw)
        if options.skip_lines:
            rest = data[len(source.header_raw) :]
        assert content(rest) == content(b"".join(raws[row] for row in sorted(rows)))


def main(seconds: float, seed: int) -> None:
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as name:
        for i in count():
            chance = random.Random(f"{seed}-{i}")
            data = b"".join(chance.choice(PARTS) for _ in range(chance.choice([3, 10, 40, 200])))
            options, block = chance.choice(OPTIONS), chance.choice([1, 5, 30, 1 << 20])
            try:
                check(data, options, block, Path(name))
            except BaseException:
                sys.stderr.write(f"case {seed}-{i}: block {block}, {options}\n{data!r}\n")
                raise
            if time.monotonic() > end:
                sys.stderr.write(f"{i + 1} cases, no finding\n")
                return


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
