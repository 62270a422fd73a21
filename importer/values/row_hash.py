"""Cheap evidence that nothing changed: a hash per row, and one per declaration.

A row's hash is xxh64 over the text it was read from (or its mapped cells), mixed with a digest of
everything that decides what becomes of that text. Equal hashes mean equal values: of ten million people
who all have changed, one is taken for unchanged with a probability of 10^7 / 2^64, once in 10^12 nights.
"""

import hashlib
import json

import polars as pl
import polars_hash as plh

from importer.config.attribute import Attribute
from importer.config.schema import Config
from importer.core.models import Encoding
from importer.source.csv_grammar import Layout
from importer.values import cell_texts

_DERIVATION = 3
"""Raised whenever the same text, under the same declaration, comes to another value than before."""

_NAMING = "naming"
"""Of a list whose columns name people to the destination. Version 0.1.0 kept fingerprints of such a list, but
not what named the people: none of its rows is taken for unchanged."""

_BETWEEN = "\x1f"
_BLANK = "\x00"


def declaration(attribute: Attribute, column: str) -> str:
    """Changes where what is known of an attribute's values must not be relied on: its mapping or its type."""
    as_field = [attribute.field] if attribute.field else []
    return _digest([column, attribute.type, attribute.operation, *as_field])


class RowHasher:
    """Hashes of rows under one configuration and one destination's encoding."""

    def __init__(self, config: Config, encoding: Encoding) -> None:
        wanted = decides(config)
        self._columns = [column for column in config.declared_columns if column in wanted]
        source = config.source
        self._declared = _digest(
            [
                [_NAMING, _DERIVATION] if config.identity_fields else _DERIVATION,
                {key: a.model_dump(mode="json") for key, a in config.attributes.items()},
                config.identity.model_dump(mode="json"),
                [config.destination.type, config.vendor, repr(encoding)],
                [
                    source.null_values,
                    source.clear_values,
                    source.trim,
                    source.spreadsheet_text,
                    source.computed,
                ],
            ]
        )

    def of(self, layout: Layout | None, rows: pl.DataFrame, cells: pl.DataFrame) -> pl.Series:
        """UInt64 per row, null where it cannot be told. `rows` may have `raw`, `cells` are of the same rows.

        The text of the whole row is taken where each of its columns is mapped, which is the quicker way.
        """
        if layout is not None and set(layout.named) <= set(self._columns):
            return self._mixed(rows["raw"], repr(layout))
        texts = [_text(cells[column]) for column in self._columns]
        whole = pl.DataFrame(texts).select(pl.concat_str(pl.all(), separator=_BETWEEN)).to_series()
        inside = whole.str.count_matches(_BETWEEN, literal=True) != len(texts) - 1
        return self._mixed(whole, "").set(inside, None)

    def _mixed(self, text: pl.Series, way: str) -> pl.Series:
        salt = int(_digest([self._declared, way])[:16], 16)
        mixed = plh.col("print").nchash.xxhash64() ^ pl.lit(salt, pl.UInt64)
        return text.rename("print").to_frame().select(mixed.alias("print")).to_series()


def decides(config: Config) -> set[str]:
    """The columns that decide what is sent of a person who stands on one row."""
    naming = (field.column for field in config.identity_fields)
    return {config.identity.column, *naming, *config.columns.values(), *config.computed_from}


def _text(column: pl.Series) -> pl.Series:
    return cell_texts.display(column).fill_null(_BLANK)


def _digest(what: object) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()
