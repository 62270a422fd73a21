"""An independent reading of a list: stdlib `csv`, a dictionary, and the counts that follow from the contract.

Records are cut out of the text by one regular expression (a record that is not RFC 4180 ends with its line
and is malformed), their cells are read by `csv`. Everything after that is a plain dictionary fold.
"""

import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal

from backports import zstd

type_names = Literal["free_text", "single_choice", "multi_choice", "number", "boolean", "date", "datetime"]

INVALID, TOO_LONG, UNDECLARED = (
    "attribute_value_invalid",
    "attribute_value_too_long",
    "option_not_declared",
)
BLANK = "*"
"""The contract names no word for a blank that `blank = "reject"` refuses: any will do."""

CLEAR = object()
"""The typed value of a blank under `blank = "clear"`."""


@dataclass(frozen=True)
class Attribute:
    """One `[attributes.KEY]` of the configuration."""

    key: str
    type: type_names
    column: str = ""
    options: tuple[str, ...] = ()
    allow_custom: bool = False
    max_length: int | None = None
    min: int | None = None
    max: int | None = None
    separator: str = "|"
    format: str = ""
    blank: Literal["skip", "clear", "reject"] = "skip"

    @property
    def source(self) -> str:
        """The column it is read from."""
        return self.column or self.key


@dataclass(frozen=True)
class Declared:
    """What the configuration says of the list."""

    id_column: str
    attributes: tuple[Attribute, ...]
    null_values: tuple[str, ...] = ("",)
    ignore: tuple[str, ...] = ()
    delimiter: str = ","
    id_max: int = 200


@dataclass(frozen=True)
class Row:
    """One data row; `cells` is None where it is malformed. `row` and `line` count from 1."""

    file: str
    row: int
    line: int
    cells: Mapping[str, str] | None
    raw: bytes


@dataclass(frozen=True)
class Reject:
    """A line of rejects.csv, as far as the contract fixes it; id and value are empty for a row set aside."""

    file: str
    row: int
    line: int
    distinct_id: str
    attribute: str
    value: str
    stage: str
    reason: str


@dataclass
class Value:
    """One attribute of one person from one row, and how it ends."""

    row: int
    key: str
    raw: str
    typed: Any = None
    problem: str = ""
    adjusted: bool = False
    outcome: str = ""


@dataclass
class Expected:
    """What must arrive, what must be stored, what must be rejected, and the counts."""

    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    cleared: dict[str, set[str]] = field(default_factory=dict)
    stored: dict[str, dict[str, Any]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    rejected_rows: list[Row] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)
    adjusted: int = 0


ROW_STATES = (
    "filtered",
    "applied",
    "partly_applied",
    "rejected",
    "merged",
    "unchanged",
    "empty",
    "unconfirmed",
    "not_attempted",
)
VALUE_STATES = ("applied", "rejected", "superseded", "unchanged", "unconfirmed", "not_attempted")
PEOPLE_STATES = ("called", "unchanged", "nothing_to_send", "not_attempted")


def content(path: Path) -> bytes:
    """The bytes of a list, unpacked."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    return zstd.decompress(data) if path.suffix == ".zst" else data


def read(path: Path, delimiter: str = ",") -> tuple[bytes, list[Row]]:
    """The header line's bytes and every data row of a UTF-8 CSV file."""
    text = content(path).decode("utf-8")
    d = re.escape(delimiter)
    cell = rf'(?:"(?:[^"]|"")*+"|[^"{d}\r\n]*+)'
    record = re.compile(rf"{cell}(?:{d}{cell})*+(?:\r\n|\n|\r|\Z)")
    rest_of_line = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|\Z)")
    header: list[str] = []
    head = b""
    rows: list[Row] = []
    at, line = 0, 1
    while at < len(text):
        good = record.match(text, at)
        match = good or rest_of_line.match(text, at)
        assert match is not None
        raw = match[0]
        cells = _cells(raw, delimiter) if good else None
        if not header and cells:
            header, head = cells, raw.encode()
        elif cells != []:
            whole = cells is not None and len(cells) == len(header)
            named = dict(zip(header, cells or [], strict=True)) if whole else None
            rows.append(Row(path.name, len(rows) + 1, line, named, raw.encode()))
        at, line = match.end(), line + len(re.findall(r"\r\n|\n|\r", raw))
    return head, rows


def _cells(record: str, delimiter: str) -> list[str]:
    """The cells of one well-formed record; none of a blank line."""
    return next(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter, strict=True), [])


