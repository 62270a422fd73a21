"""What a destination is: pure functions over plain data, no HTTP client and no polars.

A vendor's module holds, in this order: `Settings` (its own keys under `[destination]`), a `Destination`
subclass, a `Sandbox` subclass, and `DESTINATION = <the subclass>`. The sender runs whatever calls come back.
"""

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from importer.models import Answer, Call, Decision, Encoding, Judgement, RunWarning, Update

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds_of(text: str) -> float | None:
    """Seconds of a text like "15m", "26h" or "30d"; None where it is none."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)", text)
    return float(found[1]) * _UNITS[found[2]] if found else None


def _duration(value: Any) -> Any:
    """Seconds from a text like "15m"; anything else is left to the type to judge."""
    found = seconds_of(value) if isinstance(value, str) else None
    return value if found is None else found


Duration = Annotated[float, BeforeValidator(_duration), Field(gt=0)]
"""Seconds, or a text like "90s", "15m", "2h"."""


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


@dataclass(frozen=True, slots=True)
class PaceHint:
    """What an answer's headers say of the limit; only what the vendor documents.

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
    `expected` is what stands in the report where a text does not fit. The characters of `ignore` are left
    out of a text before anything else; `fold_case` where upper and lower case name the same person.
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
    confirms: str
    """What an `applied` of this vendor stands for: `value`, `call` or `job`."""
    default_base_url: ClassVar[str]
    distinct_id_max: ClassVar[int]
    """Longest distinct id, in characters."""
    people_per_call: int = 1
    requests_per_second: float = 0
    """The vendor's documented ceiling, used where the configuration names none; 0 = none documented."""
    operations: ClassVar[frozenset[str]] = frozenset({"set"})
    dead_reasons: ClassVar[frozenset[str]] = frozenset()
    """Reasons that are facts about an attribute, not a value: once given, it is not sent again in the run."""
    reads_back: ClassVar[bool] = False
    """Whether the vendor has a call that shows what is stored of a person (`read_back`, `read`)."""
    encoding: Encoding = Encoding()
    resolves: bool = False
    """Whether distinct ids are resolved to addresses before people are written (`prepare`)."""
    settings_type: ClassVar[type[Settings]] = Settings
    clears: ClassVar[bool] = True
    """Whether a stored value can be removed: an update may have a part with the operation `clear`."""
    fixes_types: ClassVar[bool] = False
    """Whether the first value seen of an attribute decides its type for good."""
    splits: ClassVar[bool] = False
    """Whether its refusals do not name the value at fault, so that a call is split to find it."""

    def __init__(self, settings: Settings, definitions: Sequence[Definition]) -> None:
        self.settings = settings
        self.definitions = definitions

    def problems(self) -> Iterable[str]:
        """What of the configuration this vendor cannot do, one sentence each; none by default."""
        return ()

    def warnings(self) -> Iterable[RunWarning]:
        """What of the configuration this vendor may refuse; none by default."""
        return ()

    def base_url(self) -> str:
        """Where the calls go unless the configuration says otherwise."""
        return self.default_base_url

    def key_problem(self, key: str) -> str | None:
        """Why this key cannot serve, without quoting it, or None; asked before the first call."""
        return None

    @abstractmethod
    def headers(self, key: str) -> Mapping[str, str]:
        """The headers of every request, authorization included."""

    def identity_fields(self) -> Sequence[IdentityField]:
        """The columns that name a person to this vendor; a person needs at least one. None by default."""
        return ()

    @property
    def patience(self) -> float:
        """How long one life of a run polls for one job, in seconds; what is open then is unconfirmed."""
        return math.inf

    def check_key(self) -> Call | None:
        """The call that tells whether the key serves, sent alone before anything else; None by default.

        It has no targets; any decision but DONE ends the run before the first write.
        """
        return None

    def address_scope(self, key: str) -> Sequence[str]:
        """What addresses depend on beside the base URL and the account; nothing secret."""
        return ()

    def prepare(self, updates: Sequence[Update]) -> Sequence[Call]:
        """The calls that resolve the distinct ids of `updates`, with a target without keys for each person.

        `judge` gives what they resolve as `addresses`. An id that is missing there is rejected. Asked only
        where `resolves`.
        """
        return ()

    @abstractmethod
    def calls(self, updates: Sequence[Update]) -> Sequence[Call]:
        """The calls that write `updates` (at most `people_per_call`), to be sent one after another."""

    def calls_at_most(self, people: int, clears: int) -> int:
        """How many calls so many people may take, with so many values to clear; told before the first one."""
        return -(-people // self.people_per_call) + clears

    def first_value(self, update: Update) -> Call | None:
        """The call that shows the vendor the one value of `update` before all others, where it `fixes_types`.

        Its answer decides nothing but STOP: the value goes out again with its person's others.
        """
        return None

    @abstractmethod
    def judge(self, call: Call, answer: Answer) -> Judgement:
        """What `answer` means for `call`. Never raises: an answer that makes no sense is a CONTRADICTION."""

    def read_back(self, update: Update) -> Call | None:
        """The call that reads one person's stored values; None where the vendor has none for this person."""
        return None

    def read(self, call: Call, answer: Answer) -> Mapping[str, Any] | Judgement:
        """What `answer` to a `read_back` says is stored, by attribute, or why it does not (never DONE)."""
        return Judgement(Decision.REFUSED, reason="not_readable")

    def is_stored(self, sent: Any, stored: Any) -> bool:
        """Whether a value read back is the value that was sent; both as JSON has them, floats as Decimal."""
        return is_same(sent, stored)

    def pace(self, answer: Answer) -> PaceHint | None:
        """What the headers say of the rate limit; asked for every answer. None = nothing is documented."""
        return None


NORMALIZED = "normalized"
"""The reason of a value that is stored, but not as it was sent."""

STORED_OTHERWISE = "stored, but not as it was sent; importer verify shows both"


def is_same(sent: Any, stored: Any) -> bool:
    """Equal as JSON values, the order of a list aside: `true` is not 1, "1" is not 1, 1.0 is 1."""
    if isinstance(sent, list) and isinstance(stored, list):
        return sorted(map(repr, sent)) == sorted(map(repr, stored))
    return isinstance(sent, bool) == isinstance(stored, bool) and bool(sent == stored)


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


def json_answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a JSON body."""
    return Answer(
        status,
        {"content-type": "application/json"} | dict(headers or {}),
        json.dumps(body, ensure_ascii=False).encode(),
    )


def json_of(body: bytes) -> Any:
    """The JSON value of a body, UTF-8 with or without a byte order mark; None where the body is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses by which a server or a gateway says that it is worth trying again, whoever the vendor is."""


def unreadable(message: str) -> Judgement:
    """Not the documented shape: a proxy's page, a body cut short. Nobody who knows the call has answered.

    The call is sent again; `message` says what is missing, and quotes nothing of the body.
    """
    return Judgement(Decision.RETRY, reason="answer_unreadable", message=message)


def contradiction(message: str) -> Judgement:
    """An answer that cannot be true of its call: the values are unconfirmed.

    `message` says what does not fit, and quotes nothing of the body.
    """
    return Judgement(Decision.CONTRADICTION, reason="answer_contradicts", message=message)
