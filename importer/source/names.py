"""Names of columns: as the header gives them, and as a configuration calls them."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from importer.source.batch import Batch
from importer.source.source import Source

_AROUND = "\ufeff\u200b\u200c\u200d\u2060"
"""Characters without width that stand around names beside blanks; str.strip() does not know them."""


def unique_names(header: Sequence[str]) -> tuple[str, ...]:
    """A name for every column, from the texts of the header.

    Blanks around a name go. The second column of one name is called `name#2`, and a column without a name by
    its place, `#3`; at the end of the header such columns stay "".
    """
    names = [_trimmed(text) for text in header]
    last = max((place for place, name in enumerate(names, 1) if name), default=0)
    taken, seen = set(names), Counter[str]()
    found = []
    for place, name in enumerate(names, 1):
        seen[name] += 1
        if not name and place <= last:
            found.append(f"#{place}")
        elif name and seen[name] > 1:
            found.append(_free(f"{name}#{seen[name]}", taken))
        else:
            found.append(name)
    return tuple(found)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "#"
    taken.add(name)
    return name


def _trimmed(text: str) -> str:
    before = None
    while before != text:
        before, text = text, text.strip().strip(_AROUND)
    return text


def base_name(name: str) -> str:
    """The name that a header repeats: `email` of `email#2`; any other name itself."""
    return re.sub(r"(?<=.)#[0-9]+$", "", name)


def alike(columns: Sequence[str], wanted: str) -> list[str]:
    """The columns whose name is `wanted` but for case, blanks and line breaks."""
    return [name for name in columns if name and _folded(name) == _folded(wanted)]


def _folded(name: str) -> str:
    return " ".join(_trimmed(name).casefold().split())


def with_names(source: Source, wanted: Sequence[str]) -> Source:
    """The source with its columns under the names that a configuration uses for them.

    A column is found by its own name, by its place (`#3`), or by a name that is the same but for case, blanks
    and line breaks, where only one column has such a name.
    """
    names = dict(_renames(source, wanted))
    if not names:
        return source

    def read(block_bytes: int) -> Iterator[Batch]:
        for batch in source.read(block_bytes):
            untyped = {names.get(name, name): rows for name, rows in batch.untyped.items()}
            yield replace(batch, cells=batch.cells.rename(names), untyped=untyped)

    layout = source.layout and replace(
        source.layout, columns=tuple(names.get(name, name) for name in source.layout.columns)
    )
    types = source.types and {names.get(name, name): kind for name, kind in source.types.items()}
    columns = tuple(names.get(name, name) for name in source.columns)
    return replace(source, columns=columns, layout=layout, types=types, read=read)


def _renames(source: Source, wanted: Sequence[str]) -> Iterator[tuple[str, str]]:
    free = [name for name in source.columns if name not in wanted]
    places = source.layout.columns if source.layout else source.columns
    for name in dict.fromkeys(wanted):
        if name in source.columns:
            continue
        found = alike(free, name)
        if place := re.fullmatch("#([1-9][0-9]{0,5})", name):
            found = [own for own in places[int(place[1]) - 1 : int(place[1])] if own in free]
        if len(found) == 1:
            free.remove(found[0])
            yield found[0], name
