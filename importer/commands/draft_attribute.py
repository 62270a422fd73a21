"""One column as a person would declare it: a type by majority, and in comments what does not fit it.

An option is named only where it stands in several rows: it tells nothing about one person then.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import polars as pl

from importer.values import readings
from importer.values.readings import Reading, Texts

_MOST = 0.9
"""A type is drafted where it reads so large a share of the cells."""

_HALF = 0.5
"""The same where the name of the column says the type."""

_SEEN = 5
"""An option stands in so many rows, and in one of 500."""

_OPTIONS = 12
_MEMBERS = 40
_LONGEST = 40
"""More different texts are no options, and no longer ones."""

_NAMES: Mapping[str, str] = {
    "email": r"e.?mail|^mail",
    "phone": r"phone|mobile|cell(?:ular)?\b|\btel\b|telefon|\bfax\b|\bsms\b|whatsapp",
    "date": r"date|_at$|_on$|birth|\bday\b|\btime|seen|since|created|updated",
    "boolean": (
        r"^(?:is|has|was|accepts?|can|allows?|wants|send)_|opt_?(?:in|out)|subscri|newsletter|consent|active|"
        r"\bvip\b|flag|enabled|verified|exempt|churn"
    ),
    "code": r"zip|post|\bplz\b|(?:^|_)(?:id|no|nr|number|code|key|sku|iban|account|card)$",
}
"""What a column of this name mostly is, in lower case with _ for blanks."""

_CODE = r"^[+-]?0[0-9]|^\+|^[0-9]{16,}$|^[+-]?[0-9.]+[eE][+-]?[0-9]+$"
"""Digits that are no number: they would lose zeros or digits."""

_LIKE_DATE = r"^\w{1,9}[-/. ]\w{1,9}[-/., ]{1,2}[0-9]{2}|^[0-9]{8}$"
_LIKE_NUMBER = r"^[^0-9]{0,5}[0-9]"
"""What a date and a number begin with; other columns are not tried with every format."""

_LISTS, _COMMAS = 0.05, 0.2
"""A column is one of lists where so large a share of the cells has a separator, or a comma."""


@dataclass(frozen=True, slots=True)
class DraftedAttribute:
    """The keys of an attribute, remarks for comments, and other ways to declare it."""

    keys: Mapping[str, Any]
    remarks: Sequence[str] = ()
    others: Sequence[Mapping[str, Any]] = ()


_TEXT = DraftedAttribute({"type": "free_text"})


def draft_attribute(name: str, column: pl.Series) -> DraftedAttribute:
    """The draft of a String column, blank cells null."""
    texts = readings.texts_of(column)
    if not texts.total:
        return replace(_TEXT, remarks=["blank in every row looked at"])
    plain_name = simple_name(name)
    for attempt in _ATTEMPTS:
        if found := attempt(plain_name, texts):
            return found
    return _TEXT


def simple_name(name: str) -> str:
    """A name in lower case, its words joined by `_`: `customerID` and `Customer id` are `customer_id`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"\W+|_+", "_", apart.lower()).strip("_")


def _says(name: str, what: str) -> bool:
    return re.search(_NAMES[what], name) is not None


def _share(name: str, what: str) -> float:
    return _HALF if _says(name, what) else _MOST


def _drafted(reading: Reading, others: Sequence[Mapping[str, Any]] = ()) -> DraftedAttribute:
    remarks = [f"{reading.misfits:,} of {reading.of:,} cells do not fit"] if reading.misfits else []
    return DraftedAttribute(reading.keys, remarks, others)


def _email(name: str, texts: Texts) -> DraftedAttribute | None:
    reading = readings.read_as(texts, type="email")
    return _drafted(reading) if reading.reads(_share(name, "email")) else None


def _phone(name: str, texts: Texts) -> DraftedAttribute | None:
    """With their country, as numbers of a region nobody named cannot be told."""
    digits = texts.matching(r"^[+(]?[0-9][0-9 ()./-]{6,}$")
    with_country = texts.matching(r"^\+[0-9][0-9 ()./-]{6,}$")
    if digits < _share(name, "phone") * texts.total or not (_says(name, "phone") or with_country == digits):
        return None
    if find_spec("phonenumbers") is None:
        return replace(_TEXT, remarks=["phone numbers: the type phone needs the extra phone"])
    reading = readings.read_as(texts, type="phone")
    if reading.reads(_share(name, "phone")):
        return _drafted(reading)
    remark = "numbers without their country: name it as region"
    return replace(_TEXT, remarks=[remark], others=[{"type": "phone", "region": "GB"}])


def _json_list(_: str, texts: Texts) -> DraftedAttribute | None:
    listed = readings.is_json_list(texts)
    if listed < _MOST * texts.total:
        return None
    keys = {"type": "multi_choice", "format": "json", "allow_custom": True}
    return _drafted(Reading(keys, listed, texts.total))


def _date(name: str, texts: Texts) -> DraftedAttribute | None:
    """Where two formats read all, a person has to say which one is meant."""
    if texts.matching(_LIKE_DATE) < _share(name, "date") * texts.total:
        return None
    digits = texts.matching(r"^[0-9]+$")
    if digits == texts.total and not _says(name, "date"):
        return None
    for found in (readings.dates(texts), readings.moments(texts)):
        if found and found[0].reads(_share(name, "date")):
            same = [r.keys for r in found if r.fits == found[0].fits]
            return _ambiguous(found[0], same) if len(same) > 1 else _without_iso(found[0])
    return None


_ISO = "%Y-%m-%d"


