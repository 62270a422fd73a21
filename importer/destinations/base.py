"""What a destination is: pure functions over plain data, no HTTP client and no polars.

A vendor's folder holds `destination.py` with its `Settings` (its own keys under `[destination]`), a subclass
of `Destination` and `DESTINATION = <the subclass>`, and `sandbox.py` with its simulator. The sender sends the
calls that a destination returns, and asks it what each answer means.

Packages outside the importer use this module, `simulator.py`, `responses.py`, `bisect.py`, `value_search.py`
and `importer.core.models` as well: together they are the interface of the version INTERFACE. A change that
such a package has to follow gets the next number.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from importer.core.models import Answer, Call, Classification, Encoding, RunWarning, Update, Verdict

if TYPE_CHECKING:
    from importer.destinations.simulator import Sandbox

INTERFACE = 1
"""The version of what a destination and the importer expect of each other."""


class Settings(BaseModel):
    """A vendor's own keys under `[destination]`; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Definition:
    """One attribute as the configuration declares it, as far as a destination needs to know.

    `archived` is only ever set by a sandbox.
    """

    key: str
    type: str
    options: tuple[str, ...] = ()
    allow_custom: bool = False
    max_length: int | None = None
    min: float | None = None
    max: float | None = None
    blank: str = "skip"
    operation: str = "set"
    archived: bool = False
    join: str | None = None
    send_as: str | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class RateHint:
    """What an answer's headers say of the rate limit; only what the vendor documents.

    `requests_per_second` is the limit itself; `remaining` how many more calls are let through within the next
    `reset` seconds.
    """

    requests_per_second: float | None = None
    remaining: int | None = None
    reset: float = 0.0


@dataclass(frozen=True, slots=True)
class IdentityField:
    """One column by which the destination knows a person, beside the distinct id.

    `pattern` is a regular expression that a usable text fits from end to end, `max_length` in characters;
    The report says `expected` where a text does not fit. The characters of `ignore` are removed from a text
    before anything else; `fold_case` is true where upper and lower case name the same person.
    """

    name: str
    column: str
    pattern: str
    max_length: int
    expected: str
    ignore: str = ""
    fold_case: bool = False


