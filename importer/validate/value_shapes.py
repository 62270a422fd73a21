"""What refused values look like, without what they say: `20.05.2024` is `99.99.9999`."""

from collections import Counter
from dataclasses import dataclass, field

import polars as pl

SAMPLE = 100
"""Refused values of an attribute that are looked at."""

_LONGEST = 30
"""Characters of a shape that are shown."""


@dataclass
class ValueShapes:
    """The shapes of the first refused values of each attribute."""

    _shapes: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, rejects: pl.DataFrame) -> None:
        """Takes refused values: `attribute`, `value` and `stage` of a rejects frame."""
        for key in rejects.filter(pl.col("stage") == "check")["attribute"].unique().to_list():
            seen = self._shapes.setdefault(key, Counter())
            wanted = SAMPLE - seen.total()
            if wanted > 0:
                values = rejects.filter(pl.col("attribute") == key)["value"].drop_nulls().head(wanted)
                seen.update(shape_of(values).to_list())

    def text(self, key: str) -> str:
        """The two most frequent shapes of an attribute's refused values; "" where there are none."""
        return " or ".join(f'"{shape}"' for shape, _ in self._shapes.get(key, Counter()).most_common(2))


def shape_of(values: pl.Series) -> pl.Series:
    """Each letter as `a` or `A`, each digit as `9`; other characters as they are, long texts cut."""
    letters = values.str.replace_all(r"\p{Lu}", "A").str.replace_all(r"[\p{L}--\p{Lu}]", "a")
    return letters.str.replace_all(r"\p{N}", "9").str.head(_LONGEST)
