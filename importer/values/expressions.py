"""SQL expressions of the configuration, checked and compiled to polars.

Polars cannot be interrupted while it evaluates, and its parser can hang or crash on a long chain. So only
functions that take and give little are allowed, and an expression is bounded in length, parts and depth.
"""

import re
from collections.abc import Sequence

import polars as pl

from importer.config.schema import Config
from importer.core.errors import ConfigError, SourceError
from importer.core.text import did_you_mean

LONGEST = 4000
MOST_PARTS = 300
DEEPEST = 30
"""Bounds of one expression: characters, words and signs that combine, parentheses inside each other."""

MOST_GROWTH = 32
"""So many times as long as a cell all REPLACEs together may make it: nested ones multiply."""

FUNCTIONS = frozenset(
    (
        "abs cast ceil ceiling char_length coalesce concat concat_ws ends_with floor greatest if ifnull "
        "initcap least left length lower ltrim mod nullif octet_length regexp_like replace reverse right "
        "round rtrim sign split_part starts_with strpos substr substring trim try_cast upper"
    ).split()
)
"""What a `where` or a computed column may call."""

_BEFORE_PARENTHESIS = frozenset(
    (
        "and between by case decimal else end in is like ilike not numeric on or rlike similar then to "
        "varchar char regexp when from"
    ).split()
)
_LITERALS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_TEXT = re.compile(r"'(?:[^']|'')*'")
_REPLACE = re.compile(r"\breplace\s*\(", re.IGNORECASE)
_CALL = re.compile(r"([A-Za-z_]\w*)\s*\(")
_PART = re.compile(r"\b(?:and|or|not|when|case|in|like|between|is)\b|\|\||[-+*/%,=<>~!]", re.IGNORECASE)
_REFUSED_WORDS = re.compile(
    r"\b(select|with|table|values|exists|over|from\s+\w+\s*\(|(?:read|scan)_\w+)\b", re.IGNORECASE
)
_RAW = "\0raw:"
_DONE = "\0computed"
"""Names of columns of our own; no header holds a NUL."""


def compile_where(condition: str) -> pl.Expr | None:
    """`[source] where` as one boolean expression over text columns, None where it is empty.

    ConfigError for anything that is not one condition on one row: a subquery, a window, an aggregate, a
    function that is not allowed, a value that is neither true nor false.
    """
    if not condition.strip():
        return None
    _check_bounds("source.where", condition)
    try:
        expression = pl.sql_expr(condition)
        kind, height = _probe(expression)
    except (pl.exceptions.PolarsError, TypeError, ValueError):
        raise ConfigError(
            "source.where: not a valid SQL condition on text columns; a number needs CAST(column AS INT)."
        ) from None
    if not expression.meta.root_names() or height != _PROBED or kind != pl.Boolean:
        raise ConfigError(
            "source.where: expected one condition that is true or false for each row, naming a column of it."
        )
    return expression


def compile_computed(config: Config) -> dict[str, pl.Expr]:
    """`[source.computed]`: name → expression that gives one text for each row.

    ConfigError for anything else, under the same bounds as `where`.
    """
    return {name: _compile_text(name, sql) for name, sql in config.source.computed.items()}


def _compile_text(name: str, sql: str) -> pl.Expr:
    place = f"source.computed.{name}"
    _check_bounds(place, sql)
    try:
        expression = pl.sql_expr(sql)
        kind, height = _probe(expression)
    except (pl.exceptions.PolarsError, TypeError, ValueError):
        raise ConfigError(f"{place}: not a valid SQL expression on text columns.") from None
    if height not in (1, _PROBED) or (height == 1 and expression.meta.root_names()):
        raise ConfigError(f"{place}: expected an expression that gives one value for each row.")
    if kind.is_nested():
        raise ConfigError(f"{place}: expected an expression that gives a text.")
    return expression.cast(pl.String)


_PROBED = 2


def _probe(expression: pl.Expr) -> tuple[pl.DataType, int]:
    """The type of what an expression gives on a frame of two rows, and how many rows it gives."""
    names = expression.meta.root_names()
    frame = pl.DataFrame(
        {n: [None] * _PROBED for n in names} or {"": [None] * _PROBED},
        schema=dict.fromkeys(names or [""], pl.String),
    )
    found = frame.select(expression.alias("found"))
    return found.schema["found"], found.height