class Destination(ABC):
    """One vendor. Instances are built once per run from validated settings and hold no state."""

    name: ClassVar[str]
    interface: ClassVar[int] = 0
    """The INTERFACE that a class outside the importer is written for, as a number of its own."""
    sandbox: ClassVar["type[Sandbox] | None"] = None
    """The simulator of a class outside the importer; None = it has none."""
    confirms: str
    """What the vendor confirms with a success: each `value`, a whole `call`, or each record of a `job`."""
    default_base_url: ClassVar[str]
    distinct_id_max: ClassVar[int]
    """Longest distinct id, in characters."""
    people_per_call: int = 1
    requests_per_second: float = 0
    """Used where the configuration names none: the vendor's documented ceiling, or ours; 0 = no ceiling."""
    polls_per_second: float = 0
    """The documented ceiling of status calls where they have one of their own, 0 = they share the other."""
    operations: ClassVar[frozenset[str]] = frozenset({"set"})
    whole_operations: ClassVar[frozenset[str]] = frozenset()
    """Operations that the vendor documents for whole numbers only."""
    dead_reasons: ClassVar[frozenset[str]] = frozenset()
    """Reasons that concern a whole attribute: after one of them the run does not send the attribute again."""
    reads_back: ClassVar[bool] = False
    """Whether the vendor has a call that shows what is stored of a person (`read_back`, `read`)."""
    takes_fields: bool = False
    """Whether an attribute may be sent as one of the vendor's standard fields (`field`)."""
    text_max: int | None = None
    """Longest text in characters that could ever be sent, for attributes that declare no `max_length`."""
    encoding: Encoding = Encoding()
    resolves: bool = False
    """Whether distinct ids are resolved to the vendor's own ids before people are written (`prepare`)."""
    settings_type: ClassVar[type[Settings]] = Settings
    clears: bool = True
    """Whether a stored value can be removed: an update may have a part with the operation `clear`."""
    fixes_types: ClassVar[bool] = False
    """Whether the first value seen of an attribute decides its type for good."""
    splits: ClassVar[bool] = False
    """Whether its refusals do not name the value at fault, so that a call is split to find it."""

    def __init__(self, settings: Settings, definitions: Sequence[Definition]) -> None:
        self.settings = settings
        self.definitions = definitions

    def problems(self) -> Iterable[str]:
        """What this vendor cannot do of the configuration, one sentence each; none by default."""
        return ()

    def warnings(self) -> Iterable[RunWarning]:
        """What this vendor may refuse of the configuration; none by default."""
        return ()

    def base_url(self) -> str:
        """Where the calls go unless the configuration says otherwise."""
        return self.default_base_url

    def can_clear(self, key: str) -> bool:
        """Whether a stored value of this attribute can be removed."""
        return self.clears

    def key_problem(self, key: str) -> str | None:
        """Why this key cannot work, without quoting it, or None; called before the first call goes out."""
        return None

    @abstractmethod
    def headers(self, key: str) -> Mapping[str, str]:
        """The headers of every request, authorization included."""

    def secret_headers(self) -> Mapping[str, str]:
        """More headers of every request: name → `env:NAME` or `file:PATH`, which says where its value is."""
        return {}

    def identity_fields(self) -> Sequence[IdentityField]:
        """The columns that name a person to this vendor; a person needs at least one. None by default."""
        return ()

    @property
    def job_deadline(self) -> float:
        """How long one attempt of a run polls one job, in seconds; a job still open then is unconfirmed."""
        return math.inf

    @property
    def job_takes(self) -> float | None:
        """How long the vendor says that a job takes, in seconds, at most; None = it says nothing."""
        return None

    def check_key(self) -> Call | None:
        """The call that tells whether the key works, sent alone before anything else; None by default.

        It has no targets; any verdict but DONE ends the run before the first write.
        """
        return None

    def id_scope(self, key: str) -> Sequence[str]:
        """What resolved ids depend on beside the base URL and the account; nothing secret."""
        return ()

    def prepare(self, updates: Sequence[Update]) -> Sequence[Call]:
        """The calls that resolve the distinct ids of `updates`, with a target without keys for each person.

        `classify` returns their results as `resolved_ids`. An id that is missing there is rejected. Called
        only where `resolves` is true.
        """
        return ()

    @abstractmethod
    def calls(self, updates: Sequence[Update]) -> Sequence[Call]:
        """The calls that write `updates` (at most `people_per_call`), to be sent one after another."""

    def calls_at_most(self, people: int, clears: int) -> int:
        """The most calls that `people` may take with `clears` values to clear, for the forecast."""
        return -(-people // self.people_per_call) + clears

    def first_value(self, update: Update) -> Call | None:
        """The call that shows the vendor the one value of `update` before all others, where it `fixes_types`.

        Its answer decides nothing but STOP: the value goes out again with its person's others.
        """
        return None

    @abstractmethod
    def classify(self, call: Call, answer: Answer) -> Classification:
        """What `answer` means for `call`. Never raises: an answer that makes no sense is a CONTRADICTION."""

    def read_back(self, update: Update) -> Call | None:
        """The call that reads one person's stored values; None where the vendor has none for this person."""
        return None

    def read(self, call: Call, answer: Answer) -> Mapping[str, Any] | Classification:
        """What `answer` to a `read_back` says is stored, by attribute, or why it does not (never DONE)."""
        return Classification(Verdict.REFUSED, reason="not_readable")

    def shows(self, key: str) -> bool:
        """Whether a `read_back` can show the attribute; asked only where the vendor `reads_back`."""
        return True

    def is_stored(self, sent: Any, stored: Any) -> bool:
        """Whether a value read back is the value that was sent; both as JSON has them, floats as Decimal."""
        return is_same(sent, stored)

    def rate_hint(self, answer: Answer) -> RateHint | None:
        """What the headers say of the rate limit; called for every answer. None = nothing is documented."""
        return None


NORMALIZED = "normalized"
"""The reason of a value that is stored, but not as it was sent."""

STORED_OTHERWISE = "stored, but not as it was sent; importer verify shows both"


def is_same(sent: Any, stored: Any) -> bool:
    """Equal as JSON values, the order of a list aside: `true` is not 1, "1" is not 1, 1.0 is 1."""
    if isinstance(sent, list) and isinstance(stored, list):
        return sorted(map(repr, sent)) == sorted(map(repr, stored))
    return isinstance(sent, bool) == isinstance(stored, bool) and bool(sent == stored)