def classify(attribute: Attribute, raw: str) -> tuple[Any, str, bool]:
    """(typed value, reason for refusing it or "", adjusted) of one non-blank cell."""
    try:
        return _JUDGES[attribute.type](attribute, raw)
    except (ValueError, InvalidOperation):
        return None, INVALID, False


def _text(a: Attribute, raw: str) -> tuple[Any, str, bool]:
    return (None, TOO_LONG, False) if a.max_length and len(raw) > a.max_length else (raw, "", False)


def _single(a: Attribute, raw: str) -> tuple[Any, str, bool]:
    """The vendor has a word for an option that is not declared, so the check uses it too."""
    return _text(a, raw) if a.allow_custom or raw in a.options else (None, INVALID, False)


def _multi(a: Attribute, raw: str) -> tuple[Any, str, bool]:
    """The vendor drops such options without a word, so the word is ours."""
    pieces = list(dict.fromkeys(filter(None, map(_strip, raw.split(a.separator)))))
    kept = [p for p in pieces if a.allow_custom or p in a.options]
    return (kept, "", len(kept) < len(pieces)) if kept else (None, UNDECLARED, False)


def _number(a: Attribute, raw: str) -> tuple[Any, str, bool]:
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", raw):
        raise ValueError
    number = Decimal(raw)
    if "." not in raw and "e" not in raw.lower() and not -(2**63) <= number < 2**64:
        raise ValueError
    if abs(number) > Decimal("1.7976931348623157e308"):
        raise ValueError
    if (a.min is not None and number < a.min) or (a.max is not None and number > a.max):
        raise ValueError
    return number, "", False


def _boolean(_: Attribute, raw: str) -> tuple[Any, str, bool]:
    found = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(raw.lower())
    if found is None:
        raise ValueError
    return found, "", False


def _date(a: Attribute, raw: str) -> tuple[Any, str, bool]:
    _only_digits_where_digits_belong(raw)
    day: date = datetime.strptime(raw, a.format or "%Y-%m-%d").date()  # noqa: DTZ007  # a date has no zone
    return day.isoformat(), "", False


def _datetime(a: Attribute, raw: str) -> tuple[Any, str, bool]:
    _only_digits_where_digits_belong(raw)
    moment = datetime.strptime(raw, a.format or "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007  # lists carry no zone
    return moment.strftime("%Y-%m-%dT%H:%M:%S"), "", False


def _only_digits_where_digits_belong(raw: str) -> None:
    """`strptime` is generous with blanks and one-digit days; the lists of the tests are not."""
    if not re.fullmatch(r"[0-9]+([-/.:T ][0-9]{2,})+", raw):
        raise ValueError


_JUDGES: Mapping[str, Callable[[Attribute, str], tuple[Any, str, bool]]] = {
    "free_text": _text,
    "single_choice": _single,
    "multi_choice": _multi,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
}


def canonical(value: Any) -> Any:
    """A form in which 1, 1.0 and Decimal("1") are equal, and True is not 1."""
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, (int, Decimal)):
        return "number", Decimal(value).normalize() if abs(Decimal(value)) < 2**53 else Decimal(value)
    if isinstance(value, list):
        return "list", tuple(value)
    return "text", value


