"""The types of declared words: single_choice, multi_choice, boolean."""

from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from importer.config.attribute import Attribute
from importer.core.rejects import INVALID, NOT_DECLARED
from importer.values.cell_texts import as_text
from importer.values.text import type_text
from importer.values.typed_column import TypedColumn, checked, choose


def type_single_choice(attribute: Attribute, column: pl.Series) -> TypedColumn:
    """One of the declared options, compared exactly; any text where `allow_custom` is set."""
    if attribute.allow_custom:
        return type_text(attribute, column)
    text = as_text(column)
    known = text.is_in(attribute.options)
    return checked(text, text if known.all() else text.set(~known, None))


def type_multi_choice(attribute: Attribute, column: pl.Series) -> TypedColumn:
    """Works on the distinct texts of the column, which are few, and maps the verdicts back."""
    if isinstance(column.dtype, (pl.List, pl.Array)):
        return _type_lists(attribute, column, column.cast(pl.List(pl.String)))
    text = as_text(column).rename("text")
    distinct = text.drop_nulls().unique().sort()
    few = len(distinct) <= _FEW
    verdicts = _remembered(attribute, tuple(distinct)) if few else _verdicts(attribute, distinct)
    table = verdicts.table

    def mapped(name: str) -> pl.Series:
        verdict = table.select("text", name)
        found = text.to_frame().join(verdict, on="text", how="left", maintain_order="left")
        return found[name].rename(column.name)

    return TypedColumn(
        lambda: mapped("value"),
        text.is_not_null(),
        mapped("reason") if verdicts.some_bad else None,
        mapped("dropped") if verdicts.some_dropped else None,
    )


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """`text`, `value`, `reason` and `dropped` of some distinct texts."""

    table: pl.DataFrame
    some_bad: bool
    some_dropped: bool


_FEW = 1000


@lru_cache(maxsize=64)
def _remembered(attribute: Attribute, texts: tuple[str, ...]) -> _Verdicts:
    """One batch after another holds the same few texts."""
    return _verdicts(attribute, pl.Series("text", texts, dtype=pl.String))


def _verdicts(attribute: Attribute, distinct: pl.Series) -> _Verdicts:
    typed = _type_lists(attribute, distinct, distinct.str.split(attribute.separator))
    table = pl.DataFrame(
        {
            "text": distinct,
            "value": typed.value,
            "reason": _or_null(typed.reason, len(distinct)),
            "dropped": _or_null(typed.dropped, len(distinct)),
        }
    )
    return _Verdicts(table, typed.reason is not None, typed.dropped is not None)


def _or_null(column: pl.Series | None, height: int) -> pl.Series:
    return pl.repeat(None, height, dtype=pl.String, eager=True) if column is None else column


def _type_lists(attribute: Attribute, column: pl.Series, lists: pl.Series) -> TypedColumn:
    """Empty pieces and repeated options go silently; undeclared ones are dropped and named."""
    option = pl.element()
    real = option.filter(option.is_not_null() & (option != "")).unique(maintain_order=True)
    asked = lists.list.eval(real)
    kept, dropped = asked, None
    if not attribute.allow_custom:
        declared = pl.element().is_in(attribute.options)
        kept = asked.list.eval(pl.element().filter(declared))
        if (kept.list.len() < asked.list.len()).any():
            dropped = asked.list.eval(pl.element().filter(~declared)).list.join(", ")
            dropped = dropped.set(dropped == "", None)
    value = kept.set(kept.list.len() == 0, None)
    bad = column.is_not_null() & value.is_null()
    return TypedColumn(value, column.is_not_null(), _list_reasons(bad, asked), dropped)


def _list_reasons(bad: pl.Series, asked: pl.Series) -> pl.Series | None:
    """A list of nothing but undeclared options is told from a text that names no option at all."""
    if not bad.any():
        return None
    reason = choose(bad.rename("bad"), pl.lit(NOT_DECLARED), pl.lit(None, pl.String))
    return reason.set(bad & (asked.list.len() == 0), INVALID)


def type_boolean(attribute: Attribute, column: pl.Series) -> TypedColumn:
    """One of the declared words, in any case; a Parquet boolean as it is."""
    if column.dtype == pl.Boolean:
        return TypedColumn(column, column.is_not_null())
    text = as_text(column)
    trues, falses = ([t.lower() for t in ts] for ts in (attribute.true_values, attribute.false_values))
    yes, no = text.is_in(trues), text.is_in(falses)
    if not (yes | no).all():
        lower = text.str.to_lowercase()
        yes, no = lower.is_in(trues), lower.is_in(falses)
    return checked(text, yes.set(~(yes | no), None))
