"""Any bytes as a list: what must hold of them, and the cases the fuzzer has found.

`tests/long/fuzz_reader.py` searches for more. Whatever stands in a file, the reader ends with rows or with a
sentence; rows are numbered without a gap, hold together every byte that is no line end, and the cells of each
are what the letter of the grammar reads in it. `importer check` ends in the contract, and its counts balance.
"""

from pathlib import Path
from typing import Any

import pytest

import importer
from importer.config import loader as configuration
from importer.core.errors import SourceError
from importer.source.options import SourceOptions
from importer.source.reader import open_source
from tests.support.oracle.damaging import strict

COLUMNS = ("a", "b", "c")
DECLARED: tuple[dict[str, Any], ...] = (
    {},
    {"header": False, "columns": COLUMNS},
    {"header": False, "columns": COLUMNS[:1]},
    {"header": False, "columns": COLUMNS[:2]},
    {"header": False, "columns": COLUMNS[:2], "quote": ""},
    {"header": False, "columns": COLUMNS[:2], "escape": "\\"},
    {"header": False, "columns": COLUMNS[:2], "bare_quotes": "keep"},
    {"header": False, "columns": COLUMNS[:2], "delimiter": "||", "skip_lines": 1},
    {"header": False, "columns": COLUMNS[:2], "delimiter": "é", "quote": "'", "escape": "'"},
    {"header": False, "columns": COLUMNS[:2], "encoding": "utf-16"},
    {"header": False, "columns": COLUMNS[:2], "encoding": "cp932"},
    {"header": False, "columns": COLUMNS[:2], "encoding": "cp1252"},
)
"""`[source]` of a case, beside the path."""

PLAIN_DIALECT = range(4)
"""The cases of DECLARED that the oracle of the grammar reads."""


def read(data: bytes, how: int, block: int, folder: Path) -> None:
    """Through the reader, in blocks of so many bytes."""
    options = SourceOptions(**DECLARED[how])
    path = folder / "list.csv"
    path.write_bytes(data)
    try:
        source = open_source(str(path), options)
        batches = list(source.batches(block))
    except SourceError:
        return
    pieces: dict[int, bytes] = {}
    for batch in batches:
        assert batch.records is not None
        assert not batch.cells.null_count().sum_horizontal().sum()
        for row, raw, cells in zip(batch.row, batch.records, batch.cells.rows(), strict=True):
            pieces[row] = raw.encode(options.encoding, "surrogatepass")
            if how in PLAIN_DIALECT:
                assert source.layout is not None
                found = strict(raw, len(source.layout.columns))
                assert found is not None
                assert found[: len(cells)] == cells
        pieces |= dict(zip(batch.set_aside["row"], batch.set_aside["raw"], strict=True))
    assert sorted(pieces) == list(range(1, len(pieces) + 1))
    assert len(pieces) == sum(batch.row.len() + batch.set_aside.height for batch in batches)
    if options.encoding == "utf-8":
        rest = data[len(source.header_raw) :] if source.header_raw else data.removeprefix(b"\xef\xbb\xbf")
        assert _content(rest) == _content(b"".join(pieces[row] for row in sorted(pieces)))


def _content(data: bytes) -> bytes:
    return data.replace(b"\r", b"").replace(b"\n", b"")


def check(data: bytes, how: int, folder: Path) -> None:
    """Through `importer check`: one of the contract's exits, and the counts balance."""
    path = folder / "list.csv"
    path.write_bytes(data)
    columns = DECLARED[how].get("columns", COLUMNS)
    config = configuration.parse(
        {
            "name": "fuzz",
            "source": {"path": str(path), **DECLARED[how]},
            "identity": {"column": columns[0]},
            "destination": {"type": "vevee", "api_key": "env:NONE"},
            "attributes": {
                "name": {"type": "free_text", "column": columns[-1]},
                "n": {"type": "number", "column": columns[len(columns) // 2]},
            },
        }
    )
    try:
        summary = importer.check(config, (), importer.Options(state_dir=folder / "state"))
    except SourceError:  # a sentence, and exit 3
        return
    assert summary.exit_code in (0, 1, 6)  # 6: nearly all values of an attribute are bad
    for counts in (summary.rows, summary.values, summary.people):
        assert counts["read"] == sum(n for state, n in counts.items() if state != "read")


FOUND: list[tuple[int, int, bytes]] = [
    (1, 5, b'1,"a\n2,b",c"\n3,,\n'),
    (2, 1 << 20, b'"17a\n-y ""no"""\r"24""q""\n'),  # a stray return behind a row of two lines
    (0, 30, b'id,a,b\nx,"y\nz",w\n"'),
    (9, 1, b"\xff\xfe1\x00,\x00\n\x00\xd8"),
]
"""`[source]`, block size and bytes."""


@pytest.mark.parametrize(("how", "block", "data"), FOUND)
def test_found_by_the_fuzzer(how: int, block: int, data: bytes, tmp_path: Path) -> None:
    read(data, how, block, tmp_path)
    check(data, how, tmp_path)
