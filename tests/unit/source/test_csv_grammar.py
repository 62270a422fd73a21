"""The grammar and the recovery from damage, on lists in memory; no file and no encoding is involved."""

import csv
import io
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from importer.source.csv_grammar import Dialect, Layout, parse
from importer.source.csv_splitter import Splitter
from tests.support.oracle.damaging import strict

Row = tuple[int, int, str, tuple[str, ...]]
Aside = tuple[int, int, bytes, str, str]


def layout(columns: int, dialect: Dialect | None = None) -> Layout:
    return Layout(dialect or Dialect(), tuple(f"c{i}" for i in range(columns)))


def split(
    data: bytes, how: Layout, pieces: int = 1 << 30, header: str | None = None
) -> tuple[list[Row], list[Aside]]:
    """Everything a Splitter makes of `data`, fed in pieces of so many bytes."""
    splitter, rows, aside = Splitter(how, header=header), [], []
    starts = range(0, max(len(data), 1), pieces)
    for start in starts:
        end = min(start + pieces, len(data))
        batch = splitter.feed(data[start:end], final=start == starts[-1], end=end)
        if batch is not None:
            assert batch.records is not None
            rows += list(zip(batch.row, batch.line, batch.records, batch.cells.rows(), strict=True))
            aside += batch.set_aside.rows()
    return rows, aside


# Each case: name, columns, text, the data rows delivered, the lines set aside (each its own unit).
CASES: list[tuple[str, int, str, list[int], list[str]]] = [
    ("healthy", 3, "1,2,3\n4,5,6\n", [1, 2], []),
    ("no newline at the end", 3, "1,2,3\n4,5,6", [1, 2], []),
    ("blank lines", 3, "\n\n1,2,3\n\r\n\n4,5,6\n\n", [1, 2], []),
    ("mixed line ends", 3, "1,2,3\r\n4,5,6\r7,8,9\n", [1, 2, 3], []),
    ("too few", 3, "1,2,3\n4,5\n7,8,9\n", [1, 3], ["4,5"]),
    ("too few in the first row", 3, "4,5\n7,8,9\n", [2], ["4,5"]),
    ("too many", 3, "1,2,3\n4,5,6,7\n7,8,9\n", [1, 3], ["4,5,6,7"]),
    ("two too many, empty", 3, "1,2,3,,\n7,8,9\n", [1, 2], []),
    ("one too many, empty", 3, "1,2,3,\n7,8,9\n", [2], ["1,2,3,"]),
    ("blanks alone are no blank line", 2, " \n1,2\n", [2], [" "]),
    ("stray quote in a field", 3, '1,2,3\n4,5"x,6\n7,8,9\n', [1, 3], ['4,5"x,6']),
    ("stray quote before a field", 3, '1,2,3\n4,"5,6\n7,8,9\n', [1, 3], ['4,"5,6']),
    ("stray quote in the last row", 3, '1,2,3\n4,5,"6\n', [1], ['4,5,"6']),
    ("text behind a closing quote", 3, '"1"x,2,3\n4,5,6\n', [2], ['"1"x,2,3']),
    ("stray quote before a quoted field", 3, '""1",2,3\n"4",5,6\n', [2], ['""1",2,3']),
    ("quoted line break", 3, '1,"2\n2",3\n4,5,6\n', [1, 2], []),
    ("quoted line break that looks like rows", 3, '1,"a\n1,2,3\nb",3\n4,5,6\n', [1, 2], []),
    ("wrong count over several lines", 3, '1,"2\n2"\n4,5,6\n', [2], ['1,"2\n2"']),
    ("two stray quotes apart", 3, '1,"2,3\n4,5,6\n7,8,9\n1,"2,3\n4,5,6\n', [2, 3, 5], ['1,"2,3', '1,"2,3']),
    ("lost opening quote", 3, '"1","2","3"\n4","5","6"\n"7","8","9"\n', [1, 3], ['4","5","6"']),
    ("lost closing quote", 3, '"1","2","3"\n"4","5,"6"\n"7","8","9"\n', [1, 3], ['"4","5,"6"']),
    ("lost closing quote at the end", 3, '"1","2","3\n"7","8","9"\n', [2], ['"1","2","3']),
    ("lost closing quote before a line break", 3, '1,"a\nb,3\n"4",5,6\n', [2], ['1,"a\nb,3']),
    ("undecidable rows are one piece", 3, '1,2,3\n4,5,a\nb"\n"7",8,9\n', [2], ['1,2,3\n4,5,a\nb"']),
    ("NUL", 3, "1,2,3\n4,\0,6\n7,8,9\n", [1, 3], ["4,\0,6"]),
    ("NUL before a quote", 3, '1,2,3\n4,\0"5\n5",6\n7,8,9\n', [1, 3], ['4,\0"5\n5",6']),
    ("another delimiter", 3, "1,2,3\n4;5;6\n7,8,9\n", [1, 3], ["4;5;6"]),
    ("one column", 1, '1\n\n"2"\n3,3\n', [1, 2], ["3,3"]),
    ("one empty cell", 1, '""\n1\n', [1, 2], []),
    ("byte-order mark inside", 2, "\ufeff1,2\n", [1], []),
]


