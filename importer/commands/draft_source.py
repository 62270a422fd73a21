"""How a list reads: its dialect, where its header and its rows begin and end, and which column is the id."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import polars as pl

from importer.commands.draft_attribute import draft_attribute, simple_name
from importer.core.errors import ConfigError, SourceError
from importer.core.text import did_you_mean
from importer.source import dialect
from importer.source.batch import ROW_MALFORMED, Batch
from importer.source.encodings import plausible_encodings
from importer.source.errors import read_errors
from importer.source.excel import sheet_names
from importer.source.options import SourceOptions
from importer.source.partitions import partition_values, with_partitions
from importer.source.reader import open_source
from importer.source.source import Source
from importer.validate.edge_rows import FIRST, LAST, EdgeRows
from importer.values import cell_texts, readings, spreadsheet_text

ROWS = 20_000
"""Rows that are looked at, at most."""

_FILES = 100
"""So many files of a folder are opened."""

_LOOK_BYTES = 1 << 18
_DELIMITERS = (";", "\t", "|", ",")
_SKIPPED = range(1, 11)
_NO_NAME = r"^[#<]|@|[\t;|]|^[+-]?[0-9][0-9.,:/ -]*$"
"""What no column is called: a comment, markup, an address, several names, a number or a date."""
_UNNAMED = r"^#[0-9]+$"

_NO_PERSON = r"(?i)total|\bpage\b|generated|copyright|confidential|\b(?:records|rows)\b|\bsumme?\b|report"

_TOTAL = r"(?i)^(?:(?:grand|sub)?[ -]?totals?|summe|gesamt|generated|page -?[0-9]+)\b"
"""What stands in place of an id below a list."""

_PERSON = "customer|user|person|member|client|contact|subscriber|distinct|external|profile|account|response"
_ID_NAMES = (
    rf"(?:^|_)(?:{_PERSON})_(?:id|key|no|nr|num|number|code|uuid|guid)$|^(?:kunden|mitglieds?)_?(?:nr|nummer|id)$",
    r"^(?:id|uuid|guid|key|no|nr)$",
    r"_(?:id|uuid|guid)$|(?:nr|nummer)$",
    r"e_?mail(?:_address|_[0-9]_value)?$",
)
"""Names of ids as `simple_name` writes them, the best first."""

_INDEX_NAMES = (
    r"(?i)^(?:#[0-9]+|unnamed: ?[0-9]+|__index_level_[0-9]+__|index|row(?:[ _]?(?:num|number|no))?)$"
)


@dataclass(frozen=True, slots=True)
class LookedAt:
    """The first rows of a list, and how it was read.

    `keys` belong under [source]; `cells` are texts, blank ones null; `ignored` are columns that count the
    rows, hold no texts, or do not stand in every file.
    """

    keys: Mapping[str, Any]
    cells: pl.DataFrame
    ignored: Sequence[str]


def look_at(paths: Sequence[str]) -> LookedAt:
    """Reads the start of the first file as it plainly wants to be read, and the headers of the others.

    SourceError where one cannot be read at all.
    """
    path, *others = paths
    keys, source = _as_it_reads(path)
    source = with_partitions(source, list(partition_values(path)))
    if not source.columns:
        raise SourceError(f"{path}: the header names no column.")
    batches, is_whole = _first_batches(source)
    cells = _cells(source, batches)
    unusable = [name for name, kind in (source.types or {}).items() if _holds_no_text(kind)]
    unusable += _not_everywhere(others, keys, cells.drop(unusable).columns)
    texts = pl.DataFrame([_text(column) for column in cells.drop(unusable, strict=False).get_columns()])
    objects = [column.name for column in texts.get_columns() if _holds_objects(column)]
    texts, unusable = texts.drop(objects), [*unusable, *objects]
    if _is_marked(texts):
        keys["spreadsheet_text"] = "unwrap"
        texts = texts.with_columns(spreadsheet_text.unwrap(column) for column in texts.get_columns())
    if null_words := _null_words(texts.drop(choose_id(texts))):
        keys["null_values"] = ["", *null_words]
        texts = texts.with_columns(pl.all().replace(dict.fromkeys(null_words)))
    rows = _rows(texts, batches)
    if before := _rows_before(rows, texts):
        keys["skip_after_header"] = before
    if after := _rows_after(rows[before:], batches, texts[before:]) if is_whole else 0:
        keys["skip_footer"] = after
    inner = texts.filter((rows > before) & (rows <= _last(batches) - after))
    ignored = [*(c for c in inner.columns if _is_index(inner[c])), *unusable]
    return LookedAt(keys, inner, ignored)


# ---------------------------------------------------------------- how the text reads


def _as_it_reads(path: str) -> tuple[dict[str, Any], Source]:
    """The keys of [source] with which the list reads well, and the list opened so."""
    plain = _opened(path, {}, damage=0.5)
    if plain and _opened(path, {}):
        return {}, plain
    for keys in _attempts(path, has_header=plain is not None):
        if source := _opened(path, keys):
            return keys, source
    source = plain or open_source(path, SourceOptions())
    return _without_header(path, source) if source.layout and not _are_names(source.columns) else ({}, source)


def _without_header(path: str, source: Source) -> tuple[dict[str, Any], Source]:
    """The list with names of ours, where its first line is a row like all others."""
    columns = tuple(f"column_{place}" for place in range(1, len(source.columns) + 1))
    keys = {"header": False, "columns": columns}
    opened = _opened(path, keys, damage=0.5)
    return (keys, opened) if opened else ({}, source)


def _attempts(path: str, *, has_header: bool) -> Iterator[dict[str, Any]]:
    """What may be declared for a list that does not read well as it is, the likeliest first."""
    if path.lower().endswith(".xlsx"):
        yield from _in_workbook(path)
        return
    if not has_header:
        yield from _other_delimiters()
    yield from _other_dialects(path)
    if not has_header:
        yield from _headers()


def _in_workbook(path: str) -> Iterator[dict[str, Any]]:
    """One of several sheets, or lines before the header."""
    with read_errors(path):
        names = sheet_names(path)
    for sheet in [{"sheet": name} for name in names] if len(names) > 1 else [{}]:
        yield from ({**sheet, **({"skip_lines": lines} if lines else {})} for lines in (0, *_SKIPPED))


def _other_delimiters() -> Iterator[dict[str, Any]]:
    yield from ({"delimiter": delimiter} for delimiter in _DELIMITERS)


def _other_dialects(path: str) -> Iterator[dict[str, Any]]:
    if found := dialect.suggest(path, SourceOptions(), ()):
        keys = tomllib.loads(re.sub(r" and (?=\w+ = )", "\n", found.line))
        yield {**keys, "escape": keys["quote"]} if "quote" in keys else keys
    for encoding in _encodings(path):
        for delimiter in ({}, *_other_delimiters()):
            yield {"encoding": encoding, **delimiter}
    yield {"bare_quotes": "keep"}
    yield {"quote": "'", "escape": "'"}


def _headers() -> Iterator[dict[str, Any]]:
    """Lines before the header, where the first one is none."""
    for lines in _SKIPPED:
        yield from ({"skip_lines": lines, **delimiter} for delimiter in ({}, *_other_delimiters()))


def _encodings(path: str) -> Sequence[str]:
    try:
        return plausible_encodings(path)
    except SourceError:
        return ()


def _opened(path: str, keys: Mapping[str, Any], *, damage: float = 0) -> Source | None:
    """The list opened with these keys; None where its header is none, or too many of its rows are damaged."""
    try:
        source = open_source(path, SourceOptions(**keys))
        first = next(islice(source.batches(_LOOK_BYTES), 1), None)
    except SourceError:
        return None
    if source.layout is None and source.format != "xlsx":
        return source
    is_header = len(source.columns) > 1 and ("columns" in keys or _are_names(source.columns))
    return source if is_header and (first is None or _damaged_share(first) <= damage) else None


def _are_names(header: Sequence[str]) -> bool:
    """Whether all names may be names; few may be missing, such as that of an index, the first."""
    missing = [place for place, name in enumerate(header) if re.search(_UNNAMED, name)]
    named = [name for place, name in enumerate(header) if place not in missing]
    is_named = missing == [0] or 3 * len(missing) <= len(header)
    return is_named and not any(re.search(_NO_NAME, name) for name in named)


def _damaged_share(first: Batch) -> float:
    damaged = first.set_aside.filter(pl.col("reason") == ROW_MALFORMED).height
    return damaged / max(1, damaged + first.cells.height)


# ---------------------------------------------------------------- the rows


def _first_batches(source: Source) -> tuple[list[Batch], bool]:
    """The first rows, and whether these are all."""
    batches, height = [], 0
    for batch in source.batches():
        batches.append(batch)
        height += batch.cells.height
        if height >= ROWS:
            return batches, False
    return batches, True


def _cells(source: Source, batches: Sequence[Batch]) -> pl.DataFrame:
    if not batches:
        return pl.DataFrame(schema=dict.fromkeys(source.columns, pl.String))
    return pl.concat([batch.cells for batch in batches]).head(ROWS)


def _not_everywhere(others: Sequence[str], keys: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    """The columns that the first file or one of the others lacks."""
    headers = [columns]
    for path in others[:_FILES]:
        source = open_source(path, SourceOptions(**keys))
        headers.append(with_partitions(source, list(partition_values(path))).columns)
    anywhere = dict.fromkeys(name for header in headers for name in header)
    return [name for name in anywhere if any(name not in header for header in headers)]


def _holds_no_text(kind: pl.DataType) -> bool:
    is_list = isinstance(kind, (pl.List, pl.Array)) and not getattr(kind.inner, "is_nested", bool)()
    return kind in (pl.Binary, pl.Object, pl.Duration) or (kind.is_nested() and not is_list)


def _holds_objects(column: pl.Series) -> bool:
    """Whether the texts are JSON objects, as a nested column of JSON Lines has them."""
    texts = column.drop_nulls()
    return bool(texts.len() and texts.str.contains(r"^\{.*\}$").all())


def _text(column: pl.Series) -> pl.Series:
    """As a report shows it; a list of Parquet as JSON, so that it is told from a text with commas."""
    if isinstance(column.dtype, (pl.List, pl.Array)):
        listed = column.cast(pl.List(pl.String), strict=False)
        quoted = listed.list.eval('"' + pl.element().str.replace_all('["\\\\]', "") + '"').list.join(",")
        return quoted.to_frame("t").select(("[" + pl.col("t") + "]").alias(column.name)).to_series()
    return cell_texts.display(column)


def _is_marked(texts: pl.DataFrame) -> bool:
    marked = texts.select(pl.all().str.contains(spreadsheet_text.MARKED).sum())
    return bool(texts.height and sum(marked.row(0)) > 1)


def _null_words(texts: pl.DataFrame) -> list[str]:
    """Words for no value that make up a hundredth of some column."""
    found = set()
    for column in texts.get_columns():
        counts = column.filter(column.is_in(readings.NULL_WORDS)).value_counts()
        found |= {word for word, count in counts.iter_rows() if count * 100 >= texts.height}
    return sorted(found)


def _rows(texts: pl.DataFrame, batches: Sequence[Batch]) -> pl.Series:
    empty = pl.Series([], dtype=pl.Int64)
    return pl.concat([empty, *(batch.row.cast(pl.Int64) for batch in batches)]).head(texts.height)


def _last(batches: Sequence[Batch]) -> int:
    """The number of the last row, damaged ones included."""
    numbers = (n for batch in batches for n in (batch.row.max(), batch.set_aside["row"].max()))
    return max((int(str(n)) for n in numbers if n is not None), default=0)


def _rows_before(rows: pl.Series, texts: pl.DataFrame) -> int:
    """Rows below the header that fit the types of none of the columns that have one: more names, notes."""
    most = min(FIRST, texts.height // 2)
    typed = _typed(texts.slice(most))
    for count in range(most, 0, -1):
        if rows[count - 1] == count and _fit_no_type(texts.head(count), typed):
            return count
    return 0


def _typed(rows: pl.DataFrame) -> dict[str, Mapping[str, Any]]:
    """The columns whose drafted type not every text fits, and the keys of the draft."""
    drafted = {column.name: draft_attribute(column.name, column).keys for column in rows.get_columns()}
    return {name: keys for name, keys in drafted.items() if keys["type"] not in _LOOSE}


def _fit_no_type(first: pl.DataFrame, typed: Mapping[str, Mapping[str, Any]]) -> bool:
    if len(typed) < _TYPED:
        return False
    for name, keys in typed.items():
        for text in first[name]:
            if text is None or readings.read_as(readings.texts_of(pl.Series([text])), **keys).fits:
                return False
    return True


_LOOSE = ("free_text", "single_choice", "multi_choice")
_TYPED = 2
"""So many columns have to show it: one cell alone is damage."""


def _rows_after(rows: pl.Series, batches: Sequence[Batch], texts: pl.DataFrame) -> int:
    """Rows at the end that are no people: damaged ones, or with an id unlike all others; a total, a note."""
    identity = choose_id(texts)
    ids = texts[identity].fill_null("")
    edges = EdgeRows()
    edges.look(ids, rows, digits=False, clean=False)
    totals = rows.filter(ids.str.contains(_TOTAL)).tail(LAST).to_list()
    differ = {row for row in (*edges.found(), *totals) if row > FIRST}
    aside = {row: raw for b in batches for row, raw in b.set_aside.select("row", "raw").iter_rows()}
    last, first_kept = _last(batches), _last(batches)
    while first_kept > last - LAST and first_kept in differ | aside.keys():
        first_kept -= 1
    tail = range(first_kept + 1, last + 1)
    says_so = any(
        re.search(_NO_PERSON, (aside[row] or b"").decode("utf-8", "replace")) for row in tail if row in aside
    )
    return len(tail) if says_so or (tail and differ.issuperset(tail)) else 0


def _is_index(column: pl.Series) -> bool:
    """Whether a column counts its rows, as a data frame's index does."""
    if not re.search(_INDEX_NAMES, column.name) or column.len() < 2:
        return False
    numbers = column.cast(pl.Int64, strict=False)
    return not numbers.null_count() and bool((numbers.diff().drop_nulls() == 1).all())


