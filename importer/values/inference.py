"""What the texts of a column look like, for destinations where the first value fixes an attribute's type.

Such a destination takes a text of digits for a number, also where it is quoted. So every text is examined
before the first call. A warning names each column that is mixed, or that looks like another type than the
declared one. Of a mixed column, a general text is sent first.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from importer.config.attribute import Attribute
from importer.config.schema import Config
from importer.core.models import RunWarning
from importer.values.typed_column import TypedColumn

GENERAL = "text"
"""The kind that takes any other in: what is seen as text stays text."""

_LOOKS = {
    "number": r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$",
    "boolean": r"^(?i:true|false)$",
    "date": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?$",
}
MIXED = "kinds_mixed"
LOOKS_LIKE = {kind: f"text_looks_like_{kind}" for kind in _LOOKS}
"""The codes of the warnings."""

_SHOWN = 5
_TEXTS = ("free_text", "email", "phone", "single_choice", "multi_choice")


def kind_of(text: pl.Expr) -> pl.Expr:
    """What a destination that goes by the content takes each text for."""
    kind = pl.lit(GENERAL)
    for name, pattern in _LOOKS.items():
        kind = pl.when(text.str.contains(pattern)).then(pl.lit(name)).otherwise(kind)
    return pl.when(text.is_not_null()).then(kind)


def is_watched(attribute: Attribute) -> bool:
    """Whether values of an attribute may be of several kinds; a standard field has its type already."""
    return attribute.type in _TEXTS and attribute.send_as != "number" and attribute.field is None


@dataclass
class TypeInference:
    """Counts the kinds of each column of texts, batch by batch."""

    config: Config
    _counts: dict[str, dict[str, int]] = field(default_factory=dict)
    _rows: dict[str, list[int]] = field(default_factory=dict)

    def look(self, columns: Iterable[tuple[str, pl.Series, TypedColumn]], numbers: pl.Series) -> None:
        """The typed columns of one batch, and the source orders of its rows."""
        for key, _, typed in columns:
            if is_watched(self.config.attributes[key]):
                self._count(key, typed.value, numbers)

    def _count(self, key: str, values: pl.Series, numbers: pl.Series) -> None:
        attribute = self.config.attributes[key]
        texts = values.list.join(attribute.join or ",") if values.dtype == pl.List(pl.String) else values
        frame = pl.DataFrame({"text": texts, "row": numbers}).select("row", kind=kind_of(pl.col("text")))
        counts = self._counts.setdefault(key, {})
        for kind, count in frame["kind"].drop_nulls().value_counts().iter_rows():
            counts[kind] = counts.get(kind, 0) + count
        shown = self._rows.setdefault(key, [])
        special = frame.filter(pl.col("kind") != GENERAL)["row"]
        shown += special.head(_SHOWN - len(shown)).to_list()

    def state(self) -> dict[str, Any]:
        """As JSON, for `absorb`."""
        return {"counts": self._counts, "rows": self._rows}

    def absorb(self, state: Mapping[str, Any]) -> None:
        """Adds what another one has counted of later rows."""
        for key, counts in state["counts"].items():
            mine = self._counts.setdefault(key, {})
            for kind, count in counts.items():
                mine[kind] = mine.get(kind, 0) + count
            shown = self._rows.setdefault(key, [])
            shown += state["rows"][key][: _SHOWN - len(shown)]

    def mixed(self) -> list[str]:
        """The attributes that hold texts of several kinds, a general one among them."""
        return [key for key, counts in self._counts.items() if len(counts) > 1 and GENERAL in counts]

    def warnings(self) -> Iterator[RunWarning]:
        """One for each column that is mixed, or looks like something else throughout; with source orders."""
        for key, counts in self._counts.items():
            special = {kind: count for kind, count in counts.items() if kind != GENERAL}
            if not special or self.config.attributes[key].send_as == GENERAL:
                continue
            code = MIXED if len(counts) > 1 else LOOKS_LIKE[next(iter(special))]
            column = self.config.column_of(key)
            yield RunWarning(code, column, sum(special.values()), tuple(self._rows[key]))
