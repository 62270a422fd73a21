"""Cells before they have a declared type: blanks, and the text that a person would read."""

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
    """A scalar column as the text a person would read; null stays null. SourceError names a nested column."""
    kind = column.dtype
    if kind == pl.String:
        return column
    if kind == pl.Boolean:
        return choose(column, pl.lit("true"), pl.lit("false"))
    if kind.is_float() or kind.is_decimal():
        return shortest_text(column.cast(pl.String))
    if isinstance(kind, pl.Datetime):
        return datetime_text(*without_zone(column), Encoding())
    if kind.is_nested() or kind in (pl.Binary, pl.Object, pl.Duration):
        raise unusable(column)
    return column.cast(pl.String)


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
