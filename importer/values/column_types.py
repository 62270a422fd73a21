"""From a column as it stands to its declared type.

A column comes as one Series, String for CSV and its own type for Parquet, null where the cell is blank. It is
typed once (`type_column`) and, where it is to be sent, encoded once into JSON text (`json_text.encode`). Both
use polars only. What differs from column to column (does any cell need escaping? is every number a small
integer?) is asked of the whole column, so that the common case costs one pass.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import polars as pl

from importer.config.attribute import Attribute
from importer.config.schema import Config
from importer.core.rejects import BLANK, INVALID, PATTERN
from importer.values.blanks import any_at_edges, any_at_start, strip
from importer.values.cell_texts import all_texts, as_text, beyond_years, blank_to_null, decoded
from importer.values.choices import type_boolean, type_multi_choice, type_single_choice
from importer.values.contacts import type_email, type_phone
from importer.values.expressions import add_computed, as_in_source, is_computed
from importer.values.moments import type_date, type_datetime
from importer.values.numbers import type_number
from importer.values.spreadsheet_text import unwrap
from importer.values.text import type_text
from importer.values.typed_column import TypedColumn, present_in, replace_where, sent_type


@dataclass(frozen=True, slots=True)
class CellRules:
    """What the source says of the cells of one attribute.

    `nulls` are texts that mean blank, `clears` those that ask for the stored value to be removed; both are
    compared with the text without blanks around it. `trims`: the value is the text without them.
    """

    nulls: tuple[str, ...]
    clears: tuple[str, ...]
    trims: bool
    unwraps: bool
    takes_empty_list: bool = True


def cell_rules(config: Config, attribute: Attribute) -> CellRules:
    """The rules of one attribute: by default every text is trimmed but a free_text."""
    source = config.source
    trims = attribute.trim if attribute.trim is not None else source.trim and attribute.type != "free_text"
    clears = config.clearing_cells if attribute.operation == "set" else ()
    takes_empty = attribute.type != "multi_choice" or config.build_destination().encoding.empty_list
    return CellRules(source.null_values, clears, trims, source.spreadsheet_text == "unwrap", takes_empty)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the cells of a batch before they are typed.

    `good` are the attributes of which every cell is good or blank, and with each the texts that are blank.
    `without_blanks` are columns of which no text has a blank anywhere.
    """

    good: Mapping[str, Sequence[str]] = field(default_factory=dict)
    without_blanks: Collection[str] = ()


NOTHING_SEEN = Seen()


def typed_columns(
    config: Config, cells: pl.DataFrame, keys: Iterable[str] | None = None, seen: Seen = NOTHING_SEEN
) -> Iterable[tuple[str, pl.Series, TypedColumn]]:
    """Each attribute's key, its column as it stands, and the column typed, in declared order.

    `keys` are the attributes wanted, None = all.
    """
    cells, columns = with_computed(config, cells), config.columns
    for key in config.attributes if keys is None else keys:
        attribute, name = config.attributes[key], columns[key]
        make = partial(_typed, config, attribute, cells[name], has_blanks=name not in seen.without_blanks)
        typed = make() if key not in seen.good else _known_good(cells[name], seen.good[key], make)
        yield key, as_in_source(cells, name), typed


def _typed(config: Config, attribute: Attribute, column: pl.Series, *, has_blanks: bool) -> TypedColumn:
    return type_cells(attribute, cell_rules(config, attribute), column, has_blanks=has_blanks)


def _known_good(column: pl.Series, blank: Sequence[str], make: Callable[[], TypedColumn]) -> TypedColumn:
    """What `make` comes to where every cell is good or blank; the values are made where they are used."""
    return TypedColumn(lambda: make().value, present_in(blank_to_null(column, tuple(blank))))


def with_computed(config: Config, cells: pl.DataFrame) -> pl.DataFrame:
    """The cells with the columns of `[source.computed]`; the same frame where there are none, or are already.

    SourceError where a cell cannot be computed.
    """
    if not config.source.computed or is_computed(cells):
        return cells
    wanted = set(config.computed_from)
    texts = all_texts(cells.select(c for c in cells.columns if c in wanted), config.source)
    if not texts.width:
        texts = pl.DataFrame({"": pl.repeat(None, cells.height, dtype=pl.String, eager=True)})
    return add_computed(config, texts, cells)


def type_cells(
    attribute: Attribute, rules: CellRules, column: pl.Series, *, has_blanks: bool = True
) -> TypedColumn:
    """A column as it stands in the source, typed: marks of blank cells first, then the declared type.

    A text with blanks around it is never a value of most types. So these are typed as they stand, and only
    what is bad then is trimmed and typed again: a clean column costs nothing more. Of the other types every
    text is looked at, unless it is known that none has a blank.
    """
    if attribute.type not in ("date", "datetime") and (beyond := beyond_years(column)) is not None:
        typed = type_cells(attribute, rules, column.set(beyond, None))
        return replace(typed, values=typed.value.set(beyond, None)).rejecting(beyond, INVALID)
    text = column.cast(pl.String) if isinstance(column.dtype, (pl.Categorical, pl.Enum)) else decoded(column)
    as_words = attribute.map or attribute.pattern or attribute.default is not None
    if as_words and not text.dtype.is_nested():
        text = as_text(text)
    if text.dtype != pl.String:
        return type_column(
            attribute, blank_to_null(text, rules.nulls), takes_empty_list=rules.takes_empty_list
        )
    if rules.unwraps:
        text = unwrap(text)
    if _takes_any_text(attribute):
        return _type_any_text(attribute, rules, text, has_blanks=has_blanks)
    typed = _type_marked(attribute, rules, text, text)
    if typed.reason is None:
        return typed
    trimmed = _trim_where(text, typed.reason.is_not_null(), rules)
    return typed if trimmed is None else _type_marked(attribute, rules, trimmed, trimmed)


