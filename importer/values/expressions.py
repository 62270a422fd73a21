"""SQL expressions of the configuration, checked and compiled to polars."""

import re

import polars as pl

from importer.core.errors import ConfigError

_LITERALS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_REFUSED_WORDS = re.compile(
    r"\b(select|with|table|values|exists|over|from\s+\w+\s*\(|(?:read|scan)_\w+)\b", re.IGNORECASE
)


def compile_where(condition: str) -> pl.Expr | None:
    """`[source] where` as one boolean expression over text columns, None where it is empty.

    ConfigError for anything that is not one condition on one row: a subquery, a window, an aggregate, a
    function that opens files, a value that is neither true nor false.
    """
    if not condition.strip():
        return None
    if _REFUSED_WORDS.search(_LITERALS.sub("''", condition)):
        raise ConfigError(
            "source.where: only one condition on a row's own columns; subqueries, windows and functions that "
            "read files are refused."
        )
    try:
        expression = pl.sql_expr(condition)
        names = expression.meta.root_names()
        probe = pl.DataFrame({n: [None, None] for n in names}, schema=dict.fromkeys(names, pl.String))
        outcome = probe.select(expression.alias("chosen"))
    except (pl.exceptions.PolarsError, TypeError, ValueError):
        raise ConfigError(
            "source.where: not a valid SQL condition on text columns; a number needs CAST(column AS INT)."
        ) from None
    if not names or outcome.height != probe.height or outcome.schema["chosen"] != pl.Boolean:
        raise ConfigError(
            "source.where: expected one condition that is true or false for each row, naming a column of it."
        )
    return expression
