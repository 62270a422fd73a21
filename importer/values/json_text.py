"""Typed values as JSON text."""

import json
from collections.abc import Mapping

import polars as pl

from importer.config.attribute import Attribute
from importer.core.models import Encoding
from importer.values.cell_texts import datetime_text
from importer.values.typed_column import TypedColumn, choose, sent_type


def encode(typed: TypedColumn, attribute: Attribute, encoding: Encoding) -> pl.Series:
    """The typed values as JSON text, String; null stays null."""
    value = typed.value
    if sent_type(attribute) == "number":
        return quote_json(value) if attribute.send_as == "text" else value
    if attribute.type == "boolean":
        return choose(value, pl.lit(encoding.true), pl.lit(encoding.false))
    if attribute.type == "multi_choice":
        return encode_lists(value) if attribute.join is None else quote_json(value.list.join(attribute.join))
    if attribute.type == "date":
        return quote_json(value.dt.strftime(encoding.date))
    if attribute.type == "datetime":
        return quote_json(datetime_text(value, typed.utc, encoding))
    return quote_json(value)


def quote_json(text: pl.Series) -> pl.Series:
    """Each text as a JSON string, escaped only where the column holds anything to escape."""
    if text.str.contains(r'["\\\x00-\x1f]').any():
        text = text.str.replace_many(list(_ESCAPES), list(_ESCAPES.values()))
    return text.to_frame("t").select(pl.concat_str(_QUOTE, "t", _QUOTE).alias(text.name)).to_series()


_QUOTE = pl.lit('"')
_ESCAPES: Mapping[str, str] = {c: json.dumps(c)[1:-1] for c in '"\\' + "".join(map(chr, range(32)))}


def encode_lists(lists: pl.Series) -> pl.Series:
    """Each list as a JSON array of strings."""
    joined = lists.list.eval(_quoted(pl.element())).list.join(",")
    return ("[" + joined + "]").rename(lists.name)


def _quoted(text: pl.Expr) -> pl.Expr:
    return pl.lit('"') + text.str.replace_many(list(_ESCAPES), list(_ESCAPES.values())) + pl.lit('"')
