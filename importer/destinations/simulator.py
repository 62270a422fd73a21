"""The base of a vendor's simulator, which the sandbox serves."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from importer.core.models import Answer
from importer.destinations.base import Definition, Settings


@dataclass(slots=True)
class Request:
    """What a sandbox is asked; `headers` and `query` with lower-case names, `body` as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Sandbox(ABC):
    """A vendor's side of the wire, as documented: plain data in, plain data out, no sockets.

    `stored` maps distinct id to attribute to the value the vendor would hold now; people with no value are
    not in it. `settings` are the vendor's own keys of the configuration, where they change the wire.
    """

    demo_lacks: ClassVar[Literal["undefined", "archived"]] = "undefined"
    """How the demo's server has one attribute of the sample list, so that it refuses its values."""
    lies: ClassVar[frozenset[str]] = frozenset()
    """The faults `lie` knows: answers that contradict what was sent."""
    demo: ClassVar[Sequence[str]] = ()
    """The lies of the demo, for all of its calls."""
    default_key: ClassVar[str] = "sk_test_sandbox"
    """The key it takes where the configuration's own cannot be read."""

    definitions: Mapping[str, Definition]
    key: str
    stored: dict[str, dict[str, Any]] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    limit: float = 0.0
    """The limit in force, in requests per second, for a vendor that announces it; 0 = none."""

    @abstractmethod
    def answer(self, request: Request) -> Answer:
        """The vendor's answer, `stored` updated."""

    def fault(self, name: str) -> Answer | None:
        """The vendor's way of saying `quota` or a status (`429`, `500`, ...); None = none is documented."""
        return None

    def lie(self, name: str, answer: Answer) -> Answer | None:
        """`answer`, a success, turned into the lie `name`; None where this answer cannot be turned."""
        return None

    def know(self, value: str, address: int) -> None:
        """A person who is there already, where the vendor resolves ids."""
        raise NotImplementedError

    def distinct_ids(self, request: Request) -> tuple[str, ...]:
        """The people a request is about, for the sandbox's own log; empty where it names none."""
        return ()
