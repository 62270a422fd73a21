"""Signs of damage by spreadsheets and exports, which no single value proves.

A sign becomes a warning: code, column, number of rows, the first few row numbers, never a value. Nothing is
changed or guessed. `--strict` refuses to send a list that has one of the signs in `DAMAGE`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from importer.config.schema import Config
from importer.core.models import RunWarning
from importer.validate.edge_rows import EdgeRows
from importer.validate.text_quality import NO_SIGN, SUSPICIOUS, Contents, TextQuality, beyond_ascii
from importer.values import cell_texts, counted_moments
from importer.values.distinct_ids import DistinctIds
from importer.values.typed_column import TypedColumn

DAMAGE = frozenset(
    {
        "control_characters",
        "distinct_id_scientific",
        "distinct_id_lost_zeros",
        "edge_rows_differ",
        "float_as_text",
        "number_rounded",
        "spreadsheet_error",
        "spreadsheet_text",
        "date_serial_number",
        "mojibake",
        "trailing_column_empty",
    }
)
"""What `--strict` refuses; the other codes are advice."""

SHOWN = 5
"""The number of row numbers in a warning, at most."""

_SCIENTIFIC = r"^[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]{1,3}$"
_SERIAL = r"^[2-6][0-9]{4}(?:\.0)?$"
"""A day as spreadsheets count it: 20000 is in 1954, 69999 in 2091."""

_CLEAN_ID = r"^(?:[0-9]+|[0-9A-Za-z_-]{6,})$"
"""Ids that show nothing to warn of. 1E17 is no longer than five characters if it has only these."""

_NOT_TEXTS = ("number", "boolean", "date", "datetime")

_SPARSE = 0.05
_MOSTLY = 0.6
_LONG = 5


@dataclass(slots=True)
class _Sign:
    count: int = 0
    rows: list[int] = field(default_factory=list)


@dataclass
class DataQuality:
    """Examines every good row once, batch by batch; `warnings` returns what it found."""

    config: Config
    _signs: dict[tuple[str, str], _Sign] = field(default_factory=dict)
    _filled: dict[str, bool] = field(default_factory=dict)
    _lengths: Counter[int] = field(default_factory=Counter)
    _ids_are_digits: bool = True
    _swapped: dict[str, bool] = field(default_factory=dict)
    _edges: EdgeRows = field(default_factory=EdgeRows)

    def __post_init__(self) -> None:
        self._dates = {
            key: (self.config.column_of(key), a.format, swapped)
            for key, a in self.config.attributes.items()
            if a.format and (swapped := swap_day_and_month(a.format))
        }
        self._texts = TextQuality(self.config.source.spreadsheet_text == "unwrap")
        texts = (key for key, a in self.config.attributes.items() if a.type not in _NOT_TEXTS)
        self._sent_as_text = {self.config.column_of(key) for key in texts} | {self.config.identity.column}
        self._typed = set(self.config.columns.values()) - self._sent_as_text
        destination = self.config.build_destination()
        encoding, whole = destination.encoding, destination.whole_operations
        self._zone_is_lost = encoding.datetime == encoding.datetime_utc
        self._whole = {
            self.config.column_of(k) for k, a in self.config.attributes.items() if a.operation in whole
        }

    def look(
        self,
        cells: pl.DataFrame,
        numbers: pl.Series,
        ids: pl.Series,
        contents: Mapping[str, Contents],
        found: DistinctIds,
    ) -> None:
        """The good rows of one batch: cells, source orders, distinct ids; `found` are the ids of all rows.

        `contents` says what the texts of a column contain at most, where that is known.
        """
        if not cells.height:
            return
        self._look_at_ids(ids.rename(self.config.identity.column), numbers, found)
        self._edges.look_at_cells(cells, numbers, self.config.identity.column)
        self._look_at_dates(cells, numbers, contents)
        id_column, anything = self.config.identity.column, Contents()
        passed = {name for name, may_have in contents.items() if may_have is NO_SIGN}
        passed |= {id_column} if found.digits else set()
        examined = [
            c
            for c in cells.columns
            if c not in self._typed | passed and contents.get(c, anything).more_than_ascii
        ]
        foreign = beyond_ascii(cells[examined])
        for column in cells.get_columns():
            self._look_at_fill(column)
            if column.name in passed:
                continue
            sent = column.name in self._sent_as_text
            if column.dtype == pl.String:
                may_have = contents.get(column.name, anything)
                for sign in self._texts.look(column, numbers, may_have, sent=sent):
                    self._add(sign.code, column, sign.found, sign.rows)
                if column.name in foreign:
                    for sign in self._texts.look_at_characters(column, numbers, foreign[column.name]):
                        self._add(sign.code, column, sign.found, sign.rows)
            elif sent and column.dtype.is_float() and column.name != id_column:
                self._add("float_as_text", column, column.is_not_null(), numbers)

    def look_at_typed(self, columns: Iterable[tuple[pl.Series, TypedColumn]], numbers: pl.Series) -> None:
        """The same rows typed: what the destination has no form for, and blanks that are kept."""
        for column, typed in columns:
            if typed.padded is not None:
                self._add("surrounding_blanks", column, typed.padded, numbers)
            if typed.utc is not None and self._zone_is_lost:
                self._add("datetime_offset_dropped", column, typed.utc, numbers)
            if column.name in self._whole:
                fraction = typed.value.str.contains(".", literal=True)
                self._add("increase_not_whole", column, fraction, numbers)

    def _add(self, code: str, column: pl.Series, mask: pl.Series, numbers: pl.Series) -> None:
        count = int(mask.sum() or 0)
        if not count:
            return
        sign = self._signs.setdefault((code, column.name), _Sign())
        sign.count += count
        if len(sign.rows) < SHOWN:
            sign.rows += numbers.filter(mask.fill_null(value=False)).head(SHOWN - len(sign.rows)).to_list()

    def _look_at_ids(self, ids: pl.Series, numbers: pl.Series, found: DistinctIds) -> None:
        if found.floats:
            self._add("distinct_id_from_float", ids, ids.is_not_null(), numbers)
        clean = found.digits or bool(ids.str.contains(_CLEAN_ID).all())
        self._edges.look(ids, numbers, digits=found.digits, clean=clean)
        if not clean:
            self._add("distinct_id_scientific", ids, ids.str.contains(_SCIENTIFIC), numbers)
            self._add("distinct_id_looks_like_email", ids, ids.str.contains("@", literal=True), numbers)
            self._add("distinct_id_has_surrounding_blanks", ids, ids != ids.str.strip_chars(), numbers)
        if self._ids_are_digits:
            self._ids_are_digits = found.digits
            self._lengths.update(_lengths(ids.drop_nulls()))

    def _look_at_fill(self, column: pl.Series) -> None:
        if not self._filled.get(column.name):
            blank = (column == "").all() if column.dtype == pl.String else column.null_count() == len(column)
            self._filled[column.name] = not blank

    def _look_at_dates(
        self, cells: pl.DataFrame, numbers: pl.Series, contents: Mapping[str, Contents]
    ) -> None:
        for key, a in self.config.attributes.items():
            column = cells[self.config.column_of(key)]
            counted = a.format in counted_moments.FORMATS
            if (
                a.type in ("date", "datetime")
                and not counted
                and column.dtype == pl.String
                and contents.get(column.name) is not NO_SIGN
                and _may_be_serial(column)
            ):
                self._add("date_serial_number", column, column.str.contains(_SERIAL), numbers)
        for column_name, declared, swapped in self._dates.values():
            self._compare_formats(cell_texts.as_text(cells[column_name]), declared, swapped)

    def _compare_formats(self, text: pl.Series, declared: str, swapped: str) -> None:
        """Whether the dates would fit with day and month the other way round, and mean something else."""
        if self._swapped.get(text.name) is False:
            return
        both = pl.DataFrame({"declared": _read(text, declared), "swapped": _read(text, swapped)})
        dated = both.filter(pl.col("declared").is_not_null())
        if dated["swapped"].null_count():
            self._swapped[text.name] = False
        elif (dated["declared"] != dated["swapped"]).any():
            self._swapped[text.name] = True

    def state(self) -> dict[str, Any]:
        """As JSON, for `absorb`; without the rows at the edges of a source, which only a file has."""
        return {
            "signs": [[code, column, s.count, s.rows] for (code, column), s in self._signs.items()],
            "filled": self._filled,
            "lengths": list(self._lengths.items()),
            "ids_are_digits": self._ids_are_digits,
            "swapped": self._swapped,
        }

    def absorb(self, state: Mapping[str, Any]) -> None:
        """Adds what another one has seen of later rows."""
        for code, column, count, rows in state["signs"]:
            sign = self._signs.setdefault((code, column), _Sign())
            sign.count += count
            sign.rows += rows[: SHOWN - len(sign.rows)]
        for column, filled in state["filled"].items():
            self._filled[column] = filled or self._filled.get(column, False)
        for column, fits in state["swapped"].items():
            self._swapped[column] = fits and self._swapped.get(column, True)
        self._lengths.update(dict(state["lengths"]))
        self._ids_are_digits = self._ids_are_digits and state["ids_are_digits"]

    def warnings(self, columns: Sequence[str]) -> list[RunWarning]:
        """What was seen, by code and column, with source orders as rows. `columns` are in file order."""
        found = [
            RunWarning(code, column, sign.count, tuple(sign.rows))
            for (code, column), sign in self._signs.items()
        ]
        found += [RunWarning("day_and_month_ambiguous", c, 0) for c, fits in self._swapped.items() if fits]
        found += [RunWarning("trailing_column_empty", c, 0) for c in self._trailing_empty(columns)]
        found += self._lost_zeros()
        if rows := self._edges.found():
            id_column = self.config.identity.column
            found.append(RunWarning("edge_rows_differ", id_column, len(rows), tuple(rows[:SHOWN])))
        return sorted(found, key=lambda w: (w.code, w.column))

    def _trailing_empty(self, columns: Sequence[str]) -> Iterator[str]:
        for column in reversed(columns):
            if self._filled.get(column, True):
                return
            yield column

    def _lost_zeros(self) -> Iterator[RunWarning]:
        """Digits only, none with a leading zero, mostly of one length, some shorter, and far from a count."""
        total = self._lengths.total()
        if not self._ids_are_digits or not total:
            return
        longest = max(self._lengths)
        shorter = total - self._lengths[longest]
        sparse = total < _SPARSE * 10**longest
        if longest >= _LONG and shorter and sparse and self._lengths[longest] >= _MOSTLY * total:
            yield RunWarning("distinct_id_lost_zeros", self.config.identity.column, shorter)


_MAY_BE_DAMAGED = rf"^[#'=]|[eE]\+|\x00|{_SERIAL}|{SUSPICIOUS}"
"""What each sign in a single text begins with or has."""


def may_show_damage(texts: pl.Series) -> pl.Series:
    """Where a text may show a sign of damage in whatever column it is but the one of the ids."""
    return texts.str.contains(_MAY_BE_DAMAGED)


def _lengths(ids: pl.Series) -> Mapping[int, int]:
    """How many ids there are of each length. Most lists have one length, which is seen without counting."""
    length = ids.str.len_bytes()
    if length.min() == length.max():
        return {int(n): len(length) for n in length.head(1)}
    return {int(n): int(count) for n, count in length.value_counts(name="n").iter_rows()}


def _may_be_serial(column: pl.Series) -> bool:
    """Whether any cell is as long as 45123 or 45123.0."""
    length = column.str.len_bytes()
    if int(str(length.min() or 0)) > len("45123.0"):
        return False
    return bool(((length == len("45123")) | (length == len("45123.0"))).any())


def _read(text: pl.Series, pattern: str) -> pl.Series:
    if "%H" not in pattern and "%T" not in pattern:
        return text.str.to_date(pattern, strict=False).cast(pl.Datetime("us"))
    zone = "UTC" if "z" in pattern else None
    return text.str.to_datetime(pattern, strict=False, time_unit="us", time_zone=zone).dt.replace_time_zone(
        None
    )


def swap_day_and_month(pattern: str) -> str | None:
    """The pattern with `%d` and `%m` in each other's place, None where it does not have both as numbers."""
    if not re.search("%-?[de]", pattern) or not re.search("%-?m", pattern):
        return None
    swap: Mapping[str, str] = {"d": "m", "e": "m", "m": "d"}
    return re.sub("%(-?)([dem])", lambda m: f"%{m[1]}{swap[m[2]]}", pattern)
