"""One module per vendor, found by its name: `[destination] type = "vevee"` loads `destinations/vevee.py`."""

import importlib
import pkgutil
from types import ModuleType
from typing import cast

from importer.destinations.base import Destination, Sandbox
from importer.errors import ConfigError


def names() -> list[str]:
    """The destinations there are, in alphabetical order."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "base")


def load(name: str) -> type[Destination]:
    """The destination class of a vendor's module; ConfigError names the known ones where there is none."""
    return cast(type[Destination], _module(name).DESTINATION)


def load_sandbox(name: str) -> type[Sandbox]:
    """The vendor's side of the wire as plain data; ConfigError as `load`."""
    return cast(type[Sandbox], _module(name).SANDBOX)


def _module(name: str) -> ModuleType:
    if name not in names():
        raise ConfigError(f'destination.type: unknown destination "{name}"; one of {", ".join(names())}.')
    return importlib.import_module(f"{__name__}.{name}")