# ---------------------------------------------------------------- the id


def choose_id(texts: pl.DataFrame) -> str:
    """Of the single columns the one named most like an id; else a single one, a named one, the first."""
    usable = [c for c in texts.columns if not _is_index(texts[c])] or texts.columns
    single = [c for c in usable if _is_single(texts[c])]
    for among in (single, usable):
        ranked = sorted((_rank(c), n, c) for n, c in enumerate(among) if _rank(c) < len(_ID_NAMES))
        if ranked:
            return ranked[0][2]
        if among is single and (codes := [c for c in single if _may_be_code(c, texts[c])]):
            return codes[0]
    return usable[0]


def is_sure(identity: str, texts: pl.DataFrame) -> bool:
    """Whether a column is both named like an id and single."""
    return _rank(identity) < len(_ID_NAMES) and _is_single(texts[identity])


def id_of(asked: str, columns: Sequence[str]) -> str:
    """The column that `--id` names; ConfigError where there is none of this name."""
    if asked in columns:
        return asked
    raise ConfigError(f'--id: the list has no column "{asked}".{did_you_mean(asked, columns)}')


def _rank(name: str) -> int:
    simple = simple_name(name)
    found = (n for n, pattern in enumerate(_ID_NAMES) if re.search(pattern, simple))
    return next(found, len(_ID_NAMES))


def _is_single(column: pl.Series) -> bool:
    """Whether most rows have a text, and most texts stand in one row."""
    known = column.drop_nulls()
    known = known.filter(known.str.strip_chars() != "")
    return 2 * known.len() > column.len() and known.n_unique() > 0.8 * known.len()


def _may_be_code(name: str, column: pl.Series) -> bool:
    """Whether the texts are short and neither dates nor names of people."""
    drafted = draft_attribute(name, column).keys["type"]
    is_short = not column.str.contains(r"\s|[<>{}]").any()
    return is_short and drafted not in ("date", "datetime", "boolean")
