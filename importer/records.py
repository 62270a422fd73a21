"""The grammar of delimited text: which bytes make one healthy record, and what to do with the others.

The words of this module, in the order of the data:

    block     complete physical lines, as bytes; UTF-8, or what `reader` makes of another encoding
    view      the block as the grammar sees it: one-byte signs, LF only, undecodable bytes as NUL
    line      one line of the view, without its end
    record    one or more lines: a row of the list, or something to be set aside

A block whose lines are all healthy by themselves never leaves polars. Only where a line is not, the block
is walked, and the walk stops at the suspicious lines alone.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import polars as pl

from importer.errors import SourceError

MAX_RECORD = 16 << 20
"""Bytes after which an open quote is taken for a stray one."""
MAX_LINE = 64 << 20
"""Bytes after which a single line is taken for a wrong declaration."""
FEW = 8
"""Healthy-looking lines inside a broken quoted field that are given up with it."""
HOLD = 8
"""Rows kept back at the end of a block: what follows may show that they were cut short."""
HOLD_BYTES = 1 << 20

ROW_MALFORMED = "row_malformed"
HEADER_REPEATED = "header_repeated"
SET_ASIDE = pl.Schema(
    {"row": pl.Int64, "line": pl.Int64, "raw": pl.Binary, "reason": pl.String, "message": pl.String}
)
_BOM = "\ufeff"
_EXTRA = "\0extra"  # names of the unnamed trailing columns; NUL can be in no header
_STAND_INS = (
    "\x1f\x1e\x1d\x1c\x01\x02\x03\x04\x05\x06\x07\x08\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19"
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How fields and records are written. `quote = ""` means that nothing is quoted."""

    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    encoding: str = "utf-8"
    bare_quotes: str = "reject"

    def faults(self) -> list[str]:
        """What cannot work in this declaration, one sentence each; empty when all is well."""
        found = []
        if not self.delimiter or any(c in "\r\n\0" for c in self.delimiter + self.quote + self.escape):
            found.append("delimiter must be one or several characters, and no sign a line break or NUL")
        if len(self.quote) > 1 or len(self.escape) > 1:
            found.append("quote and escape must be single characters")
        if (self.quote and self.quote in self.delimiter) or (
            self.own_escape and self.escape in self.delimiter
        ):
            found.append("delimiter, quote and escape must differ")
        if self.bare_quotes not in ("reject", "keep"):
            found.append('bare_quotes must be "reject" or "keep"')
        return found

    @property
    def own_escape(self) -> str:
        """The escape character where it is not the (doubled) quote, else ""."""
        return "" if self.escape in ("", self.quote, '"') else self.escape


