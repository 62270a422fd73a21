"""The types of declared words: single_choice, multi_choice, boolean."""

import json
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from importer.config.attribute import Attribute
from importer.core.rejects import EMPTY_LIST, INVALID, NOT_DECLARED, NULL_MEMBER
from importer.values.blanks import BLANKS
from importer.values.cell_texts import as_text, unusable
from importer.values.text import type_text
from importer.values.typed_column import TypedColumn, checked, present_in


def type_single_choice(attribute: Attribute, column: pl.Series) -> TypedColumn:
    """One of the declared options, compared exactly; any text where `allow_custom` is set."""
    if attribute.allow_custom:
        return type_text(attribute, column)
    text = as_text(column)
    known = text.is_in(attribute.options)
    return checked(text, text if known.all() else text.set(~known, None))


def type_multi_choice(attribute: Attribute, column: pl.Series, *, takes_empty: bool = True) -> TypedColumn:
    """Several options; the distinct texts of a column are few, so these are typed and then looked up.

    `takes_empty` says whether the destination takes a list without members.

    SourceError where the members of a Parquet list are lists themselves.
    """
    if isinstance(column.dtype, (pl.List, pl.Array)):
        if column.dtype.inner.is_nested():
            raise unusable(column)
        return _type_lists(
            _rules(attribute, takes_empty=takes_empty), column, column.cast(pl.List(pl.String))
        )
    text = as_text(column).rename("text")
    distinct = text.drop_nulls().unique().sort()
    few, rules = len(distinct) <= _FEW, _rules(attribute, takes_empty=takes_empty)
    verdicts = _remembered(rules, tuple(distinct)) if few else _verdicts(rules, distinct)
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
class _ListRules:
    """What decides how a text becomes a list of options."""

    options: tuple[str, ...]
    allow_custom: bool
    separator: str
    json: bool
    takes_empty: bool
    map: tuple[tuple[str, str], ...]


def _rules(attribute: Attribute, *, takes_empty: bool) -> _ListRules:
    return _ListRules(
        attribute.options,
        attribute.allow_custom,
        attribute.separator,
        attribute.format == "json",
        takes_empty and attribute.operation == "set",
        tuple(attribute.map.items()),
    )


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """`text`, `value`, `reason` and `dropped` of some distinct texts."""

    table: pl.DataFrame
    some_bad: bool
    some_dropped: bool


_FEW = 1000


@lru_cache(maxsize=64)
def _remembered(rules: _ListRules, texts: tuple[str, ...]) -> _Verdicts:
    """One batch after another holds the same few texts."""
    return _verdicts(rules, pl.Series("text", texts, dtype=pl.String))


def _verdicts(rules: _ListRules, distinct: pl.Series) -> _Verdicts:
    typed = _type_lists(rules, distinct, _parsed(distinct) if rules.json else _split(rules, distinct))
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


def _parsed(text: pl.Series) -> pl.Series:
    """Each JSON array of texts and numbers as a list, null members kept; null where it is something else."""
    return pl.Series(text.name, [_json_list(cell) for cell in text], dtype=pl.List(pl.String))


