"""What refused values look like, without what they say: `20.05.2024` is `99.99.9999`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

SAMPLE = 100
"""Refused values of an attribute that are looked at."""

LONGEST_VALUE = 1_000
"""Characters of a refused value that are looked at; a cell may have 64 MiB."""

_LONGEST = 30
"""Characters of a shape that are shown."""


@dataclass
class ValueShapes:
    """The first refused values of each attribute, and their shapes."""

    _values: dict[str, list[str]] = field(default_factory=dict)

    def add(self, rejects: pl.DataFrame) -> None:
        """Takes refused values: `attribute`, `value` and `stage` of a rejects frame."""
        for key in rejects.filter(pl.col("stage") == "check")["attribute"].unique().to_list():
            seen = self._values.setdefault(key, [])
            wanted = SAMPLE - len(seen)
            if wanted > 0:
                first = rejects.filter(pl.col("attribute") == key)["value"].drop_nulls().head(wanted)
                seen += first.str.head(LONGEST_VALUE).to_list()

    def values(self, key: str) -> list[str]:
        """The first refused values of an attribute, at most SAMPLE, and LONGEST_VALUE characters of each."""
        return self._values.get(key, [])

    def state(self) -> dict[str, list[str]]:
        """As JSON, for `absorb`."""
        return self._values

    def absorb(self, state: Mapping[str, Sequence[str]]) -> None:
        """Adds what another one has taken of later rows."""
        for key, values in state.items():
            seen = self._values.setdefault(key, [])
            seen += values[: SAMPLE - len(seen)]

    def text(self, key: str) -> str:
        """The two most frequent shapes of an attribute's refused values; "" where there are none."""
        shapes = Counter(shape_of(pl.Series(self.values(key), dtype=pl.String)).to_list())
        return " or ".join(f'"{shape}"' for shape, _ in shapes.most_common(2))


def shape_of(values: pl.Series) -> pl.Series:
    """Each letter as `a` or `A`, each digit as `9`; other characters as they are, long texts cut."""
    letters = values.str.replace_all(r"\p{Lu}", "A").str.replace_all(r"[\p{L}--\p{Lu}]", "a")
    return letters.str.replace_all(r"\p{N}", "9").str.head(_LONGEST)
