"""How spreadsheets mark a cell as text: `="00123"` in an export, an apostrophe before a number or a formula.

An apostrophe counts only before a number, or before a sign that would begin a formula: 's-Hertogenbosch is a
town.
"""

import polars as pl

_FORMULA = r'^="(?:[^"]|"")*"$'
_APOSTROPHE = r"^'(?:[=+@-].*|[0-9][0-9 .,()/+-]*)$"
MARKED = rf"{_FORMULA}|{_APOSTROPHE}"
"""A cell that has such a mark."""

LOOKS_LIKE = rf"(?s){_APOSTROPHE}|^=."
"""A cell that a spreadsheet marked, or a formula."""


def may_be_marked(text: pl.Series) -> bool:
    """Whether a text begins with an apostrophe or an equals sign."""
    return bool((((text >= "'") & (text < "(")) | ((text >= "=") & (text < ">"))).any())


def unwrap(text: pl.Series) -> pl.Series:
    """Each marked cell without its mark; the same Series where there is none."""
    if text.dtype != pl.String or not may_be_marked(text):
        return text
    column = pl.col("t")
    inside = column.str.slice(2, column.str.len_chars() - 3).str.replace_all('""', '"', literal=True)
    found = (
        pl.when(column.str.contains(_FORMULA))
        .then(inside)
        .when(column.str.contains(f"(?s){_APOSTROPHE}"))
        .then(column.str.slice(1))
        .otherwise(column)
    )
    return text.to_frame("t").select(found.alias(text.name)).to_series()
