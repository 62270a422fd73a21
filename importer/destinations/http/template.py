"""Bodies as JSON structures with placeholders. A placeholder is a whole text, never a part of one.

`"{distinct_id}"` becomes the person's id, `"{attributes}"` an object of all attributes, `"{people}"` the list
of all people of a call. The member `"*" = "{attributes}"` puts the attributes beside the other members of its
object.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DISTINCT_ID, ATTRIBUTES, PEOPLE = "{distinct_id}", "{attributes}", "{people}"
BESIDE = "*"

_PLACEHOLDER = re.compile(r"\{[A-Za-z_-]*\}")


@dataclass(frozen=True, slots=True)
class _Hole:
    """A place that is filled for each call."""

    name: str


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled structure: JSON text and holes by turns."""

    pieces: tuple[str | _Hole, ...]

    def fill(self, values: Mapping[str, str]) -> str:
        """The JSON text; `values` maps a placeholder to JSON: an id, the members of an object, or entries."""
        return "".join(p if isinstance(p, str) else values[p.name] for p in self.pieces)


def compiled(structure: Any) -> Template:
    """The structure as a template; `problems` has found nothing in it."""
    return Template(tuple(_pieces(structure)))


def _pieces(value: Any) -> Iterator[str | _Hole]:
    if isinstance(value, dict):
        yield from _joined("{", [list(_member(name, one)) for name, one in value.items()], "}")
    elif isinstance(value, (list, tuple)):
        yield from _joined("[", [list(_pieces(one)) for one in value], "]")
    elif value == DISTINCT_ID:
        yield _Hole(DISTINCT_ID)
    elif value in (ATTRIBUTES, PEOPLE):
        opening, closing = "{}" if value == ATTRIBUTES else "[]"
        yield from (opening, _Hole(value), closing)
    else:
        yield json.dumps(value, ensure_ascii=False)


def _member(name: str, value: Any) -> Iterator[str | _Hole]:
    if name == BESIDE:
        yield _Hole(ATTRIBUTES)
    else:
        yield json.dumps(name, ensure_ascii=False) + ":"
        yield from _pieces(value)


def _joined(opening: str, parts: Sequence[Sequence[str | _Hole]], closing: str) -> Iterator[str | _Hole]:
    yield opening
    for n, part in enumerate(parts):
        yield from ([","] if n else [])
        yield from part
    yield closing


def problems(structure: Any, expected: Sequence[str]) -> Iterator[str]:
    """What is wrong in a structure that has to have each of the `expected` placeholders once."""
    texts = list(_texts(structure))
    for text in texts:
        if text not in expected and (found := _PLACEHOLDER.search(text)):
            alone = "stands alone as a whole text" if found[0] in expected else "is none that is known here"
            yield f"{found[0]} {alone}; expected {_listed(expected)}"
    for name in expected:
        if texts.count(name) != 1:
            yield f'expected "{name}" once, found it {texts.count(name)} times'
    if BESIDE in _names(structure) and ATTRIBUTES not in _beside(structure):
        yield f'the member "{BESIDE}" takes "{ATTRIBUTES}" only'


def _listed(names: Sequence[str]) -> str:
    return " and ".join(f'"{name}"' for name in names)


def _texts(value: Any) -> Iterator[str]:
    """All texts of a structure but names."""
    if isinstance(value, str):
        yield value
    for one in _children(value):
        yield from _texts(one)


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for one in _children(value):
        yield from _names(one)


def _children(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, (list, tuple)) else ()


def _beside(value: Any) -> Iterator[Any]:
    if isinstance(value, dict) and BESIDE in value:
        yield value[BESIDE]
    for one in _children(value):
        yield from _beside(one)


def neighbours(value: Any) -> set[str]:
    """The names that stand beside the attributes in one object; an attribute must have none of them."""
    if isinstance(value, dict) and BESIDE in value:
        return set(value) - {BESIDE}
    return set[str]().union(*map(neighbours, _children(value)))


def read(structure: Any, body: Any) -> dict[str, Any] | None:
    """Placeholder → what a body has in its place; None where the body is not of this structure."""
    found: dict[str, Any] = {}
    return found if _reads(structure, body, found) else None


def _reads(structure: Any, body: Any, found: dict[str, Any]) -> bool:
    if isinstance(structure, str) and _PLACEHOLDER.fullmatch(structure):
        found[structure] = body
        return True
    if isinstance(structure, dict):
        return isinstance(body, dict) and _reads_object(structure, body, found)
    if isinstance(structure, (list, tuple)):
        fits = isinstance(body, list) and len(body) == len(structure)
        return fits and all(_reads(s, b, found) for s, b in zip(structure, body, strict=True))
    return bool(structure == body)


def _reads_object(structure: Mapping[str, Any], body: Mapping[str, Any], found: dict[str, Any]) -> bool:
    names = structure.keys() - {BESIDE}
    if BESIDE in structure:
        found[ATTRIBUTES] = {k: v for k, v in body.items() if k not in names}
    elif body.keys() != names:
        return False
    return all(name in body and _reads(structure[name], body[name], found) for name in names)