def _counted_moment(name: str, texts: Texts) -> DraftedAttribute | None:
    """Seconds or milliseconds since 1970, of this century, where the name says a time."""
    for form, digits in (("unix", 9), ("unix_ms", 12)):
        if _says(name, "date") and texts.matching(rf"^1[0-9]{{{digits}}}$") >= _MOST * texts.total:
            return _drafted(readings.read_as(texts, type="datetime", format=form))
    return None


def _without_iso(reading: Reading) -> DraftedAttribute:
    """The format of a date that is the default needs no line."""
    if reading.keys.get("format") == _ISO:
        reading = replace(reading, keys={"type": "date"})
    return _drafted(reading)


def _ambiguous(first: Reading, same: Sequence[Mapping[str, Any]]) -> DraftedAttribute:
    if "format" not in first.keys:
        return _drafted(first)
    remark = "dates that can be read in several ways: switch on the right one"
    return replace(_TEXT, remarks=[remark], others=same)


def _boolean(name: str, texts: Texts) -> DraftedAttribute | None:
    reading = readings.boolean(texts) or _one_word(name, texts)
    if reading is None or not reading.reads(_share(name, "boolean")):
        return None
    if texts.matching(r"^[01]$") < texts.total:
        return _drafted(reading)
    number = {"type": "number"}
    if _says(name, "boolean") or texts.total >= 4 * _SEEN:
        return _drafted(reading, [number])
    return DraftedAttribute(number, others=[reading.keys])


def _one_word(name: str, texts: Texts) -> Reading | None:
    """`no` in every row of `is_member`: one word alone is a boolean where the name says so."""
    reading = readings.read_as(texts, type="boolean")
    return reading if _says(name, "boolean") and not reading.misfits else None


def _number(name: str, texts: Texts) -> DraftedAttribute | None:
    """A code of digits stays text: it would lose zeros, or digits."""
    if texts.matching(_LIKE_NUMBER) < _MOST * texts.total:
        return None
    found = readings.numbers(texts)
    if not found or not found[0].reads(_MOST):
        return None
    if _says(name, "code") or _says(name, "phone") or texts.matching(_CODE) * 50 > texts.total:
        return replace(_TEXT, remarks=["digits that are sent as text, zeros in front included"])
    best = found[0]
    plain = next((r for r in found if set(r.keys) == {"type"}), best)
    chosen = plain if plain.misfits - best.misfits <= best.of / 100 else best
    others = [best] if best.fits > chosen.fits else _read_otherwise(chosen, found, texts)
    return _drafted(chosen, [other.keys for other in others[:1]])


def _read_otherwise(chosen: Reading, found: Sequence[Reading], texts: Texts) -> list[Reading]:
    """Those that take another mark as the decimal mark and read all the same: 1,234 may be two numbers."""
    if not texts.matching("[.,]"):
        return []
    decimal = chosen.keys.get("decimal", ".")
    return [r for r in found if r.fits == chosen.fits and r.keys.get("decimal", ".") != decimal]


def _least(texts: Texts) -> int:
    return max(_SEEN, texts.total // 500)


def _are_options(texts: Sequence[str], most: int) -> bool:
    return 2 <= len(texts) <= most and _are_short(texts)


def _are_short(texts: Iterable[str]) -> bool:
    return all(len(text) <= _LONGEST and "\n" not in text for text in texts)


def _choice(_: str, texts: Texts) -> DraftedAttribute | None:
    options = readings.frequent(texts, _least(texts))
    if not _are_options(options, _OPTIONS):
        return None
    reading = readings.read_as(texts, type="single_choice", options=tuple(options))
    return _drafted(reading) if reading.reads(_MOST) else None


def _list(_: str, texts: Texts) -> DraftedAttribute | None:
    return _divided(texts, readings.SEPARATORS[:-1])


def _list_with_commas(_: str, texts: Texts) -> DraftedAttribute | None:
    """A comma also stands in a name, a place or a sentence."""
    separators = readings.SEPARATORS[-1:]
    return _divided(texts, separators) if readings.are_lists(texts, *separators) else None


def _divided(texts: Texts, separators: Sequence[str]) -> DraftedAttribute | None:
    """Texts that a separator divides into few different ones."""
    for separator in separators:
        divided = texts.matching(re.escape(separator.strip()))
        if divided < max((_COMMAS if separator == "," else _LISTS) * texts.total, 1):
            continue
        members = readings.members(texts, separator)
        options = readings.frequent(members, _least(texts))
        keys: dict[str, Any] = {"type": "multi_choice", "separator": separator}
        if _are_options(options, _MEMBERS):
            reading = readings.read_as(texts, **keys, options=tuple(options))
            if reading.reads(_MOST) and members.total * _MOST <= _known(members, options):
                return _drafted(reading)
        if separator != "," and 2 * divided >= texts.total and _are_short(members.text):
            remark = f'several texts in a cell, with "{separator}" between them'
            return replace(_TEXT, remarks=[remark], others=[{**keys, "allow_custom": True}])
    return None


def _known(members: Texts, options: Sequence[str]) -> int:
    return members.where(members.text.is_in(list(options))).total


_ATTEMPTS: Sequence[Callable[[str, Texts], DraftedAttribute | None]] = (
    _email,
    _phone,
    _json_list,
    _date,
    _counted_moment,
    _boolean,
    _number,
    _list,
    _list_with_commas,
    _choice,
)


def lines(drafted: DraftedAttribute, line: Callable[[str, Any], str]) -> Iterator[str]:
    """The lines below the title of the table; the other ways as lines that can be switched on."""
    yield from (f"# {remark}" for remark in drafted.remarks)
    yield from (line(key, value) for key, value in drafted.keys.items())
    for other in drafted.others:
        yield "# or:"
        yield from (f"# {line(key, value)}" for key, value in other.items())
