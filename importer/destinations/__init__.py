"""The destinations, found by the name after `type =`: a folder here, or a class of an installed package.

A package registers its class as an entry point of the group `importer.destinations`; the `type` is the entry
point's name. A folder here takes precedence over a package.
"""

import importlib
import pkgutil
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, cast

from importer.core.errors import ConfigError
from importer.core.text import did_you_mean
from importer.destinations.base import INTERFACE, Destination
from importer.destinations.simulator import Sandbox

GROUP = "importer.destinations"


def own_names() -> list[str]:
    """The destinations that the importer brings, in alphabetical order."""
    return list(_folders())


@cache
def _folders() -> tuple[str, ...]:
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.ispkg))


def names() -> list[str]:
    """The destinations there are, those of installed packages included, in alphabetical order."""
    return sorted({*own_names(), *installed()})


@cache
def installed() -> dict[str, tuple[EntryPoint, ...]]:
    """The destinations of installed packages: name → its entry points, of which there may be one."""
    own, found = own_names(), dict[str, tuple[EntryPoint, ...]]()
    for point in entry_points(group=GROUP):
        if point.name not in own:
            found[point.name] = (*found.get(point.name, ()), point)
    return found


def load(name: str) -> type[Destination]:
    """The destination class of this name.

    ConfigError names the known ones where there is none, and the package of one that cannot be used.
    """
    if name in own_names():
        return cast(type[Destination], _module(name, "destination").DESTINATION)
    if name in installed():
        return _of_package(name)
    guess = did_you_mean(name, names())
    raise ConfigError(f'destination.type: unknown destination "{name}"; one of {", ".join(names())}.{guess}')


def load_sandbox(name: str) -> type[Sandbox]:
    """The vendor's side of the wire as plain data; ConfigError as `load`, and where a package has none."""
    if name in own_names():
        return cast(type[Sandbox], _module(name, "sandbox").SANDBOX)
    kind = load(name).sandbox
    if kind is None:
        raise ConfigError(f'destination.type: the package of "{name}" has no sandbox.')
    return kind


def load_sandboxes() -> list[type[Sandbox]]:
    """Every sandbox that can be loaded: a package that is broken must not stop who does not use it."""
    found = []
    for name in names():
        try:
            found.append(load_sandbox(name))
        except ConfigError:
            continue
    return found


@cache
def _module(name: str, part: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}.{part}")


def _of_package(name: str) -> type[Destination]:
    """The class that a package registers, if it is one and of an interface that this version has."""
    packages = " and ".join(sorted(_package(point) for point in installed()[name]))
    where = f'destination.type: "{name}" of the package {packages}'
    if len(installed()[name]) > 1:
        raise ConfigError(
            f"destination.type: {packages} both bring a destination {name}; remove one of them."
        )
    [point] = installed()[name]
    try:
        kind: Any = point.load()
    except Exception as error:  # a package may raise anything while it is imported
        raise ConfigError(f"{where} cannot be loaded: {type(error).__name__}: {error}.") from error
    if not (isinstance(kind, type) and issubclass(kind, Destination)):
        raise ConfigError(f"{where}: expected a subclass of {GROUP}.base.Destination, found something else.")
    if kind.interface != INTERFACE:
        raise ConfigError(
            f"{where} is written for interface {kind.interface}, and this version of the importer has "
            f"interface {INTERFACE}; install versions that fit."
        )
    return kind


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value
