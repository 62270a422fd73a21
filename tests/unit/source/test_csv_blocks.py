"""Lines of a block, counted and told apart."""

import pytest

from importer.source import csv_blocks
from importer.source.csv_blocks import Block, cut_end_bytes, is_dense, last_line_end, line_count
from importer.source.csv_grammar import Dialect, Layout


@pytest.mark.parametrize(
    ("data", "dense"),
    [
        (b"", False),
        (b"x" * 79 + b"\n", False),
        ((b"x" * 79 + b"\n") * 50_000, False),
        (b"\n" * 1_000_000, True),
        (b"\r" * 1_000_000, True),
        ((b"x" * 79 + b"\n") * 50_000 + b"\n" * 100_000, True),
        (b",,\n" * 400_000, True),
    ],
)
def test_a_block_of_very_short_lines_is_dense(data: bytes, dense: bool) -> None:
    assert is_dense(data, 200_000) == dense


def test_lines_and_their_ends() -> None:
    assert line_count(b"a\nb\rc\r\n") == 4
    assert [last_line_end(data) for data in (b"a\nb", b"a\rb", b"a\n\r", b"ab", b"a\r\n")] == [2, 2, 2, 0, 3]
    assert [cut_end_bytes(data) for data in (b"a\r\n", b"a\n", b"a\r", b"a")] == [b"a"] * 4


def test_a_block_gives_its_lines_and_their_sizes() -> None:
    block = Block(Layout(Dialect(), ("a", "b")), b"1,2\r\n\r\n3,4\n")
    assert block.lines.to_list() == ["1,2", "", "3,4"]
    assert [block.size_of_last(count) for count in range(4)] == [0, 4, 6, 11]
    assert block.text(0, 3) == "1,2\r\n\r\n3,4"


@pytest.mark.parametrize("lines", [(4, 6), (0, 1), (5, 9), (2, 3), (0, 9)])
def test_a_block_gives_the_text_of_any_lines(lines: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks, "_WINDOW_LINES", 2)
    texts = [f"{n},x" for n in range(9)]
    block = Block(Layout(Dialect(), ("a", "b")), "\n".join(texts).encode())
    for start, end in [(3, 4), lines, (7, 8), lines]:
        assert block.text(start, end) == "\n".join(texts[start:end])


@pytest.mark.parametrize(
    "data", [b"1,2\n3,4", b"1,2\n3,4\n", b"\n", b"1", b"\n\n", b"1\n\n2", b"1\r\n2\r", b"1,\0\n2,\xff\n"]
)
def test_long_lines_are_the_same_lines(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(Dialect(), ("a", "b"))
    short = Block(layout, data).lines
    monkeypatch.setattr(Block, "_has_long_lines", lambda _: True)
    assert Block(layout, data).lines.equals(short)
    assert short.len() == data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n") + (
        data[-1:] not in b"\r\n"
    )
