"""The grammar of delimited text: what one healthy record is, and its cells.

A record is exactly n fields between delimiters; a field is text without quote, line break or NUL, or is
quoted from its first character to its last. Delimiter, quote and escape are seen as single ASCII characters
(signs); where they are not, unused control characters stand in for them, so that every dialect reads at one
speed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from importer.core.errors import SourceError

WIDE = 100
"""Fields from which on they are counted apart: a pattern that counts them costs more with each."""

BOM = "\ufeff"
NULL_MARK = "N"
"""Behind the escape, as a whole field without quotes: a blank cell, as database exports write it."""

UNKNOWN_ESCAPE = "\0"
"""What is read of a cell with an escape that stands for nothing: NUL, which no healthy cell holds."""

UNNAMED = "\0extra"  # names of the unnamed trailing columns; NUL can be in no header
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

    Names at the end may be "": unnamed columns whose cells must be blank in every row. `constants` are
    columns behind them that stand in no record: name, and the text of every row.
    """

    dialect: Dialect
    columns: tuple[str, ...]
    constants: tuple[tuple[str, str], ...] = ()

    @property
    def named(self) -> tuple[str, ...]:
        """The columns that have a name."""
        return tuple(name for name in self.columns if name)


@dataclass(frozen=True, slots=True)
class Signs:
    """Delimiter, quote and escape as single ASCII characters ("" = none), and what they stand for."""

    delimiter: str
    quote: str
    escape: str
    instead: tuple[tuple[str, str], ...] = ()

    def put(self, data: bytes) -> bytes:
        """The text with its signs as single characters."""
        for sign, stand_in in self.instead:
            data = data.replace(sign.encode(), stand_in.encode())
        return data

    def restore(self, text: pl.Series) -> pl.Series:
        """The text with its signs as the source has them."""
        for sign, stand_in in self.instead:
            text = text.str.replace_all(stand_in, sign, literal=True)
        return text


def _signs(dialect: Dialect, data: bytes) -> Signs:
    """The signs to read `data` with: a longer or non-ASCII one is replaced by a character not in it.

    Taken from left to right, which is how a delimiter of several characters is read.
    """
    wanted = (dialect.delimiter, dialect.quote, dialect.own_escape)
    if all(len(sign.encode()) < 2 for sign in wanted):
        return Signs(*wanted)
    free = (c for c in _STAND_INS if c not in wanted and c.encode() not in data)
    try:
        stand_in = {sign: next(free) for sign in wanted if len(sign.encode()) > 1}
    except StopIteration:
        raise SourceError(
            "the source holds every control character: declare a delimiter of one ASCII character"
        ) from None
    delimiter, quote, escape = (stand_in.get(sign, sign) for sign in wanted)
    return Signs(delimiter, quote, escape, tuple(stand_in.items()))


@dataclass(frozen=True, slots=True)
class Scan:
    """What one line is: `done` (ends between fields), `open` (in quotes) or `stray` (a quote out of place).

    fields: how many fields it begins; rest: its text behind the quote that stays open.
    """

    state: str
    fields: int
    rest: str = ""