def _json_list(cell: str) -> list[str | None] | None:
    try:
        members = json.loads(cell, parse_float=str, parse_int=str, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(members, list) or not all(m is None or isinstance(m, str) for m in members):
        return None
    return members


def _no_constant(name: str) -> str:
    raise ValueError(name)


def _split(rules: _ListRules, text: pl.Series) -> pl.Series:
    """The pieces between separators, null where the text has the marks of another form."""
    pieces, quoted = pieces_of(text, rules.separator)
    undeclared = pl.element().is_in(rules.options).not_()
    marked = pieces.list.eval(undeclared & pl.element().str.contains('"', literal=True)).list.any()
    other = text.str.contains(_OTHER_FORM) & pieces.list.eval(undeclared).list.any()
    bad = (marked & ~quoted | other).fill_null(value=False)
    return pieces.set(bad, None) if bad.any() else pieces


def pieces_of(text: pl.Series, separator: str) -> tuple[pl.Series, pl.Series]:
    """What stands between the separators, without blanks around it, and where marks stand around every piece.

    Those quotation marks are removed.
    """
    pieces, quoted = text.str.split(separator), pl.repeat(False, len(text), eager=True)
    if text.str.contains('"', literal=True).any():
        quoted = text.str.contains(_quoted_pieces(separator))
        pieces = text.str.extract_all(_QUOTED).list.eval(_UNQUOTED).zip_with(quoted, pieces)
    return pieces.list.eval(pl.element().str.strip_chars(BLANKS)), quoted


def _quoted_pieces(separator: str) -> str:
    between = "".join(rf"\x{{{ord(c):x}}}" for c in separator)
    return rf"^\s*{_QUOTED}(?:\s*{between}\s*{_QUOTED})*\s*$"


_QUOTED = r'"(?:[^"]|"")*"'
_UNQUOTED = (
    pl.element().str.slice(1, pl.element().str.len_chars() - 2).str.replace_all('""', '"', literal=True)
)
_OTHER_FORM = r"(?s)^\s*(?:\[.*\]|\{.*\}|\(.*\))\s*$"
"""JSON and the literals of Python and PostgreSQL: ["a","b"], ['a', 'b'], {a,b}."""


def _type_lists(rules: _ListRules, column: pl.Series, lists: pl.Series) -> TypedColumn:
    """Empty pieces and repeated options go silently; undeclared ones are dropped and named.

    A list without members is a value; a text that names no option is not.
    """
    if rules.map:
        old, new = zip(*rules.map, strict=True)
        lists = lists.list.eval(pl.element().replace(list(old), list(new)))
    asked = lists.list.eval(pl.element().filter(pl.element() != "").unique(maintain_order=True))
    kept, dropped = asked, None
    if not rules.allow_custom:
        declared = pl.element().is_in(rules.options)
        kept = asked.list.eval(pl.element().filter(declared))
        if (kept.list.len() < asked.list.len()).any():
            dropped = asked.list.eval(pl.element().filter(~declared)).list.join(", ")
            dropped = dropped.set(dropped == "", None)
    reason = _list_reasons(rules, column, lists, asked, kept)
    value = kept if reason is None else kept.set(reason.is_not_null(), None)
    return TypedColumn(value, column.is_not_null(), reason, dropped)


def _list_reasons(
    rules: _ListRules, column: pl.Series, lists: pl.Series, asked: pl.Series, kept: pl.Series
) -> pl.Series | None:
    """Why a list is bad; None = none is.

    A list of nothing but undeclared options is told from a text that names no option at all.
    """
    frame = pl.DataFrame(
        {
            "there": column.is_not_null(),
            "members": lists.list.len(),
            "null": lists.list.eval(pl.element().is_null()).list.any(),
            "asked": asked.list.len(),
            "kept": kept.list.len(),
        }
    )
    reason = (
        pl.when(~pl.col("there"))
        .then(None)
        .when(pl.col("members").is_null())
        .then(pl.lit(INVALID))
        .when(pl.col("null"))
        .then(pl.lit(NULL_MEMBER))
        .when((pl.col("members") == 0) & (not rules.takes_empty))
        .then(pl.lit(EMPTY_LIST))
        .when((pl.col("members") > 0) & (pl.col("asked") == 0))
        .then(pl.lit(INVALID))
        .when((pl.col("asked") > 0) & (pl.col("kept") == 0))
        .then(pl.lit(NOT_DECLARED))
    )
    reasons = frame.select(reason.alias(column.name)).to_series()
    return None if reasons.null_count() == len(reasons) else reasons


def type_boolean(attribute: Attribute, column: pl.Series) -> TypedColumn:
    """One of the declared words, in any case; a Parquet boolean as it is."""
    if column.dtype == pl.Boolean:
        return TypedColumn(column, present_in(column))
    text = as_text(column)
    trues, falses = ([t.lower() for t in ts] for ts in (attribute.true_values, attribute.false_values))
    yes, no = text.is_in(trues), text.is_in(falses)
    if not (yes | no).all():
        lower = text.str.to_lowercase()
        yes, no = lower.is_in(trues), lower.is_in(falses)
    return checked(text, yes.set(~(yes | no), None))