@dataclass(frozen=True, slots=True)
class Layout:
    """How the records of one source are read: its dialect and its columns in file order.

    Names at the end may be "": unnamed columns whose cells must be blank in every row.
    """

    dialect: Dialect
    columns: tuple[str, ...]

    @property
    def named(self) -> tuple[str, ...]:
        """The columns that have a name."""
        return tuple(name for name in self.columns if name)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a source, healthy and set aside, in file order.

    cells      healthy rows, the source's columns under their own names; String for CSV ("" when empty)
    row        Int64, 1-based data row in the file, for each row of `cells`; set-aside rows count too
    line       Int64, physical line on which the row starts, from 1; null for Parquet
    raw        String, the record as it stands without its line end; None for Parquet
    set_aside  row, line, raw (Binary, as in the file without the last line end), reason, message
    """

    cells: pl.DataFrame
    row: pl.Series
    line: pl.Series
    raw: pl.Series | None
    set_aside: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Signs:
    """Delimiter, quote and escape as single ASCII characters ("" = none), and what they stand for."""

    delimiter: str
    quote: str
    escape: str
    instead: tuple[tuple[str, str], ...] = ()

    def put(self, data: bytes) -> bytes:
        for sign, stand_in in self.instead:
            data = data.replace(sign.encode(), stand_in.encode())
        return data

    def restore(self, text: pl.Series) -> pl.Series:
        for sign, stand_in in self.instead:
            text = text.str.replace_all(stand_in, sign, literal=True)
        return text


def _signs(dialect: Dialect, data: bytes) -> _Signs:
    """The signs to read `data` with: a longer or non-ASCII one is replaced by a character not in it.

    Taken from left to right, which is how a delimiter of several characters is read.
    """
    wanted = (dialect.delimiter, dialect.quote, dialect.own_escape)
    if all(len(sign.encode()) < 2 for sign in wanted):
        return _Signs(*wanted)
    free = (c for c in _STAND_INS if c not in wanted and c.encode() not in data)
    try:
        stand_in = {sign: next(free) for sign in wanted if len(sign.encode()) > 1}
    except StopIteration:
        raise SourceError(
            "the source holds every control character: declare a delimiter of one ASCII character"
        ) from None
    delimiter, quote, escape = (stand_in.get(sign, sign) for sign in wanted)
    return _Signs(delimiter, quote, escape, tuple(stand_in.items()))


@dataclass(frozen=True, slots=True)
class _Scan:
    """What one line is: `done` (ends between fields), `open` (inside quotes) or `stray` (a quote astray).

    fields: how many fields it begins; rest: its text behind the quote that stays open.
    """

    state: str
    fields: int
    rest: str = ""


class _Grammar:
    """The regular expressions of one set of signs and number of fields."""

    def __init__(self, signs: _Signs, fields: int, keep: bool) -> None:
        self.signs = signs
        self.fields = fields
        self._keep = keep
        d, q, e = (_hex(sign) for sign in (signs.delimiter, signs.quote, signs.escape))
        self._build_vectorised(d, q, e)
        self._build_single(d, q, e)

    def _build_vectorised(self, d: str, q: str, e: str) -> None:
        """For polars: whole records, NUL refused; and lines that end inside a quoted field."""
        escaped = rf"|{e}[^\x00\r\n]" if e else ""
        bare = f"[^{d}{q}{e}\\x00\r\n]"
        text = f"(?:{bare}{escaped})*"
        if self._keep and q:
            text = f"(?:(?:{bare}{escaped})(?:[^{d}{e}\\x00\r\n]{escaped})*)?"
        self.strict = self._record(f"(?:{bare}{escaped})*", d, q, e, r"\x00")
        self.healthy = self._record(text, d, q, e, r"\x00")
        structure = text.replace(r"\x00", "")
        inside = f"(?:[^{q}{e}]|{e + '(?s:.)' if e else q + q})*"
        quoted = f"{q}{inside}{q}"
        self.open = f"^(?:(?:{quoted}|{structure}){d})*{q}{inside}{e + '?' if e else ''}$" if q else ""

    def _record(self, text: str, d: str, q: str, e: str, nul: str) -> str:
        inside = f"(?:[^{q}{e}{nul}]|{e + f'[^{nul}]' if e else q + q})*"
        one = f"(?:{text}|{q}{inside}{q})" if q else text
        return f"^{one}(?:{d}{one}){{{self.fields - 1}}}$"

    def _build_single(self, d: str, q: str, e: str) -> None:
        """For the walk: one line at a time, NUL taken out before."""
        escaped = f"|{e}." if e else ""
        text = f"(?:[^{d}{q}{e}]++{escaped})*+"
        if self._keep and q:
            text = f"(?:(?:[^{d}{q}{e}]{escaped})(?:[^{d}{e}]++{escaped})*+)?"
        inside = f"(?:[^{q}{e}]++|{e + '.' if e else q + q})*+"
        ends = rf"(?={d}|\Z)"
        one = f"(?:{q}{inside}{q}|{text}){ends}" if q else f"{text}{ends}"
        last = f"{e}?" if e else ""
        self._one = re.compile(f"{d}({one})", re.DOTALL)
        self._run = re.compile(f"(?:{d}{one})*+", re.DOTALL)
        self._opens = re.compile(rf"{d}{q}{inside}{last}\Z" if q else r"(?!)", re.DOTALL)
        self._closes = re.compile(f"{inside}{q}{ends}" if q else r"(?!)", re.DOTALL)
        self._stays = re.compile(rf"{inside}{last}\Z" if q else r"(?!)", re.DOTALL)
        self._escaped = re.compile(f"{e or q + q}(.?)", re.DOTALL) if e or q else None

    def scan(self, line: str, inside: bool = False) -> _Scan:
        """Read one line, from the start of a record or from inside a quoted field."""
        if not inside:
            return self._fields(self.signs.delimiter + line, 0)
        closing = self._closes.match(line)
        if closing:
            return self._fields(line, closing.end())
        return _Scan("open" if self._stays.match(line) else "stray", 0)

    def _fields(self, text: str, start: int) -> _Scan:
        run = self._run.match(text, start)
        end = run.end() if run else start
        count = len(self._one.findall(text, start, end))
        if end == len(text):
            return _Scan("done", count)
        if self._opens.match(text, end):
            return _Scan("open", count + 1, text[end + 2 :])
        return _Scan("stray", count + 1)

    def cells(self, record: str) -> list[str]:
        """The fields of a healthy record, unquoted and unescaped."""
        return [self._plain(one) for one in self._one.findall(self.signs.delimiter + record)]

    def _plain(self, one: str) -> str:
        q, e = self.signs.quote, self.signs.escape
        if q and one.startswith(q):
            one = one[1:-1]
            if not e:
                return one.replace(q + q, q)
        return re.sub(_hex(e) + "(.)", r"\1", one, flags=re.DOTALL) if e and e in one else one

    def all_healthy(self, records: pl.Series) -> pl.Series:
        """Boolean: whether each is a healthy record of the right number of fields."""
        return _matches(records, self.healthy)


def _matches(text: pl.Series, pattern: str) -> pl.Series:
    try:
        return text.str.contains(pattern)
    except pl.exceptions.PolarsError:  # thousands of columns pass the size limit of polars' expressions
        compiled = re.compile(pattern.removesuffix("$") + r"\Z")
        return pl.Series(text.name, [bool(compiled.match(t)) for t in text.to_list()], dtype=pl.Boolean)


def _hex(sign: str) -> str:
    return "".join(f"\\x{ord(c):02x}" for c in sign)


@lru_cache(maxsize=64)
def _grammar(signs: _Signs, fields: int, keep: bool) -> _Grammar:
    return _Grammar(signs, fields, keep)


def grammar_of(layout: Layout, data: bytes) -> _Grammar:
    """The grammar of `layout` for reading `data`."""
    dialect = layout.dialect
    return _grammar(_signs(dialect, data), len(layout.columns), dialect.bare_quotes == "keep")


# ---------------------------------------------------------------------------------- healthy records to cells


def parse(layout: Layout, raw: pl.Series) -> pl.DataFrame:
    """Records found healthy before (String, without their line end) → one String column per named column.

    An empty cell, quoted or not, is "" and never null. What is not a healthy record has no defined result.
    """
    joined = "\n".join(raw.to_list()).encode()
    grammar = grammar_of(layout, joined)
    if grammar.signs.instead:
        joined = grammar.signs.put(joined)
        raw = pl.Series(raw.name, [grammar.signs.put(t.encode()).decode() for t in raw.to_list()], pl.String)
    return _named(layout, _cells(layout, grammar, raw, joined))


def _named(layout: Layout, cells: pl.DataFrame) -> pl.DataFrame:
    return cells.select(layout.named)


def _names(layout: Layout) -> list[str]:
    return [name or f"{_EXTRA}{i}" for i, name in enumerate(layout.columns)]


def _cells(layout: Layout, grammar: _Grammar, records: pl.Series, view: bytes) -> pl.DataFrame:
    """Cells of healthy records in signs; `view` is the same records joined by LF."""
    exact = _needs_exact(grammar, records, view, layout.dialect.bare_quotes == "keep")
    if exact is None:
        cells = _polars_cells(_names(layout), grammar.signs, records.len(), view)
        if cells is None:
            cells = _exact_cells(_names(layout), grammar, records)
    else:
        cells = _mixed_cells(_names(layout), grammar, records, exact)
    if grammar.signs.instead and (quote := grammar.signs.quote) and quote.encode() in view:
        cells = cells.select(grammar.signs.restore(column) for column in cells)
    return cells


def _needs_exact(grammar: _Grammar, records: pl.Series, view: bytes, keep: bool) -> pl.Series | None:
    """Boolean: which records polars' own parser would read otherwise; None when it is none of them."""
    signs = grammar.signs
    if signs.escape and signs.escape.encode() in view:
        return records.str.contains(signs.escape, literal=True)
    if keep and signs.quote and signs.quote.encode() in view:
        exact = ~_matches(records, grammar.strict)
        return exact if exact.any() else None
    return None