@pytest.mark.parametrize(
    ("columns", "text", "delivered", "aside"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
@pytest.mark.parametrize("pieces", [1, 5, 1 << 20])
def test_recovery(columns: int, text: str, delivered: list[int], aside: list[str], pieces: int) -> None:
    rows, found = split(text.encode(), layout(columns), pieces)
    assert [row for row, *_ in rows] == delivered
    assert [raw for _, _, raw, *_ in found] == [one.encode() for one in aside]
    assert {reason for *_, reason, _ in found} <= {"row_malformed"}


def test_physical_lines() -> None:
    rows, aside = split(b'1,2\n\n3,"4\n4"\r\n5\n6,7\r8,9\n', layout(2))
    assert [(row, line) for row, line, *_ in rows] == [(1, 1), (2, 3), (4, 6), (5, 7)]
    assert [(row, line) for row, line, *_ in aside] == [(3, 5)]


def test_bytes_that_are_not_utf8_keep_their_offset() -> None:
    rows, aside = split("é,2\n3,".encode() + b"\xff\n5,6\n7,\xc3\n", layout(2), pieces=4)
    assert [row for row, *_ in rows] == [1, 3]
    assert [raw for _, _, raw, *_ in aside] == [b"3,\xff", b"7,\xc3"]
    assert ["offset 7 " in aside[0][4], "offset 15 " in aside[1][4]] == [True, True]


def test_repeated_header() -> None:
    text = 'a,b\n1,2\n"a",b\n\ufeffa,b\n\ufeff"a",b\na,c\n'
    named = Layout(Dialect(), ("a", "b"))
    rows, aside = split(text.encode(), named, header='"a",b')
    assert [cells for *_, cells in rows] == [("1", "2"), ("a", "c")]
    assert [reason for *_, reason, _ in aside] == ["header_repeated"] * 4


def test_unnamed_columns_at_the_end_must_be_blank() -> None:
    rows, aside = split(b'1,2,\n3,4,x\n5,6, \n7,8\n9,9,""\n', Layout(Dialect(), ("a", "b", "")))
    assert [(row, cells) for row, _, _, cells in rows] == [(1, ("1", "2")), (3, ("5", "6")), (5, ("9", "9"))]
    assert [row for row, *_ in aside] == [2, 4]


def test_no_message_holds_a_cell() -> None:
    text = 'secret,1\nsecret"x,1\n"secret,1\na,1\nsecret\nsecret,\0\n"a",1\n"secret\nx",1,2\n"a",2\n'
    _, aside = split(text.encode() + b"secret,\xff\n", layout(2))
    assert len(aside) == 6
    assert not [message for *_, message in aside if "secret" in message]


def test_a_stray_quote_in_the_first_row_of_many() -> None:
    lines = ['1,"2,3', *(f"{i},b,c" for i in range(50_000))]
    rows, aside = split("\n".join(lines).encode(), layout(3), pieces=1 << 16)
    assert (len(rows), len(aside)) == (50_000, 1)


@pytest.mark.parametrize("line", ["1,2", "1,2,3,4", '1,"2,3', '1,b"b,3', "1,\0,3", '"1"x,2,3'])
def test_every_row_damaged(line: str) -> None:
    rows, aside = split(f"{line}\n".encode() * 20_000, layout(3), pieces=1 << 16)
    assert (len(rows), len(aside)) == (0, 20_000)


def test_long_fields() -> None:
    long = "x\n" * 600_000
    text = "".join(f'{i},"{long}",c\n' for i in range(3))
    rows, aside = split(text.encode(), layout(3), pieces=1 << 18)
    assert ([len(cells[1]) for *_, cells in rows], aside) == ([1_200_000] * 3, [])


# ------------------------------------------------------------------------------------- dialects

DIALECTS = [
    Dialect(),
    Dialect(delimiter=";"),
    Dialect(delimiter="\t", quote="'", escape="'"),
    Dialect(delimiter="||"),
    Dialect(delimiter="§"),
    Dialect(delimiter=", ", quote="“", escape="“"),
    Dialect(escape="\\"),
    Dialect(delimiter="|", escape="\\", bare_quotes="keep"),
    Dialect(bare_quotes="keep"),
]
CELL = st.text("ab1é ,;|\t§\"'“\\\r\n\x1c\x1f\x85\u2028\ufeff😀", max_size=5)


def written(cell: str, dialect: Dialect, quoted: bool) -> str:
    """One cell as a careful program would write it."""
    signs = {*dialect.delimiter, dialect.quote, dialect.escape, "\r", "\n"}
    if not (quoted or signs & {*cell}):
        return cell
    if dialect.escape == dialect.quote:
        return dialect.quote + cell.replace(dialect.quote, dialect.quote * 2) + dialect.quote
    for sign in dict.fromkeys((dialect.escape, dialect.quote)):
        cell = cell.replace(sign, dialect.escape + sign)
    return f"{dialect.quote}{cell}{dialect.quote}"


@st.composite
def lists(draw: st.DrawFn, cell: st.SearchStrategy[str] = CELL) -> list[list[tuple[str, bool]]]:
    """Rows of (cell, whether it is quoted)."""
    columns = draw(st.integers(1, 4))
    one = st.tuples(cell, st.booleans())
    return draw(st.lists(st.lists(one, min_size=columns, max_size=columns), min_size=1, max_size=6))


@settings(max_examples=300)
@given(
    lists(), st.sampled_from(DIALECTS), st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from([3, 40, 999])
)
def test_healthy_lists_arrive_exactly(
    rows: list[list[tuple[str, bool]]], dialect: Dialect, end: str, pieces: int
) -> None:
    alone = len(rows[0]) == 1
    texts = [dialect.delimiter.join(written(c, dialect, q or alone) for c, q in row) for row in rows]
    found, aside = split(end.join(texts).encode(), layout(len(rows[0]), dialect), pieces)
    assert aside == []
    assert [cells for *_, cells in found] == [tuple(c for c, _ in row) for row in rows]
    assert [raw for _, _, raw, _ in found] == texts
    assert [row for row, *_ in found] == list(range(1, len(rows) + 1))
    again = parse(layout(len(rows[0]), dialect), pl.Series([raw for _, _, raw, _ in found]))
    assert again.rows() == [cells for *_, cells in found]


@settings(max_examples=200)
@given(lists(st.text('ab ,"\n', max_size=4)))
def test_the_same_as_the_csv_module(rows: list[list[tuple[str, bool]]]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([[c for c, _ in row] for row in rows])
    expected = [tuple(row) for row in csv.reader(io.StringIO(out.getvalue()), strict=True) if row]
    found, aside = split(out.getvalue().encode(), layout(len(rows[0])))
    assert ([cells for *_, cells in found], aside) == (expected, [])


def test_bare_quotes_are_text_where_declared() -> None:
    rows, aside = split(b'1,5" pipe,"a"\n2,"x"y,z\n', layout(3, Dialect(bare_quotes="keep")))
    assert [cells for *_, cells in rows] == [("1", '5" pipe', "a")]
    assert len(aside) == 1


def test_no_quoting_at_all() -> None:
    rows, aside = split(b'1,"2\n3",4\n', layout(2, Dialect(quote="")))
    assert ([cells for *_, cells in rows], aside) == ([("1", '"2'), ('3"', "4")], [])


@pytest.mark.parametrize(
    "dialect",
    [
        Dialect(delimiter=""),
        Dialect(delimiter="\n"),
        Dialect(delimiter='"'),
        Dialect(quote="''"),
        Dialect(escape="ab"),
        Dialect(bare_quotes="maybe"),
    ],
)
def test_a_dialect_that_cannot_work(dialect: Dialect) -> None:
    assert dialect.faults()


# ------------------------------------------------------------------------------------- one damaged row


DAMAGES = ["less", "more", "front", "inside", "open", "close", "other", "nul", "byte", "cut"]


def damaged(kind: str, cells: Sequence[str], at: int, place: int) -> str | None:  # noqa: PLR0911 - a table
    """The text of a row with one thing wrong; None where this kind finds nothing to damage."""
    cells, whole = list(cells), ",".join(cells)
    i = place % (len(whole) + 1)
    match kind:
        case "less":
            return whole[:j] + whole[j + 1 :] if (j := whole.find(",", i)) >= 0 else None
        case "more":
            return ",".join([*cells[:at], "", *cells[at:]])
        case "front":
            return ",".join([*cells[:at], '"' + cells[at], *cells[at + 1 :]])
        case "inside":
            return f'{whole[:i]}"{whole[i:]}'
        case "open" | "close":
            lost = cells[at][1:] if kind == "open" else cells[at][:-1]
            return ",".join([*cells[:at], lost, *cells[at + 1 :]]) if cells[at].startswith('"') else None
        case "other":
            return ";".join(cells)
        case "nul" | "byte":
            return whole[:i] + ("\0" if kind == "nul" else "\udcff") + whole[i:]
    return ",".join(cells[:at])


@st.composite
def one_damaged(draw: st.DrawFn, alphabet: str) -> tuple[list[list[str]], list[list[str]], int, str]:
    """Cells as they are, cells as written, the damaged row, its text."""
    columns, height = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    cell = st.text(alphabet, max_size=6)
    values = [[f"{i}{draw(cell)}", *(draw(cell) for _ in range(columns - 1))] for i in range(height)]
    always = [draw(st.booleans()) for _ in range(columns)]
    texts = [[written(c, Dialect(), q) for c, q in zip(row, always, strict=True)] for row in values]
    row = draw(st.integers(0, height - 1))
    at, place = draw(st.integers(0, columns - 1)), draw(st.integers(0, 40))
    text = damaged(draw(st.sampled_from(DAMAGES)), texts[row], at, place)
    assume(text is not None and text != ",".join(texts[row]) and text != "")
    assert text is not None
    return values, texts, row, text


def readable(text: str, columns: int) -> tuple[str, ...] | None:
    """The cells of a row, which may have empty fields too many at its end; None where it is no row."""
    found = strict(text, columns)
    while found is None and text.endswith(","):
        text = text[:-1]
        found = strict(text, columns)
    return found


@settings(max_examples=600)
@given(one_damaged('ab1é ,";'), st.sampled_from([9, 40, 9999]), st.sampled_from(["\n", "\r\n"]))
def test_a_damaged_row_costs_only_itself(
    case: tuple[list[list[str]], list[list[str]], int, str], pieces: int, end: str
) -> None:
    values, texts, damaged_row, text = case
    lines = [",".join(row) for row in texts]
    lines[damaged_row] = text
    columns = len(values[0])
    rows, aside = split(end.join(lines).encode("utf-8", "surrogateescape"), layout(columns), pieces)
    expected = {i + 1: tuple(row) for i, row in enumerate(values) if i != damaged_row}
    found = {row: cells for row, _, _, cells in rows}
    still = readable(text, columns)
    has_one_more = text.endswith(",") and strict(text, columns) is None and strict(text[:-1], columns)
    if has_one_more and damaged_row + 1 not in found:
        still = None  # whether it is whole depends on the rows around it
    if still is not None:
        expected[damaged_row + 1] = still
    assert found == expected
    assert [(row, raw) for row, _, raw, *_ in aside] == (
        [] if still is not None else [(damaged_row + 1, text.encode("utf-8", "surrogateescape"))]
    )


@pytest.mark.parametrize("block", [6, 11, 1 << 20])
def test_a_stray_carriage_return_costs_its_whole_line(block: int) -> None:
    text = b'i,v,n\n1,a,1\n2,b,2\nca\rreturn,c,3\n4,d,ca\rrest\n5,e,5\n6,f,x\r7,g,y\n8,h,"q\r9"\n'
    splitter, cells, aside = Splitter(Layout(Dialect(), ("i", "v", "n")), header="i,v,n"), [], []
    data = text.partition(b"\n")[2]
    for start in range(0, len(data), block):
        piece = data[start : start + block]
        batch = splitter.feed(piece, final=start + block >= len(data), end=start + len(piece))
        if batch is not None:
            cells += batch.cells.rows()
            aside += batch.set_aside["raw"].to_list()
    assert cells == [
        ("1", "a", "1"),
        ("2", "b", "2"),
        ("5", "e", "5"),
        ("6", "f", "x"),
        ("7", "g", "y"),
        ("8", "h", "q\r9"),
    ]
    assert aside == [b"ca\rreturn,c,3", b"4,d,ca\rrest"]