class Grammar:
    """The regular expressions of one set of signs and number of fields."""

    def __init__(self, signs: Signs, fields: int, keep: bool) -> None:
        self.signs = signs
        self.fields = fields
        self.keep = keep
        d, q, e = (_hex(sign) for sign in (signs.delimiter, signs.quote, signs.escape))
        self._build_vectorised(d, q, e)
        self._build_single(d, q, e)

    def _build_vectorised(self, d: str, q: str, e: str) -> None:
        """For polars: whole records, NUL refused; and lines that end inside a quoted field."""
        escaped = rf"|{e}[^\x00\r\n]" if e else ""
        bare = f"[^{d}{q}{e}\\x00\r\n]"
        text = f"(?:{bare}{escaped})*"
        if self.keep and q:
            text = f"(?:(?:{bare}{escaped})(?:[^{d}{e}\\x00\r\n]{escaped})*)?"
        self.strict = self._record(f"(?:{bare}{escaped})*", d, q, e, r"\x00", "*")
        self._is_wide = self.fields > WIDE
        count = "*" if self._is_wide else f"{{{self.fields - 1}}}"
        self.healthy = self._record(text, d, q, e, r"\x00", count)
        structure = text.replace(r"\x00", "")
        inside = f"(?:[^{q}{e}]|{e + '(?s:.)' if e else q + q})*"
        quoted = f"{q}{inside}{q}"
        self.open = f"^(?:(?:{quoted}|{structure}){d})*{q}{inside}{e + '?' if e else ''}$" if q else ""

    def _record(self, text: str, d: str, q: str, e: str, nul: str, count: str) -> str:
        inside = f"(?:[^{q}{e}{nul}]|{e + f'[^{nul}]' if e else q + q})*"
        one = f"(?:{text}|{q}{inside}{q})" if q else text
        return f"^{one}(?:{d}{one}){count}$"

    def _build_single(self, d: str, q: str, e: str) -> None:
        """For the walk: one line at a time, NUL taken out before."""
        escaped = f"|{e}." if e else ""
        text = f"(?:[^{d}{q}{e}]++{escaped})*+"
        if self.keep and q:
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

    def scan(self, line: str, inside: bool = False) -> Scan:
        """Read one line, from the start of a record or from inside a quoted field."""
        if not inside:
            return self._fields(self.signs.delimiter + line, 0)
        closing = self._closes.match(line)
        if closing:
            return self._fields(line, closing.end())
        return Scan("open" if self._stays.match(line) else "stray", 0)

    def _fields(self, text: str, start: int) -> Scan:
        run = self._run.match(text, start)
        end = run.end() if run else start
        count = len(self._one.findall(text, start, end))
        if end == len(text):
            return Scan("done", count)
        if self._opens.match(text, end):
            return Scan("open", count + 1, text[end + 2 :])
        return Scan("stray", count + 1)

    def cells(self, record: str) -> list[str]:
        """The fields of a healthy record, unquoted and unescaped."""
        return [self._plain(one) for one in self._one.findall(self.signs.delimiter + record)]

    def _plain(self, one: str) -> str:
        q, e = self.signs.quote, self.signs.escape
        if e and one == e + NULL_MARK:
            return ""
        if q and one.startswith(q):
            one = one[1:-1]
            if not e:
                return one.replace(q + q, q)
        return self._unescaped(one) if e and e in one else one

    def _unescaped(self, text: str) -> str:
        """The text without its escapes; UNKNOWN_ESCAPE where one stands before no sign and no line break."""
        signs, escape = self.signs, _hex(self.signs.escape)
        if {*re.findall(escape + "(.)", text, re.DOTALL)} <= {
            *signs.delimiter,
            *signs.quote,
            signs.escape,
            *"\r\n",
        }:
            return re.sub(escape + "(.)", r"\1", text, flags=re.DOTALL)
        return UNKNOWN_ESCAPE

    def all_healthy(self, records: pl.Series) -> pl.Series:
        """Boolean: whether each is a healthy record of the right number of fields."""
        healthy = records.str.contains(self.healthy)
        return healthy & self._have_all_fields(records) if self._is_wide else healthy

    def _have_all_fields(self, records: pl.Series) -> pl.Series:
        """Whether records have the right number of fields, where their quotes are in order."""
        if self.keep:
            counts = pl.Series([self.scan(text).fields for text in records.to_list()], dtype=pl.Int64)
            return counts == self.fields
        q, e = (_hex(sign) for sign in (self.signs.quote, self.signs.escape))
        parts = [
            f"{q}(?:[^{q}{e}]|{e + '(?s:.)' if e else q + q})*{q}" if q else "",
            f"{e}(?s:.)" if e else "",
        ]
        if quoted := "|".join(filter(None, parts)):
            records = records.str.replace_all(quoted, "")
        return records.str.count_matches(self.signs.delimiter, literal=True) == self.fields - 1


def _hex(sign: str) -> str:
    return "".join(f"\\x{ord(c):02x}" for c in sign)


@lru_cache(maxsize=64)
def grammar_for(signs: Signs, fields: int, keep: bool) -> Grammar:
    """The grammar of these signs, built once."""
    return Grammar(signs, fields, keep)


def grammar_of(layout: Layout, data: bytes) -> Grammar:
    """The grammar of `layout` for reading `data`."""
    dialect = layout.dialect
    return grammar_for(_signs(dialect, data), len(layout.columns), dialect.bare_quotes == "keep")


# ---------------------------------------------------------------------------------- healthy records to cells


def parse(layout: Layout, raw: pl.Series) -> pl.DataFrame:
    """Records found healthy before (String, without their line end) → one String column per named column.

    An empty cell, quoted or not, is "" and never null. What is not a healthy record has no defined result.
    """
    joined = joined_by_lf(raw)
    grammar = grammar_of(layout, joined)
    if grammar.signs.instead:
        joined = grammar.signs.put(joined)
        raw = pl.Series(raw.name, [grammar.signs.put(t.encode()).decode() for t in raw.to_list()], pl.String)
    return with_constants(layout.constants, named_cells(layout, cells_of(layout, grammar, raw, joined)))


