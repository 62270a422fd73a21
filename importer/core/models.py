"""The frozen types that travel between the stages, in the order of the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from json.encoder import encode_basestring
from pathlib import Path
from typing import TYPE_CHECKING

from importer.core.errors import error_of
from importer.core.frozen import frozen

if TYPE_CHECKING:
    import polars as pl

from importer.core.text import printable

SEPARATOR = "\x1f"
"""Stands between the JSON members of a part. JSON text never holds a raw control character, so a joined
string can be split again without loss."""


SUMMARY_FORMAT = 3
"""The version of `summary.json`; one without the key is 1. CHANGELOG.md lists what each version changed."""


class Outcome(StrEnum):
    """How one value ended. Every value of a well-formed row with an id ends in exactly one of these."""

    APPLIED = "applied"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    UNCHANGED = "unchanged"
    UNCONFIRMED = "unconfirmed"
    NOT_ATTEMPTED = "not_attempted"


@frozen
class Part:
    """The attributes of one person that go out under one operation.

    `keys` and `members` stand in the same order; `members` joins the encoded JSON members (`"age":42`) with
    SEPARATOR and is empty where the operation carries no value (`clear`).
    """

    operation: str
    keys: tuple[str, ...]
    members: str

    def only(self, keys: Sequence[str]) -> "Part":
        """The same part with these of its keys alone."""
        if len(keys) == len(self.keys):
            return self
        by_key = dict(zip(self.keys, self.members.split(SEPARATOR), strict=False))
        return Part(self.operation, tuple(keys), SEPARATOR.join(by_key.get(k, "") for k in keys))


def member_value(key: str, member: str) -> str:
    """The JSON value of a member of a part, `"age":42`."""
    return member[len(encode_basestring(key)) + 1 :]  # as members are made: `ensure_ascii=False`


@frozen
class Update:
    """One person's id and what to write of them: at most one part per operation, sets first.

    `person` is the index of the person in its chunk. It is used in one process only: durable records name
    people by their distinct id. `user` holds the texts of the destination's identity fields, in their order,
    "" where blank; `resolved_id` is what it resolved the distinct id to, "" where it resolves none.
    `doubtful` names attributes that were at fault again and again in this run, the worst first; only for a
    destination whose answers do not name the value at fault.
    """

    person: int
    distinct_id: str
    parts: tuple[Part, ...]
    user: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    resolved_id: str = ""


@frozen
class Target:
    """What one call writes of one person: `operation` on `keys`."""

    person: int
    distinct_id: str
    operation: str
    keys: tuple[str, ...]


@frozen
class Call:
    """One request to the destination.

    `path` begins with `/` and follows the base URL; a whole URL is a file at another address, fetched without
    our headers. `repeatable` is false where sending it twice is not the same as sending it once. `after` is
    how many seconds to wait before it goes out: a poll, asked again for as long as no usable answer comes.
    `context` is what the destination wants to know again when the answer comes; nobody else looks at it.
    """

    method: str
    path: str
    body: bytes
    targets: tuple[Target, ...]
    repeatable: bool = True
    after: float = 0.0
    context: str = ""

    @property
    def writes(self) -> bool:
        """Whether it writes attributes; a call that resolves ids names people, but no keys."""
        for target in self.targets:  # noqa: SIM110 - asked for each call, and `any` makes a generator
            if target.keys:
                return True
        return False


@frozen
class Answer:
    """One HTTP answer: `headers` with lower-case names, `body` cut at the sender's bound."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Verdict(StrEnum):
    """What an answer means for its call."""

    DONE = "done"  # final: every key of the call's targets is applied, but for those in `refused`
    RETRY = "retry"  # transient: the same call may be sent again
    CONTRADICTION = "contradiction"  # the destination's own words, not to be believed: sent again as well
    REFUSED = "refused"  # final: the destination refused the whole call; every key is rejected
    UNCONFIRMED = "unconfirmed"  # final: what became of the call will not be known
    UNKNOWN_ID = "unknown_id"  # the resolved id is unknown there: resolved once more, then sent again
    CONTINUE = "continue"  # not the end: the follow-up calls carry on for all of the call's targets
    STOP = "stop"  # the destination refuses the run: key, permission, quota


@dataclass(frozen=True, slots=True)
class Refusal:
    """One key of one target that the destination refused; `reason` is its own word.

    `key` "" is the person: every key of the target is refused, with one line in the report. `status` is the
    HTTP status of the refusal, where it is not that of the call's own last answer.
    """

    target: int
    key: str
    reason: str
    message: str = ""
    status: int = 0


@dataclass(frozen=True, slots=True)
class Classification:
    """A destination's reading of one answer.

    `reason` and `message` explain any verdict but a clean DONE and never quote the body, which may echo
    values. `normalized` names keys that are stored, but not as they were sent. `follow_up` calls go out after
    this one, for the same people, before anything else of theirs. `durable`, with CONTINUE: they are on disk
    before they go out, and a later attempt goes on with them instead of sending again. `unreported`, with
    DONE: indices of targets of which the answer says nothing; `carried`: of those that are still to be sent,
    by the follow-up calls. `names_values`: the answer names what it refuses, so that a refusal of all of
    a call's values is about these values. `resolved_ids` maps each distinct id that the answer resolved to
    the destination's own id, "" where it gives several.
    """

    verdict: Verdict
    refused: tuple[Refusal, ...] = ()
    reason: str = ""
    message: str = ""
    normalized: tuple[Refusal, ...] = ()
    follow_up: tuple[Call, ...] = ()
    durable: bool = False
    unreported: tuple[int, ...] = ()
    carried: tuple[int, ...] = ()
    names_values: bool = False
    resolved_ids: Mapping[str, str] = field(default_factory=dict)


