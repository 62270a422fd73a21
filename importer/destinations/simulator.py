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
    not in it. `settings` are the vendor's own keys of the configuration, where they change requests or
    answers.
    """

    demo_lacks: ClassVar[Literal["undefined", "archived"]] = "undefined"
    """How the demo's server treats one attribute of the sample list, whose values it refuses."""
    simulated_faults: ClassVar[frozenset[str]] = frozenset()
    """The names that `simulate` knows: answers that contradict what was sent."""
    demo_faults: ClassVar[Sequence[str]] = ()
    """The simulated faults of the demo, for all of its calls."""
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

    def documented_error(self, name: str) -> Answer | None:
        """The vendor's documented answer for `quota` or a status such as `429`; None = there is none."""
        return None

    def simulate(self, name: str, answer: Answer) -> Answer | None:
        """`answer`, a success, as the fault `name` changes it; None if the fault does not apply to it."""
        return None

    def add_person(self, distinct_id: str, resolved_id: int) -> None:
        """Adds a person who exists before the run; only for a vendor that resolves ids."""
        raise NotImplementedError

    def distinct_ids(self, request: Request) -> tuple[str, ...]:
        """The people a request is about, for the sandbox's own log; empty where it names none."""
        return ()
