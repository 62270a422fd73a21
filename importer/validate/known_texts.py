"""Columns of few different texts: each text is checked once, and not in every row.

A country, a first name, a yes or no: millions of cells have a few hundred texts. Those that are good and show
no sign of damage are remembered. A column that has no other texts needs no second look.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from importer.config.attribute import Attribute
from importer.config.schema import Config
from importer.validate.data_quality import may_show_damage
from importer.values.column_types import CellRules, cell_rules, type_cells

_FEWEST_ROWS = 10_000
"""A batch of fewer rows costs less than to check its texts apart."""

_ROWS_A_TEXT = 8
"""Where a text stands in fewer rows, on average, to find the different ones costs more than it saves."""

_MOST = 4_000
_LONGEST = 100
"""So many texts of an attribute are remembered, of so many bytes: a cell may have 2 MiB."""

_MOST_MISSES = 5
"""After so many batches that have another text, one after another, an attribute is given up: at once, where
its texts are too many or too long."""


@dataclass(slots=True)
class _Texts:
    """The texts of one attribute: `good` ones, `blank` ones, which are no values, and `other` ones."""

    attribute: Attribute
    rules: CellRules
    good: set[str] = field(default_factory=set)
    blank: set[str] = field(default_factory=set)
    other: set[str] = field(default_factory=set)
    misses: int = 0

    def all_known(self, texts: set[str], rows: int) -> bool:
        """Checks what is new of the different texts of some rows; whether all are good or blank."""
        new = texts - self.good - self.blank - self.other
        if len(texts) > _MOST or any(len(text.encode()) > _LONGEST for text in new):
            self.misses = _MOST_MISSES
            return False
        is_few = len(texts) * _ROWS_A_TEXT <= rows and len(new | self.good | self.other) <= _MOST
        if new and is_few:
            self._check(pl.Series(sorted(new), dtype=pl.String))
        known = is_few and texts.isdisjoint(self.other)
        self.misses = 0 if known else self.misses + 1
        return known

    def _check(self, texts: pl.Series) -> None:
        typed = type_cells(self.attribute, self.rules, texts)
        odd = may_show_damage(texts)
        for remark in (typed.reason, typed.dropped):
            odd = odd if remark is None else odd | remark.is_not_null()
        for mark in (typed.utc, typed.cleared, typed.padded):
            odd = odd if mark is None else odd | mark
        self.good.update(texts.filter(~odd & typed.present))
        self.blank.update(texts.filter(~odd & ~typed.present))
        self.other.update(texts.filter(odd))


class KnownTexts:
    """Remembers the texts of each attribute of one import."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._texts = {
            key: _Texts(attribute, cell_rules(config, attribute))
            for key, attribute in config.attributes.items()
            if attribute.blank == "skip" and attribute.default is None
            if attribute.type != "phone" and config.column_of(key) not in config.source.computed
        }

    def of(self, cells: pl.DataFrame) -> Mapping[str, Sequence[str]]:
        """The attributes of which every cell of a batch is good or blank, and shows no sign of damage.

        With each those of its texts that are blank; a null is blank too.
        """
        columns = self._config.columns
        asked = [key for key, texts in self._texts.items() if texts.misses < _MOST_MISSES]
        asked = [key for key in asked if cells.schema[columns[key]] == pl.String]
        if cells.height < _FEWEST_ROWS or not asked:
            return {}
        different = cells.select(pl.col(columns[key]).unique().implode().alias(key) for key in asked)
        found = {key: set(different[key].item()) - {None} for key in asked}
        known = [key for key in asked if self._texts[key].all_known(found[key], cells.height)]
        return {key: sorted(found[key] & self._texts[key].blank) for key in known}
