"""Classes whose fields are set once, for what is made with every call."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

Class = TypeVar("Class")


@dataclass_transform(frozen_default=True)
def frozen(cls: type[Class]) -> type[Class]:
    """A dataclass that mypy and pyright treat as frozen, and Python does not.

    `frozen=True` makes an instance cost two to three times as much: each field is set by a function call.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
