"""Destinations of installed packages: which are found, and what is said of one that cannot be used."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import ClassVar

import pytest

from importer import destinations
from importer.core.errors import ConfigError
from importer.destinations.base import INTERFACE
from importer.destinations.vevee.destination import Destination as Vevee
from importer.destinations.vevee.sandbox import Sandbox
from importer.sandbox import faults


class Acme(Vevee):
    """A class as a package would bring it."""

    name = "acme"
    interface = INTERFACE
    sandbox: ClassVar[type[Sandbox]] = Sandbox


class Bare(Vevee):
    interface = INTERFACE


class Old(Vevee):
    interface = INTERFACE - 1


NO_CLASS = "a text"
HERE = __name__


@pytest.fixture(autouse=True)
def _forget_what_is_installed() -> Iterator[None]:
    destinations.installed.cache_clear()
    yield
    destinations.installed.cache_clear()


def install(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> None:
    found = [EntryPoint(name, value, destinations.GROUP) for name, value in points]
    monkeypatch.setattr(
        destinations, "entry_points", lambda group: found if group == destinations.GROUP else []
    )


def test_a_class_of_a_package_is_a_destination(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ("acme", f"{HERE}:Acme"))
    assert destinations.names() == ["acme", *destinations.own_names()]
    assert (destinations.load("acme"), destinations.load_sandbox("acme")) == (Acme, Sandbox)


def test_a_package_does_not_take_the_place_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ("vevee", f"{HERE}:Acme"))
    assert destinations.load("vevee") is Vevee
    assert destinations.names() == destinations.own_names()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            f"{HERE}:Old",
            f"is written for interface {INTERFACE - 1}, and this version of the importer has interface",
        ),
        (f"{HERE}:NO_CLASS", "expected a subclass of importer.destinations.base.Destination"),
        (f"{HERE}:Missing", "cannot be loaded: AttributeError"),
        ("no_such_package_at_all:Acme", "cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_a_class_that_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str, said: str
) -> None:
    install(monkeypatch, ("acme", value))
    with pytest.raises(ConfigError) as caught:
        destinations.load("acme")
    assert said in str(caught.value)
    assert str(caught.value).startswith('destination.type: "acme" of the package ')


def test_a_name_that_two_packages_bring_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ("acme", f"{HERE}:Acme"), ("acme", "other_package:Acme"))
    with pytest.raises(ConfigError, match=r"other_package:Acme and tests.* both bring a destination acme"):
        destinations.load("acme")


def test_a_broken_package_stops_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ("acme", "no_such_package_at_all:Acme"), ("bare", f"{HERE}:Bare"))
    assert "foreign_key" in faults.kinds()
    assert destinations.load("vevee") is Vevee


def test_a_package_without_a_sandbox_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ("bare", f"{HERE}:Bare"))
    with pytest.raises(ConfigError, match='the package of "bare" has no sandbox'):
        destinations.load_sandbox("bare")