def _polars_cells(names: list[str], signs: _Signs, height: int, view: bytes) -> pl.DataFrame | None:
    """All cells by polars, or None where it does not see the records we see."""
    if not height:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    quoted = bool(signs.quote) and signs.quote.encode() in view
    cells = _read_csv(names, view, signs.delimiter, signs.quote if quoted else None)
    if cells is None and not quoted:  # polars refuses a file whose first line is short
        full = signs.delimiter * (len(names) - 1) + "\n"
        cells = _read_csv(names, full.encode() + view, signs.delimiter, None)
        cells = None if cells is None else cells[1:]
    return cells if cells is not None and cells.height == height else None


def _read_csv(names: list[str], view: bytes, delimiter: str, quote: str | None) -> pl.DataFrame | None:
    if view.startswith(_BOM.encode()):  # polars cuts one off; here it is text
        view = _BOM.encode() + view
    try:
        return pl.read_csv(
            view,
            has_header=False,
            schema=dict.fromkeys(names, pl.String),
            separator=delimiter,
            quote_char=quote,
            truncate_ragged_lines=True,
            empty_string_is_null=False,
            glob=False,
        )
    except pl.exceptions.PolarsError:
        return None


def _exact_cells(names: list[str], grammar: _Grammar, records: pl.Series) -> pl.DataFrame:
    rows = [grammar.cells(record) for record in records.to_list()]
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pl.DataFrame([pl.Series(n, list(c), pl.String) for n, c in zip(names, columns, strict=True)])


def _mixed_cells(names: list[str], grammar: _Grammar, records: pl.Series, exact: pl.Series) -> pl.DataFrame:
    """The records marked in `exact` one by one, the others by polars, in their order again."""
    easy = records.filter(~exact)
    by_polars = _polars_cells(names, grammar.signs, easy.len(), "\n".join(easy.to_list()).encode())
    if by_polars is None:
        return _exact_cells(names, grammar, records)
    one_by_one = _exact_cells(names, grammar, records.filter(exact))
    order = pl.concat([(~exact).arg_true(), exact.arg_true()]).arg_sort()
    return pl.concat([by_polars, one_by_one])[order]


# ------------------------------------------------------------------------------------------ blocks of lines


class _Block:
    """Complete lines of a source, and the same as the grammar sees them."""

    def __init__(self, layout: Layout, data: bytes) -> None:
        self.data = data
        self._there: dict[str, bool] = {}
        self.damaged = False  # holds bytes that are not UTF-8
        self.has_cr = b"\r" in data
        self._look(layout, data)

    def _look(self, layout: Layout, data: bytes) -> None:
        self.grammar = grammar_of(layout, data)
        self.mapped = self.grammar.signs.put(data)  # with the line ends as they stand
        self.view = self.mapped
        if self.has_cr:
            self.view = self.mapped.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._there.clear()
        try:
            self.lines = pl.read_lines(self.view, name="raw", glob=False)["raw"]
        except pl.exceptions.PolarsError:
            if self.damaged:
                raise SourceError("the text cannot be split into lines") from None
            self.damaged = True
            self._look(layout, _without_damage(data))

    @property
    def height(self) -> int:
        return self.lines.len()

    @cached_property
    def kept(self) -> list[bytes]:
        """The lines with their ends, as bytes of the source."""
        return self.data.splitlines(keepends=True)

    @cached_property
    def mapped_lines(self) -> list[str]:
        """The lines in signs, with their own ends."""
        return [line.decode() for line in self.mapped.splitlines(keepends=True)]

    @cached_property
    def structure(self) -> pl.Series:
        """The lines without NUL: one that was put in moves no boundary of a field."""
        return self.lines.str.replace_all("\0", "", literal=True) if self.has("\0") else self.lines

    def has(self, sign: str) -> bool:
        """Does it stand anywhere in the block? Remembered, since it is asked once per damaged row."""
        if sign not in self._there:
            self._there[sign] = bool(sign) and sign.encode() in self.view
        return self._there[sign]

    @cached_property
    def _texts(self) -> list[str]:
        return self.lines.to_list()

    def text(self, start: int, end: int) -> str:
        """The record of lines [start, end) in signs, inner line ends as they stand."""
        if not self.has_cr:
            return "\n".join(self._texts[start:end])
        return _cut_end("".join(self.mapped_lines[start:end]))

    def size_of_last(self, count: int) -> int:
        """Bytes of the last `count` lines."""
        if count > 2 * HOLD:
            return sum(map(len, self.kept[-count:]))
        at = len(self.data)
        for _ in range(count):
            at = self._line_start(at)
        return len(self.data) - at

    def _line_start(self, end: int) -> int:
        content = end - len(_line_end(self.data[max(0, end - 2) : end]))
        before = self.data.rfind(b"\n", 0, content)
        if self.has_cr:
            before = max(before, self.data.rfind(b"\r", 0, content))
        return before + 1


def _without_damage(data: bytes) -> bytes:
    """The same with NUL in the place of each byte that is not UTF-8: no offset moves."""
    return re.sub("[\udc80-\udcff]", "\0", data.decode("utf-8", "surrogateescape")).encode()


def _line_end(data: bytes) -> bytes:
    return next((end for end in (b"\r\n", b"\n", b"\r") if data.endswith(end)), b"")


def _cut_end(text: str) -> str:
    return text[: len(text) - len(_line_end(text[-2:].encode("utf-8", "replace")))]


