"""Ways to read the texts of a column: which keys of an attribute make values of how many of them.

Nothing is read by a guess: a draft of a configuration and a hint of a check are proposals to a person.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from importer.config.attribute import Attribute
from importer.values.blanks import strip
from importer.values.choices import pieces_of
from importer.values.column_types import CellRules, type_cells

NULL_WORDS = ("NULL", "null", "(null)", "N/A", "n/a", "#N/A", "NaN", "nan", r"\N", "None")
"""How exports write a cell without a value."""

_DATES = (
    *("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y%m%d"),
    *("%d %b %Y", "%d-%b-%Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y"),
    *("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%y-%m-%d"),
)
_CLOCKS = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%H:%M:%S %z")
_MOMENTS = tuple(f"{day} {clock}" for day in _DATES for clock in _CLOCKS)
_FIRST = 200
"""So many texts decide which formats are tried on all of them."""

_MARKS: Sequence[Mapping[str, str]] = (
    {},
    {"thousands": ","},
    {"decimal": ","},
    {"decimal": ",", "thousands": "."},
    {"thousands": " "},
    {"decimal": ",", "thousands": " "},
    {"decimal": ",", "thousands": "\xa0"},
    {"decimal": ",", "thousands": "\u202f"},
    {"thousands": "'"},
)
_UNITS = (
    *("%", "€", "$", "£", "¥", "₹", "EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "kr", "zł"),
    *("years", "yrs", "Jahre", "ans", "años", "kg", "cm", "km", "pts", "points"),
)

TRUE = (
    *("true", "t", "yes", "y", "1", "on", "ja", "oui", "si", "sí", "sim"),
    *("wahr", "vrai", "verdadero", "vero", "waar"),
)
FALSE = (
    *("false", "f", "no", "n", "0", "off", "nein", "non", "nej", "não", "nao"),
    *("falsch", "faux", "falso", "onwaar"),
)
"""Words of languages, and those that spreadsheets write for TRUE and FALSE."""

SEPARATORS = ("|", ";", " ::: ", ",")
_LISTED = r'^\[\s*(?:"(?:[^"\\]|\\.)*"\s*(?:,\s*"(?:[^"\\]|\\.)*"\s*)*)?\]$'


@dataclass(frozen=True, slots=True)
class Texts:
    """The different texts of a column without blanks around them, sorted, and how often each is there."""

    text: pl.Series
    count: pl.Series

    @property
    def total(self) -> int:
        """How many cells are not blank."""
        return int(self.count.sum())

    def where(self, mask: pl.Series) -> "Texts":
        """Those for which the mask is true."""
        return Texts(self.text.filter(mask), self.count.filter(mask))

    def matching(self, pattern: str) -> int:
        """In how many cells a pattern of polars is found."""
        return self.where(self.text.str.contains(pattern)).total


def texts_of(column: pl.Series) -> Texts:
    """The texts of a String column; null and nothing but blanks are no texts."""
    text = strip(column.rename("text"))
    counted = text.filter(text != "").value_counts().sort("text")
    return Texts(counted["text"], counted["count"])


@dataclass(frozen=True, slots=True)
class Reading:
    """The keys of an attribute, its type among them, and how many of how many cells become values by it."""

    keys: Mapping[str, Any]
    fits: int
    of: int

    @property
    def misfits(self) -> int:
        """How many cells it does not read."""
        return self.of - self.fits

    def reads(self, share: float) -> bool:
        """Whether it reads so large a share of the cells, and any at all."""
        return self.fits > 0 and self.fits >= share * self.of


_RULES = CellRules(nulls=("",), clears=(), trims=True, unwraps=False)


def read_as(texts: Texts, **keys: Any) -> Reading:
    """How many of the texts an attribute with these keys reads; ConfigError where an extra is missing."""
    typed = type_cells(Attribute.model_validate(keys), _RULES, texts.text)
    good = texts if typed.reason is None else texts.where(typed.reason.is_null())
    return Reading(keys, good.total, texts.total)


def unread(texts: Texts, **keys: Any) -> Texts:
    """The texts that an attribute with these keys does not read."""
    typed = type_cells(Attribute.model_validate(keys), _RULES, texts.text)
    return texts.where(
        pl.repeat(False, len(texts.text), eager=True) if typed.reason is None else typed.reason.is_not_null()
    )


def dates(texts: Texts) -> list[Reading]:
    """Formats by which any text is a date, the one that reads most first."""
    return _by_format(texts, "date", _DATES)


def moments(texts: Texts) -> list[Reading]:
    """The same for dates with a time; ISO 8601, which needs no format, is one of them."""
    plain = read_as(texts, type="datetime")
    return _best([*([plain] if plain.fits else []), *_by_format(texts, "datetime", _MOMENTS)])


def _by_format(texts: Texts, kind: str, formats: Iterable[str]) -> list[Reading]:
    start = Texts(texts.text.head(_FIRST), texts.count.head(_FIRST))
    likely = [form for form in formats if read_as(start, type=kind, format=form).reads(0.2)]
    return _best([read_as(texts, type=kind, format=form) for form in likely])


def _best(readings: Iterable[Reading]) -> list[Reading]:
    return sorted(readings, key=lambda reading: -reading.fits)


def numbers(texts: Texts) -> list[Reading]:
    """Marks by which any text is a number, those that read most first, of these the fewest marks."""
    extra: dict[str, Any] = {}
    if units := tuple(_units(texts)):
        extra["units"] = units
    if texts.matching(r"^\(.*[0-9].*\)$"):
        extra["parentheses"] = True
    # Without its mark in any text, an entry with a mark of thousands reads what the one without it reads.
    likely = [marks for marks in _MARKS if texts.matching(re.escape(marks.get("thousands", "")))]
    found = [read_as(texts, type="number", **marks, **extra) for marks in likely]
    return _best(reading for reading in found if reading.fits)


def _units(texts: Texts) -> Iterator[str]:
    for unit in _UNITS:
        around = re.escape(unit)
        if texts.matching(rf"^[(]?[+-]?{around}\s*[0-9(]|[0-9]\s*{around}[)]?$") * 10 >= texts.total:
            yield unit


def boolean(texts: Texts) -> Reading | None:
    """The words for true and false that are there, as keys; None where one of the two has no word."""
    lower = texts.text.str.to_lowercase()
    words = set(lower.to_list())
    true, false = ([w for w in known if w in words] for known in (TRUE, FALSE))
    if not true or not false:
        return None
    keys = {"true_values": tuple(true), "false_values": tuple(false)}
    fits = texts.where(lower.is_in([*true, *false])).total
    return Reading({"type": "boolean", **_beyond_default(keys)}, fits, texts.total)


def _beyond_default(keys: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """The keys whose words are not all words of the default."""
    default = Attribute(type="boolean")
    return {k: words for k, words in keys.items() if not set(words) <= set(getattr(default, k))}


def frequent(texts: Texts, least: int) -> list[str]:
    """The texts that stand in so many cells, sorted."""
    return texts.text.filter(texts.count >= least).to_list()


def is_json_list(texts: Texts) -> int:
    """How many cells hold a JSON list of texts."""
    return texts.matching(_LISTED)


def are_lists(texts: Texts, separator: str) -> bool:
    """Whether the order of the pieces says lists: half of those behind a separator stand first elsewhere.

    `VIP, Sport` and `Sport` are lists; `Acme, Inc.`, `Doe, Jane` and `Paris, France` are not. Quotation marks
    around every piece are those of a list.
    """
    pieces, quoted = pieces_of(texts.text, separator)
    first = pieces.list.first()
    later = pieces.list.slice(1).explode(empty_as_null=False).unique()
    return bool(quoted.any()) or 2 * int(later.is_in(first.to_list()).sum()) >= later.len() > 0


def members(texts: Texts, separator: str) -> Texts:
    """What stands between the separators, without blanks around it, and in how many cells."""
    pieces, _ = pieces_of(texts.text, separator)
    each = pl.DataFrame({"text": pieces.list.unique(), "count": texts.count})
    each = each.explode("text").filter(pl.col("text") != "")
    counted = each.group_by("text").agg(pl.col("count").sum()).sort("text")
    return Texts(counted["text"], counted["count"])
