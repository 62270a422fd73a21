"""How long a row may be. A longer one is set aside before it is split into cells, and no copy of it is kept.

What reads, checks and reports a text takes several times its size in memory. So a bound on the row is what
bounds the memory. No destination takes an update of this size.
"""

from collections.abc import Iterator

from importer.core.errors import SourceError
from importer.source.csv_grammar import Dialect

MAX_ROW = 2 << 20
"""Bytes of a row, at most."""

_PIECE = 1 << 16


def too_long(size: int) -> str:
    """What is wrong with a row of so many bytes."""
    return f"expected at most {MAX_ROW:,} bytes in a row, found {size:,}; rejected_rows has no copy of it"


def without_long_lines(data: bytes, dialect: Dialect) -> tuple[bytes, dict[int, int]]:
    """The text without the long texts of lines over MAX_ROW, and the bytes of these lines by number from 0.

    Such a line begins with NUL, so that it is a row for no reader. Its delimiters and quotes stay: what it
    leaves in quotes is not taken for rows. Of a line with more than MAX_ROW of these signs they do not stay:
    SourceError where it may leave a quote open. The text itself is returned where it has no such line.
    """
    pieces, sizes, at = list[bytes](), dict[int, int](), 0
    for start, end in _long_lines(data):
        short = list(_shortened(data, start, end, dialect))
        if sum(map(len, short)) > MAX_ROW:
            _refuse_open_quote(data, start, end, dialect.quote.encode())
            short = []
        pieces += [data[at:start], b"\0", *short]
        sizes[_lines_before(data, start)] = end - start
        at = end
    return (b"".join([*pieces, data[at:]]) if pieces else data), sizes


def _lines_before(data: bytes, at: int) -> int:
    return data.count(b"\n", 0, at) + data.count(b"\r", 0, at) - data.count(b"\r\n", 0, at)


def _long_lines(data: bytes) -> Iterator[tuple[int, int]]:
    """Where the text of each line over MAX_ROW starts and ends: it has a byte at a multiple of MAX_ROW."""
    end = -1
    for at in range(MAX_ROW, len(data), MAX_ROW):
        if at > end:
            lf = data.rfind(b"\n", 0, at)
            start = max(lf, data.rfind(b"\r", lf + 1, at)) + 1
            end = _line_end(data, at)
            if end - start > MAX_ROW:
                yield start, end


def _line_end(data: bytes, at: int) -> int:
    lf = data.find(b"\n", at)
    end = lf if lf >= 0 else len(data)
    cr = data.find(b"\r", at, end)
    return cr if cr >= 0 else end


def _refuse_open_quote(data: bytes, start: int, end: int, quote: bytes) -> None:
    if quote and data.count(quote, start, end) % 2:
        raise SourceError(
            f"a line has over {MAX_ROW >> 20} MiB of delimiters and quotes, and a quote that is not closed: "
            "declare the delimiter, quote and encoding the file is written in"
        )


def _shortened(data: bytes, start: int, end: int, dialect: Dialect) -> Iterator[bytes]:
    """A line, piece by piece, with one letter for each text between delimiters, quotes and escapes."""
    signs = (dialect.delimiter + dialect.quote + dialect.escape).encode()
    letter = next(letter for letter in b"xyzabcdefgh" if letter not in signs)
    one, two = bytes([letter]), bytes([letter] * 2)
    table = bytes(byte if byte in signs else letter for byte in range(256))
    for at in range(start, end, _PIECE):
        piece = data[at : min(at + _PIECE, end)].translate(table)
        while two in piece:
            piece = piece.replace(two, one)
        yield piece
