"""The type free_text."""

import polars as pl

from importer.config.attribute import Attribute
from importer.core.rejects import TOO_LONG
from importer.values.cell_texts import as_text
from importer.values.typed_column import TypedColumn, checked, present_in


def type_text(attribute: Attribute, column: pl.Series) -> TypedColumn:
    """Any text of at most `max_length` characters."""
    text = as_text(column)
    too_long = _too_long(attribute, text)
    if too_long is None:
        return TypedColumn(text, present_in(text))
    return checked(text, text.set(too_long, None), TOO_LONG)


def _too_long(attribute: Attribute, text: pl.Series) -> pl.Series | None:
    """Where the text passes max_length, in characters; None = nowhere. The bytes are counted first."""
    limit = attribute.max_length
    if limit is None or not (text.str.len_bytes() > limit).any():
        return None
    too_long = (text.str.len_chars() > limit).fill_null(value=False)
    return too_long if too_long.any() else None
