"""From a column as it stands to its declared type.

A column comes as one Series, String for CSV and its own type for Parquet, null where the cell is blank. It is
typed once (`type_column`) and, where it is to be sent, encoded once into JSON text (`json_text.encode`). Both
use polars only. What differs from column to column (does any cell need escaping? is every number a small
integer?) is asked of the whole column, so that the common case costs one pass.
"""

from collections.abc import Callable, Iterable, Mapping

import polars as pl

from importer.config.attribute import Attribute
from importer.config.schema import Config
from importer.core.rejects import BLANK
from importer.values import cell_texts
from importer.values.choices import type_boolean, type_multi_choice, type_single_choice
from importer.values.moments import type_date, type_datetime
from importer.values.numbers import type_number
from importer.values.text import type_text
from importer.values.typed_column import TypedColumn, sent_type


def typed_columns(config: Config, cells: pl.DataFrame) -> Iterable[tuple[str, pl.Series, TypedColumn]]:
    """Each attribute's key, its column as it stands, and the column typed, in declared order."""
    nulls = config.source.null_values
    for key, attribute in config.attributes.items():
        column = cells[config.columns[key]]
        cleared = _cleared(attribute, column, config.clearing_cells)
        text = column if cleared is None else column.set(cleared, None)
        typed = type_column(attribute, cell_texts.blank_to_null(text, nulls))
        yield key, column, typed if cleared is None else typed.clearing(cleared)


def _cleared(attribute: Attribute, column: pl.Series, marks: tuple[str, ...]) -> pl.Series | None:
    """Where a cell says that the stored value is to be removed; None = nowhere."""
    if not marks or column.dtype != pl.String or attribute.operation != "set":
        return None
    cleared = column.is_in(marks).fill_null(value=False)
    return cleared if cleared.any() else None


def type_column(attribute: Attribute, column: pl.Series) -> TypedColumn:
    """Types and checks one column whose blank cells are null.

    SourceError where a Parquet column has a type that cannot become the declared one.
    """
    typed = _TYPES[sent_type(attribute)](attribute, column)
    if attribute.blank == "skip":
        return typed
    present = pl.repeat(True, len(column), eager=True)
    if attribute.blank == "clear":
        return TypedColumn(typed.values, present, typed.reason, typed.dropped, typed.utc)
    reasons = (
        pl.repeat(None, len(column), dtype=pl.String, eager=True) if typed.reason is None else typed.reason
    )
    return TypedColumn(typed.values, present, reasons.set(column.is_null(), BLANK), typed.dropped, typed.utc)


_TYPES: Mapping[str, Callable[[Attribute, pl.Series], TypedColumn]] = {
    "free_text": type_text,
    "single_choice": type_single_choice,
    "multi_choice": type_multi_choice,
    "number": type_number,
    "boolean": type_boolean,
    "date": type_date,
    "datetime": type_datetime,
}
