"""Delimited text block by block: what the reader keeps of lists that are all line ends, or one line."""

from pathlib import Path

import pytest

from importer.core.errors import SourceError
from importer.source import csv_text
from importer.source.csv_grammar import Dialect, Layout
from importer.source.csv_splitter import Splitter
from importer.source.csv_text import open_text
from importer.source.options import SourceOptions

TWO = Layout(Dialect(), ("id", "n"))
MIB = 1 << 20


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("before", [b"", b"1,x\n", b'1,"x"\n', b'1,x"\n'])
def test_blank_lines_do_not_pile_up(end: bytes, before: bytes) -> None:
    splitter = Splitter(TWO)
    splitter.feed(before, final=False)
    for _ in range(4):
        splitter.feed(end * 200_000, final=False)
        assert splitter.pending <= len(end) * 200_000 + len(before)
    batch = splitter.feed(b"2,y\n", final=True)
    assert batch is not None
    assert batch.cells.rows()[-1:] == [("2", "y")]
    assert batch.line[-1] == 800_001 + before.count(b"\n")


def test_a_line_over_the_limit_is_refused_and_one_below_it_is_read() -> None:
    splitter = Splitter(TWO, max_line=MIB)
    assert splitter.feed(b"1," + b"x" * (MIB - 3), final=False) is None
    found = splitter.feed(b"\n", final=True)
    assert found is not None
    assert found.cells.height == 1
    splitter = Splitter(TWO, line=7, max_line=MIB)
    with pytest.raises(SourceError, match="line 7 is longer than 1 MiB: declare the delimiter"):
        splitter.feed(b"1," + b"x" * MIB, final=False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_many_short_lines_become_several_batches(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_text, "BLOCK_LINES", 100)
    path = tmp_path / "list.csv"
    lines = ["id,n", *(f"{i},é" for i in range(500)), "x", *(f"{i},é" for i in range(500))]
    path.write_bytes("\n".join(lines).encode(encoding))
    batches = list(open_text(str(path), "csv", SourceOptions(encoding=encoding)).batches())
    assert max(batch.row.len() for batch in batches) < 300
    assert [row for batch in batches for row in batch.cells["id"]] == [str(i) for i in range(500)] * 2
    [aside] = [batch.set_aside for batch in batches if batch.set_aside.height]
    assert aside.select("row", "line", "raw").rows() == [
        (501, 502, "x".encode(encoding.replace("utf-16", "utf-16-le")))
    ]


@pytest.mark.parametrize("columns", [99, 100, 101, 102, 3000])
@pytest.mark.parametrize("escape", ['"', "\\"])
@pytest.mark.parametrize("bare_quotes", ["reject", "keep"])
def test_wide_rows_are_read_as_narrow_ones(
    columns: int, escape: str, bare_quotes: str, tmp_path: Path
) -> None:
    rest = columns - 2
    good = f'1,"a,{escape}"b"' + ",x" * rest
    lines = [
        ",".join(f"c{i}" for i in range(columns)),
        good,
        good + ",x",
        good.removesuffix(",x"),
        'a"b,c' + ",x" * rest,
        '2,"a b"' + ",x" * rest,
    ]
    path = tmp_path / "list.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    options = SourceOptions(escape=escape, bare_quotes=bare_quotes)
    [batch] = open_text(str(path), "csv", options).batches()
    kept = [('a"b', "c")] if bare_quotes == "keep" else []
    assert batch.cells.select("c0", "c1").rows() == [("1", 'a,"b'), *kept, ("2", "a b")]
    assert batch.set_aside["line"].to_list() == ([3, 4] if kept else [3, 4, 5])
