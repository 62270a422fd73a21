"""Blanks between a delimiter and a quoted field, as programs write them that align columns.

Only lines that were set aside are looked at, so that a healthy list costs nothing.
"""

import re
from functools import lru_cache

from importer.source.csv_blocks import Block
from importer.source.csv_damage import NUL, Unit
from importer.source.csv_grammar import Signs


def unpadded(block: Block, unit: Unit) -> str | None:
    """The line of a unit without blanks around quotes, where it is a whole record only then; else None."""
    grammar = block.grammar
    if unit.message == NUL or not grammar.signs.quote or unit.end - unit.start > 1:
        return None
    line = block.text(unit.start, unit.end)
    fields = _fields(grammar.signs, line)
    text = grammar.signs.delimiter.join(fields)
    if "\0" in line or text == line or len(fields) != grammar.fields:
        return None
    found = grammar.scan(text)
    return text if (found.state, found.fields) == ("done", grammar.fields) else None


def _fields(signs: Signs, line: str) -> list[str]:
    """The fields of a line, quoted ones without the blanks around them; none where one is neither."""
    fields, at = list[str](), 0
    while found := _field_of(signs).match(line, at):
        fields.append(found["plain"] if found["quoted"] is None else found["quoted"])
        if found.end() == len(line):
            return fields
        at = found.end() + len(signs.delimiter)
    return []


@lru_cache(maxsize=64)
def _field_of(signs: Signs) -> re.Pattern[str]:
    d, q, e = (re.escape(sign) for sign in (signs.delimiter, signs.quote, signs.escape))
    inside = f"(?:[^{q}{e}]|{e + '.' if e else q + q})*+"
    plain = f"(?:[^{d}{q}{e}]{f'|{e}.' if e else ''})*+"
    return re.compile(rf"(?:[ \t]*+(?P<quoted>{q}{inside}{q})[ \t]*+|(?P<plain>{plain}))(?={d}|\Z)")