def comparable(people: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """A store in canonical form, without people of whom nothing is stored."""
    return {p: {k: canonical(v) for k, v in current.items()} for p, current in people.items() if current}


def expect(
    rows: Sequence[Row],
    declared: Declared,
    *,
    refuse: Callable[[str, str, Any], str | None] | None = None,
    where: Callable[[Mapping[str, str]], bool] | None = None,
    sends: bool = True,
) -> Expected:
    """What the contract promises for `rows`, in file order, against a server that refuses by `refuse`.

    `sends=False` is `importer check`: what would be sent ends as `not_attempted`.
    """
    found = Expected()
    states: list[str] = []
    values: list[list[Value]] = []
    people: dict[str, dict[str, list[Value]]] = {}
    for index, row in enumerate(rows):
        own: list[Value] = []
        person, reason = _identify(row, declared)
        if row.cells is not None and where is not None and not where(row.cells):
            states.append("filtered")
        elif reason:
            states.append("rejected")
            found.rejects.append(Reject(row.file, row.row, row.line, "", "", "", "read", reason))
        else:
            states.append("")
            own = list(_values(index, row, declared))
            by_key = people.setdefault(person, {})
            for value in own:
                by_key.setdefault(value.key, []).append(value)
        values.append(own)
    called, quiet = _send(people, found, refuse, sends)
    _account(rows, declared, states, values, found)
    by_outcome = Counter(v.outcome for own in values for v in own)
    by_state = Counter(states)
    found.rows = {"read": len(rows)} | {s: by_state[s] for s in ROW_STATES}
    found.values = {"read": by_outcome.total()} | {s: by_outcome[s] for s in VALUE_STATES}
    found.people = dict.fromkeys(("read", *PEOPLE_STATES), 0)
    found.people |= {"read": len(people), "nothing_to_send": quiet}
    found.people["called" if sends else "not_attempted"] = called
    return found


def _identify(row: Row, declared: Declared) -> tuple[str, str]:
    """(distinct id, why the row is set aside or "")."""
    if row.cells is None:
        return "", "row_malformed"
    person = row.cells[declared.id_column]
    if person in declared.null_values or not _strip(person):
        return "", "distinct_id_missing"
    return person, "distinct_id_too_long" if len(person) > declared.id_max else ""


def _strip(text: str) -> str:
    """Without the blanks around it: what Python calls white space, and characters of no width."""
    return re.sub(r"^[\s\u200b-\u200f\u2060\ufeff]+|[\s\u200b-\u200f\u2060\ufeff]+$", "", text)


def _values(index: int, row: Row, declared: Declared) -> Iterable[Value]:
    assert row.cells is not None
    for a in declared.attributes:
        raw = row.cells[a.source]
        if _strip(raw) not in declared.null_values:
            typed, problem, adjusted = classify(a, raw if a.type == "free_text" else _strip(raw))
            yield Value(index, a.key, raw, typed, problem, adjusted, "rejected" if problem else "")
        elif a.blank == "clear":
            yield Value(index, a.key, raw, CLEAR)
        elif a.blank == "reject":
            yield Value(index, a.key, "", None, BLANK, False, "rejected")


def _send(
    people: Mapping[str, Mapping[str, list[Value]]],
    found: Expected,
    refuse: Callable[[str, str, Any], str | None] | None,
    sends: bool,
) -> tuple[int, int]:
    """Chooses the winners, then checks them; returns how many people are called and how many are not."""
    called = 0
    for person, by_key in people.items():
        winners = []
        for history in by_key.values():
            for value in history[:-1]:
                value.outcome = value.outcome or "superseded"
            if not history[-1].outcome:
                winners.append(history[-1])
        called += bool(winners)
        for value in winners:
            _deliver(person, value, found, refuse, sends)
    return called, len(people) - called


def _deliver(
    person: str,
    value: Value,
    found: Expected,
    refuse: Callable[[str, str, Any], str | None] | None,
    sends: bool,
) -> None:
    if not sends:
        value.outcome = "not_attempted"
        return
    clears = value.typed is CLEAR
    if clears:
        found.cleared.setdefault(person, set()).add(value.key)
    else:
        found.sent.setdefault(person, {})[value.key] = value.typed
    reason = refuse(person, value.key, None if clears else value.typed) if refuse else None
    if reason:
        value.outcome, value.problem = "rejected", "send:" + reason
        return
    value.outcome = "applied"
    if not clears:
        found.stored.setdefault(person, {})[value.key] = value.typed


def _account(
    rows: Sequence[Row],
    declared: Declared,
    states: list[str],
    values: Sequence[Sequence[Value]],
    found: Expected,
) -> None:
    """The state of each row that was not set aside or filtered, and the lines of rejects.csv."""
    for index, (row, own) in enumerate(zip(rows, values, strict=True)):
        if not states[index]:
            states[index] = _row_state([v.outcome for v in own])
        for value in own:
            assert row.cells is not None
            person = row.cells[declared.id_column]
            place = (row.file, row.row, row.line, person, value.key, value.raw)
            if value.outcome == "rejected":
                at_server = value.problem.startswith("send:")
                stage, reason = ("send", value.problem[5:]) if at_server else ("check", value.problem)
                found.rejects.append(Reject(*place, stage, reason))
            elif value.adjusted and value.outcome in ("applied", "not_attempted"):
                found.adjusted += 1
                found.rejects.append(Reject(*place, "adjust", UNDECLARED))
        if states[index] == "rejected" or any(v.outcome == "rejected" for v in own):
            found.rejected_rows.append(row)
    order = {(r.file, r.row): i for i, r in enumerate(rows)}
    found.rejects.sort(key=lambda r: order[r.file, r.row])


def _row_state(outcomes: Sequence[str]) -> str:
    found = set(outcomes)
    if not found:
        return "empty"
    for state in ("unconfirmed", "not_attempted"):
        if state in found:
            return state
    if "rejected" in found:
        return "partly_applied" if found & {"applied", "unchanged"} else "rejected"
    for state in ("applied", "unchanged"):
        if state in found:
            return state
    return "merged"
