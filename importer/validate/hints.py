"""Hints from the data: where most values of an attribute are refused, the line that would read them.

A hint is made of the first refused values. It names keys of the configuration and words that are known
beforehand, never a value of a person.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from importer.config import toml_text
from importer.config.attribute import Attribute
from importer.config.schema import Config
from importer.core.errors import ConfigError
from importer.core.models import Hint
from importer.core.rejects import BLANK
from importer.validate.read_counts import ReadCounts
from importer.validate.value_shapes import ValueShapes
from importer.values import readings
from importer.values.readings import Texts

_MOST = 0.5
"""A hint is given where a larger share of the values is refused, and a line reads as many of these."""

_NOT_OF_A_VALUE = {"column", "blank", "default", "operation"}


def find_hints(config: Config, counts: ReadCounts, refused: ValueShapes) -> list[Hint]:
    """One hint at most for each attribute of which our check refuses most values."""
    found = []
    for key, attribute in config.attributes.items():
        if _is_mostly_refused(key, counts):
            texts = readings.texts_of(pl.Series(refused.values(key), dtype=pl.String))
            found += list(_hint(key, attribute, texts))
    return found


def _is_mostly_refused(key: str, counts: ReadCounts) -> bool:
    values = counts.rows_of_list - counts.blanks[key]
    rejected = sum(
        n for (stage, why, of), n in counts.reasons.items() if (stage, of) == ("check", key) and why != BLANK
    )
    return rejected > _MOST * values


def _hint(key: str, attribute: Attribute, texts: Texts) -> Iterator[Hint]:
    """The change that reads most of the texts; both where two read equally many, as of 01/02/2026."""
    words = texts.where(texts.text.is_in(readings.NULL_WORDS))
    if words.total > _MOST * texts.total:
        line = toml_text.line("null_values", ["", *words.text.to_list()])
        yield Hint(key, words.total, texts.total, f"{line} under [source]")
        return
    counted = [(_read(attribute, change, texts), change) for change in _changes(attribute, texts)]
    best = max((fits for fits, _ in counted), default=0)
    if best > _MOST * texts.total:
        lines = [_lines(change) for fits, change in counted if fits == best]
        yield Hint(key, best, texts.total, " or ".join(dict.fromkeys(lines[:2])))


def _read(attribute: Attribute, change: Mapping[str, Any], texts: Texts) -> int:
    """How many texts the attribute reads with some keys changed; a key that is None goes."""
    declared = attribute.model_dump(exclude_unset=True, exclude=_NOT_OF_A_VALUE)
    keys = {name: value for name, value in {**declared, **change}.items() if value is not None}
    try:
        return readings.read_as(texts, **keys).fits
    except (ValueError, ConfigError):  # keys that do not go together, or an extra that is not installed
        return 0


def _lines(change: Mapping[str, Any]) -> str:
    return " and ".join(
        toml_text.line(name, value) if value is not None else f"no {name}" for name, value in change.items()
    )


def _changes(attribute: Attribute, texts: Texts) -> Iterable[dict[str, Any]]:
    """Changes worth trying, for each type those that lists need most."""
    if attribute.type in ("date", "datetime"):
        return list(_other_formats(attribute, texts))
    if attribute.type == "number":
        return list(_other_marks(texts))
    if attribute.type == "boolean":
        return list(_other_words(attribute, texts))
    if attribute.type in ("single_choice", "multi_choice"):
        return [*_other_case(attribute, texts), *_other_lists(attribute)]
    return [{"region": "GB"}] if attribute.type == "phone" and attribute.region is None else []


def _other_marks(texts: Texts) -> Iterator[dict[str, Any]]:
    """The marks that read most, once for each decimal mark."""
    decimals = set()
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
    words = {part: folded[part.casefold()] for part in parts if part.casefold() in folded}
    if words:
        yield {"map": {**attribute.map, **words}}


def _other_lists(attribute: Attribute) -> Iterator[dict[str, Any]]:
    for separator in readings.SEPARATORS:
        if attribute.type == "single_choice":
            yield {"type": "multi_choice", "separator": separator}
        elif separator != attribute.separator or attribute.format == "json":
            yield {"separator": separator, **({"format": None} if attribute.format else {})}
    if attribute.type == "multi_choice" and attribute.format != "json":
        yield {"format": "json"}
