"""One folder per vendor, found by its name: `[destination] type = "vevee"` loads `destinations/vevee/`."""

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import cast

from importer.core.errors import ConfigError
from importer.core.text import did_you_mean
from importer.destinations.base import Destination
from importer.destinations.simulator import Sandbox


def names() -> list[str]:
    """The destinations there are, in alphabetical order."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.ispkg)


def load(name: str) -> type[Destination]:
    """The destination class of a vendor's module; ConfigError names the known ones where there is none."""
    return cast(type[Destination], _module(name, "destination").DESTINATION)


def load_sandbox(name: str) -> type[Sandbox]:
    """The vendor's side of the wire as plain data; ConfigError as `load`."""
    return cast(type[Sandbox], _module(name, "sandbox").SANDBOX)


@cache
def _module(name: str, part: str) -> ModuleType:
    if name not in names():
        known = ", ".join(names())
        guess = did_you_mean(name, names())
        raise ConfigError(f'destination.type: unknown destination "{name}"; one of {known}.{guess}')
    return importlib.import_module(f"{__name__}.{name}.{part}")
