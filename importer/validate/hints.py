"""Hints from the data: where many values of an attribute are refused, the line that would read them.

A hint is made of the first refused values and of a few accepted ones. It names keys of the configuration and
words that are known beforehand, never a value of a person.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import polars as pl

from importer.config import toml_text
from importer.config.attribute import Attribute
from importer.config.schema import Config
from importer.core.errors import ConfigError
from importer.core.models import Hint
from importer.core.rejects import BLANK, INVALID
from importer.validate.read_counts import ReadCounts
from importer.validate.value_shapes import ROUNDED, ValueShapes
from importer.values import contacts, messages, readings
from importer.values.readings import Texts

_MOST = 0.5
"""Where a larger share of the values is refused, a hint is for a line that reads as many of these."""

_FEW = 10
_ALIKE = 0.9
_PART = 0.2
"""Where less is refused, from so many values on, a hint is for a line that reads such a share of these.

Two lines that read so many together are named, where each reads more than `_PART`.
"""

_SHOWN = 10
"""So many words stand in a line; a column of more different words is no choice."""

_NOT_OF_A_VALUE = {"column", "blank", "default", "operation"}


def find_hints(config: Config, counts: ReadCounts, shapes: ValueShapes) -> list[Hint]:
    """One hint at most for each attribute of which our check refuses most values, or many that are alike.

    A line that would refuse what the check accepts now is no hint.
    """
    found = []
    for key, attribute in config.attributes.items():
        if share := _share_to_read(key, counts):
            texts, accepted = _texts(shapes.values(key)), _texts(shapes.accepted(key))
            words = _null_words(config, texts)
            hint = _blank_hint(key, config, words, texts, share) or _hint(
                key, attribute, texts, accepted, share
            )
            found += [hint] if hint else []
    return found


def _texts(values: Sequence[str]) -> Texts:
    return readings.texts_of(pl.Series(values, dtype=pl.String))


def _share_to_read(key: str, counts: ReadCounts) -> float | None:
    """The share of the refused values that a line has to read; None where too few are refused for a hint."""
    values = counts.rows_of_list - counts.blanks[key]
    rejected = sum(
        n for (stage, why, of), n in counts.reasons.items() if (stage, of) == ("check", key) and why != BLANK
    )
    if rejected > _MOST * values:
        return _MOST
    return _ALIKE if rejected >= _FEW else None


def _null_words(config: Config, texts: Texts) -> Texts:
    """The words for no value, but for those that are an option of any attribute."""
    options = {option for attribute in config.attributes.values() for option in attribute.options}
    return texts.where(texts.text.is_in([word for word in readings.NULL_WORDS if word not in options]))


def _blank_hint(key: str, config: Config, words: Texts, texts: Texts, share: float) -> Hint | None:
    if words.total <= share * texts.total:
        return None
    line = toml_text.line("null_values", list(dict.fromkeys([*config.source.null_values, *words.text])))
    return Hint(key, words.total, texts.total, f"{line} under [source]")


def _hint(key: str, attribute: Attribute, texts: Texts, accepted: Texts, share: float) -> Hint | None:
    """The change that reads most of the texts; both where two read equally many, as of 01/02/2026."""
    counted = [(_read(attribute, change, texts), change) for change in _changes(attribute, texts, accepted)]
    useful = [(fits, change) for fits, change in counted if fits > share * texts.total]
    known = _read(attribute, {}, accepted)
    harmless = [(n, change) for n, change in useful if _read(attribute, change, accepted) >= known]
    if harmless:
        best = max(fits for fits, _ in harmless)
        lines = [_lines(change) for fits, change in harmless if fits == best]
        return Hint(key, best, texts.total, " or ".join(dict.fromkeys(lines[:2])))
    if useful:
        best, change = max(useful, key=itemgetter(0))
        return Hint(key, best, texts.total, "", _two_ways(attribute, change))
    return _mixture(key, attribute, texts, counted) or _note(key, attribute, texts, share)


def _mixture(
    key: str, attribute: Attribute, texts: Texts, counted: Sequence[tuple[int, Mapping[str, Any]]]
) -> Hint | None:
    """What two changes read together, where neither reads enough alone: a column of two lists, say."""
    fits, first = max(counted, key=itemgetter(0), default=(0, {}))
    if not fits:
        return None
    rest = readings.unread(texts, **_keys(attribute, first))
    more, second = max(((_read(attribute, change, rest), change) for _, change in counted), key=itemgetter(0))
    if min(fits, more) < _PART * texts.total or fits + more < _ALIKE * texts.total:
        return None
    note = (
        f"would be read with {_lines(first)}, and {more:,} others with {_lines(second)}. One declaration "
        "cannot read both: write the column in one way"
    )
    return Hint(key, fits, texts.total, "", note)


def _two_ways(attribute: Attribute, change: Mapping[str, Any]) -> str:
    changed, declared = (_expected(attribute, keys) for keys in (change, {}))
    return (
        f"could be read as {changed}, but accepted values are {declared}. One declaration cannot read both: "
        "write the column in one way"
    )


def _expected(attribute: Attribute, change: Mapping[str, Any]) -> str:
    """What is accepted, as a message says it, with some keys changed."""
    changed = Attribute.model_validate(_keys(attribute, change))
    return messages.message(changed, INVALID).removeprefix("expected ")


def _note(key: str, attribute: Attribute, texts: Texts, share: float) -> Hint | None:
    """What to do where no line reads the texts."""
    rounded = texts.matching(ROUNDED)
    if rounded > share * texts.total:
        return Hint(key, rounded, texts.total, "", _LOST_DIGITS)
    national = texts.matching(contacts.NATIONAL) if attribute.type == "phone" and not attribute.region else 0
    if national > share * texts.total:
        return Hint(key, national, texts.total, "", _NO_COUNTRY)
    note = _unknown_words(attribute) if texts.text.len() <= _SHOWN else ""
    return Hint(key, texts.total, texts.total, "", note) if note else None


_LOST_DIGITS = (
    "were rounded by a spreadsheet, like 4.9E+11: their last digits are lost. "
    "Export the list again with the column formatted as text"
)


_NO_COUNTRY = "name no country, as +44 does: declare region, the country of the numbers, as two letters"


def _unknown_words(attribute: Attribute) -> str:
    """What to do about few different words that the attribute does not know; their names stay out of it."""
    if attribute.type == "boolean":
        return "are no word for true or false: add the words of the list to true_values and false_values"
    if attribute.type != "single_choice" or not attribute.options:
        return ""
    skeleton = toml_text.line("map", {"a word of the list": attribute.options[0]})
    return f"are no option. For words that mean an option declare {skeleton}; add new ones to options"


def _read(attribute: Attribute, change: Mapping[str, Any], texts: Texts) -> int:
    """How many texts the attribute reads with some keys changed; a key that is None goes."""
    try:
        return readings.read_as(texts, **_keys(attribute, change)).fits
    except (ValueError, ConfigError):  # keys that do not go together, or an extra that is not installed
        return 0


def _keys(attribute: Attribute, change: Mapping[str, Any]) -> dict[str, Any]:
    declared = attribute.model_dump(exclude_unset=True, exclude=_NOT_OF_A_VALUE)
    return {name: value for name, value in {**declared, **change}.items() if value is not None}


def _lines(change: Mapping[str, Any]) -> str:
    return " and ".join(
        toml_text.line(name, value) if value is not None else f"no {name}" for name, value in change.items()
    )


def _changes(attribute: Attribute, texts: Texts, accepted: Texts) -> Iterable[dict[str, Any]]:
    """Changes worth trying, for each type those that lists need most."""
    if attribute.type in ("date", "datetime"):
        return list(_other_formats(attribute, texts))
    if attribute.type == "number":
        return list(_other_marks(texts))
    if attribute.type == "boolean":
        return list(_other_words(attribute, texts))
    if attribute.type in ("single_choice", "multi_choice"):
        return [*_other_case(attribute, texts), *_other_lists(attribute, texts)]
    return _region(accepted) if attribute.type == "phone" and attribute.region is None else []


def _region(accepted: Texts) -> list[dict[str, Any]]:
    """The country of most numbers that name one: no other sign tells of which country the others are."""
    region = contacts.region_of(accepted.text)
    return [{"region": region}] if region else []


def _other_marks(texts: Texts) -> Iterator[dict[str, Any]]:
    """The marks that read most, once for each decimal mark that a text may have."""
    decimals = set() if texts.matching(",") else {","}
    for reading in readings.numbers(texts):
        if (mark := reading.keys.get("decimal", ".")) not in decimals:
            decimals.add(mark)
            yield {name: value for name, value in reading.keys.items() if name != "type"}


def _other_formats(attribute: Attribute, texts: Texts) -> Iterator[dict[str, Any]]:
    """Formats of the declared type, else the other one of the two types of dates."""
    dates, moments = readings.dates(texts), readings.moments(texts)
    own, other = (dates, moments) if attribute.type == "date" else (moments, dates)
    for reading in own:
        yield {"format": reading.keys.get("format")}
    for reading in other:
        yield {"type": reading.keys["type"], "format": reading.keys.get("format")}


def _other_words(attribute: Attribute, texts: Texts) -> Iterator[dict[str, Any]]:
    """The words that are there beside those declared; with a map no other words count."""
    lower = set(texts.text.str.to_lowercase().to_list())
    change = {}
    for name, known in (("true_values", readings.TRUE), ("false_values", readings.FALSE)):
        more = [word for word in known if word in lower]
        if more:
            change[name] = tuple(dict.fromkeys([*getattr(attribute, name), *more]))
    if change and not attribute.map:
        yield change


def _other_case(attribute: Attribute, texts: Texts) -> Iterator[dict[str, Any]]:
    """A map from each text that is an option but for its case; for a list, of its members."""
    folded = {option.casefold(): option for option in attribute.options}
    parts: Sequence[str] = texts.text.to_list()
    if attribute.type == "multi_choice":
        parts = readings.members(texts, attribute.separator).text.to_list()
    unlike = [part for part in dict.fromkeys(parts) if part not in attribute.options]
    words = [part for part in unlike if part.casefold() in folded][:_SHOWN]
    if words:
        yield {"map": {**attribute.map, **{word: folded[word.casefold()] for word in words}}}


def _other_lists(attribute: Attribute, texts: Texts) -> Iterator[dict[str, Any]]:
    """Other separators, with a map of options in another case: a list would lose these without a reject."""
    for separator in readings.SEPARATORS:
        if attribute.type == "single_choice":
            yield {"type": "multi_choice", "separator": separator}
        elif separator != attribute.separator or attribute.format == "json":
            change = {"separator": separator, **({"format": None} if attribute.format else {})}
            divided = attribute.model_copy(update={"separator": separator})
            yield {**change, **next(iter(_other_case(divided, texts)), {})}
    if attribute.type == "multi_choice" and attribute.format != "json":
        yield {"format": "json"}
