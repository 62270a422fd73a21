"""`importer init`: drafts a configuration from a file, for a person to read and correct.

Nothing is guessed into effect: every column is declared as text, which arrives as it stands, and what the
first rows look like stands beside it as a comment. An id is never proposed as a number.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import polars as pl

from importer.config.attribute import Attribute
from importer.core.errors import SourceError
from importer.source import dialect
from importer.source.locate import expand
from importer.source.options import SourceOptions
from importer.source.reader import open_source
from importer.source.source import Source
from importer.values import cell_texts, column_types

ROWS = 20_000
"""Rows that are looked at, at most."""

_OPTIONS = 12
_SEEN = 5
"""An option is shown only where each of a few texts stands in so many rows: it names no person then."""

_ID_NAMES = re.compile(
    r"(?:(?:customer|user|person|member|client|external|distinct|contact)[_ -]?)?(?:id|key|no)"
)
_DIALECT = re.compile(r'(\w+) = ("(?:[^"\\]|\\.)*"|\d+)')
_FORMATS = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y%m%d")
_MOMENTS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M")


def draft(path: str) -> Iterator[str]:
    """The lines of a TOML file that reads `path` and sends every column as text to Vevee.

    SourceError where the file cannot be read, also not in another dialect.
    """
    found = expand([path], base=Path())[0]
    lines, source = _opened(found)
    if not source.columns:
        raise SourceError(f"{found}: the header names no column.")
    cells = _first_rows(source)
    identity = _identity(cells)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(found).name.split(".")[0]).strip("-._")[:64] or "customers"
    yield f"# Drafted from {_comment(Path(found).name)}: read it, correct it, then: importer check FILE"
    yield ""
    yield f"name = {_text(name)}"
    yield ""
    yield "[source]"
    yield f"path = {_text(found)}"
    yield from lines
    yield "ignore = []                            # columns to leave alone"
    yield ""
    yield "[identity]"
    yield f"column = {_text(identity)}             # the distinct id: is it? One per person, always text"
    yield ""
    yield "[destination]"
    yield 'type = "vevee"'
    yield 'api_key = "env:VEVEE_API_KEY"'
    yield '# account = "production"'
    yield ""
    yield "# The keys are those declared at the destination; where one differs from the column: column = ..."
    for column in source.columns:
        if column != identity:
            yield ""
            yield f"[attributes.{_text(column)}]"
            yield 'type = "free_text"'
            yield from _suggestions(cells[column])


def _opened(path: str) -> tuple[Sequence[str], Source]:
    """The source, and the lines of [source] that it takes to read it."""
    options = SourceOptions()
    try:
        source = open_source(path, options)
        if len(source.columns) > 1 or source.layout is None:
            return [], source
    except SourceError:
        source = None
    for line, changed in dialect.changes(options):
        try:
            other = open_source(path, changed)
        except SourceError:
            continue
        if len(other.columns) > 1 and not other.faults and _is_healthy(other):
            return [f"{key} = {value}" for key, value in _DIALECT.findall(line)], other
    if source is None:
        source = open_source(path, options)
    return [], source


def _is_healthy(source: Source) -> bool:
    batch = next(islice(source.batches(), 1), None)
    return batch is None or not batch.set_aside.height


def _first_rows(source: Source) -> pl.DataFrame:
    frames, height = [], 0
    for batch in source.batches():
        frames.append(batch.cells)
        height += batch.cells.height
        if height >= ROWS:
            break
    return (
        pl.concat(frames).head(ROWS)
        if frames
        else pl.DataFrame(schema=dict.fromkeys(source.columns, pl.String))
    )


def _identity(cells: pl.DataFrame) -> str:
    """The first column named like an id, else the first without blanks and repeats, else the first."""
    named = [c for c in cells.columns if _ID_NAMES.fullmatch(c.strip().lower())]
    text = {c: cell_texts.display(cells[c]) for c in cells.columns}
    single = [c for c, t in text.items() if cells.height and t.n_unique() == t.len() and not t.null_count()]
    return next((c for c in named if c in single), (named or single or cells.columns)[0])


def _suggestions(column: pl.Series) -> Iterator[str]:
    text = cell_texts.display(column)
    text = text.filter(text.is_not_null() & (text != ""))
    if not text.len():
        yield "# blank in every row looked at"
        return
    for keys in _types(text):
        yield "# " + "  ".join(f"{key} = {value}" for key, value in keys.items())


def _types(text: pl.Series) -> Iterator[dict[str, str]]:
    """What all of these texts would also be, as keys of an attribute."""
    dates = [f for f in _FORMATS if _fits(text, "date", f)]
    for form in dates:
        yield {"type": '"date"', "format": _text(form)}
    if not dates:
        for form in _MOMENTS:
            if _fits(text, "datetime", form):
                yield {"type": '"datetime"', "format": _text(form)}
    few = text.value_counts().rename({"count": "n"})
    words = {str(word).lower() for word in few[text.name].to_list()} if few.height <= _OPTIONS else set()
    if words and words <= {"true", "false", "yes", "no", "1", "0"} and len(words) > 1:
        yield {"type": '"boolean"'}
    if not dates and not text.str.contains(r"^[+-]?0[0-9]|^\+").any() and _fits(text, "number", None):
        yield {"type": '"number"'}
    if few.height <= _OPTIONS and few["n"].min() >= _SEEN:  # type: ignore[operator]
        options = ", ".join(_text(str(word)) for word in sorted(few[text.name].to_list()))
        yield {"type": '"single_choice"', "options": f"[{options}]"}


def _fits(text: pl.Series, kind: str, form: str | None) -> bool:
    declared = Attribute.model_validate({"type": kind} | ({"format": form} if form else {}))
    typed = column_types.type_column(declared, text)
    return typed.reason is None or not typed.reason.is_not_null().any()


def _text(value: str) -> str:
    """A TOML basic string: as JSON writes it, but that DEL is escaped too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(value: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in value)
