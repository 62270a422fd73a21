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
"""Characters of a refused value that are looked at; a cell may have 2 MiB."""

ROUNDED = r"^[+-]?[0-9][.,][0-9]+[eE][+]?[0-9]+$"
"""What a spreadsheet makes of a long number: 4.91512E+11."""

_LONGEST = 30
"""Characters of a shape that are shown."""


@dataclass
class ValueShapes:
    """The first refused values of each attribute and their shapes, and a few accepted values."""

    _values: dict[str, list[str]] = field(default_factory=dict)
    _accepted: dict[str, list[str]] = field(default_factory=dict)
    _batches: Counter[tuple[str, bool]] = field(default_factory=Counter)

    def add(self, rejects: pl.DataFrame) -> None:
        """Takes refused values: `attribute`, `value` and `stage` of a rejects frame."""
        if rejects.is_empty():
            return
        for key in rejects.filter(pl.col("stage") == "check")["attribute"].unique().to_list():
            seen = self._values.setdefault(key, [])
            wanted = SAMPLE - len(seen)
            if wanted > 0:
                first = rejects.filter(pl.col("attribute") == key)["value"].drop_nulls().head(wanted)
                seen += first.str.head(LONGEST_VALUE).to_list()

    def add_accepted(self, typed: Iterable[tuple[str, pl.Series, TypedColumn]]) -> None:
        """Takes accepted values: key, cells and typed column of each attribute.

        Of the batches before the first refused value, and of those from there on, the first, second, fourth,
        eighth… is looked at: in a long list that is little. Before it a few cells do.
        """
        for key, cells, column in typed:
            is_refused = key in self._values
            self._batches[key, is_refused] += 1
            if self._batches[key, is_refused].bit_count() == 1:
                texts = _spread(cells, column, _LOOKED_AT if is_refused else _OF_A_SHAPE)
                self._keep(self._accepted.setdefault(key, []), texts, by_shape=is_refused)

    def _keep(self, seen: list[str], texts: pl.Series, *, by_shape: bool) -> None:
        """Adds texts to `seen`, SAMPLE in all, and by shape few of each."""
        if not by_shape:
            seen += texts.head(SAMPLE - len(seen)).to_list()
            return
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
            self._keep(self._accepted.setdefault(key, []), pl.Series(values, dtype=pl.String), by_shape=True)

    def text(self, key: str) -> str:
        """The two most frequent shapes of an attribute's refused values; "" where there are none."""
        shapes = Counter(shape_of(pl.Series(self.values(key), dtype=pl.String)).to_list())
        return " or ".join(f'"{shape}"' for shape, _ in shapes.most_common(2))


def _spread(cells: pl.Series, column: TypedColumn, most: int) -> pl.Series:
    """So many of the accepted cells, evenly spread over them, as texts."""
    good = column.present
    if column.reason is not None:
        good = good & column.reason.is_null()
    if column.cleared is not None:
        good = good & ~column.cleared
    places = good.arg_true()
    chosen = places.gather_every(max(1, -(-len(places) // most)))
    return cell_texts.display(cells.gather(chosen)).drop_nulls().str.head(LONGEST_VALUE)


def shape_of(values: pl.Series) -> pl.Series:
    """Each letter as `a` or `A`, each digit as `9`; other characters as they are, long texts cut."""
    letters = values.str.replace_all(r"\p{Lu}", "A").str.replace_all(r"[\p{L}--\p{Lu}]", "a")
    return letters.str.replace_all(r"\p{N}", "9").str.head(_LONGEST)