def count_blanks(attribute: Attribute, rules: CellRules, column: pl.Series) -> int:
    """How many cells of a column as it stands are blank."""
    return 0 if attribute.default is not None else _without_blanks(rules, column).null_count()


def has_value(attribute: Attribute, rules: CellRules, column: pl.Series) -> pl.Series:
    """Where a column as it stands has a value, good or bad: a blank cell is one unless it is skipped."""
    if attribute.default is not None or attribute.blank != "skip":
        return pl.repeat(True, len(column), eager=True)
    return _without_blanks(rules, column).is_not_null()


def _without_blanks(rules: CellRules, column: pl.Series) -> pl.Series:
    """The column, null where a cell is blank."""
    blank = blank_to_null(column, rules.nulls)
    may_be_blank = any_at_edges if any(rules.nulls) else any_at_start
    if blank.dtype == pl.String and may_be_blank(blank):
        return blank_to_null(strip(blank), rules.nulls)
    return blank


def _takes_any_text(attribute: Attribute) -> bool:
    """Whether a text with blanks around it may be a value."""
    return attribute.send_as != "number" and (attribute.type == "free_text" or attribute.allow_custom)


def _type_any_text(
    attribute: Attribute, rules: CellRules, text: pl.Series, *, has_blanks: bool
) -> TypedColumn:
    marked = blank_to_null(text, rules.nulls)
    if not has_blanks or not any_at_edges(marked):
        known = text if rules.clears else marked
        return _type_marked(attribute, rules, known, known)
    stripped = strip(text)
    if rules.trims:
        return _type_marked(attribute, rules, stripped, stripped)
    typed = _type_marked(attribute, rules, text, stripped)
    padded = typed.present & (text != stripped)
    return replace(typed, padded=padded) if padded.any() else typed


def _trim_where(text: pl.Series, bad: pl.Series, rules: CellRules) -> pl.Series | None:
    """The column with its bad cells trimmed; None where that changes nothing.

    Without `trims` only a text of nothing but blanks is trimmed.
    """
    before = text.filter(bad)
    after = strip(before)
    if not rules.trims:
        after = after.zip_with((after == "").fill_null(value=False), before)
    return None if before.equals(after) else replace_where(text, bad, after)


def _type_marked(attribute: Attribute, rules: CellRules, text: pl.Series, stripped: pl.Series) -> TypedColumn:
    """Types `text`; `stripped` is the same text by which marks are recognised."""
    cleared = stripped.is_in(rules.clears).fill_null(value=False) if rules.clears else None
    if cleared is not None and not cleared.any():
        cleared = None
    blank = stripped if cleared is None else stripped.set(cleared, None)
    blank = blank_to_null(blank, rules.nulls)
    known = blank if text is stripped else text.set(blank.is_null(), None)
    known = _mapped(attribute, known, blank)
    if attribute.default is not None:
        missing = known.is_null() if cleared is None else known.is_null() & ~cleared
        known = known.set(missing, attribute.default)
    misfits = _misfits(attribute, known)
    fitting = known if misfits is None else known.set(misfits, None)
    typed = type_column(attribute, fitting, takes_empty_list=rules.takes_empty_list)
    if misfits is not None:
        typed = typed.rejecting(misfits, PATTERN)
    return typed if cleared is None else typed.clearing(cleared)


def _misfits(attribute: Attribute, text: pl.Series) -> pl.Series | None:
    """Where a text does not fit the declared pattern as a whole; None = nowhere."""
    if attribute.pattern is None:
        return None
    misfit = (~text.str.contains(rf"^(?:{attribute.pattern})$")).fill_null(value=False)
    return misfit if misfit.any() else None


def _mapped(attribute: Attribute, text: pl.Series, stripped: pl.Series) -> pl.Series:
    """The text with each word of the map replaced; a boolean has no words but those of its map."""
    if not attribute.map or attribute.type == "multi_choice":
        return text
    words, meanings = list(attribute.map), list(attribute.map.values())
    known = stripped.is_in(words)
    other = text.set(text.is_not_null(), _NO_WORD) if attribute.type == "boolean" else text
    return stripped.replace(words, meanings).zip_with(known.fill_null(value=False), other)


_NO_WORD = "\0"
"""No boolean: no cell of a source holds a NUL."""


def type_column(attribute: Attribute, column: pl.Series, *, takes_empty_list: bool = True) -> TypedColumn:
    """Types and checks one column whose blank cells are null.

    SourceError where a Parquet column has a type that cannot become the declared one.
    """
    if attribute.type == "multi_choice":
        typed = type_multi_choice(attribute, column, takes_empty=takes_empty_list)
    else:
        typed = _TYPES[sent_type(attribute)](attribute, column)
    if attribute.blank == "skip":
        return typed
    present = pl.repeat(True, len(column), eager=True)
    if attribute.blank == "clear":
        return replace(typed, present=present)
    reasons = (
        pl.repeat(None, len(column), dtype=pl.String, eager=True) if typed.reason is None else typed.reason
    )
    return replace(typed, present=present, reason=reasons.set(column.is_null(), BLANK))


_TYPES: Mapping[str, Callable[[Attribute, pl.Series], TypedColumn]] = {
    "free_text": type_text,
    "single_choice": type_single_choice,
    "number": type_number,
    "boolean": type_boolean,
    "email": type_email,
    "phone": type_phone,
    "date": type_date,
    "datetime": type_datetime,
}
