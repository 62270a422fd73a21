"""The counts of a run, and whether they add up."""

import resource
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from importer.chunk.tally import Tally
from importer.core.errors import InternalError
from importer.core.models import RejectCount, RunSummary
from importer.core.rejects import SET_ASIDE_FREE
from importer.validate.read_result import ReadResult

ROWS = (
    "read",
    "filtered",
    "applied",
    "partly_applied",
    "rejected",
    "merged",
    "unchanged",
    "empty",
    "unconfirmed",
    "not_attempted",
)
VALUES = ("read", "applied", "rejected", "superseded", "unchanged", "unconfirmed", "not_attempted")
PEOPLE = ("read", "called", "unchanged", "nothing_to_send", "not_attempted")


def balanced_counts(reading: ReadResult, tally: Tally) -> dict[str, dict[str, int]]:
    """`rows`, `values` and `people` of the summary, from both halves of the run.

    InternalError where a chunk's count is not what reading saw: a row or a value went astray.
    """
    intake = reading.counts
    rows = Counter(tally.rows) + Counter(filtered=intake.filtered, rejected=intake.set_aside)
    rows += Counter(unchanged=intake.unchanged_rows)
    values = tally.values + Counter(unchanged=intake.unchanged_values)
    people = tally.people + Counter(unchanged=intake.unchanged_rows)
    found = {
        "rows": _line(ROWS, rows, intake.rows_read),
        "values": _line(VALUES, values, intake.values_read),
        "people": _line(PEOPLE, people, people.total()),
    }
    for name, line in found.items():
        parts = sum(count for state, count in line.items() if state != "read")
        if parts != line["read"]:
            raise InternalError(
                f"The counts do not add up: {line['read']} {name} read, {parts} accounted for. What was sent "
                "is in the journal; please report this with the run's summary.json."
            )
    return found


def _line(names: Iterable[str], counts: Mapping[str, int], read: int) -> dict[str, int]:
    return {name: read if name == "read" else counts.get(name, 0) for name in names}


def reject_counts(reading: ReadResult, tally: Tally) -> list[RejectCount]:
    """By stage, reason and attribute, the most frequent first."""
    counts = reading.counts.reasons + tally.reasons
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [RejectCount(*key, count) for key, count in ordered]


def diff(reading: ReadResult, tally: Tally) -> dict[str, object]:
    """What changed since the snapshot: people, and changed values of known people by attribute."""
    people = {name: tally.diff[name] for name in ("new", "changed", "unchanged")}
    people["unchanged"] += reading.counts.unchanged_rows
    people["gone"] = reading.counts.gone
    changed = {k.removeprefix("attribute:"): n for k, n in tally.diff.items() if k.startswith("attribute:")}
    return {**people, "attributes": dict(sorted(changed.items(), key=lambda item: -item[1]))}


def has_rejects(reading: ReadResult, tally: Tally) -> bool:
    """Whether anything was rejected, trimmed or unconfirmed; a repeated header alone does not count."""
    free = Counter({key: n for key, n in reading.counts.reasons.items() if key[1] == SET_ASIDE_FREE})
    return bool(reading.counts.reasons + tally.reasons - free)


def peak_rss_bytes() -> int:
    """The most memory this process held at once (Linux counts it in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def as_json(summary: RunSummary) -> dict[str, Any]:
    """The summary as `summary.json` holds it."""
    return asdict(summary)
