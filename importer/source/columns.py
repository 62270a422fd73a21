"""The columns of sources against what is declared."""

from collections.abc import Iterable, Iterator, Sequence

from importer.core.errors import SourceError
from importer.core.text import did_you_mean
from importer.source.names import alike, base_name
from importer.source.source import Source

MOST_NAMES = 20
"""A message names so many columns; a file that is no list may have thousands."""


def check_columns(sources: Iterable[Source], declared: Sequence[str], ignore: Sequence[str]) -> None:
    """Compare each header with what is declared: all of that must be there, and nothing else but `ignore`.

    A name in `ignore` covers every column of this name. Raises one SourceError that names all missing and
    undeclared columns of all files, with the line of configuration that helps. Where a header has none of the
    declared names, its own are not quoted: the first line may be a customer.
    """
    faults = [
        f"{source.path}: {'; '.join(found)}"
        for source in sources
        if (found := list(_column_faults(source, declared, ignore)))
    ]
    if faults:
        raise SourceError("; ".join(faults) + ".")


def _column_faults(source: Source, declared: Sequence[str], ignore: Sequence[str]) -> Iterator[str]:
    wanted, there = dict.fromkeys(declared), set(source.columns)
    if wanted and not there & wanted.keys():
        yield _no_column(source)
        return
    if missing := [name for name in wanted if name not in there]:
        hints = [hint for name in missing if (hint := _alike_hint(source, name))]
        guess = _guess(missing[0], source.columns) if len(missing) == 1 and not hints else ""
        noun, verb = ("column", "is") if len(missing) == 1 else ("columns", "are")
        yield f"{noun} {_quoted(missing)} {verb} missing{guess}"
        has = f"the header has {_quoted(source.columns)}; correct the list or the configuration"
        yield from hints or [has]
    known = {*wanted, *ignore}
    undeclared = [n for n in source.columns if n not in known and base_name(n) not in ignore]
    yield from _repeated(source, undeclared, known)
    others = [name for name in undeclared if base_name(name) not in there or base_name(name) == name]
    if others:
        line = f"ignore = [{_quoted(others[:5])}{', …' if len(others) > 5 else ''}]"
        yield f"{_quoted(others)}: neither declared nor in [source] ignore; to leave out: {line}"
    yield from source.faults


def _repeated(source: Source, undeclared: Sequence[str], known: set[str]) -> Iterator[str]:
    """Names that the header has several times, where not every one of them is declared or ignored."""
    for name in undeclared:
        base = base_name(name)
        if base != name and base in source.columns:
            yield (
                f'"{base}" is in the header more than once; the other column is read with column = "{name}", '
                f'or left out with ignore = ["{name}"]'
            )


def _alike_hint(source: Source, name: str) -> str:
    found = alike(source.columns, name)
    return f'{_quoted(found)} differ from "{name}" by case or blanks alone: name one of them' if found else ""


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


def _quoted(names: Sequence[str]) -> str:
    """The names, the first MOST_NAMES of them."""
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(f'"{name}"' for name in names[:MOST_NAMES]) + more