def _check_bounds(place: str, sql: str) -> None:
    """ConfigError for words and functions that are not allowed, and where a bound is passed."""
    plain = _LITERALS.sub("''", sql)
    if len(sql) > LONGEST or len(_PART.findall(plain)) > MOST_PARTS or _depth(plain) > DEEPEST:
        raise ConfigError(
            f"{place}: too long; at most {LONGEST:,} characters, {MOST_PARTS} operators and commas, "
            f"{DEEPEST} parentheses inside each other."
        )
    if _REFUSED_WORDS.search(plain):
        raise ConfigError(
            f"{place}: only an expression on a row's own columns; subqueries, windows and functions that "
            "read files are refused."
        )
    for call in _CALL.findall(plain):
        if call.lower() not in FUNCTIONS | _BEFORE_PARENTHESIS:
            raise ConfigError(
                f"{place}: a function that is not allowed; allowed: {', '.join(sorted(FUNCTIONS)).upper()}."
            )
    _check_growth(place, sql)


def _check_growth(place: str, sql: str) -> None:
    """ConfigError where REPLACE may make a text so long that it fills the memory."""
    masked = _LITERALS.sub(lambda found: "'" * len(found[0]), sql)
    growth = 1.0
    for call in _REPLACE.finditer(masked):
        texts = [sql[start:end].strip() for start, end in _arguments(masked, call.end())][1:]
        if len(texts) != 2 or not all(map(_TEXT.fullmatch, texts)):
            raise ConfigError(
                f"{place}: REPLACE takes a text and then two texts in single quotes: what is replaced, and "
                "by what."
            )
        length, longer = (len(text[1:-1].replace("''", "'")) for text in texts)
        growth *= max(1.0, longer / length if length else longer + 1)
    if growth > MOST_GROWTH:
        raise ConfigError(
            f"{place}: its REPLACEs may make a text {growth:,.0f} times as long; at most {MOST_GROWTH} times."
        )


def _arguments(masked: str, begin: int) -> list[tuple[int, int]]:
    """Where the arguments of a call begin and end, from behind its parenthesis on."""
    found, start, depth = [], begin, 1
    for at in range(begin, len(masked)):
        depth += (masked[at] == "(") - (masked[at] == ")")
        if depth == 0 or (depth == 1 and masked[at] == ","):
            found.append((start, at))
            start = at + 1
        if depth == 0:
            break
    return found


def unknown_column(place: str, expression: pl.Expr, columns: Sequence[str]) -> SourceError:
    """The error of an expression that names a column the source does not have."""
    name = next((n for n in expression.meta.root_names() if n not in columns), "")
    return SourceError(
        f'{place}: the source has no column "{name}".{did_you_mean(name, columns)} A text stands in single '
        "quotes: column = 'text'."
    )


def _depth(plain: str) -> int:
    depth = deepest = 0
    for sign in plain:
        depth += (sign == "(") - (sign == ")")
        deepest = max(deepest, depth)
    return deepest


def add_computed(config: Config, texts: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """The cells with the computed columns, each in place of a column of its name.

    `texts` are the same columns as text, trimmed, blanks as null. SourceError where a cell cannot be
    computed.
    """
    try:
        computed = texts.select(pl.int_range(pl.len()).alias(_DONE), **compile_computed(config))
    except pl.exceptions.ColumnNotFoundError:
        raise SourceError("source.computed: names a column that the source does not have.") from None
    except pl.exceptions.PolarsError:
        raise SourceError(
            "source.computed: cannot be evaluated on every row; where a CAST may fail, use TRY_CAST, which "
            "gives a blank for such a row."
        ) from None
    raw = [cells[name].rename(_RAW + name) for name in config.source.computed if name in cells.columns]
    return cells.with_columns(raw).with_columns(computed)


def is_computed(cells: pl.DataFrame) -> bool:
    """Whether the computed columns are there already."""
    return _DONE in cells.columns


def without_computed(cells: pl.DataFrame) -> pl.DataFrame:
    """The cells, marked so that nothing is computed of them."""
    return cells.with_columns(pl.lit(0).alias(_DONE))


def as_in_source(cells: pl.DataFrame, name: str) -> pl.Series:
    """A column as it stands in the source; a computed one where the source has none of its name."""
    return cells[_RAW + name].rename(name) if _RAW + name in cells.columns else cells[name]
