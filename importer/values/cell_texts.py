"""Cells before they have a declared type: blanks, and the text that a person would read."""

from collections.abc import Mapping

import polars as pl

from importer.config.schema import SourceConfig
from importer.core.errors import SourceError
from importer.core.models import Encoding
from importer.values.blanks import any_at_edges, strip
from importer.values.spreadsheet_text import unwrap
from importer.values.typed_column import choose


def all_texts(cells: pl.DataFrame, source: SourceConfig) -> pl.DataFrame:
    """Every column that can be as text, trimmed, blanks as null: what `where` sees."""
    return pl.DataFrame([_plain(display(column), source) for column in cells.get_columns()])


def _plain(text: pl.Series, source: SourceConfig) -> pl.Series:
    known = blank_to_null(unwrap(text) if source.spreadsheet_text == "unwrap" else text, source.null_values)
    if not any_at_edges(known):
        return known
    stripped = blank_to_null(strip(known), source.null_values)
    return stripped if source.trim else known.set(stripped.is_null(), None)


def blank_to_null(column: pl.Series, null_values: tuple[str, ...]) -> pl.Series:
    """The column with each text of `null_values` as null; other types stay."""
    if column.dtype != pl.String or not null_values:
        return column
    blank = column == null_values[0] if len(null_values) == 1 else column.is_in(null_values)
    return column.set(blank, None) if blank.any() else column


def as_text(column: pl.Series) -> pl.Series:
    """A scalar column as the text a person would read; null stays null. SourceError names a nested column.

    A decimal keeps its digits, 0.10; a float has no digits of its own, so 0.10 is 0.1. Bytes that are no
    UTF-8 are null. A moment whose year is not of four digits is the count of its units since 1970: there is
    no text of a date for it.
    """
    kind = column.dtype
    if kind == pl.String:
        return column
    if kind == pl.Boolean:
        return choose(column, pl.lit("true"), pl.lit("false"))
    if kind.is_float():
        return shortest_text(column.cast(pl.String))
    if kind.is_temporal():
        return _temporal_text(column)
    if kind.is_nested() or kind == pl.Object:
        raise unusable(column)
    return decoded(column).cast(pl.String)


def _temporal_text(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Duration:
        raise unusable(column)
    if column.dtype == pl.Time:
        return column.dt.to_string("%H:%M:%S%.f")
    beyond = beyond_years(column)
    if beyond is None:
        return _day_or_moment_text(column)
    counts = column.to_physical().cast(pl.String)
    return counts.zip_with(beyond, _day_or_moment_text(column.set(beyond, None)))


def _day_or_moment_text(column: pl.Series) -> pl.Series:
    if not isinstance(column.dtype, pl.Datetime):
        return column.dt.strftime("%Y-%m-%d")
    if column.dtype.time_zone is None:
        return column.dt.strftime(Encoding().datetime)
    utc = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return utc.dt.strftime(Encoding().datetime_utc)


def decoded(column: pl.Series) -> pl.Series:
    """Bytes as text, null where they are no UTF-8; other columns stay."""
    if column.dtype != pl.Binary:
        return column
    try:
        return column.cast(pl.String)
    except pl.exceptions.ComputeError:  # also without `strict`, where a single value is no UTF-8
        return pl.Series(column.name, [_utf8(value) for value in column.to_list()], pl.String)


def _utf8(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""1 January of the year 1 and 31 December 9999, in days since 1970."""

_UNITS_A_DAY: Mapping[str, int] = {"ms": 86_400_000, "us": 86_400_000_000}


def units_a_day(column: pl.Series) -> int | None:
    """What a day counts in a column of dates or moments; None for nanoseconds and other types."""
    return 1 if column.dtype == pl.Date else _UNITS_A_DAY.get(getattr(column.dtype, "time_unit", ""))


def beyond_years(column: pl.Series) -> pl.Series | None:
    """Boolean: where a date or moment is in no year of four digits; None = nowhere.

    Databases export their `infinity` so. polars ends the process where such a moment is written or converted.
    One in nanoseconds is always inside.
    """
    unit = units_a_day(column)
    if unit is None:
        return None
    count = column.to_physical()
    beyond = (count < _FIRST_DAY * unit) | (count >= (_LAST_DAY + 1) * unit)
    return beyond.fill_null(value=False) if beyond.any() else None


def unusable(column: pl.Series) -> SourceError:
    """The error for a Parquet column whose type cannot become the declared one."""
    return SourceError(
        f'Column "{column.name}": the Parquet type {column.dtype} cannot become the declared type; '
        "declare another type or convert the column where the file is made."
    )


def shortest_text(text: pl.Series) -> pl.Series:
    """Each decimal text without zeros at its end."""
    return text.to_frame("t").select(shortest(pl.col("t")).alias(text.name)).to_series()


def shortest(text: pl.Expr) -> pl.Expr:
    """Decimal text without zeros at its end: 46.20 → 46.2, 3.00 → 3."""
    return text.str.replace(r"^(-?[0-9]+)\.0*$", "${1}").str.replace(r"^(-?[0-9]+\.[0-9]*[1-9])0+$", "${1}")


def without_zone(moments: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """Moments in microseconds without a zone, and where they are UTC (everywhere or, as None, nowhere)."""
    moments = moments.dt.cast_time_unit("us")
    if getattr(moments.dtype, "time_zone", None) is None:
        return moments, None
    utc = moments.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return utc, pl.repeat(True, len(moments), eager=True)


def datetime_text(moments: pl.Series, utc: pl.Series | None, encoding: Encoding) -> pl.Series:
    """Moments as the destination writes them; `utc` is true where the source gave a zone."""
    text = moments.dt.strftime(encoding.datetime)
    if utc is None:
        return text
    frame = pl.DataFrame({"text": text, "utc": utc, "zoned": moments.dt.strftime(encoding.datetime_utc)})
    return frame.select(pl.when("utc").then("zoned").otherwise("text").alias(moments.name)).to_series()


def display(column: pl.Series) -> pl.Series:
    """A cell as a report shows it: its text, or a list's options joined by ", "; never raises."""
    if isinstance(column.dtype, (pl.List, pl.Array)):
        return column.cast(pl.List(pl.String), strict=False).list.join(", ", ignore_nulls=True)
    try:
        return as_text(column)
    except SourceError:
        return pl.repeat(None, len(column), dtype=pl.String, eager=True).rename(column.name)
