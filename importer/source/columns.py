"""The columns of sources against what is declared."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from importer.core.errors import SourceError
from importer.core.text import did_you_mean
from importer.source.source import Source

MOST_NAMES = 20
"""A message names so many columns; a file that is no list may have a million."""


def header_faults(columns: Sequence[str]) -> Iterator[str]:
    """What is wrong with the names, by position: the first line may be a customer, so none is quoted."""
    named = len(columns)
    while named and not columns[named - 1]:
        named -= 1
    if not named:
        yield "the header names no column"
    if empty := [i for i, name in enumerate(columns[:named], 1) if not name.strip()]:
        yield f"the header has no name for {_columns(empty)}"
    if blanks := [i for i, name in enumerate(columns[:named], 1) if name.strip() and name != name.strip()]:
        yield f"the header has blanks around the name of {_columns(blanks)}: take them out of the file"
    yield from _alike(columns[:named])


def _alike(columns: Sequence[str]) -> Iterator[str]:
    places: dict[str, list[int]] = {}
    for i, name in enumerate(columns, 1):
        if name.strip():
            places.setdefault(name.strip().casefold(), []).append(i)
    for found in places.values():
        if len(found) > 1:
            exact = len({columns[i - 1] for i in found}) == 1
            yield f"the header names {_columns(found)} " + (
                "alike" if exact else "alike but for case or surrounding blanks"
            )


def _columns(places: list[int]) -> str:
    return f"column {places[0]}" if len(places) == 1 else f"columns {', '.join(map(str, places))}"


def check_columns(sources: Iterable[Source], declared: Sequence[str], ignore: Sequence[str]) -> None:
    """Compare each header with what is declared: all of that must be there, and nothing else but `ignore`.

    Raises one SourceError that names all missing, undeclared and doubled columns of all files. Where a header
    has none of the declared names, its own are not quoted: the first line may be a customer.
    """
    faults = [
        f"{source.path}: {fault}" for source in sources for fault in _column_faults(source, declared, ignore)
    ]
    if faults:
        raise SourceError("; ".join(faults) + ".")


def _column_faults(source: Source, declared: Sequence[str], ignore: Sequence[str]) -> Iterator[str]:
    wanted, there = dict.fromkeys(declared), set(source.columns)
    if wanted and not there & wanted.keys():
        yield _no_column(source)
        return
    missing = [name for name in wanted if name not in there]
    known = {*wanted, *ignore}
    undeclared = [name for name in dict.fromkeys(source.columns) if name.strip() and name not in known]
    if len(missing) == 1:
        yield f'column "{missing[0]}" is missing{_guess(missing[0], source.columns)}'
    elif missing:
        yield f"columns {_quoted(missing)} are missing"
    if undeclared:
        yield f"{_quoted(undeclared)}: neither declared nor in [source] ignore; add it to one of the two"
    doubled = [name for name, count in Counter(source.columns).items() if count > 1]
    yield from source.faults
    if doubled:
        yield f"{_quoted(doubled)}: more than one column of this name"


def _guess(name: str, columns: Sequence[str]) -> str:
    """` (did you mean "x"?)` where the header has a name like it."""
    found = did_you_mean(name, columns).strip()
    return f" ({found[0].lower()}{found[1:]})" if found else ""


def _no_column(source: Source) -> str:
    hint = ""
    if source.layout is not None and len(source.columns) == 1:
        hint = f" (it was read as one column: is the delimiter {source.layout.dialect.delimiter!r} right?)"
    return (
        f"none of the declared columns is in the header{hint}; "
        "check the file, or declare header = false and columns"
    )


def _quoted(names: Iterable[str]) -> str:
    every = list(names)
    shown = ", ".join(f'"{name}"' for name in every[:MOST_NAMES])
    return f"{shown} and {len(every) - MOST_NAMES:,} more" if len(every) > MOST_NAMES else shown