def joined_by_lf(records: pl.Series) -> bytes:
    """The records with LF between them."""
    return bytes(records.str.join("\n").cast(pl.Binary).item()) if records.len() else b""


def with_constants(constants: Iterable[tuple[str, str]], cells: pl.DataFrame) -> pl.DataFrame:
    """The cells with these columns behind them."""
    return cells.with_columns(pl.lit(text, pl.String).alias(name) for name, text in constants)


def named_cells(layout: Layout, cells: pl.DataFrame) -> pl.DataFrame:
    """The columns that have a name."""
    return cells if len(layout.named) == cells.width else cells.select(layout.named)


def column_names(layout: Layout) -> list[str]:
    """A name for every column, also for the unnamed ones at the end."""
    return [name or f"{UNNAMED}{i}" for i, name in enumerate(layout.columns)]


def cells_of(layout: Layout, grammar: Grammar, records: pl.Series, view: bytes) -> pl.DataFrame:
    """Cells of healthy records in signs; `view` is the same records joined by LF."""
    exact = _needs_exact(grammar, records, view, layout.dialect.bare_quotes == "keep")
    if exact is None:
        cells = polars_cells(column_names(layout), grammar.signs, records.len(), view)
        if cells is None:
            cells = _exact_cells(column_names(layout), grammar, records)
    else:
        cells = _mixed_cells(column_names(layout), grammar, records, exact)
    if grammar.signs.instead and (quote := grammar.signs.quote) and quote.encode() in view:
        cells = cells.select(grammar.signs.restore(column) for column in cells)
    return cells


def _needs_exact(grammar: Grammar, records: pl.Series, view: bytes, keep: bool) -> pl.Series | None:
    """Boolean: which records polars' own parser would read otherwise; None when it is none of them."""
    signs = grammar.signs
    if signs.escape and signs.escape.encode() in view:
        return records.str.contains(signs.escape, literal=True)
    if keep and signs.quote and signs.quote.encode() in view:
        exact = ~records.str.contains(grammar.strict)
        return exact if exact.any() else None
    return None


def polars_cells(names: list[str], signs: Signs, height: int, view: bytes) -> pl.DataFrame | None:
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


def strict_cells(
    names: list[str], signs: Signs, view: bytes, quote: str | None = None
) -> pl.DataFrame | None:
    """All cells of a text, or None where a line has too many fields or polars sees no text.

    `quote` is None where the text has none.
    """
    return _read_csv(names, view, signs.delimiter, quote, ragged=False)


MORE_FIELDS = 1000
"""Fields too many that a first line may have for polars, which takes half a KiB for each."""


def _read_csv(
    names: list[str], view: bytes, delimiter: str, quote: str | None, *, ragged: bool = True
) -> pl.DataFrame | None:
    if view.startswith(BOM.encode()):  # polars cuts one off; here it is text
        view = BOM.encode() + view
    first_line = view.find(b"\n") if b"\n" in view else len(view)
    if view.count(delimiter.encode(), 0, first_line) > len(names) + MORE_FIELDS:
        return None
    try:
        return pl.read_csv(
            view,
            has_header=False,
            schema=dict.fromkeys(names, pl.String),
            separator=delimiter,
            quote_char=quote,
            truncate_ragged_lines=ragged,
            empty_string_is_null=False,
            glob=False,
        )
    except pl.exceptions.PolarsError:
        return None


def _exact_cells(names: list[str], grammar: Grammar, records: pl.Series) -> pl.DataFrame:
    rows = [grammar.cells(record) for record in records.to_list()]
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pl.DataFrame([pl.Series(n, list(c), pl.String) for n, c in zip(names, columns, strict=True)])


def _mixed_cells(names: list[str], grammar: Grammar, records: pl.Series, exact: pl.Series) -> pl.DataFrame:
    """The records marked in `exact` one by one, the others by polars, in their order again."""
    easy = records.filter(~exact)
    by_polars = polars_cells(names, grammar.signs, easy.len(), joined_by_lf(easy))
    if by_polars is None:
        return _exact_cells(names, grammar, records)
    one_by_one = _exact_cells(names, grammar, records.filter(exact))
    order = pl.concat([(~exact).arg_true(), exact.arg_true()]).arg_sort()
    return pl.concat([by_polars, one_by_one])[order]
