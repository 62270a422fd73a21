"""Tables of keys for pages of a reference: name, type, default and meaning, as the code has them."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, PlainSerializer
from pydantic.fields import FieldInfo


def settings_table(model: type[BaseModel]) -> str:
    """The table of a destination's settings in Markdown; LookupError where a key has no description."""
    missing = [key for key, info in model.model_fields.items() if not info.description]
    if missing:
        raise LookupError(
            f"{model.__name__}: no description of {', '.join(missing)}; add Field(description=...)"
        )
    rows = (
        (f"`{key}`", type_of(info), default_of(info), str(info.description))
        for key, info in model.model_fields.items()
    )
    return table(("key", "type", "default", "meaning"), rows)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown."""
    head = list(head)
    lines = [head, ["---"] * len(head), *(map(_cell, row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)


_TYPES: Mapping[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    dict: "table",
    tuple: "list of texts",
}


def type_of(info: FieldInfo) -> str:
    """What a key takes, in words. A duration and a share are recognised by what reads and writes them."""
    found = {_named(option, info) for option in _options(info.annotation)}
    return ", ".join(sorted(found))


def _options(annotation: Any) -> Iterator[Any]:
    """The types that an annotation allows, without None."""
    if get_origin(annotation) in (Union, UnionType):
        for option in get_args(annotation):
            yield from _options(option)
    elif annotation is not NoneType:
        yield annotation


def _named(option: Any, info: FieldInfo) -> str:
    marks = [*info.metadata, *getattr(option, "__metadata__", ())]
    if any(isinstance(mark, PlainSerializer) for mark in marks):
        return "share"
    base = getattr(option, "__origin__", option)
    if any(isinstance(mark, BeforeValidator) for mark in marks):
        return "duration" if base is float else "text or whole number"
    if get_origin(option) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(option))
    if option is Any:
        return "any value"
    if base is tuple and any(issubclass(one, BaseModel) for one in get_args(option) if isinstance(one, type)):
        return "list of tables"
    return _TYPES.get(base, "table")


def default_of(info: FieldInfo) -> str:
    """The default as it would stand in the file, or why there is none."""
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    if value is None or value == {}:
        return "none"
    if any(isinstance(mark, PlainSerializer) for mark in info.metadata):
        value = f"{value:g}%"
    if isinstance(value, float) and value == int(value):
        value = int(value)
    return "`'\"'`" if value == '"' else f"`{json.dumps(value)}`"
