"""What refused and accepted values look like, without what they say: `20.05.2024` is `99.99.9999`."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from importer.values import cell_texts
from importer.values.typed_column import TypedColumn

SAMPLE = 100
"""Refused values of an attribute that are looked at, and accepted ones."""

_LOOKED_AT = 500
"""Cells of a batch of rows that are looked at for accepted values."""

_OF_A_SHAPE = 5
"""Accepted values of one shape that are kept: a column of one shape leaves room for a second one."""

LONGEST_VALUE = 1_000
"""Characters of a refused value that are looked at; a cell may have 64 MiB."""

ROUNDED = r"^[+-]?[0-9][.,][0-9]+[eE][+]?[0-9]+$"
"""What a spreadsheet makes of a long number: 4.91512E+11."""

_LONGEST = 30
"""Characters of a shape that are shown."""


@dataclass
class ValueShapes:
    """The first refused values of each attribute and their shapes, and a few accepted values."""

    _values: dict[str, list[str]] = field(default_factory=dict)
    _accepted: dict[str, list[str]] = field(default_factory=dict)
    _batches: Counter[str] = field(default_factory=Counter)

    def add(self, rejects: pl.DataFrame) -> None:
        """Takes refused values: `attribute`, `value` and `stage` of a rejects frame."""
        for key in rejects.filter(pl.col("stage") == "check")["attribute"].unique().to_list():
            seen = self._values.setdefault(key, [])
            wanted = SAMPLE - len(seen)
            if wanted > 0:
                first = rejects.filter(pl.col("attribute") == key)["value"].drop_nulls().head(wanted)
                seen += first.str.head(LONGEST_VALUE).to_list()

    def add_accepted(self, typed: Iterable[tuple[str, pl.Series, TypedColumn]]) -> None:
        """Takes accepted values of attributes of which some were refused: key, cells, typed column of each.

        Of an attribute the first, second, fourth, eighth… batch is looked at: in a long list that is little.
        """
        for key, cells, column in typed:
            if key not in self._values:
                continue
            seen = self._accepted.setdefault(key, [])
            self._batches[key] += 1
            if self._batches[key].bit_count() == 1 and len(seen) < SAMPLE:
                texts = cell_texts.display(_spread(cells, column)).drop_nulls()
                self._keep(seen, texts.str.head(LONGEST_VALUE))

    def _keep(self, seen: list[str], texts: pl.Series) -> None:
        """Adds texts to `seen`, few of each shape and SAMPLE in all."""
        shapes = Counter(shape_of(pl.Series(seen, dtype=pl.String)).to_list())
        for text, shape in zip(texts, shape_of(texts), strict=True):
            if shapes[shape] < _OF_A_SHAPE and len(seen) < SAMPLE:
                shapes[shape] += 1
                seen.append(text)

    def accepted(self, key: str) -> list[str]:
        """Accepted values of an attribute, at most SAMPLE, and LONGEST_VALUE characters of each."""
        return self._accepted.get(key, [])

    def values(self, key: str) -> list[str]:
        """The first refused values of an attribute, at most SAMPLE, and LONGEST_VALUE characters of each."""
        return self._values.get(key, [])

    def state(self) -> dict[str, dict[str, list[str]]]:
        """As JSON, for `absorb`."""
        return {"refused": self._values, "accepted": self._accepted}

    def absorb(self, state: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        """Adds what another one has taken of later rows."""
        for key, values in state["refused"].items():
            seen = self._values.setdefault(key, [])
            seen += values[: SAMPLE - len(seen)]
        for key, values in state["accepted"].items():
            self._keep(self._accepted.setdefault(key, []), pl.Series(values, dtype=pl.String))

    def text(self, key: str) -> str:
        """The two most frequent shapes of an attribute's refused values; "" where there are none."""
        shapes = Counter(shape_of(pl.Series(self.values(key), dtype=pl.String)).to_list())
        return " or ".join(f'"{shape}"' for shape, _ in shapes.most_common(2))


def _spread(cells: pl.Series, column: TypedColumn) -> pl.Series:
    """The accepted of a few cells that are evenly spread over the column."""
    step = max(1, -(-cells.len() // _LOOKED_AT))
    good = column.present.gather_every(step)
    if column.reason is not None:
        good &= column.reason.gather_every(step).is_null()
    if column.cleared is not None:
        good &= ~column.cleared.gather_every(step)
    return cells.gather_every(step).filter(good)


def shape_of(values: pl.Series) -> pl.Series:
    """Each letter as `a` or `A`, each digit as `9`; other characters as they are, long texts cut."""
    letters = values.str.replace_all(r"\p{Lu}", "A").str.replace_all(r"[\p{L}--\p{Lu}]", "a")
    return letters.str.replace_all(r"\p{N}", "9").str.head(_LONGEST)