def _cut_end_bytes(data: bytes) -> bytes:
    return data[: len(data) - len(_line_end(data[-2:]))]


def last_line_end(data: bytes) -> int:
    """Where the last line that is certainly complete ends; 0 when none is.

    A CR in the last place does not count: it may be the first half of CRLF.
    """
    at = max(data.rfind(b"\n"), data.rfind(b"\r", 0, max(0, len(data) - 1)))
    return at + 1


# ------------------------------------------------------------------------------------------ the careful walk

_BLANK, _HEALTHY, _SPOILT, _OPEN, _BROKEN = range(5)
"""A spoilt line would be healthy without its NULs and undecodable bytes: one row, but no good one."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """Lines [start, end) that are one row; set aside with `message`, or healthy when that is None."""

    start: int
    end: int
    message: str | None = None


@dataclass(slots=True)
class Habits:
    """What the source has shown so far about quoted line breaks; carried from block to block."""

    longest: int = 1
    """Lines of its longest healthy record."""

    @property
    def multiline(self) -> bool:
        """Whether any healthy record had a quoted line break."""
        return self.longest > 1


@dataclass(slots=True)
class _Walk:
    """Decides on the lines of a block that are not healthy by themselves, from one to the next.

    Every decision needs only what comes before the next opening quote, so the walk is linear: from inside a
    quoted field, a line that opens one (an odd number of quotes) always ends outside or refutes the field.
    """

    block: _Block
    codes: list[int]
    habits: Habits
    final: bool
    units: list[_Unit] = field(default_factory=list)
    undecided: int | None = None
    _texts: dict[int, str] = field(default_factory=dict)
    _quoted: list[int] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _next: int = 0
    _grammar: _Grammar = field(init=False)
    _n: int = field(init=False)

    def __post_init__(self) -> None:
        self._grammar = self.block.grammar
        self._n = self._grammar.fields

    def run(self) -> None:
        """Fill `units`, and `undecided` with the first line that needs the next block."""
        self._prepare()
        for at, code in enumerate(self.codes):
            if code < _SPOILT or at < self._next:
                continue
            decided = self._judge(at, code)
            if not decided:
                self.undecided = at
                return

    def _judge(self, at: int, code: int) -> bool:
        if code == _SPOILT:
            return self._add(at, at + 1, NUL)
        return self._open(at) if code == _OPEN else self._broken(at)

    def _prepare(self) -> None:
        lines, quote = self.block.structure, self._grammar.signs.quote
        codes = pl.Series(self.codes, dtype=pl.UInt8)
        quoted = (
            lines.str.contains(quote, literal=True) if quote else pl.repeat(False, lines.len(), eager=True)
        )
        wanted = quoted | (codes >= _SPOILT)
        self._texts = dict(zip(wanted.arg_true().to_list(), lines.filter(wanted).to_list(), strict=True))
        self._quoted = quoted.arg_true().to_list()
        self._starts = [0, *(lines.str.len_bytes().cast(pl.Int64) + 1).cum_sum().to_list()]

    def _size(self, start: int, end: int) -> int:
        return self._starts[end] - self._starts[start]

    def _add(self, start: int, end: int, message: str | None) -> bool:
        self.units.append(_Unit(start, end, message))
        self._next = end
        return True

    # -- a line that ends inside an open quoted field

    def _open(self, at: int) -> bool:
        """Two readings: still inside the quote on the next lines, or a stray quote and rows go on."""
        end, more = self._follow(at)
        if end is None:
            return False
        if more < 0 and not self.habits.multiline and self._as_text(at) >= self._n:
            return self._add(at, at + 1, self._unpaired)  # the common case, without a look at the fields
        begun = self._grammar.scan(self._texts[at])
        as_text = self._as_text(at)
        if self.habits.multiline:  # any quote may be the stray one in a list without quoted line breaks
            as_text = begun.fields + begun.rest.count(self._grammar.signs.delimiter)
        if more < 0:
            return self._unclosed(at, end, as_text)
        return self._closed(at, end, begun.fields + more, as_text)

    def _follow(self, at: int) -> tuple[int | None, int]:
        """The line on which the record that opens at `at` ends, and the fields begun behind the open one.

        -1 fields where it cannot end there; no line when only the next block can tell.
        """
        more = 0
        scan, texts = self._grammar.scan, self._texts
        for i in range(bisect_right(self._quoted, at), len(self._quoted)):
            line = self._quoted[i]
            if self._size(at, line + 1) > MAX_RECORD:
                return line, -1
            found = scan(texts[line], inside=True)
            more += found.fields
            if found.state == "done":
                return line, more
            if found.state == "stray":
                return line, -1
        if self.final or self._size(at, len(self.codes)) > MAX_RECORD:
            return len(self.codes) - 1, -1
        return None, -1

    def _closed(self, at: int, end: int, total: int, as_text: int) -> bool:
        if total == self._n:
            self.habits.longest = max(self.habits.longest, end + 1 - at)
            return self._add(at, end + 1, self._nul(at, end + 1))
        rows = self.codes[at + 1 : end + 1].count(_HEALTHY)
        if not rows or (rows <= FEW and (self.habits.multiline or as_text < self._n)):
            return self._give_up(at, end + 1, self._count(total))
        return self._unclosed(at, end, as_text)

    def _nul(self, start: int, end: int) -> str | None:
        if not self.block.has("\0") or "\0" not in self.block.text(start, end):
            return None
        return NUL

    def _unclosed(self, at: int, end: int, as_text: int) -> bool:
        """The quote at `at` is stray, or its partner is lost; the row ends on line `end` at the latest."""
        if as_text >= self._n and not self.habits.multiline:
            return self._add(at, at + 1, self._unpaired)
        return self._give_up(at, self._spilled(at, end, as_text))

    def _give_up(self, at: int, end: int, message: str | None = None) -> bool:
        """Set lines [at, end) aside, and those before that are in doubt with them.

        Where a damaged line with a quote stands before, the quote at `at` closes what was lost there, and
        rows begin again on the next line.
        """
        head = self._head(at)
        damaged = any(unit.start == head and unit.message for unit in self.units[-HOLD:])
        if head < at and self._is_stray(head):
            return self._replace(head, at + 1)
        unclear = message is None and (self.habits.multiline or self._starts_quoted(at))
        if head < at and (unclear or (damaged and self.habits.multiline)):
            return self._replace(head, end)
        return self._add(at, end, message or self._doubt(at, end))

    def _spilled(self, at: int, end: int, total: int) -> int:
        """The line behind a row whose closing quote is lost: it may go on, up to the next certain line.

        A line that starts with a quote cannot stand inside a quoted field, so it is certain; so is one after
        the row has all its fields, in a list that has shown no quoted line break besides; and every line
        behind the first one with a quote in it, where the row must have come out of its quoted field.
        """
        last = at + 1
        reach = max(3, self.habits.longest) if total >= self._n else MAX_RECORD
        for line in range(at + 1, min(end + 1, len(self.codes))):
            if self.codes[line] == _BLANK:
                continue
            if self._is_certain(line, total) or (line - at >= reach and total >= self._n):
                break
            last = self._end_of(line)
            total += self._as_text(line) - 1
            if line in self._texts and self._has_quote(line):
                break
        return last

    def _is_certain(self, line: int, total: int) -> bool:
        if self.codes[line] != _BROKEN and self._starts_quoted(line):
            return total >= self._n or not self.habits.multiline
        return total >= self._n and not self.habits.multiline

    def _end_of(self, line: int) -> int:
        if self.codes[line] != _OPEN:
            return line + 1
        end, more = self._follow(line)
        return line + 1 if end is None or more < 0 else end + 1

    def _starts_quoted(self, line: int) -> bool:
        return self._has_quote(line) and self._texts[line].startswith(self._grammar.signs.quote)

    def _may_open(self, line: int) -> bool:
        """A quote that is more than an escaped one inside a quoted field."""
        return self._has_quote(line) and self._grammar.scan(self._texts[line], inside=True) != _Scan(
            "open", 0
        )

    def _is_stray(self, line: int) -> bool:
        return self.codes[line] == _BROKEN and self._has_quote(line)

    def _has_quote(self, line: int) -> bool:
        quote = self._grammar.signs.quote
        return bool(quote) and quote in self._texts.get(line, "")

    def _as_text(self, line: int) -> int:
        if self.codes[line] in (_HEALTHY, _SPOILT):
            return self._n
        return self._texts[line].count(self._grammar.signs.delimiter) + 1

    # -- a line that no continuation can mend

    def _broken(self, at: int) -> bool:
        start = self._head(at)
        return self._replace(start, at + 1) if start < at else self._add(at, at + 1, self._why(at))

    def _replace(self, start: int, end: int) -> bool:
        """Set lines [start, end) aside as one, whatever was decided on them before."""
        while self.units and self.units[-1].start >= start:
            self.units.pop()
        return self._add(start, end, self._doubt(start, end))

    def _head(self, at: int) -> int:
        """The first line in doubt because `at` reads well as the tail of a quoted field.

        Then the opening quote may have been lost some lines before, in a row that looked healthy.
        """
        if not self._has_quote(at):
            return at
        tail = self._grammar.scan(self._texts[at], inside=True)
        short = self._as_text(at) < self._n
        reads = tail.state == "done" or (tail.state == "open" and tail.fields > 0)
        head = at
        if reads and tail.fields < self._n and (short or self.habits.multiline):
            head = self._look_back(at, tail.fields, short)
        return self._linked(at) if head == at and self.habits.multiline else head

    def _linked(self, at: int) -> int:
        """The damaged line with a quote before `at` where no quote between them makes a row certain."""
        for unit in self._units_before(at):
            if at - unit.start > max(HOLD, 2 * self.habits.longest):
                break
            if unit.message is None and self._grammar.signs.quote in self.block.text(unit.start, unit.end):
                break
            if unit.message is not None and any(self._has_quote(i) for i in range(unit.start, unit.end)):
                return unit.start
        return at

    def _look_back(self, at: int, after: int, short: bool) -> int:
        """Back over lines that could stand inside that field, to the line that may have opened it.

        That is a damaged line with a quote, within reach, or else the healthy row just before; more rows
        than that one only in a list known to have quoted line breaks. after: fields behind it on line `at`.
        """
        head, rows, total = at, 0, self._as_text(at)
        for unit in self._units_before(at):
            if unit.message is not None:
                total += sum(self._as_text(i) - 1 for i in range(unit.start, unit.end) if i in self._texts)
                if any(self._may_open(i) for i in range(unit.start, unit.end)):
                    return unit.start
                head = unit.start if not rows or self.habits.multiline else head
                continue
            enough = total >= self._n and not self.habits.multiline
            if enough or rows == HOLD or not self._in_doubt(unit, after, short and not rows):
                break
            if rows and (unit.end - unit.start > 1 or at - unit.start >= 2 * self.habits.longest):
                break
            rows += 1
            head = unit.start if rows == 1 or self.habits.multiline else head
        return head

    def _units_before(self, at: int) -> Iterator[_Unit]:
        i = len(self.units)
        while at > 0:
            if i and self.units[i - 1].end == at:
                i -= 1
                yield self.units[i]
                at = self.units[i].start
                continue
            at -= 1
            if self.codes[at] == _HEALTHY:
                yield _Unit(at, at + 1)

    def _in_doubt(self, unit: _Unit, after: int, short: bool) -> bool:
        """Whether this row may have lost the opening quote of the field `after` fields before its end.

        Or was closed too early by a stray quote, where `short` shows that the tail is no row of its own.
        """
        quote, delimiter = self._grammar.signs.quote, self._grammar.signs.delimiter
        text = self.block.text(unit.start, unit.end)
        if quote not in text:
            return True
        if short and not after and text.endswith(quote):
            return True
        if unit.end - unit.start > 1 and text.endswith(quote):  # did it end with the quote of the next row?
            return text[-2] in (delimiter, "\n", "\r")
        before, _, behind = text.rpartition(quote)
        ends = behind.count(delimiter)  # fields that begin behind the last quoted one
        empty = before.endswith(delimiter + quote) or before == quote
        return ends > after or (ends == after and empty)

    # -- messages: what was expected and found, never a cell

    def _why(self, at: int) -> str:
        text = self._texts[at]
        if self._nul(at, at + 1):
            return NUL
        if not self._has_quote(at) and not self._grammar.signs.escape:
            return self._count(text.count(self._grammar.signs.delimiter) + 1)
        found = self._grammar.scan(text)
        return self._count(found.fields) if found.state == "done" else self._stray(at, found.fields)

    @property
    def _unpaired(self) -> str:
        return f"expected {_fields(self._n)}, found a quote that opens a field and is not closed"

    def _count(self, found: int) -> str:
        return f"expected {_fields(self._n)}, found {found}"

    def _stray(self, at: int, found: int = 0) -> str:
        found = found or self._grammar.scan(self._texts[at]).fields
        return f"expected {_fields(self._n)}, found a quote out of place in field {found}"

    def _doubt(self, start: int, end: int) -> str:
        if end - start == 1:
            return self._unpaired if self.codes[start] == _OPEN else self._stray(start)
        return (
            f"expected {_fields(self._n)} to a row, found a quote missing or out of place "
            f"that leaves these {end - start} lines undecidable"
        )


NUL = "found a NUL"


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


# --------------------------------------------------------------------------------------- blocks into batches


@dataclass(frozen=True, slots=True)
class _Found:
    """What a block holds up to line `cut`: records with the line they start on, and what is set aside."""

    cut: int
    raw: pl.Series
    cells: pl.DataFrame
    at: pl.Series
    units: list[_Unit]


class Splitter:
    """Cuts the text of one source into batches of rows.

    layout   how records are read
    header   the text of the header record, to recognise where it is repeated; None without a header
    line     physical line on which the text starts, from 1
    restore  text as it is fed here → the bytes of the file
    """

    def __init__(
        self,
        layout: Layout,
        *,
        header: str | None = None,
        line: int = 1,
        restore: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self._layout = layout
        self._header = header
        self._line = line
        self._row = 0
        self._restore = restore
        self._carry = b""
        self._habits = Habits()

    @property
    def pending(self) -> int:
        """Bytes that wait for more text."""
        return len(self._carry)

    def feed(self, data: bytes, *, final: bool, end: int = 0) -> Batch | None:
        """The rows that are certain once `data` is added; `end` is its last byte's offset in the file + 1.

        Raises SourceError for a line longer than MAX_LINE.
        """
        stop = len(data) if final else last_line_end(data)
        if not stop and not (final and self._carry):
            self._keep(self._carry + data)
            return None
        whole = b"".join((self._carry, memoryview(data)[:stop]))
        rest = data[stop:]
        block = _Block(self._layout, whole)
        found = self._find(block, final)
        size = block.size_of_last(block.height - found.cut)
        self._keep(whole[len(whole) - size :] + rest)
        offset = end - len(self._restore(whole + rest)) if block.damaged else 0
        return self._batch(block, found, offset)

    def _keep(self, data: bytes) -> None:
        if len(data) > MAX_LINE + MAX_RECORD:
            raise SourceError(
                f"line {self._line} is longer than {MAX_LINE >> 20} MiB: declare the delimiter, quote and "
                "encoding the file is written in"
            )
        self._carry = data

    def _find(self, block: _Block, final: bool) -> _Found:
        signs = block.grammar.signs
        if not block.has(signs.quote) and not block.has(signs.escape):
            found = self._plain(block, final)
        else:
            found = self._quoted(block, final)
        return found or self._walked(block, final)

    # -- no quote in the block: counting bytes shows every row with a field too few or too many

    def _plain(self, block: _Block, final: bool) -> _Found | None:
        lines = block.lines
        width = lines.str.len_bytes().cast(pl.Int64)
        at = pl.int_range(lines.len(), eager=True, dtype=pl.Int64)
        view = block.view
        if width.min() == 0:
            at = at.filter(width > 0)
            lines, width = lines.filter(width > 0), width.filter(width > 0)
            view = "\n".join(lines.to_list()).encode()
        names, signs = _names(self._layout), block.grammar.signs
        cells = _polars_cells(names, signs, lines.len(), view)
        if cells is None:
            return None
        right = _width(cells) + (len(names) - 1) == width
        if b"\0" in view:
            right &= ~lines.str.contains("\0", literal=True)
        cut = block.height if final else self._hold(at, width)
        return self._split_plain(block, cut, cells, lines, at, right)

    def _split_plain(
        self, block: _Block, cut: int, cells: pl.DataFrame, lines: pl.Series, at: pl.Series, right: pl.Series
    ) -> _Found:
        height = at.search_sorted(cut) if at.len() and cut < block.height else at.len()
        cells, lines, at, right = cells[:height], lines[:height], at[:height], right[:height]
        units: list[_Unit] = []
        if not right.all():
            units = _miscounted(block.grammar, lines.filter(~right), at.filter(~right))
            cells, lines, at = cells.filter(right), lines.filter(right), at.filter(right)
        return _Found(cut, lines, cells, at, units)

    def _hold(self, at: pl.Series, width: pl.Series) -> int:
        """The line from which on rows are kept back: the last HOLD rows, or fewer where they are long."""
        held = size = 0
        for one in reversed(width.tail(HOLD).to_list()):
            size += one
            if held and size > HOLD_BYTES:
                break
            held += 1
        return int(at[-held]) if held else 0

    # -- quotes: every line a record by itself, or every group of lines with an even number of quotes

    def _quoted(self, block: _Block, final: bool) -> _Found | None:
        lines = block.lines
        at = pl.int_range(lines.len(), eager=True, dtype=pl.Int64)
        width = lines.str.len_bytes().cast(pl.Int64)
        view: bytes | None = block.view
        if width.min() == 0:
            at, lines, width = at.filter(width > 0), lines.filter(width > 0), width.filter(width > 0)
            view = None
        if not lines.len() or not block.grammar.all_healthy(lines).all():
            return self._grouped(block, final)
        cut = block.height if final else self._hold(at, width)
        return self._all(block, cut, lines, at, view)

    def _all(self, block: _Block, cut: int, raw: pl.Series, at: pl.Series, view: bytes | None) -> _Found:
        view = "\n".join(raw.to_list()).encode() if view is None else view
        cells = _cells(self._layout, block.grammar, raw, view)
        height = at.search_sorted(cut) if cut < block.height else at.len()
        return _Found(cut, raw[:height], cells[:height], at[:height], [])

    def _grouped(self, block: _Block, final: bool) -> _Found | None:
        signs = block.grammar.signs
        if signs.escape or not signs.quote:
            return None
        marks = block.lines.str.count_matches(signs.quote, literal=True).cast(pl.Int64)
        inside = (marks.cum_sum() - marks) % 2 == 1
        starts = (~inside).arg_true().cast(pl.Int64)
        end = block.height
        if marks.sum() % 2:  # the last record goes on in the next block
            end = int(starts[-1])
            if final or not end or block.size_of_last(block.height - end) > MAX_RECORD:
                return None
            starts = starts[:-1]
        return self._groups(block, final, inside[:end], starts, end)

    def _groups(
        self, block: _Block, final: bool, inside: pl.Series, starts: pl.Series, end: int
    ) -> _Found | None:
        lines = block.lines[:end]
        if block.has_cr:
            lines = pl.Series(block.mapped_lines[:end], dtype=pl.String)
        raw = _join_groups(lines, inside, "" if block.has_cr else "\n")
        sizes = starts.diff().shift(-1).fill_null(end - starts[-1])
        filled = raw != ""
        raw, starts, sizes = raw.filter(filled), starts.filter(filled), sizes.filter(filled)
        if not raw.len() or not block.grammar.all_healthy(raw).all():
            return None
        self._habits.longest = max(self._habits.longest, int(sizes.max()))  # type: ignore[arg-type]
        cut = block.height if final else self._hold(starts, raw.str.len_bytes().cast(pl.Int64))
        return self._all(block, cut, raw, starts, None)

    # -- the walk

    def _walked(self, block: _Block, final: bool) -> _Found:
        codes = _codes(block)
        before = self._habits.multiline
        walk = _Walk(block, codes, self._habits, final)
        walk.run()
        if self._habits.multiline and not before:  # lines before the first line break were judged without it
            walk = _Walk(block, codes, self._habits, final)
            walk.run()
        cut = block.height if final else _hold_units(walk)
        return self._collect(block, codes, cut, [unit for unit in walk.units if unit.start < cut])

    def _collect(self, block: _Block, codes: list[int], cut: int, units: list[_Unit]) -> _Found:
        healthy = [unit for unit in units if unit.message is None]
        covered = bytearray(cut)
        for unit in units:
            covered[unit.start : unit.end] = b"\1" * (unit.end - unit.start)
        single = [i for i in range(cut) if codes[i] == _HEALTHY and not covered[i]]
        at = pl.Series([*single, *(unit.start for unit in healthy)], dtype=pl.Int64)
        many = pl.Series([block.text(unit.start, unit.end) for unit in healthy], dtype=pl.String)
        raw = pl.concat([block.lines.gather(single), many]).alias("raw")
        order = at.arg_sort()
        raw, at = raw.gather(order), at.gather(order)
        cells = _cells(self._layout, block.grammar, raw, "\n".join(raw.to_list()).encode())
        return _Found(cut, raw, cells, at, [unit for unit in units if unit.message is not None])

    # -- numbers, and the checks that need the cells

    def _batch(self, block: _Block, found: _Found, offset: int) -> Batch:
        cells, units = found.cells, found.units
        reasons = self._suspect_cells(cells)
        at, raw = found.at, found.raw
        repeated: list[int] = []
        if reasons is not None:
            extra, again = reasons
            repeated = at.filter(again).to_list()
            units = units + [_Unit(i, self._end(block, found, i), EXTRA) for i in at.filter(extra & ~again)]
            units += [_Unit(i, self._end(block, found, i), AGAIN) for i in repeated]
            good = ~(extra | again)
            cells, raw = cells.filter(good), raw.filter(good)
            at_good = at.filter(good)
        else:
            at_good = at
        units.sort(key=lambda unit: unit.start)
        rows = self._numbers(at_good, units)
        batch = Batch(
            cells=_named(self._layout, cells),
            row=rows[0].alias("row"),
            line=(at_good + self._line).alias("line"),
            raw=block.grammar.signs.restore(raw).alias("raw"),
            set_aside=self._set_aside(block, units, rows[1], offset),
        )
        self._line += found.cut
        self._row += cells.height + len(units)
        return batch

    def _end(self, block: _Block, found: _Found, start: int) -> int:
        """The line behind the record that starts on line `start`."""
        text = found.raw[int(found.at.search_sorted(start))]
        return start + 1 + len(re.findall("\r\n|\r|\n", text))

    def _suspect_cells(self, cells: pl.DataFrame) -> tuple[pl.Series, pl.Series] | None:
        """Boolean twice: rows with something in an unnamed column; rows that repeat the header."""
        extras = [name for name in cells.columns if name.startswith(_EXTRA)]
        none = pl.repeat(False, cells.height, dtype=pl.Boolean, eager=True)
        extra = again = none
        if extras:
            extra = cells.select(x=pl.any_horizontal(pl.col(extras).str.strip_chars() != ""))["x"]
        named = self._layout.named
        if self._header is not None and named:
            first = cells[named[0]]
            again = (first == named[0]) | (first == _BOM + named[0])
            if again.any():
                same = [pl.col(name) == name for name in named[1:]] + [pl.col(x) == "" for x in extras]
                again = again & cells.select(x=pl.all_horizontal(pl.lit(True), *same))["x"]
        return (extra, again) if extra.any() or again.any() else None

    def _numbers(self, at: pl.Series, units: list[_Unit]) -> tuple[pl.Series, pl.Series]:
        """Row numbers of the healthy rows and of the set-aside ones, by the lines they start on."""
        first = self._row + 1
        if not units:
            return pl.int_range(first, first + at.len(), eager=True, dtype=pl.Int64), pl.Series(
                [], dtype=pl.Int64
            )
        aside = pl.Series([unit.start for unit in units], dtype=pl.Int64)
        before = aside.search_sorted(at).cast(pl.Int64) if at.len() else at
        healthy = pl.int_range(at.len(), eager=True, dtype=pl.Int64) + before + first
        behind = at.search_sorted(aside).cast(pl.Int64)
        return healthy, pl.int_range(aside.len(), eager=True, dtype=pl.Int64) + behind + first

    def _set_aside(self, block: _Block, units: list[_Unit], rows: pl.Series, offset: int) -> pl.DataFrame:
        if not units:
            return pl.DataFrame(schema=SET_ASIDE)
        told = self._reasons(block, units, offset)
        return pl.DataFrame(
            {
                "row": rows,
                "line": pl.Series([unit.start + self._line for unit in units], dtype=pl.Int64),
                "raw": self._raws(block, units),
                "reason": pl.Series([reason for reason, _ in told], dtype=pl.String),
                "message": pl.Series([message for _, message in told], dtype=pl.String),
            }
        )

    def _raws(self, block: _Block, units: list[_Unit]) -> pl.Series:
        """The bytes of the units as they stand in the file, without the last line end."""
        if self._restore is bytes and not block.damaged and all(u.end - u.start == 1 for u in units):
            lines = block.lines.gather([unit.start for unit in units])
            return block.grammar.signs.restore(lines).cast(pl.Binary)
        raws = [self._restore(_cut_end_bytes(b"".join(block.kept[u.start : u.end]))) for u in units]
        return pl.Series(raws, dtype=pl.Binary)

    def _reasons(self, block: _Block, units: list[_Unit], offset: int) -> list[tuple[str, str]]:
        if block.damaged or block.has(_BOM):
            return [self._told(block, unit, offset) for unit in units]
        malformed, repeated = ROW_MALFORMED, (HEADER_REPEATED, AGAIN)
        return [repeated if u.message == AGAIN else (malformed, u.message or "") for u in units]

    def _told(self, block: _Block, unit: _Unit, offset: int) -> tuple[str, str]:
        if unit.message == AGAIN or self._is_header(block, unit):
            return HEADER_REPEATED, AGAIN
        if block.damaged and (where := self._bad_byte(block, unit)) is not None:
            return ROW_MALFORMED, (
                f"expected {self._layout.dialect.encoding}, found bytes that are not, "
                f"the first at byte offset {offset + where} of the file"
            )
        return ROW_MALFORMED, unit.message or ""

    def _is_header(self, block: _Block, unit: _Unit) -> bool:
        """A header with its byte-order mark in the middle of glued files: its quotes look astray."""
        if self._header is None or unit.end - unit.start > 1 or not block.has(_BOM):
            return False
        return _cut_end_bytes(block.kept[unit.start]) == (_BOM + self._header).encode("utf-8", "replace")

    def _bad_byte(self, block: _Block, unit: _Unit) -> int | None:
        """The place in the block of the first byte that is not of the encoding, as bytes of the file."""
        lines = block.kept
        data = b"".join(lines[unit.start : unit.end])
        try:
            data.decode()
        except UnicodeDecodeError as error:
            before = self._offsets(block)[unit.start]
            return before + len(self._restore(data[: error.start]))
        return None

    def _offsets(self, block: _Block) -> list[int]:
        offsets: list[int] = getattr(block, "offsets", [])
        if not offsets:
            offsets = [0]
            for line in block.kept:
                offsets.append(offsets[-1] + len(self._restore(line)))
            block.offsets = offsets  # type: ignore[attr-defined]
        return offsets


EXTRA = "expected nothing behind the last named column, found text"
AGAIN = "the header is repeated here"


def _width(cells: pl.DataFrame) -> pl.Series:
    total = pl.sum_horizontal(pl.all().str.len_bytes().cast(pl.Int64))
    return cells.select(width=total)["width"]


def _miscounted(grammar: _Grammar, lines: pl.Series, at: pl.Series) -> list[_Unit]:
    counts = lines.str.count_matches(grammar.signs.delimiter, literal=True) + 1
    nul = lines.str.contains("\0", literal=True)
    expected = f"expected {_fields(grammar.fields)}, found "
    return [
        _Unit(i, i + 1, NUL if n else f"{expected}{count}")
        for i, count, n in zip(at.to_list(), counts.to_list(), nul.to_list(), strict=True)
    ]


def _join_groups(lines: pl.Series, inside: pl.Series, between: str) -> pl.Series:
    """Lines into records; `inside` tells which lines belong to the record of the line before."""
    frame = pl.DataFrame({"line": lines, "record": (~inside).cast(pl.Int64).cum_sum()})
    joined = frame.group_by("record", maintain_order=True).agg(pl.col("line").str.join(between))["line"]
    return joined if between else joined.str.replace(r"(?:\r\n|\r|\n)$", "")


def _codes(block: _Block) -> list[int]:
    grammar, structure = block.grammar, block.structure
    frame = pl.DataFrame({"raw": block.lines, "line": structure, "healthy": grammar.all_healthy(structure)})
    opens = pl.col("line").str.contains(grammar.open) if grammar.open else pl.lit(False)
    code = (
        pl.when(pl.col("raw") == "")
        .then(_BLANK)
        .when(pl.col("healthy") & (pl.col("raw") == pl.col("line")))
        .then(_HEALTHY)
        .when(pl.col("healthy"))
        .then(_SPOILT)
        .when(opens)
        .then(_OPEN)
        .otherwise(_BROKEN)
    )
    return frame.select(code=code)["code"].to_list()


def _hold_units(walk: _Walk) -> int:
    """The line from which on rows are kept back, at the start of a row."""
    limit = len(walk.codes) if walk.undecided is None else walk.undecided
    cut, held = limit, 0
    for unit in walk._units_before(limit):  # noqa: SLF001
        if held == HOLD or (held and walk._size(unit.start, limit) > HOLD_BYTES):  # noqa: SLF001
            break
        cut, held = unit.start, held + 1
    return cut