ALL_APPLIED = Classification(Verdict.DONE)


_UNCONFIRMED = (Verdict.RETRY, Verdict.CONTRADICTION, Verdict.UNCONFIRMED)


@frozen
class Settled:
    """A call that has come to its end, as the sender hands it to the reconciler.

    `status` is the last HTTP status, 0 where none came; `attempts` counts the requests sent, first one
    included; `at` is Unix time in seconds.
    """

    call: Call
    classification: Classification
    status: int
    attempts: int
    at: float

    @property
    def unconfirmed(self) -> bool:
        """Sent, and no usable answer came back."""
        return self.classification.verdict in _UNCONFIRMED


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a destination writes typed values as JSON; everything else is common to all.

    `true` and `false` are JSON texts. `date` and `datetime` are strftime patterns for the text sent;
    `datetime_utc` is the pattern for a moment whose zone the source gave (it is converted to UTC).
    `empty_list`: a list without members can be sent.
    """

    true: str = "true"
    false: str = "false"
    date: str = "%Y-%m-%d"
    datetime: str = "%Y-%m-%dT%H:%M:%S%.f"
    datetime_utc: str = "%Y-%m-%dT%H:%M:%S%.fZ"
    empty_list: bool = True


@dataclass(frozen=True, slots=True)
class RejectCount:
    """How many values or rows ended under one stage, reason and attribute."""

    stage: str
    reason: str
    attribute: str
    count: int


@dataclass(frozen=True, slots=True)
class RunWarning:
    """Something a person should look at: never a value, only where. `rows` are the first few row numbers.

    `column` is a name from the list, or a few words; a long one is shortened. `files` names the source of
    each of `rows`; it is empty where there is only one source, or where `column` names it.
    """

    code: str
    column: str
    count: int
    rows: tuple[int, ...] = ()
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "column", printable(self.column, 200))


@dataclass(frozen=True, slots=True)
class Hint:
    """The line of configuration that reads `fits` of the first `of` values that our check refused.

    Where no line helps, `line` is "" and `note` says what `fits` of the values are and what to do. Neither
    holds a value of a person.
    """

    attribute: str
    fits: int
    of: int
    line: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How a run ended: what `summary.json` holds, and where its files are.

    docs/reference/files.md says what each key means. `exit_code` is that of the command line; `message` says
    why the run stopped, "" where it did not.
    """

    run_id: str
    name: str
    destination: str
    account: str | None
    confirms: str
    state: str
    exit_code: int
    started_at: str
    finished_at: str
    sources: Sequence[Mapping[str, object]]
    limited: bool
    rows: Mapping[str, int]
    values: Mapping[str, int]
    people: Mapping[str, int]
    calls: Mapping[str, int]
    adjusted: int
    reject_counts: Sequence[RejectCount]
    warnings: Sequence[RunWarning]
    seconds: Mapping[str, float]
    requests_per_second: float
    peak_rss_bytes: int
    diff: Mapping[str, object] | None = None
    message: str = field(default="")
    guards: Sequence[str] = ()
    attributes: Sequence[Mapping[str, object]] = ()
    hints: Sequence[Hint] = ()
    format_version: int = SUMMARY_FORMAT
    folder: Path = field(default_factory=Path)

    @property
    def report(self) -> Path:
        """The HTML report; not there where the run stopped before it had read everything."""
        return self.folder / "report.html"

    def rejects(self) -> "pl.DataFrame":
        """The lines of `rejects.csv`, every column as text; no rows where the run wrote no such file.

        Columns `file`, `row`, `line`, `distinct_id`, `attribute`, `value`, `stage`, `reason`, `message`,
        `status`, `attempts`, `at`.
        """
        from importer.core.rejects import read_reject_file

        return read_reject_file(self.folder / "rejects.csv")

    def outcomes(self) -> "pl.LazyFrame":
        """How each value of the run ended: a lazy table, one row per value.

        Columns `run_id`, `source`, `row`, `line`, `fingerprint`, `distinct_id`, `attribute`, `stage`,
        `reason`, `message`, `status`, `attempts`, `at` and `outcome`. ConfigError where the run wrote none:
        it does with `[run] outcomes = true`.
        """
        from importer.core.outcome_table import scan_outcomes

        return scan_outcomes(self.folder / "outcomes")

    def raise_for_status(self) -> None:
        """Raises the error that belongs to `exit_code`; nothing where that is 0.

        RejectedError (1) where values were rejected or unconfirmed and no `max_rejects` allowed for them,
        InterruptedRunError (130, 143) after a signal, else the error that stopped the run.
        """
        if error := error_of(
            self.exit_code, self.message or f"run {self.run_id} ended with {self.exit_code}"
        ):
            raise error
